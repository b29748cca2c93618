"""The life of a therapy session."""

from typing import Any

import pytest

from domain import session
from domain.refusals import (
    NotPermitted,
    NotTheAuthor,
    Refused,
    SessionEndsBeforeItStarts,
    SessionIsFixed,
)
from domain.session import (
    EventStatus,
    SessionEvent,
    SessionRescheduled,
    SessionScheduled,
    SessionStatusSet,
    evolve,
)
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
    SESSION,
    after,
    put_session,
)

given = histories(session.decide, evolve)

ABOUT: dict[str, Any] = {
    "by": ALMA,
    "at": NOON,
    "session_id": SESSION,
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


class TestReviewed:
    def test_a_status_that_is_not_mentioned_stays(self) -> None:
        given([SCHEDULED, REVIEWED]).when(put_session()).then([])

    def test_what_was_changed_is_changed_back(self) -> None:
        back = SessionRescheduled(**ABOUT, starts_at=NOON, ends_at=after(50))
        given([SCHEDULED, AN_HOUR_LATER]).when(put_session()).then([back])


HISTORIES: dict[str, list[SessionEvent]] = {"nothing": [], "a session": [SCHEDULED]}
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
]


@pytest.mark.parametrize(("history", "command", "refusal", "field"), REFUSALS)
def test_refusals(history: str, command: Any, refusal: type[Refused], field: str | None) -> None:
    given(HISTORIES[history]).when(command).refused(refusal, field)


def test_versions_count_the_facts() -> None:
    made = evolve(evolve(evolve(None, SCHEDULED), AN_HOUR_LATER), REVIEWED)
    assert (made.version, made.starts_at, made.event_status) == (3, after(60), EventStatus.REVIEWED)
