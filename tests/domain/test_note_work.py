"""What the background work makes of a note and of a SOAP note, told by the state that it is in."""

from typing import Any

import pytest

from domain.note import NOTE
from domain.note_facts import AnyNoteFact, Note, evolve
from domain.note_work import is_wanted, save_starts_work
from domain.refusals import (
    NoteIsDeleted,
    NoteIsUnknown,
    NothingHasFailed,
    NotPermitted,
    NotTheAuthor,
    PsychotherapyNotesStartNothing,
    Refused,
)
from domain.soap_note import SOAP_NOTE
from domain.value import PSYCHOTHERAPY, THE_WORKER, Kind, Role
from domain.work import NoteJob, WhyFailed
from tests.domain.histories import histories
from tests.samples import (
    ADAM,
    ALMA,
    AUDRA,
    BRUNO,
    CLARA,
    ML,
    NOTE_ID,
    after,
    amended,
    approved,
    drafted,
    save,
    soft_deleted,
    withdrawn,
)
from tests.work_samples import (
    DEIDENTIFY,
    SET_EVENT_STATUS,
    ask_again,
    deidentified,
    give_up,
    processing_asked_again,
    processing_failed,
    record_deidentified,
)

given = histories(NOTE, NOTE_ID)
given_soap = histories(SOAP_NOTE, NOTE_ID)

JOBS: tuple[NoteJob, ...] = (DEIDENTIFY, SET_EVENT_STATUS)
BY_ML: dict[str, Any] = {"by": ML, "sender_role": Role.ML}


def made(*facts: AnyNoteFact) -> Note:
    """The note that the facts make."""
    state = None
    for fact in facts:
        state = evolve(state, fact)
    assert state is not None
    return state


class TestSaved:
    def test_its_text_is_deidentified(self) -> None:
        given([drafted()]).when(record_deidentified(at=after(1))).then([deidentified(at=after(1))])

    @pytest.mark.parametrize("job", JOBS)
    def test_a_job_is_given_up(self, job: NoteJob) -> None:
        given([drafted()]).when(give_up(job=job, at=after(1))).then(
            [processing_failed(job=job, at=after(1))]
        )

    def test_the_status_is_set_for_each_save(self) -> None:
        """A newer one may be of another session."""
        older = give_up(1, SET_EVENT_STATUS)
        given([drafted(), drafted("slept")]).when(older).then(
            [processing_failed(1, SET_EVENT_STATUS)]
        )

    def test_what_was_read_in_an_older_version_makes_no_fact(self) -> None:
        given([drafted(), drafted("slept")]).when(record_deidentified(1)).then([])
        given([drafted(), drafted("slept")]).when(give_up(1)).then([])

    def test_nor_does_a_version_that_is_no_save(self) -> None:
        given([drafted(), amended(1)]).when(record_deidentified(2)).then([])
        given([drafted(), amended(1)]).when(give_up(3)).then([])

    def test_the_newest_save_counts_whatever_was_made_of_it_since(self) -> None:
        history = [drafted(), amended(1), withdrawn(1)]
        given(history).when(record_deidentified(1)).then([deidentified(1)])


class TestDeidentified:
    def test_a_second_time_makes_no_fact(self) -> None:
        given([drafted(), deidentified()]).when(record_deidentified(text="otherwise")).then([])

    def test_a_job_that_gives_up_late_makes_no_fact(self) -> None:
        given([drafted(), deidentified()]).when(give_up()).then([])

    def test_an_older_versions_job_that_gives_up_late_makes_no_fact(self) -> None:
        history = [drafted(), drafted("slept"), deidentified(2)]
        given(history).when(give_up(1)).then([])

    def test_the_other_job_may_still_be_given_up(self) -> None:
        given([drafted(), deidentified()]).when(give_up(job=SET_EVENT_STATUS)).then(
            [processing_failed(job=SET_EVENT_STATUS)]
        )

    def test_a_further_save_is_deidentified_anew(self) -> None:
        given([drafted(), deidentified(), drafted("slept")]).when(record_deidentified(3)).then(
            [deidentified(3)]
        )

    def test_it_does_not_change_what_may_be_saved(self) -> None:
        given([drafted(), deidentified()]).when(save("slept", if_version=1)).then(
            [drafted("slept")]
        )
        given([drafted(), deidentified()]).when(save(if_version=1)).then([])


