"""The life of a generation, told by the state that it is in."""

from typing import Any

import pytest

from domain.generation import GENERATION, is_wanted
from domain.generation_facts import OPEN, AnyGenerationFact, Generation, GenerationState, evolve
from domain.refusals import (
    GenerationHasEnded,
    GenerationIsUnderWay,
    GenerationIsUnknown,
    NotPermitted,
    NotTheAuthor,
    PsychotherapyNotesStartNothing,
    Refused,
    SomebodyWasFaster,
)
from domain.value import PSYCHOTHERAPY, THE_WORKER, KeyScope, Subject
from domain.work import WhyFailed
from tests.domain.histories import histories
from tests.samples import ADAM, ALMA, AUDRA, BRUNO, CLARA, ML, after
from tests.work_samples import (
    GENERATION_ID,
    SOAP_NOTE_ID,
    cancel,
    cancelled,
    draft_made,
    fail,
    failed,
    finish,
    finished,
    record_draft,
    request_again,
    request_generation,
    requested,
    start,
    started,
)

given = histories(GENERATION, GENERATION_ID)


def made(*facts: AnyGenerationFact) -> Generation:
    """The generation that the facts make."""
    state = None
    for fact in facts:
        state = evolve(state, fact)
    assert state is not None
    return state


HISTORIES: dict[str, list[AnyGenerationFact]] = {
    "nothing": [],
    "queued": [requested()],
    "running": [requested(), started()],
    "drafted": [requested(), started(), draft_made()],
    "done": [requested(), started(), draft_made(), finished()],
    "failed": [requested(), started(), failed()],
    "cancelled": [requested(), cancelled()],
    "queued again": [requested(), started(), draft_made(), failed(), requested(2)],
}
UNDER_WAY = ("queued", "running", "drafted", "queued again")
ENDED = ("done", "failed", "cancelled")


class TestNothingYet:
    def test_it_is_requested(self) -> None:
        given([]).when(request_generation()).then([requested()])

    def test_it_needs_no_session(self) -> None:
        given([]).when(request_generation(therapist_session_id=None)).then(
            [requested(therapist_session_id=None)]
        )


class TestQueued:
    def test_a_worker_begins(self) -> None:
        given([requested()]).when(start(at=after(1))).then([started(at=after(1))])

    def test_a_worker_that_began_unseen_finishes(self) -> None:
        given([requested()]).when(finish()).then([finished()])

    def test_it_fails_before_it_was_begun(self) -> None:
        why = WhyFailed.ENDED_ITS_WORKER
        given([requested()]).when(fail(why=why)).then([failed(why=why)])

    def test_it_is_cancelled(self) -> None:
        given([requested()]).when(cancel(at=after(1))).then([cancelled(at=after(1))])


class TestRunning:
    RUNNING = HISTORIES["running"]

    def test_after_a_crash_another_worker_begins(self) -> None:
        given(self.RUNNING).when(start(at=after(5))).then([started(at=after(5))])

    def test_the_draft_is_made(self) -> None:
        given(self.RUNNING).when(record_draft(at=after(1))).then([draft_made(at=after(1))])

    def test_how_a_model_was_asked_is_kept(self) -> None:
        digest = "ab" * 32
        asked = record_draft().model_copy(update={"prompt_digest": digest})
        given(self.RUNNING).when(asked).then([draft_made(prompt_digest=digest)])

    def test_it_fails(self) -> None:
        given(self.RUNNING).when(fail(at=after(1))).then([failed(at=after(1))])

    def test_it_is_cancelled(self) -> None:
        given(self.RUNNING).when(cancel()).then([cancelled()])


