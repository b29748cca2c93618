"""The life of a therapy session."""

from datetime import datetime
from typing import Any

import pytest

from domain.change import ChangeDetails
from domain.refusals import (
    NotPermitted,
    NotTheAuthor,
    Refused,
    SessionEndsBeforeItStarts,
    SessionIsFixed,
    SessionIsUnknown,
)
from domain.session import (
    SESSION,
    AnySessionFact,
    EventStatus,
    SessionRescheduled,
    SessionScheduled,
    SessionStatusSet,
    evolve,
)
from domain.value import THE_WORKER, Kind
from tests.domain.histories import histories
from tests.samples import (
    ADAM,
    ALMA,
    ALMA_TREATS_CLARA,
    AUDRA,
    BRUNO,
    CLARA,
    DAVID,
    ML,
    NOON,
    SESSION_ID,
    after,
    put_session,
)
from tests.work_samples import (
    advance,
    advanced,
    put_transcript,
    transcript_stored,
    version_of_note,
)

given = histories(SESSION, SESSION_ID)

ABOUT: dict[str, Any] = {
    "by": ALMA,
    "at": NOON,
    "session_id": SESSION_ID,
    "client_user_id": CLARA.user_id,
}
SCHEDULED = SessionScheduled(
    **ABOUT,
    therapist_user_id=ALMA.user_id,
    therapist_client_id=ALMA_TREATS_CLARA,
    starts_at=NOON,
    ends_at=after(50),
    event_status=EventStatus.SCHEDULED,
)
AN_HOUR_LATER = SessionRescheduled(**ABOUT, starts_at=after(60), ends_at=after(110))
REVIEWED = SessionStatusSet(**ABOUT, event_status=EventStatus.REVIEWED)


class TestNothingYet:
    def test_it_is_scheduled(self) -> None:
        given([]).when(put_session()).then([SCHEDULED])

    def test_it_may_have_a_status_from_the_start(self) -> None:
        completed = SCHEDULED.model_copy(update={"event_status": EventStatus.COMPLETED})
        given([]).when(put_session(event_status=EventStatus.COMPLETED)).then([completed])

    def test_an_administrator_schedules_for_a_therapist(self) -> None:
        by_adam = SCHEDULED.model_copy(update={"by": ADAM})
        given([]).when(put_session(by=ADAM)).then([by_adam])


class TestScheduled:
    def test_saying_it_again_makes_no_fact(self) -> None:
        given([SCHEDULED]).when(put_session()).then([])
        given([SCHEDULED]).when(put_session(event_status=EventStatus.SCHEDULED)).then([])

    def test_it_is_rescheduled(self) -> None:
        given([SCHEDULED]).when(put_session(starts_at=after(60))).then([AN_HOUR_LATER])

    def test_its_status_is_set(self) -> None:
        given([SCHEDULED]).when(put_session(event_status=EventStatus.REVIEWED)).then([REVIEWED])

    def test_both_at_once(self) -> None:
        given([SCHEDULED]).when(
            put_session(starts_at=after(60), event_status=EventStatus.REVIEWED)
        ).then([AN_HOUR_LATER, REVIEWED])

    def test_the_same_instant_in_another_zone_is_the_same_time(self) -> None:
        from_utrecht = NOON.fromisoformat("2026-03-02T13:00:00+01:00")
        given([SCHEDULED]).when(put_session(starts_at=from_utrecht)).then([])


class TestTimes:
    """A command gives both times; each that differs is taken over, and the other stays."""

    @pytest.mark.parametrize(
        ("starts_at", "ends_at"),
        [(after(10), after(50)), (NOON, after(45)), (after(-10), after(70))],
    )
    def test_each_time_is_taken_over(self, starts_at: datetime, ends_at: datetime) -> None:
        moved = SessionRescheduled(**ABOUT, starts_at=starts_at, ends_at=ends_at)
        given([SCHEDULED]).when(put_session(starts_at=starts_at, ends_at=ends_at)).then([moved])
        made = evolve(evolve(None, SCHEDULED), moved)
        assert (made.starts_at, made.ends_at) == (starts_at, ends_at)

    def test_the_first_times_are_taken_over(self) -> None:
        command = put_session(starts_at=after(5), ends_at=after(25))
        scheduled = SCHEDULED.model_copy(update={"starts_at": after(5), "ends_at": after(25)})
        given([]).when(command).then([scheduled])
        made = evolve(None, scheduled)
        assert (made.starts_at, made.ends_at) == (after(5), after(25))

    def test_a_status_alone_moves_no_time(self) -> None:
        made = evolve(evolve(evolve(None, SCHEDULED), AN_HOUR_LATER), REVIEWED)
        assert (made.starts_at, made.ends_at) == (after(60), after(110))
        again = put_session(starts_at=after(60), event_status=EventStatus.COMPLETED)
        given([SCHEDULED, AN_HOUR_LATER, REVIEWED]).when(again).then(
            [SessionStatusSet(**ABOUT, event_status=EventStatus.COMPLETED)]
        )


