"""A therapy session: scheduled, perhaps rescheduled, its event status set as the work on it goes on.

A session belongs for life to one client, therapist and relationship. The front ends and the
background work set its status; saying again what holds already makes no fact.
"""

from enum import StrEnum
from typing import ClassVar, assert_never

from pydantic import AwareDatetime

from domain.access import DirectoryAction, may_use_directory
from domain.refusals import (
    NotPermitted,
    NotTheAuthor,
    SessionEndsBeforeItStarts,
    SessionIsFixed,
)
from domain.value import Command, Fact, Id, Role, Subject, Value


class EventStatus(StrEnum):
    """Where the work on a session stands (contract: the names are the product's)."""

    SCHEDULED = "Scheduled"
    CANCELLED = "Cancelled"
    COMPLETED = "Completed"
    SUMMARY_NOTES = "Therapist Summary Notes"
    REVIEWED = "Reviewed"


# --- facts


class SessionFact(Fact):
    """What every fact of a session names."""

    session_id: Id
    client_user_id: Id

    def subject(self) -> Subject:
        """The client, whose session it is."""
        return Subject(self.client_user_id)


class SessionScheduled(SessionFact):
    """The session was agreed on."""

    kind: ClassVar[str] = "session-scheduled/2"
    therapist_user_id: Id
    therapist_client_id: Id
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    event_status: EventStatus


class SessionRescheduled(SessionFact):
    """The session takes place at another time."""

    kind: ClassVar[str] = "session-rescheduled/1"
    starts_at: AwareDatetime
    ends_at: AwareDatetime


class SessionStatusSet(SessionFact):
    """The work on the session went on."""

    kind: ClassVar[str] = "session-status-set/1"
    event_status: EventStatus


SessionEvent = SessionScheduled | SessionRescheduled | SessionStatusSet

# --- what they make


class Session(Value):
    """A session as its facts tell it."""

    version: int
    scheduled: SessionScheduled
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    event_status: EventStatus


def evolve(session: Session | None, fact: SessionEvent) -> Session:
    """The session after the fact."""
    match fact:
        case SessionScheduled(starts_at=starts_at, ends_at=ends_at):
            return Session(
                version=1,
                scheduled=fact,
                starts_at=starts_at,
                ends_at=ends_at,
                event_status=fact.event_status,
            )
        case SessionRescheduled(starts_at=starts_at, ends_at=ends_at):
            changed: dict[str, object] = {"starts_at": starts_at, "ends_at": ends_at}
        case SessionStatusSet(event_status=event_status):
            changed = {"event_status": event_status}
        case _:
            assert_never(fact)
    assert session is not None, "a session's first fact schedules it"
    return session.model_copy(update={"version": session.version + 1, **changed})


# --- commands


class PutSession(Command):
    """The session shall be so; `event_status` None leaves it as it is."""

    session_id: Id
    client_user_id: Id
    therapist_user_id: Id
    therapist_client_id: Id
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    event_status: EventStatus | None = None


def decide(session: Session | None, command: PutSession) -> list[SessionEvent]:
    """The facts that make the session so, none where it is so already."""
    if not may_use_directory(command.by.role, DirectoryAction.MANAGE_SESSIONS):
        raise NotPermitted
    if command.by.role is Role.THERAPIST and command.therapist_user_id != command.by.user_id:
        raise NotTheAuthor("therapist_user_id")
    if command.ends_at <= command.starts_at:
        raise SessionEndsBeforeItStarts("ends_at")
    for field in ("client_user_id", "therapist_user_id", "therapist_client_id"):
        if session and getattr(session.scheduled, field) != getattr(command, field):
            raise SessionIsFixed(field)
    about = command.model_dump(include={"by", "at", "session_id", "client_user_id"})
    if session is None:
        whole = command.model_dump(exclude={"event_status"})
        status = command.event_status or EventStatus.SCHEDULED
        return [SessionScheduled(**whole, event_status=status)]
    facts: list[SessionEvent] = []
    if (session.starts_at, session.ends_at) != (command.starts_at, command.ends_at):
        times = command.model_dump(include={"starts_at", "ends_at"})
        facts.append(SessionRescheduled(**about, **times))
    if command.event_status and command.event_status is not session.event_status:
        facts.append(SessionStatusSet(**about, event_status=command.event_status))
    return facts