class TestGivenUp:
    def test_a_second_time_makes_no_fact(self) -> None:
        again = give_up(why=WhyFailed.TOOK_TOO_LONG)
        given([drafted(), processing_failed()]).when(again).then([])

    def test_the_author_asks_again(self) -> None:
        given([drafted(), processing_failed()]).when(ask_again(at=after(1))).then(
            [processing_asked_again(at=after(1))]
        )

    def test_an_administrator_asks_again(self) -> None:
        given([drafted(), processing_failed()]).when(ask_again(ADAM)).then(
            [processing_asked_again(by=ADAM)]
        )

    def test_whatever_was_given_up_is_asked_for(self) -> None:
        history = [drafted(), processing_failed(), processing_failed(job=SET_EVENT_STATUS)]
        given(history).when(ask_again()).then(
            [processing_asked_again(), processing_asked_again(job=SET_EVENT_STATUS)]
        )

    def test_but_not_what_is_out_of_date(self) -> None:
        status = processing_failed(job=SET_EVENT_STATUS)
        history = [drafted(), processing_failed(), status, drafted("slept"), processing_failed(4)]
        given(history).when(ask_again()).then(
            [processing_asked_again(1, SET_EVENT_STATUS), processing_asked_again(4)]
        )

    def test_what_another_worker_has_done_after_all_is_done(self) -> None:
        history = [drafted(), processing_failed()]
        given(history).when(record_deidentified()).then([deidentified()])
        given([*history, deidentified()]).when(ask_again()).refused(NothingHasFailed)

    def test_once_asked_for_again_it_is_done_or_given_up(self) -> None:
        history = [drafted(), processing_failed(), processing_asked_again()]
        given(history).when(record_deidentified()).then([deidentified()])
        given(history).when(give_up()).then([processing_failed()])


class TestSoapNote:
    """Only an approval starts work: a draft on top of it leaves that work alone."""

    def test_an_approval_is_deidentified(self) -> None:
        given_soap([drafted(**BY_ML), approved()]).when(record_deidentified(2)).then(
            [deidentified(2)]
        )

    def test_a_draft_starts_nothing_that_could_end(self) -> None:
        given_soap([drafted(**BY_ML)]).when(record_deidentified(1)).then([])
        given_soap([drafted()]).when(give_up(1)).then([])

    def test_a_draft_on_top_of_an_approval_leaves_its_work_alone(self) -> None:
        history = [approved(), drafted("S: anew.", **BY_ML)]
        given_soap(history).when(record_deidentified(1)).then([deidentified(1)])
        given_soap(history).when(record_deidentified(2)).then([])
        given_soap(history).when(give_up(1)).then([processing_failed(1)])
        given_soap([*history, processing_failed(1)]).when(ask_again()).then(
            [processing_asked_again(1)]
        )

    def test_a_newer_approval_takes_its_place(self) -> None:
        history = [approved(), drafted("slept"), approved("slept")]
        given_soap(history).when(record_deidentified(1)).then([])
        given_soap(history).when(record_deidentified(3)).then([deidentified(3)])


class TestDeleted:
    """The worker is not refused: it may stop, and need not try again."""

    @pytest.mark.parametrize("command", [record_deidentified(), *(give_up(job=j) for j in JOBS)])
    def test_what_the_worker_says_makes_no_fact(self, command: Any) -> None:
        given([drafted(), soft_deleted()]).when(command).then([])


HISTORIES: dict[str, list[AnyNoteFact]] = {
    "nothing": [],
    "a draft": [drafted()],
    "a draft of which a job was given up": [drafted(), processing_failed()],
    "a draft of which a job was asked for again": [
        drafted(),
        processing_failed(),
        processing_asked_again(),
    ],
    "a draft on top of one of which a job was given up": [
        drafted(),
        processing_failed(),
        drafted("slept"),
    ],
    "a deleted note": [drafted(), processing_failed(), soft_deleted()],
    "a psychotherapy note": [drafted(record_type=PSYCHOTHERAPY)],
    "a deleted psychotherapy note": [
        drafted(record_type=PSYCHOTHERAPY),
        soft_deleted(record_type=PSYCHOTHERAPY),
    ],
}
GIVEN_UP = "a draft of which a job was given up"

# In the order in which the source asks: where two could be said, the upper one is.
REFUSALS: list[tuple[str, Any, type[Refused]]] = [
    ("nothing", record_deidentified(), NoteIsUnknown),
    ("nothing", give_up(), NoteIsUnknown),
    ("nothing", ask_again(), NoteIsUnknown),
    *(
        (history, command, NotPermitted)
        for history in ("a draft", "a deleted note", "a psychotherapy note")
        for who in (ALMA, ADAM, AUDRA, CLARA, ML)
        for command in (record_deidentified(by=who), give_up(by=who))
    ),
    *(
        (history, command, PsychotherapyNotesStartNothing)
        for history in ("a psychotherapy note", "a deleted psychotherapy note")
        for command in (record_deidentified(), give_up(), give_up(job=SET_EVENT_STATUS))
    ),
    ("a deleted note", ask_again(), NoteIsDeleted),
    ("a deleted note", ask_again(BRUNO), NoteIsDeleted),
    (GIVEN_UP, ask_again(BRUNO), NotTheAuthor),
    ("a psychotherapy note", ask_again(BRUNO), NotTheAuthor),
    *((GIVEN_UP, ask_again(who), NotPermitted) for who in (AUDRA, CLARA, ML, THE_WORKER)),
    ("a psychotherapy note", ask_again(), PsychotherapyNotesStartNothing),
    ("a psychotherapy note", ask_again(ADAM), PsychotherapyNotesStartNothing),
    ("a draft", ask_again(), NothingHasFailed),
    ("a draft of which a job was asked for again", ask_again(), NothingHasFailed),
    ("a draft on top of one of which a job was given up", ask_again(), NothingHasFailed),
]
IDS = [
    f"{history}, {type(command).__name__} by {command.by.user_id}: {refusal.__name__}"
    for history, command, refusal in REFUSALS
]


