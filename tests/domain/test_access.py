"""Who may do what: the whole table, one row for each role, action and kind of note."""

from collections import Counter
from collections.abc import Iterable
from itertools import product

import pytest

from domain.access import (
    Action,
    DirectoryAction,
    NoteAccess,
    may_use_directory,
    reads_metrics,
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
from domain.value import PSYCHOTHERAPY, THE_WORKER, By, Kind, Role
from tests.samples import ADAM, ALMA, AUDRA, BRUNO, CLARA, EVERYBODY, ML, PROGRESS, caller

OWN = NoteAccess(Kind.NOTE, PROGRESS, ALMA.user_id)
OWN_PSYCHOTHERAPY = NoteAccess(Kind.NOTE, PSYCHOTHERAPY, ALMA.user_id)
OF_HER_CLIENT = NoteAccess(Kind.NOTE, PROGRESS, BRUNO.user_id, is_callers_client=True)
OF_A_STRANGER = NoteAccess(Kind.NOTE, PROGRESS, BRUNO.user_id)
PSYCHOTHERAPY_OF_HER_CLIENT = OF_HER_CLIENT._replace(record_type=PSYCHOTHERAPY)
SOAP = NoteAccess(Kind.SOAP_NOTE, PROGRESS, ALMA.user_id)
SOAP_PSYCHOTHERAPY = SOAP._replace(record_type=PSYCHOTHERAPY)
NOTES = (OWN, OF_HER_CLIENT, OF_A_STRANGER, SOAP)
PSYCHOTHERAPY_NOTES = (OWN_PSYCHOTHERAPY, PSYCHOTHERAPY_OF_HER_CLIENT, SOAP_PSYCHOTHERAPY)
ALL_NOTES = NOTES + PSYCHOTHERAPY_NOTES
ALMAS = (OWN, OWN_PSYCHOTHERAPY, SOAP, SOAP_PSYCHOTHERAPY)
BRUNOS = (OF_HER_CLIENT, OF_A_STRANGER, PSYCHOTHERAPY_OF_HER_CLIENT)
SOMEBODY_OF_EACH_ROLE = (ALMA, AUDRA, ML, THE_WORKER, CLARA, ADAM)
"""The worker has the role of the ML service, and may do one thing more."""

READS = (Action.READ, Action.READ_DEIDENTIFIED)
CHANGES = (Action.SAVE, Action.DELETE, Action.CHANGE_HISTORY, Action.ASK_AGAIN)

Rule = tuple[By, Action, NoteAccess, type[Refused] | None]


def rules(
    people: Iterable[By],
    actions: Iterable[Action],
    notes: Iterable[NoteAccess],
    expected: type[Refused] | None,
) -> list[Rule]:
    """One rule for each of them."""
    return [(*asked, expected) for asked in product(people, actions, notes)]


RULES: list[Rule] = [
    *rules([ALMA], READS, [OWN, OWN_PSYCHOTHERAPY, OF_HER_CLIENT, SOAP, SOAP_PSYCHOTHERAPY], None),
    *rules([ALMA], READS, [OF_A_STRANGER, PSYCHOTHERAPY_OF_HER_CLIENT], NoteIsUnknown),
    *rules([ALMA], CHANGES, ALMAS, None),
    *rules([ALMA], CHANGES, BRUNOS, NotTheAuthor),
    *rules([ALMA], [Action.RECORD_WORK], ALL_NOTES, NotPermitted),
    *rules([AUDRA], READS, NOTES, None),
    *rules([AUDRA], READS, PSYCHOTHERAPY_NOTES, PsychotherapyNotesAreTheAuthors),
    *rules([AUDRA], [*CHANGES, Action.RECORD_WORK], ALL_NOTES, NotPermitted),
    *rules([ML, THE_WORKER], [Action.READ], ALL_NOTES, NotPermitted),
    *rules([ML, THE_WORKER], [Action.READ_DEIDENTIFIED], NOTES, None),
    *rules(
        [ML, THE_WORKER],
        [Action.READ_DEIDENTIFIED],
        PSYCHOTHERAPY_NOTES,
        PsychotherapyNotesAreTheAuthors,
    ),
    *rules([ML, THE_WORKER], [Action.SAVE], [SOAP], None),
    *rules([ML, THE_WORKER], [Action.SAVE], [SOAP_PSYCHOTHERAPY], PsychotherapyNotesAreTheAuthors),
    *rules([ML, THE_WORKER], [Action.SAVE], [OWN, OWN_PSYCHOTHERAPY, *BRUNOS], NotPermitted),
    *rules([ML, THE_WORKER], CHANGES[1:], ALL_NOTES, NotPermitted),
    *rules([ML], [Action.RECORD_WORK], ALL_NOTES, NotPermitted),
    *rules([THE_WORKER], [Action.RECORD_WORK], ALL_NOTES, None),
    *rules([CLARA], Action, ALL_NOTES, NotPermitted),
    *rules([ADAM], [Action.ASK_AGAIN], ALL_NOTES, None),
    *rules([ADAM], [*READS, *CHANGES[:3], Action.RECORD_WORK], ALL_NOTES, NotPermitted),
]


def test_the_table_has_each_role_action_and_note_once() -> None:
    asked = Counter((who, action, note) for who, action, note, _ in RULES)
    assert asked == Counter(product(SOMEBODY_OF_EACH_ROLE, Action, ALL_NOTES))
    assert {who.role for who in SOMEBODY_OF_EACH_ROLE} == set(Role)


@pytest.mark.parametrize(("who", "action", "note", "expected"), RULES)
def test_rules(who: By, action: Action, note: NoteAccess, expected: type[Refused] | None) -> None:
    assert refusal(who, action, note) is expected
    assert refusal(caller(who), action, note) is expected, "a reader and a writer get one answer"


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


def test_metrics_are_the_administrators() -> None:
    assert [role for role in Role if reads_metrics(role)] == [Role.ADMINISTRATOR]


@pytest.mark.parametrize("who", EVERYBODY)
def test_who_is_shown_any_note_at_all(who: By) -> None:
    readable = [note for note in ALL_NOTES if refusal(who, Action.READ, note) is None]
    assert reads_notes(who.role) == bool(readable)
