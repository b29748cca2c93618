"""The offline maker: every sentence stands in a source, and headings decide."""

import json
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.generation_facts import SourceKind
from handlers.soap.model import Model
from handlers.soap_extractive import MAKER, ExtractiveWriter
from handlers.soap_writer import (
    FILED,
    DraftFailed,
    DraftFailure,
    Section,
    SoapDraft,
    Source,
)

WRITER = ExtractiveWriter(Model.load())
TRANSCRIPT = """\
[therapist] hello, come on in. how was your week?
[client] i felt anxious on most days and i slept about four hours a night.
[therapist] any thoughts of hurting yourself?
[client] no, nothing like that.
[therapist] are you taking the sertraline?
[client] yes.
[therapist] you scored fourteen on the depression questionnaire today.
[client] is that bad?
[therapist] it is lower than last month. i think your depression is improving.
[therapist] let's keep meeting every week, and i'd like you to write down your thoughts each evening.
[client] okay. see you next week.
"""
NOTE = """\
Client reports feeling more anxious since the move. Denies suicidal thoughts.
Affect was flat, eye contact was good.
Symptoms are consistent with generalized anxiety disorder.
Continue weekly therapy. Homework: keep a daily mood log.
"""


def transcript(text: str) -> Source:
    return Source(SourceKind.TRANSCRIPT, 1, 1, text)


def noted(text: str, number: int = 1) -> Source:
    return Source(SourceKind.NOTE, number, 1, text)


def draft(*sources: Source) -> SoapDraft:
    return WRITER.write(sources)


def under(made: SoapDraft, section: Section) -> list[str]:
    return [sentence.text for sentence in made.sentences if sentence.section is section]


def assert_traced(made: SoapDraft, sources: Sequence[Source]) -> None:
    """Each sentence verbatim at its place, in the source's order within a section, and once."""
    assert made.sources == tuple(sources)
    places = []
    for sentence in made.sentences:
        (span,) = sentence.cites
        assert sentence.text == sources[span.source].text[span.start : span.end]
        assert sentence.text.strip() == sentence.text != ""
        assert " ".join(sentence.text.split()) in made.text
        places.append((list(Section).index(sentence.section), *span))
    assert places == sorted(places)
    spans = sorted(sentence.cites[0] for sentence in made.sentences)
    for one, other in pairwise(spans):
        assert one.source < other.source or one.end <= other.start


# --- what a draft looks like


def test_a_transcript_becomes_a_draft() -> None:
    made = draft(transcript(TRANSCRIPT))
    assert_traced(made, [transcript(TRANSCRIPT)])
    assert "i slept about four hours a night." in " ".join(under(made, Section.SUBJECTIVE))
    scored = "you scored fourteen on the depression questionnaire today."
    assert scored in under(made, Section.OBJECTIVE)
    assert under(made, Section.ASSESSMENT) == ["i think your depression is improving."]
    assert "let's keep meeting every week" in under(made, Section.PLAN)
    assert "hello" not in made.text
    assert "see you next week" not in made.text


def test_the_draft_says_how_it_was_made_and_that_nobody_checked_it() -> None:
    made = draft(transcript(TRANSCRIPT), noted(NOTE, 12))
    assert made.maker == MAKER
    assert made.model_digest == Model.load().digest
    last = made.text.splitlines()[-1]
    assert "word for word" in last
    assert "transcript of session 1, version 1, note 12, version 1" in last
    assert last.endswith("No clinician wrote or checked this draft.")
    assert made.text == f"{made.body}\n\n{last}\n"


def test_headings_stand_in_their_order_and_unfiled_only_where_something_is() -> None:
    lines = draft(noted(NOTE)).body.splitlines()
    assert [line for line in lines if line in set(Section)] == list(FILED)
    lines = draft(noted("Milk, eggs and bread.")).body.splitlines()
    assert [line for line in lines if line in set(Section)] == list(Section)