@pytest.mark.parametrize(("history", "command", "refusal"), REFUSALS, ids=IDS)
def test_refusals(history: str, command: Any, refusal: type[Refused]) -> None:
    given(HISTORIES[history]).when(command).refused(refusal)
    given_soap(HISTORIES[history]).when(command).refused(refusal)


class TestWhatStartsWork:
    RULES: tuple[tuple[Kind, AnyNoteFact, bool], ...] = (
        (Kind.NOTE, drafted(), True),
        (Kind.NOTE, approved(), True),
        (Kind.NOTE, drafted(record_type=PSYCHOTHERAPY), False),
        (Kind.NOTE, approved(record_type=PSYCHOTHERAPY), False),
        (Kind.SOAP_NOTE, drafted(), False),
        (Kind.SOAP_NOTE, drafted(**BY_ML), False),
        (Kind.SOAP_NOTE, approved(), True),
        (Kind.SOAP_NOTE, approved(record_type=PSYCHOTHERAPY), False),
    )

    @pytest.mark.parametrize(("kind", "fact", "expected"), RULES)
    def test_a_save(self, kind: Kind, fact: Any, expected: bool) -> None:
        assert save_starts_work(kind, type(fact), fact.record_type) is expected

    @pytest.mark.parametrize(("kind", "fact", "expected"), RULES)
    @pytest.mark.parametrize("job", JOBS)
    def test_a_job_on_it_is_wanted(
        self, kind: Kind, fact: AnyNoteFact, expected: bool, job: NoteJob
    ) -> None:
        assert is_wanted(made(fact), kind, job, 1) is expected


class TestIsWanted:
    @pytest.mark.parametrize(
        ("history", "jobs"),
        [
            ([drafted()], set(JOBS)),
            ([drafted(), amended(1)], set(JOBS)),
            ([drafted(), drafted("slept")], {SET_EVENT_STATUS}),
            ([drafted(), deidentified()], {SET_EVENT_STATUS}),
            ([drafted(), processing_failed()], {SET_EVENT_STATUS}),
            ([drafted(), processing_failed(job=SET_EVENT_STATUS)], {DEIDENTIFY}),
            ([drafted(), processing_failed(), processing_asked_again()], set(JOBS)),
            ([drafted(), processing_failed(), deidentified()], {SET_EVENT_STATUS}),
            ([drafted(), soft_deleted()], set()),
        ],
    )
    def test_of_the_first_version(self, history: list[AnyNoteFact], jobs: set[NoteJob]) -> None:
        state = made(*history)
        assert {job for job in JOBS if is_wanted(state, Kind.NOTE, job, 1)} == jobs

    def test_nothing_is_of_a_note_that_there_is_not(self) -> None:
        assert not is_wanted(None, Kind.NOTE, DEIDENTIFY, 1)


class TestEvolve:
    def test_the_text_of_an_older_version_stays_until_there_is_a_newer(self) -> None:
        first, second = deidentified(1), deidentified(3)
        state = made(drafted(), first, drafted("slept"))
        assert state.deidentified == first
        assert evolve(state, second).deidentified == second

    def test_work_is_no_save(self) -> None:
        state = made(drafted(), processing_failed(), processing_asked_again(), deidentified())
        assert (state.version, state.saved_version) == (4, 1)
        assert state.failed == {}

    def test_what_was_done_after_all_is_no_failure_and_the_others_stay(self) -> None:
        others = (processing_failed(1, SET_EVENT_STATUS), processing_failed(2))
        state = made(drafted(), processing_failed(1), *others, deidentified(1))
        assert state.failed.keys() == {(SET_EVENT_STATUS, 1), (DEIDENTIFY, 2)}

    def test_facts_that_nobody_would_decide_today_make_a_note_too(self) -> None:
        """Of no save, of a deleted note, asked for though nothing had failed; without their words."""
        bare = deidentified(9).model_copy(update={"words": None})
        state = made(
            drafted(record_type=PSYCHOTHERAPY),
            soft_deleted(),
            processing_asked_again(7),
            bare,
            processing_failed(8),
        )
        assert state.version == 5
        assert state.deidentified == bare
        assert state.failed == {(DEIDENTIFY, 8): WhyFailed.BROKE}


def test_a_deidentified_text_is_sealed_for_its_client() -> None:
    """It is still about a person."""
    assert deidentified().subject() == drafted().subject()
