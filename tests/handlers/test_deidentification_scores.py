"""De-identification against the repository's own labelled notes, and the page of hard cases."""

from pathlib import Path

from handlers.deidentify import Names
from tests.benchmarks.deidentification import Score, scored
from tests.benchmarks.labelled_notes import OWN_FOLDER, LabelledNote, read_all
from tests.handlers import hard_cases
from tests.handlers.deidentifying import deidentifier

PAGE = Path(__file__).parents[2] / "docs" / "deidentification.md"


def _scored(notes: list[LabelledNote]) -> Score:
    return scored(notes, [deidentifier().identifiers(note.text, note.names) for note in notes])


def test_own_notes_score_above_the_floor() -> None:
    score = _scored(read_all([OWN_FOLDER]))
    assert score.recall >= 0.99, score.missed
    assert score.precision >= 0.98, score.wrong
    assert score.touched_share <= 0.08, score.wrong


def test_without_the_directory_own_notes_score_above_a_lower_floor() -> None:
    notes = [note._replace(names=Names()) for note in read_all([OWN_FOLDER])]
    score = _scored(notes)
    assert score.recall >= 0.95, score.missed
    assert score.precision >= 0.98, score.wrong


def test_a_score_counts_what_is_missed_and_what_is_wrong() -> None:
    notes = read_all([OWN_FOLDER])
    nothing = scored(notes, [[] for _ in notes])
    assert nothing.recall == 0
    assert len(nothing.missed) == nothing.labels.total() > 250
    assert nothing.negatives >= 14


def test_labels_stand_where_their_words_stand() -> None:
    for note in read_all([OWN_FOLDER]):
        for label in note.labels:
            assert note.text[label.start : label.end].strip()
        assert "{{" not in note.text


def test_the_page_shows_what_happens_to_hard_cases() -> None:
    page = PAGE.read_text(encoding="utf-8")
    shown = page.partition(f"{hard_cases.BEGINS}\n")[2].partition(f"\n{hard_cases.ENDS}")[0]
    assert shown == hard_cases.table(), "python -m tests.handlers.hard_cases prints the table anew"