def test_an_empty_section_stays_empty() -> None:
    made = draft(noted("S: Slept badly.\nO:\nP: Continue."))
    assert made.body == (
        "Subjective\n• Slept badly.\n\nObjective\n–\n\nAssessment\n–\n\nPlan\n• Continue."
    )


def test_a_note_of_usual_length_goes_in_whole_and_filed() -> None:
    made = draft(noted(NOTE))
    assert " ".join(NOTE.split()) == " ".join(sentence.text for sentence in made.sentences)
    assert under(made, Section.SUBJECTIVE)[0].startswith("Client reports")
    assert under(made, Section.OBJECTIVE) == ["Affect was flat, eye contact was good."]
    assert under(made, Section.ASSESSMENT)[0].startswith("Symptoms are consistent")
    assert under(made, Section.PLAN)[0] == "Continue weekly therapy."


def test_where_nothing_fits_all_is_unfiled() -> None:
    text = "Milk, eggs and bread. Preheat the oven. Lorem ipsum dolor sit amet."
    made = draft(noted(text))
    assert {sentence.section for sentence in made.sentences} == {Section.UNFILED}
    assert len(made.sentences) == 3


@pytest.mark.parametrize(
    "text", ["", " \n\t ", "...", "{}", "WEBVTT\n\n1\n00:00:01.000 --> 00:00:02.000\n"]
)
@pytest.mark.parametrize("kind", SourceKind)
def test_sources_without_a_sentence_make_no_draft(kind: SourceKind, text: str) -> None:
    if kind is SourceKind.NOTE and text.startswith("WEBVTT"):
        text = ""  # in a note it would be a word
    with pytest.raises(DraftFailed) as failed:
        draft(Source(kind, 1, 1, text))
    assert failed.value.reason is DraftFailure.NOTHING_TO_READ
    assert failed.value.is_final


def test_small_talk_makes_no_draft() -> None:
    with pytest.raises(DraftFailed) as failed:
        draft(transcript("[therapist] hi, nice to see you.\n[client] see you next week.\n"))
    assert failed.value.reason is DraftFailure.NOTHING_TO_FILE


def test_no_source_makes_no_draft() -> None:
    with pytest.raises(DraftFailed):
        draft()


# --- headings


@pytest.mark.parametrize(
    ("heading", "section"),
    [
        ("S:", Section.SUBJECTIVE),
        ("Subjective:", Section.SUBJECTIVE),
        ("**Subjective**\n", Section.SUBJECTIVE),
        ("OBJECTIVE\n", Section.OBJECTIVE),
        ("O -", Section.OBJECTIVE),
        ("## Mental status exam:\n", Section.OBJECTIVE),
        ("Assessment (provisional):", Section.ASSESSMENT),
        ("1. Impression:", Section.ASSESSMENT),
        ("PLAN:\n- ", Section.PLAN),
        ("[Plan]\n", Section.PLAN),
        ("Next steps:", Section.PLAN),
    ],
)
def test_a_heading_wins_over_the_model(heading: str, section: Section) -> None:
    said = "She scored 14, feels anxious, meets criteria and will return weekly."
    made = draft(noted(f"{heading} {said}"))
    assert under(made, section) == [said]
    assert len(made.sentences) == 1


@pytest.mark.parametrize("heading", ["A/P:", "Assessment/Plan:", "ASSESSMENT AND PLAN\n", "A&P:"])
def test_under_a_heading_of_two_the_model_chooses_between_the_two(heading: str) -> None:
    text = f"{heading} Panic disorder, improving. Continue weekly therapy. Client reports low mood."
    made = draft(noted(text))
    assert "Panic disorder, improving." in under(made, Section.ASSESSMENT)
    assert "Continue weekly therapy." in under(made, Section.PLAN)
    filed = under(made, Section.ASSESSMENT) + under(made, Section.PLAN)
    assert len(filed) == len(made.sentences) == 3


