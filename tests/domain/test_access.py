"""Who may do what: the whole table, one row for each role, action and kind of note."""

import pytest

from domain.access import (
    Action,
    DirectoryAction,
    NoteAccess,
    may_use_directory,
    reads_notes,
    refusal,
)
from domain.refusals import (
    NoteIsUnknown,
    NotPermitted,
    NotTheAuthor,
    PsychotherapyNotesAreTheAuthors,
    Refused,
)
from domain.value import PSYCHOTHERAPY, By, Kind, Role
from tests.samples import ADAM, ALMA, AUDRA, BRUNO, CLARA, EVERYBODY, ML, PROGRESS, caller

OWN = NoteAccess(Kind.NOTE, PROGRESS, ALMA.user_id)
OWN_PSYCHOTHERAPY = NoteAccess(Kind.NOTE, PSYCHOTHERAPY, ALMA.user_id)
OF_HER_CLIENT = NoteAccess(Kind.NOTE, PROGRESS, BRUNO.user_id, is_callers_client=True)
OF_A_STRANGER = NoteAccess(Kind.NOTE, PROGRESS, BRUNO.user_id)
PSYCHOTHERAPY_OF_HER_CLIENT = OF_HER_CLIENT._replace(record_type=PSYCHOTHERAPY)
SOAP = NoteAccess(Kind.SOAP_NOTE, PROGRESS, ALMA.user_id)
SOAP_PSYCHOTHERAPY = SOAP._replace(record_type=PSYCHOTHERAPY)
ALL_NOTES = (
    OWN,
    OWN_PSYCHOTHERAPY,
    OF_HER_CLIENT,
    OF_A_STRANGER,
    PSYCHOTHERAPY_OF_HER_CLIENT,
    SOAP,
    SOAP_PSYCHOTHERAPY,
)
CHANGES = (Action.SAVE, Action.DELETE, Action.CHANGE_HISTORY, Action.ASK_AGAIN)

Rule = tuple[By, Action, NoteAccess, type[Refused] | None]

RULES: list[Rule] = [
    (ALMA, Action.READ, OWN, None),
    (ALMA, Action.READ, OWN_PSYCHOTHERAPY, None),
    (ALMA, Action.READ, OF_HER_CLIENT, None),
    (ALMA, Action.READ, OF_A_STRANGER, NoteIsUnknown),
    (ALMA, Action.READ, PSYCHOTHERAPY_OF_HER_CLIENT, NoteIsUnknown),
    (ALMA, Action.READ, SOAP, None),
    (ALMA, Action.READ, SOAP_PSYCHOTHERAPY, None),
    *((ALMA, change, OWN, None) for change in CHANGES),
    *((ALMA, change, OWN_PSYCHOTHERAPY, None) for change in CHANGES),
    *((ALMA, change, OF_HER_CLIENT, NotTheAuthor) for change in CHANGES),
    *((ALMA, change, OF_A_STRANGER, NotTheAuthor) for change in CHANGES),
    (AUDRA, Action.READ, OWN, None),
    (AUDRA, Action.READ, SOAP, None),
    (AUDRA, Action.READ, OWN_PSYCHOTHERAPY, PsychotherapyNotesAreTheAuthors),
    (AUDRA, Action.READ, SOAP_PSYCHOTHERAPY, PsychotherapyNotesAreTheAuthors),
    *((AUDRA, change, note, NotPermitted) for change in CHANGES for note in ALL_NOTES),
    (ML, Action.SAVE, SOAP, None),
    (ML, Action.SAVE, SOAP_PSYCHOTHERAPY, PsychotherapyNotesAreTheAuthors),
    (ML, Action.SAVE, OWN, NotPermitted),
    (ML, Action.SAVE, OWN_PSYCHOTHERAPY, NotPermitted),
    *(
        (ML, action, note, NotPermitted)
        for action in (Action.READ, Action.DELETE, Action.CHANGE_HISTORY, Action.ASK_AGAIN)
        for note in ALL_NOTES
    ),
    *((CLARA, action, note, NotPermitted) for action in Action for note in ALL_NOTES),
    *((ADAM, Action.ASK_AGAIN, note, None) for note in ALL_NOTES),
    *(
        (ADAM, action, note, NotPermitted)
        for action in (Action.READ, Action.SAVE, Action.DELETE, Action.CHANGE_HISTORY)
        for note in ALL_NOTES
    ),
]


@pytest.mark.parametrize(("who", "action", "note", "expected"), RULES)
def test_rules(who: By, action: Action, note: NoteAccess, expected: type[Refused] | None) -> None:
    assert refusal(who, action, note) is expected
    assert refusal(caller(who), action, note) is expected, "a reader and a writer are told alike"


D = DirectoryAction
MAY: dict[Role, set[DirectoryAction]] = {
    Role.THERAPIST: {D.READ_RECORD_TYPES, D.READ_PEOPLE, D.MANAGE_SESSIONS},
    Role.ADMINISTRATOR: set(D),
    Role.AUDITOR: {D.READ_RECORD_TYPES, D.READ_PEOPLE},
    Role.ML: {D.READ_RECORD_TYPES},
    Role.CLIENT: {D.READ_RECORD_TYPES},
}


@pytest.mark.parametrize("role", Role)
def test_directory(role: Role) -> None:
    assert {action for action in D if may_use_directory(role, action)} == MAY[role]


@pytest.mark.parametrize("who", EVERYBODY)
def test_who_is_shown_any_note_at_all(who: By) -> None:
    readable = [note for note in ALL_NOTES if refusal(who, Action.READ, note) is None]
    assert reads_notes(who.role) == bool(readable)
