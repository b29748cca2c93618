"""A therapy session: scheduled, perhaps rescheduled; its event status follows the work on it.

A session keeps its client, therapist and relationship for good. Front ends set its event status, and
the background work advances it. A command that asks for what is so already makes no fact.
"""

from enum import StrEnum
from typing import Any, ClassVar, Final, Literal, assert_never

from pydantic import AwareDatetime

from domain.access import DirectoryAction, may_use_directory
from domain.aggregate import Aggregate, State
from domain.change import ChangeDetails, ChangeType
from domain.refusals import (
    NotPermitted,
    NotTheAuthor,
    SessionEndsBeforeItStarts,
    SessionIsFixed,
    SessionIsUnknown,
)
from domain.value import THE_WORKER, Command, Fact, Id, Kind, Role, Subject, Value, Words


class EventStatus(StrEnum):
    """How far the work on a session is (the names are the contract's)."""

    SCHEDULED = "Scheduled"
    CANCELLED = "Cancelled"
    COMPLETED = "Completed"
    SUMMARY_NOTES = "Therapist Summary Notes"
    REVIEWED = "Reviewed"


_RANK: Final = {
    EventStatus.SCHEDULED: 0,
    EventStatus.CANCELLED: 0,
    EventStatus.COMPLETED: 1,
    EventStatus.SUMMARY_NOTES: 2,
    EventStatus.REVIEWED: 3,
}
"""The background work only raises the rank of a session's status; a person may set any status."""


# --- facts


class SessionFact(Fact):
    """What every fact of a session holds."""

    session_id: Id
    client_user_id: Id

    def subject(self) -> Subject:
        """The client."""
        return Subject(self.client_user_id)


class NoteVersionRef(Value):
    """A version of a note or SOAP note."""

    kind: Literal[Kind.NOTE, Kind.SOAP_NOTE]
    note_id: Id
    version: int


class SessionScheduled(SessionFact):
    """The session was agreed on."""

    fact_type: ClassVar[str] = "session-scheduled/2"
    change: ClassVar[ChangeType | None] = None
    therapist_user_id: Id
    therapist_client_id: Id
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    event_status: EventStatus


class SessionRescheduled(SessionFact):
    """The session takes place at another time."""

    fact_type: ClassVar[str] = "session-rescheduled/1"
    change: ClassVar[ChangeType | None] = None
    starts_at: AwareDatetime
    ends_at: AwareDatetime


class SessionStatusSet(SessionFact):
    """Somebody set the event status."""

    fact_type: ClassVar[str] = "session-status-set/1"
    change: ClassVar[ChangeType | None] = ChangeType.EVENT_STATUS
    event_status: EventStatus

    def change_details(self, version: int) -> ChangeDetails:
        """The new status."""
        return ChangeDetails(event_status=self.event_status)


class SessionStatusAdvanced(SessionFact):
    """The background work raised the event status, because this version of a note was saved."""

    fact_type: ClassVar[str] = "session-status-advanced/1"
    change: ClassVar[ChangeType | None] = ChangeType.EVENT_STATUS
    event_status: EventStatus
    note: NoteVersionRef

    def change_details(self, version: int) -> ChangeDetails:
        """The new status."""
        return ChangeDetails(event_status=self.event_status)


class TranscriptWords(Words):
    """The transcript as text."""

    text: str


class TranscriptStored(SessionFact):
    """The session has a transcript, which replaces an earlier one."""

    fact_type: ClassVar[str] = "transcript-stored/1"
    change: ClassVar[ChangeType | None] = None
    words: TranscriptWords | None = None


AnySessionFact = (
    SessionScheduled
    | SessionRescheduled
    | SessionStatusSet
    | SessionStatusAdvanced
    | TranscriptStored
)

# --- what they make


class Session(State):
    """A session as its facts make it.

    `advanced_by` are the note versions that have raised the status. `reset_at` is when somebody last set
    a status of rank 0 (Scheduled or Cancelled).
    """

    scheduled: SessionScheduled
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    event_status: EventStatus
    advanced_by: frozenset[NoteVersionRef] = frozenset()
    reset_at: AwareDatetime | None = None
    transcript: TranscriptStored | None = None
    transcript_version: int | None = None


