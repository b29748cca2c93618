"""Who may do what: one pure function for notes, one for the directory.

The views' queries filter by the same rules, and row-level security repeats them in the
database; tests hold the three against each other.
"""

from enum import Enum, auto
from typing import NamedTuple

from domain.refusals import (
    NoteIsUnknown,
    NotPermitted,
    NotTheAuthor,
    PsychotherapyNotesAreTheAuthors,
    Refused,
)
from domain.value import PSYCHOTHERAPY, By, Caller, Kind, Role


class Action(Enum):
    """What somebody wants to do with a note."""

    READ = auto()
    READ_DEIDENTIFIED = auto()
    SAVE = auto()
    DELETE = auto()
    CHANGE_HISTORY = auto()
    ASK_AGAIN = auto()


class NoteAccess(NamedTuple):
    """What decides about a note: its kind and type, whose it is, and (for reading) whose client."""

    kind: Kind
    record_type: int
    therapist_user_id: int
    is_callers_client: bool = False


def refusal(who: By | Caller, action: Action, note: NoteAccess) -> type[Refused] | None:
    """Why `who` may not do it, or None where they may."""
    match who.role, action:
        case Role.THERAPIST, Action.READ | Action.READ_DEIDENTIFIED:
            return _therapist_reading(who.user_id, note)
        case Role.THERAPIST, _:
            return None if note.therapist_user_id == who.user_id else NotTheAuthor
        case Role.AUDITOR | Role.ML, Action.READ_DEIDENTIFIED:
            return PsychotherapyNotesAreTheAuthors if note.record_type == PSYCHOTHERAPY else None
        case Role.AUDITOR, Action.READ:
            return PsychotherapyNotesAreTheAuthors if note.record_type == PSYCHOTHERAPY else None
        case Role.ML, Action.SAVE if note.kind is Kind.SOAP_NOTE:
            return PsychotherapyNotesAreTheAuthors if note.record_type == PSYCHOTHERAPY else None
        case Role.ADMINISTRATOR, Action.ASK_AGAIN:
            return None
        case _:
            return NotPermitted


def _therapist_reading(user_id: int, note: NoteAccess) -> type[Refused] | None:
    if note.therapist_user_id == user_id:
        return None
    if note.record_type == PSYCHOTHERAPY or not note.is_callers_client:
        return NoteIsUnknown
    return None


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
}


def may_use_directory(role: Role, action: DirectoryAction) -> bool:
    """Whether the role may; whose clients a therapist finds there is the views' question."""
    return action in _DIRECTORY[role]


def reads_metrics(role: Role) -> bool:
    """Whether what the service counts about itself is open to the role."""
    return role is Role.ADMINISTRATOR


def reads_notes(role: Role) -> bool:
    """Whether any note could be open to the role: the others are told so instead of shown nothing."""
    return role in {Role.THERAPIST, Role.AUDITOR}