class TestReviewed:
    def test_a_status_that_is_not_mentioned_stays(self) -> None:
        given([SCHEDULED, REVIEWED]).when(put_session()).then([])

    def test_what_was_changed_is_changed_back(self) -> None:
        back = SessionRescheduled(**ABOUT, starts_at=NOON, ends_at=after(50))
        given([SCHEDULED, AN_HOUR_LATER]).when(put_session()).then([back])


STATUSES = list(EventStatus)


def set_to(event_status: EventStatus, minutes: int = 0) -> SessionStatusSet:
    """Somebody has said so, so many minutes after noon."""
    return SessionStatusSet(**ABOUT | {"at": after(minutes)}, event_status=event_status)


class TestAdvanced:
    """A save moves the session on, never back. The worker comes to it later, perhaps twice."""

    @pytest.mark.parametrize("status", STATUSES[:3])
    def test_a_save_moves_it_on_to_summary_notes(self, status: EventStatus) -> None:
        scheduled = SCHEDULED.model_copy(update={"event_status": status})
        given([scheduled]).when(advance(at=after(1))).then([advanced(at=after(1))])

    @pytest.mark.parametrize("status", STATUSES[:4])
    def test_an_approval_moves_it_on_to_reviewed(self, status: EventStatus) -> None:
        approval = version_of_note(kind=Kind.SOAP_NOTE)
        scheduled = SCHEDULED.model_copy(update={"event_status": status})
        given([scheduled]).when(advance(EventStatus.REVIEWED, note=approval)).then(
            [advanced(EventStatus.REVIEWED, approval)]
        )

    def test_a_late_save_does_not_move_it_back(self) -> None:
        given([SCHEDULED, REVIEWED]).when(advance(saved_at=after(9))).then([])

    def test_what_is_so_already_makes_no_fact(self) -> None:
        another = advance(note=version_of_note(2), saved_at=after(9))
        given([SCHEDULED, advanced()]).when(another).then([])

    @pytest.mark.parametrize("status", STATUSES[:3])
    def test_the_same_save_moves_it_on_once_whatever_was_said_since(
        self, status: EventStatus
    ) -> None:
        given([SCHEDULED, advanced(), set_to(status, -5)]).when(advance()).then([])

    @pytest.mark.parametrize("status", [EventStatus.SCHEDULED, EventStatus.CANCELLED])
    def test_what_was_set_back_after_the_save_stays_so(self, status: EventStatus) -> None:
        given([SCHEDULED, REVIEWED, set_to(status, 5)]).when(advance(saved_at=after(4))).then([])

    @pytest.mark.parametrize("status", [EventStatus.SCHEDULED, EventStatus.CANCELLED])
    @pytest.mark.parametrize("minutes", [5, 6])
    def test_a_save_at_that_moment_or_after_it_moves_it_on(
        self, status: EventStatus, minutes: int
    ) -> None:
        save = advance(saved_at=after(minutes))
        given([SCHEDULED, REVIEWED, set_to(status, 5)]).when(save).then([advanced()])

    def test_the_change_stream_says_the_status_that_was_set(self) -> None:
        details = set_to(EventStatus.CANCELLED, 5).change_details(2)
        assert details == ChangeDetails(event_status=EventStatus.CANCELLED)

    def test_nor_does_a_later_save_bring_an_earlier_one_back(self) -> None:
        approval, after_it = version_of_note(kind=Kind.SOAP_NOTE), advanced(at=after(6))
        history = [SCHEDULED, set_to(EventStatus.CANCELLED, 5), after_it]
        late = advance(EventStatus.REVIEWED, note=approval, saved_at=after(4))
        given(history).when(late).then([])

    def test_nor_does_calling_it_completed(self) -> None:
        called_off = set_to(EventStatus.CANCELLED, 5)
        history = [SCHEDULED, called_off, set_to(EventStatus.COMPLETED, 7)]
        given(history).when(advance(saved_at=after(4))).then([])
        given(history).when(advance(saved_at=after(6))).then([advanced()])

    def test_completed_after_the_save_is_no_step_back(self) -> None:
        """A note is often written before the front end says that the session is over."""
        completed = set_to(EventStatus.COMPLETED, 5)
        given([SCHEDULED, completed]).when(advance(saved_at=after(4))).then([advanced()])

    def test_a_clock_that_was_ahead_when_it_was_scheduled_keeps_nothing_back(self) -> None:
        ahead = SCHEDULED.model_copy(update={"at": after(1)})
        given([ahead]).when(advance(saved_at=NOON)).then([advanced()])

    def test_versions_of_other_notes_are_other_saves(self) -> None:
        history = [SCHEDULED, advanced(), set_to(EventStatus.COMPLETED, -5)]
        for other in (
            version_of_note(2),
            version_of_note(note_id=2),
            version_of_note(kind=Kind.SOAP_NOTE),
        ):
            given(history).when(advance(note=other)).then([advanced(note=other)])