def test_the_same_words_under_two_headings_are_two_sentences() -> None:
    made = draft(noted("S: No change.\nP: No change."))
    assert under(made, Section.SUBJECTIVE) == under(made, Section.PLAN) == ["No change."]


def test_a_json_note_is_read_by_its_strings_under_its_keys() -> None:
    text = json.dumps(
        {
            "subjective": "Slept badly.\nFeels low.",
            "mse": {"affect": "flat", "score": 14},
            "plan": ["Continue.", "Return in a week."],
        }
    )
    made = draft(noted(text))
    assert_traced(made, [noted(text)])
    assert under(made, Section.SUBJECTIVE) == ["Slept badly.", "Feels low."]
    assert under(made, Section.OBJECTIVE) == ["flat"]
    assert under(made, Section.PLAN) == ["Continue.", "Return in a week."]


def test_a_wrapped_sentence_is_one_sentence() -> None:
    text = "S: Client reports that she\nslept four hours.\nFeels low."
    made = draft(noted(text))
    assert under(made, Section.SUBJECTIVE) == [
        "Client reports that she\nslept four hours.",
        "Feels low.",
    ]
    assert "• Client reports that she slept four hours." in made.text


# --- talk


@pytest.mark.parametrize(
    "text",
    [
        "[therapist] hi.\n[client] i feel low and i cannot sleep at night.\n",
        "Therapist: Hi.\nClient: I feel low and I cannot sleep at night.\n",
        "T: Hi.\nC: I feel low and I cannot sleep at night.\nT: Hm.\nC: Yes.\n",
        "Dr. Lee: Hi.\nAnna: I feel low and I cannot sleep at night.\nDr. Lee: Hm.\nAnna: Yes.\n",
        "00:12:03 Therapist: Hi.\n00:12:05 Client: I feel low and I cannot sleep at night.\n",
        "[00:12:03] Therapist: Hi.\n(00:12) Client: I feel low and I cannot sleep at night.\n",
        "Therapist (00:12): Hi.\nClient (00:15): I feel low and I cannot sleep at night.\n",
        "Therapist  0:12\nHi.\n\nClient  0:15\nI feel low and I cannot sleep at night.\n",
        "WEBVTT\n\n1\n00:00:01.000 --> 00:00:02.000\n<v Therapist>Hi.</v>\n\n2\n"
        "00:00:03.000 --> 00:00:05.000\n<v Client>I feel low and I cannot sleep at night.</v>\n",
        "1\n00:00:01,000 --> 00:00:02,000\nTherapist: Hi.\n\n2\n00:00:03,000 --> 00:00:05,000\n"
        "[CLIENT]: I feel low and I cannot sleep at night.\n",
    ],
)
def test_labels_and_time_stamps_are_nobodys_words(text: str) -> None:
    made = draft(transcript(text))
    assert [sentence.text.lower() for sentence in made.sentences] == [
        "i feel low and i cannot sleep at night."
    ]


def test_a_question_goes_in_with_its_answer_or_not_at_all() -> None:
    made = draft(transcript(TRANSCRIPT))
    assert "• any thoughts of hurting yourself? – no, nothing like that." in made.text
    texts = [sentence.text for sentence in made.sentences]
    for question, answer in (("are you taking the sertraline?", "yes."), ("is that bad?", "")):
        assert (question in texts) == (answer in texts)


def test_a_yes_is_no_statement_of_its_own() -> None:
    made = draft(transcript("[doctor] so you are still taking the lithium\n[patient] yes\n"))
    assert [s.text for s in made.sentences] == ["you are still taking the lithium", "yes"]
    assert [s.is_answer for s in made.sentences] == [False, True]