def evolve(session: Session | None, fact: AnySessionFact) -> Session:
    """The session after the fact."""
    if isinstance(fact, SessionScheduled):
        return Session(
            version=1,
            scheduled=fact,
            starts_at=fact.starts_at,
            ends_at=fact.ends_at,
            event_status=fact.event_status,
        )
    assert session is not None, "a session's first fact schedules it"
    match fact:
        case SessionRescheduled(starts_at=starts_at, ends_at=ends_at):
            changed: dict[str, object] = {"starts_at": starts_at, "ends_at": ends_at}
        case SessionStatusSet(event_status=event_status):
            reset_at = session.reset_at if _RANK[event_status] else fact.at
            changed = {"event_status": event_status, "reset_at": reset_at}
        case SessionStatusAdvanced(event_status=event_status, note=note):
            advanced_by = session.advanced_by | {note}
            changed = {"event_status": event_status, "advanced_by": advanced_by}
        case TranscriptStored():
            changed = {"transcript": fact, "transcript_version": session.version + 1}
        case _:
            assert_never(fact)
    return session.model_copy(update={"version": session.version + 1, **changed})


# --- commands


class PutSession(Command):
    """The session shall be so; `event_status` None leaves it as it is."""

    client_user_id: Id
    therapist_user_id: Id
    therapist_client_id: Id
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    event_status: EventStatus | None = None


class AdvanceStatus(Command):
    """This version of a note was saved at `saved_at`, so the status shall be at least `event_status`."""

    event_status: EventStatus
    note: NoteVersionRef
    saved_at: AwareDatetime


class PutTranscript(Command):
    """The session shall have this transcript."""

    text: str


SessionCommand = PutSession | AdvanceStatus | PutTranscript


def decide(number: int, session: Session | None, command: SessionCommand) -> list[AnySessionFact]:
    """The facts that the command makes of the session, none where it is so already."""
    match command:
        case PutSession():
            return _put(number, session, command)
        case AdvanceStatus():
            return _advance(session, command)
        case PutTranscript():
            return _put_transcript(session, command)
        case _:
            assert_never(command)


def _advance(session: Session | None, command: AdvanceStatus) -> list[AnySessionFact]:
    if command.by != THE_WORKER:
        raise NotPermitted
    if session is None:
        raise SessionIsUnknown
    # The job may come late, or twice. Somebody who set the status back to Scheduled, or cancelled the
    # session, after the save knew of the save: their word counts, and the save changes nothing now.
    is_reset_since = session.reset_at is not None and session.reset_at > command.saved_at
    is_so_far_already = _RANK[session.event_status] >= _RANK[command.event_status]
    if is_so_far_already or is_reset_since or command.note in session.advanced_by:
        return []
    return [
        SessionStatusAdvanced(
            event_status=command.event_status, note=command.note, **_common_fields(session, command)
        )
    ]


def _put_transcript(session: Session | None, command: PutTranscript) -> list[AnySessionFact]:
    if command.by.role is not Role.THERAPIST:
        raise NotPermitted
    if session is None:
        raise SessionIsUnknown
    if command.by.user_id != session.scheduled.therapist_user_id:
        raise NotTheAuthor
    words = TranscriptWords(text=command.text)
    if session.transcript and session.transcript.words == words:
        return []
    return [TranscriptStored(words=words, **_common_fields(session, command))]


def _common_fields(session: Session, command: Command) -> dict[str, Any]:
    return {
        "by": command.by,
        "at": command.at,
        "session_id": session.scheduled.session_id,
        "client_user_id": session.scheduled.client_user_id,
    }


def _put(number: int, session: Session | None, command: PutSession) -> list[AnySessionFact]:
    if not may_use_directory(command.by.role, DirectoryAction.MANAGE_SESSIONS):
        raise NotPermitted
    if command.by.role is Role.THERAPIST and command.therapist_user_id != command.by.user_id:
        raise NotTheAuthor("therapist_user_id")
    if command.ends_at <= command.starts_at:
        raise SessionEndsBeforeItStarts("ends_at")
    for field in ("client_user_id", "therapist_user_id", "therapist_client_id"):
        if session and getattr(session.scheduled, field) != getattr(command, field):
            raise SessionIsFixed(field)
    if session is None:
        whole = command.model_dump(exclude={"event_status"})
        status = command.event_status or EventStatus.SCHEDULED
        return [SessionScheduled(session_id=number, **whole, event_status=status)]
    about = _common_fields(session, command)
    facts: list[AnySessionFact] = []
    if (session.starts_at, session.ends_at) != (command.starts_at, command.ends_at):
        times = command.model_dump(include={"starts_at", "ends_at"})
        facts.append(SessionRescheduled(**about, **times))
    if command.event_status and command.event_status is not session.event_status:
        facts.append(SessionStatusSet(**about, event_status=command.event_status))
    return facts


def words_for(session: Session, command: SessionCommand) -> list[Fact | None]:
    """A transcript is compared with the one before."""
    match command:
        case PutTranscript():
            return [session.transcript]
        case PutSession() | AdvanceStatus():
            return []
        case _:
            assert_never(command)


SESSION: Final[Aggregate[Session, SessionCommand, AnySessionFact]] = Aggregate(
    Kind.SESSION, 3, AnySessionFact, decide, evolve, words_for
)