class TestDrafted:
    DRAFTED = HISTORIES["drafted"]

    def test_it_finishes(self) -> None:
        given(self.DRAFTED).when(finish(at=after(1))).then([finished(at=after(1))])

    def test_a_second_draft_makes_no_fact(self) -> None:
        given(self.DRAFTED).when(record_draft(model="another")).then([])

    def test_after_a_crash_another_worker_begins_and_finds_the_draft(self) -> None:
        given(self.DRAFTED).when(start(at=after(5))).then([started(at=after(5))])
        assert made(*self.DRAFTED, started()).drafted == draft_made()

    def test_it_fails_where_the_draft_cannot_be_saved(self) -> None:
        why = WhyFailed.DRAFT_WAS_REFUSED
        given(self.DRAFTED).when(fail(why=why)).then([failed(why=why)])

    def test_it_is_cancelled(self) -> None:
        given(self.DRAFTED).when(cancel()).then([cancelled()])


@pytest.mark.parametrize("state", ENDED)
class TestEnded:
    def test_a_worker_that_is_late_does_not_begin(self, state: str) -> None:
        given(HISTORIES[state]).when(start()).then([])

    def test_a_draft_that_is_late_is_not_kept(self, state: str) -> None:
        given(HISTORIES[state]).when(record_draft()).then([])

    def test_a_worker_that_is_late_does_not_fail(self, state: str) -> None:
        given(HISTORIES[state]).when(fail()).then([])

    def test_it_is_requested_again_as_a_new_soap_note(self, state: str) -> None:
        given(HISTORIES[state]).when(request_again(at=after(9))).then([requested(2, at=after(9))])


class TestDone:
    def test_a_second_time_makes_no_fact(self) -> None:
        given(HISTORIES["done"]).when(finish(at=after(9))).then([])


class TestFailed:
    def test_a_draft_that_was_saved_after_all_is_told(self) -> None:
        given(HISTORIES["failed"]).when(finish()).then([finished()])


class TestCancelled:
    def test_a_draft_that_was_saved_in_between_is_told(self) -> None:
        given(HISTORIES["cancelled"]).when(finish()).then([finished()])

    def test_a_second_time_makes_no_fact(self) -> None:
        given(HISTORIES["cancelled"]).when(cancel(at=after(9))).then([])


class TestRequestedAgain:
    AGAIN = HISTORIES["queued again"]

    @pytest.mark.parametrize("late", [start(1), record_draft(1), finish(1), fail(1)])
    def test_a_worker_of_the_former_run_makes_no_fact(self, late: Any) -> None:
        given(self.AGAIN).when(late).then([])

    @pytest.mark.parametrize("early", [start(3), record_draft(3), finish(3), fail(3)])
    def test_nor_does_one_of_a_run_that_nobody_requested(self, early: Any) -> None:
        given(self.AGAIN).when(early).then([])

    def test_the_new_run_has_its_own_soap_note(self) -> None:
        given(self.AGAIN).when(start(2)).then([started(2)])
        given(self.AGAIN).when(record_draft(2)).then([draft_made(2)])
        given(self.AGAIN).when(finish(2)).then([finished(2, soap_note_id=SOAP_NOTE_ID + 1)])


