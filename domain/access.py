"""Who may do what: one pure function for notes, one for the directory.

The views' queries filter by the same rules, and row-level security repeats them in the
database; tests compare the three with each other.
"""

from enum import Enum, auto
from typing import ClassVar, NamedTuple

from domain.refusals import (
    NoteIsUnknown,
    NotPermitted,
    NotTheAuthor,
    PsychotherapyNotesAreTheAuthors,
    Refused,
)
from domain.value import PSYCHOTHERAPY, By, Caller, Command, Kind, Role, is_the_worker


class Action(Enum):
    """What somebody wants to do with a note."""

    READ = auto()
    READ_DEIDENTIFIED = auto()
    SAVE = auto()
    DELETE = auto()
    CHANGE_HISTORY = auto()
    ASK_AGAIN = auto()
    RECORD_WORK = auto()


class CommandOnNote(Command):
    """A command on a note or SOAP note; each class says what right it needs."""

    action: ClassVar[Action]


class NoteAccess(NamedTuple):
    """What decides about a note: its kind and type, its therapist, and (for reading) its client."""

    kind: Kind
    record_type: int
    therapist_user_id: int
    is_callers_client: bool = False


def refusal(who: By | Caller, action: Action, note: NoteAccess) -> type[Refused] | None:
    """Why `who` may not do it, or None where they may. What no case below permits is refused."""
    match who.role, action:
        case Role.THERAPIST, Action.READ | Action.READ_DEIDENTIFIED:
            return _refusal_of_therapist_reading(who.user_id, note)
        case (
            Role.THERAPIST,
            Action.SAVE | Action.DELETE | Action.CHANGE_HISTORY | Action.ASK_AGAIN,
        ):
            return None if note.therapist_user_id == who.user_id else NotTheAuthor
        case Role.AUDITOR, Action.READ | Action.READ_DEIDENTIFIED:
            return _refusal_of_psychotherapy(note)
        case Role.ML, Action.READ_DEIDENTIFIED:
            return _refusal_of_psychotherapy(note)
        case Role.ML, Action.SAVE if note.kind is Kind.SOAP_NOTE:
            return _refusal_of_psychotherapy(note)
        case Role.ML, Action.RECORD_WORK if is_the_worker(who):
            return None
        case Role.ADMINISTRATOR, Action.ASK_AGAIN:
            return None
    return NotPermitted


def check(command: CommandOnNote, note: NoteAccess) -> None:
    """Raises the refusal of a command whose sender may not do this with the note."""
    refused = refusal(command.by, command.action, note)
    if refused:
        raise refused


def _refusal_of_therapist_reading(user_id: int, note: NoteAccess) -> type[Refused] | None:
    if note.therapist_user_id == user_id:
        return None
    if note.record_type == PSYCHOTHERAPY or not note.is_callers_client:
        return NoteIsUnknown
    return None


def _refusal_of_psychotherapy(note: NoteAccess) -> type[Refused] | None:
    return PsychotherapyNotesAreTheAuthors if note.record_type == PSYCHOTHERAPY else None


class DirectoryAction(Enum):
    """What somebody wants to do with people, relationships, sessions and record types."""

    READ_RECORD_TYPES = auto()
    READ_PEOPLE = auto()
    MANAGE_SESSIONS = auto()
    MANAGE_PEOPLE = auto()


_DIRECTORY: dict[Role, frozenset[DirectoryAction]] = {
    Role.THERAPIST: frozenset(DirectoryAction) - {DirectoryAction.MANAGE_PEOPLE},
    Role.ADMINISTRATOR: frozenset(DirectoryAction),
    Role.AUDITOR: frozenset({DirectoryAction.READ_RECORD_TYPES, DirectoryAction.READ_PEOPLE}),
    Role.ML: frozenset({DirectoryAction.READ_RECORD_TYPES}),
    Role.CLIENT: frozenset({DirectoryAction.READ_RECORD_TYPES}),
    # Names are words: the role opens words only through an export.
    Role.COMPLIANCE: frozenset({DirectoryAction.READ_RECORD_TYPES}),
}


def may_use_directory(role: Role, action: DirectoryAction) -> bool:
    """Whether the role may. Which people a therapist finds there, the views decide."""
    return action in _DIRECTORY[role]


def reads_metrics(role: Role) -> bool:
    """Whether the role may read the service's metrics."""
    return role is Role.ADMINISTRATOR


def reads_notes(role: Role) -> bool:
    """Whether the role could read any note; the others are refused instead of shown an empty list."""
    return role in {Role.THERAPIST, Role.AUDITOR}


def reads_changes(role: Role) -> bool:
    """Whether the change stream could tell the role of any change."""
    return role in {Role.THERAPIST, Role.AUDITOR, Role.ADMINISTRATOR, Role.ML}