class TestTranscript:
    def test_it_is_stored(self) -> None:
        given([SCHEDULED]).when(put_transcript(at=after(1))).then([transcript_stored(at=after(1))])

    def test_the_same_makes_no_fact(self) -> None:
        given([SCHEDULED, transcript_stored()]).when(put_transcript(at=after(1))).then([])

    def test_another_takes_its_place(self) -> None:
        history = [SCHEDULED, transcript_stored()]
        given(history).when(put_transcript("I slept.")).then([transcript_stored("I slept.")])

    def test_it_moves_no_status(self) -> None:
        made = evolve(evolve(None, SCHEDULED), transcript_stored())
        assert made.event_status is EventStatus.SCHEDULED

    def test_the_session_knows_its_newest_and_which_version_that_is(self) -> None:
        made = None
        for fact in (SCHEDULED, transcript_stored(), REVIEWED, transcript_stored("I slept.")):
            made = evolve(made, fact)
        assert made is not None
        assert made.transcript == transcript_stored("I slept.")
        assert (made.transcript_version, made.version) == (4, 4)

    def test_once_the_words_were_erased_it_may_be_stored_anew(self) -> None:
        erased = transcript_stored().model_copy(update={"words": None})
        given([SCHEDULED, erased]).when(put_transcript()).then([transcript_stored()])


HISTORIES: dict[str, list[AnySessionFact]] = {"nothing": [], "a session": [SCHEDULED]}
# In the order in which the source asks: where two could be said, the upper one is.
REFUSALS: list[tuple[str, Any, type[Refused], str | None]] = [
    ("nothing", put_session(by=AUDRA), NotPermitted, None),
    ("nothing", put_session(by=CLARA), NotPermitted, None),
    ("nothing", put_session(by=ML), NotPermitted, None),
    ("nothing", put_session(by=BRUNO), NotTheAuthor, "therapist_user_id"),
    ("a session", put_session(by=BRUNO), NotTheAuthor, "therapist_user_id"),
    ("nothing", put_session(ends_at=after(-1)), SessionEndsBeforeItStarts, "ends_at"),
    ("nothing", put_session(ends_at=NOON), SessionEndsBeforeItStarts, "ends_at"),
    ("a session", put_session(ends_at=NOON), SessionEndsBeforeItStarts, "ends_at"),
    ("a session", put_session(client=DAVID), SessionIsFixed, "client_user_id"),
    ("a session", put_session(by=ADAM, therapist=BRUNO), SessionIsFixed, "therapist_user_id"),
    ("a session", put_session(therapist_client_id=9), SessionIsFixed, "therapist_client_id"),
    *(
        (history, advance(by=who), NotPermitted, None)
        for history in ("nothing", "a session")
        for who in (ALMA, ADAM, AUDRA, CLARA, ML)
    ),
    ("nothing", advance(), SessionIsUnknown, None),
    *(
        (history, put_transcript(by=who), NotPermitted, None)
        for history in ("nothing", "a session")
        for who in (ADAM, AUDRA, CLARA, ML, THE_WORKER)
    ),
    ("nothing", put_transcript(), SessionIsUnknown, None),
    ("nothing", put_transcript(by=BRUNO), SessionIsUnknown, None),
    ("a session", put_transcript(by=BRUNO), NotTheAuthor, None),
]


@pytest.mark.parametrize(("history", "command", "refusal", "field"), REFUSALS)
def test_refusals(history: str, command: Any, refusal: type[Refused], field: str | None) -> None:
    given(HISTORIES[history]).when(command).refused(refusal, field)


def test_versions_count_the_facts() -> None:
    made = evolve(evolve(evolve(None, SCHEDULED), AN_HOUR_LATER), REVIEWED)
    assert (made.version, made.starts_at, made.event_status) == (3, after(60), EventStatus.REVIEWED)