# In the order in which the source asks: where two could be said, the upper one is.
REFUSALS: list[tuple[str, Any, type[Refused], str | None]] = [
    *(
        ("nothing", request_generation(by=who), NotPermitted, None)
        for who in (ADAM, AUDRA, CLARA, ML, THE_WORKER)
    ),
    ("nothing", request_generation(by=BRUNO), NotTheAuthor, "therapist_user_id"),
    (
        "nothing",
        request_generation(by=BRUNO, record_type=PSYCHOTHERAPY),
        NotTheAuthor,
        "therapist_user_id",
    ),
    (
        "nothing",
        request_generation(record_type=PSYCHOTHERAPY),
        PsychotherapyNotesStartNothing,
        "record_type",
    ),
    *(
        (state, request_generation(), SomebodyWasFaster, None)
        for state in HISTORIES
        if state != "nothing"
    ),
    *(
        ("nothing", command, GenerationIsUnknown, None)
        for command in (request_again(), cancel(), start(), record_draft(), finish(), fail())
    ),
    *(
        (state, command, NotPermitted, None)
        for state in ("queued", "done", "queued again")
        for who in (ALMA, ADAM, AUDRA, CLARA, ML)
        for command in (start(by=who), record_draft(by=who), finish(by=who), fail(by=who))
    ),
    *(
        (state, command, NotPermitted, None)
        for state in ("queued", "done")
        for who in (ADAM, AUDRA, CLARA, ML, THE_WORKER)
        for command in (request_again(by=who), cancel(who))
    ),
    ("queued", request_again(by=BRUNO), NotTheAuthor, None),
    ("done", cancel(BRUNO), NotTheAuthor, None),
    *((state, request_again(), GenerationIsUnderWay, None) for state in UNDER_WAY),
    ("done", cancel(), GenerationHasEnded, None),
    ("failed", cancel(), GenerationHasEnded, None),
]
IDS = [
    f"{state}, {type(command).__name__} by {command.by.user_id}: {refusal.__name__}"
    for state, command, refusal, _ in REFUSALS
]


@pytest.mark.parametrize(("state", "command", "refusal", "field"), REFUSALS, ids=IDS)
def test_refusals(state: str, command: Any, refusal: type[Refused], field: str | None) -> None:
    given(HISTORIES[state]).when(command).refused(refusal, field)


class TestIsWanted:
    @pytest.mark.parametrize("state", UNDER_WAY)
    def test_the_newest_run_while_it_is_under_way(self, state: str) -> None:
        under_way = made(*HISTORIES[state])
        newest = under_way.requested.run
        assert [run for run in range(4) if is_wanted(under_way, run)] == [newest]

    @pytest.mark.parametrize("state", ENDED)
    def test_none_once_it_has_ended(self, state: str) -> None:
        assert not any(is_wanted(made(*HISTORIES[state]), run) for run in range(4))

    def test_none_of_what_there_is_not(self) -> None:
        assert not is_wanted(None, 1)


class TestEvolve:
    @pytest.mark.parametrize(
        ("history", "state"),
        [
            ("queued", GenerationState.QUEUED),
            ("running", GenerationState.RUNNING),
            ("drafted", GenerationState.RUNNING),
            ("done", GenerationState.DONE),
            ("failed", GenerationState.FAILED),
            ("cancelled", GenerationState.CANCELLED),
            ("queued again", GenerationState.QUEUED),
        ],
    )
    def test_the_facts_say_where_it_stands(self, history: str, state: GenerationState) -> None:
        stands = made(*HISTORIES[history])
        assert stands.state is state
        assert (stands.state in OPEN) == (history in UNDER_WAY)
        assert stands.version == len(HISTORIES[history])

    def test_it_remembers_when_it_last_changed(self) -> None:
        assert made(requested(), started(at=after(3))).changed_at == after(3)

    def test_a_run_that_finished_after_all_has_not_failed(self) -> None:
        assert made(requested(), failed()).why is WhyFailed.SERVICE_TOO_SLOW
        after_all = made(requested(), failed(), finished())
        assert (after_all.state, after_all.why) == (GenerationState.DONE, None)

    def test_a_new_request_starts_with_a_clean_slate(self) -> None:
        again = made(requested(), draft_made(), failed(), requested(2))
        assert (again.why, again.drafted, again.requested) == (None, None, requested(2))

    def test_facts_without_their_words_make_a_generation_too(self) -> None:
        """As an erased client's do."""
        bare = [f.model_copy(update={"words": None}) for f in HISTORIES["done"]]
        assert made(*bare).state is GenerationState.DONE
        given(bare).when(request_again()).then([requested(2, words=None)])


def test_what_it_says_is_sealed_for_the_client() -> None:
    for fact in HISTORIES["done"]:
        assert fact.subject() == Subject(CLARA.user_id, KeyScope.GENERAL)