@pytest.mark.parametrize(
    "said",
    [
        "i want to kill myself sometimes",
        "it would be better if i was dead",
        "he hits me when he is drunk",
        "i took an overdose two years ago",
        "i don't want to live like this",
    ],
)
def test_talk_of_safety_is_never_left_out(said: str) -> None:
    chatter = "".join(
        f"[therapist] the weather in month {i} was nice.\n[client] it was rainy in town {i}.\n"
        for i in range(300)
    )
    made = draft(transcript(f"{chatter}[client] and {said}.\n{chatter}"))
    assert any(said in sentence.text for sentence in made.sentences)


def test_a_question_of_safety_keeps_its_long_answer_and_what_follows() -> None:
    text = (
        "[therapist] are you thinking of ending your life?\n"
        "[client] on sunday i thought that nobody would miss me. but i would never do it.\n"
    )
    made = draft(transcript(text))
    assert (
        "• are you thinking of ending your life? – on sunday i thought that nobody would miss me."
        " – i would never do it."
    ) in made.text


@pytest.mark.parametrize(
    "run",
    [
        "if the dizziness gets worse over the next few days and you fall down call me right away",
        "my mother said that i am lazy and i should work a lot more than i do today",
    ],
)
def test_a_run_is_not_cut_behind_a_condition_or_another_voice(run: str) -> None:
    made = draft(transcript(f"[doctor] {run}\n"))
    assert [sentence.text for sentence in made.sentences] == [run]


def test_hedges_stay() -> None:
    made = draft(transcript("[doctor] okay so um i think maybe you have panic disorder\n"))
    assert [s.text for s in made.sentences] == ["i think maybe you have panic disorder"]


# --- whatever comes

WORDS = st.sampled_from(
    [
        *TRANSCRIPT.split(),
        *NOTE.split(),
        "S:",
        "Plan:",
        "A/P:",
        "?",
        ".",
        "\n",
        "\n[client] ",
        "\nT: ",
    ]
)
TEXTS = st.one_of(
    st.text(max_size=300),
    st.lists(WORDS, max_size=120).map(" ".join),
    st.lists(WORDS, max_size=60).map(lambda words: json.dumps({"plan": " ".join(words)})),
)
SOURCES = st.lists(
    st.builds(Source, st.sampled_from(SourceKind), st.integers(1, 9), st.integers(1, 9), TEXTS),
    max_size=3,
)


@given(SOURCES)
@settings(max_examples=300)
def test_every_sentence_stands_in_its_source(sources: list[Source]) -> None:
    try:
        made = WRITER.write(sources)
    except DraftFailed as failed:
        assert failed.reason in {DraftFailure.NOTHING_TO_READ, DraftFailure.NOTHING_TO_FILE}
        return
    assert_traced(made, sources)
    assert made == WRITER.write(sources)


@given(
    st.lists(st.tuples(st.sampled_from(FILED), st.lists(WORDS, min_size=1, max_size=8)), min_size=1)
)
def test_what_stands_under_a_heading_is_filed_there(parts: list[tuple[Section, list[str]]]) -> None:
    safe = [
        (section, " ".join(word for word in said if word.isalpha()) or "word")
        for section, said in parts
    ]
    made = draft(noted("\n".join(f"{section}:\n{said}." for section, said in safe)))
    for section in FILED:
        wanted = dict.fromkeys(f"{said}." for where, said in safe if where is section)
        assert under(made, section) == list(wanted)


MUCH = 1 << 17


@pytest.mark.parametrize(
    "unit",
    [
        *(".", "?", "*", "-", "a", '"', '{"', "[", "é", " ", "\n"),
        *("a ", "a. ", "so i ", ", okay", "if you ", "hurt myself "),
        *("[client] no\n", "T: yes?\n", "00:12 T: hi\n"),
    ],
)
@pytest.mark.parametrize("kind", SourceKind)
def test_much_of_anything_is_read(kind: SourceKind, unit: str) -> None:
    text = unit * (MUCH // len(unit))
    source = Source(kind, 1, 1, text)
    try:
        made = WRITER.write([source])
    except DraftFailed:
        return
    assert_traced(made, [source])
    assert len(made.text) < MUCH
