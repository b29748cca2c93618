"""The changes that may be told, held against what may be read; and how they are read."""

from functools import partial
from itertools import product
from typing import Final

import pytest

from domain.aggregates import NOTE_AGGREGATES
from domain.change import ChangeType
from domain.note import NOTE
from domain.relationship import RELATIONSHIP, PutRelationship
from domain.value import PSYCHOTHERAPY, By, Kind, Role
from ledger.ledger import Ledger
from projections.changes import Changes, visible_changes
from projections.notes import Notes
from tests.databases import Program
from tests.samples import (
    ALMA,
    BRUNO,
    CLARA,
    CLINIC,
    DAVID,
    EVERYBODY,
    KEY_FACTS,
    PROGRESS,
    X_RAY,
    caller,
    create,
    delete,
    new_file,
    put_relationship,
    save,
)

SOME: Final = list(
    product([Kind.NOTE, Kind.SOAP_NOTE], [ALMA, BRUNO], [CLARA, DAVID], [PROGRESS, PSYCHOTHERAPY])
)
NEXT_TO_ALL: Final = 2**53


@pytest.fixture
def changes(program: Program) -> Changes:
    """The reader of changes."""
    return Changes(program.datastore)


def _save(ledger: Ledger, number: int, kind: Kind, by: By, client: By, record_type: int) -> None:
    command = create(by=by, therapist=by, client=client, record_type=record_type)
    ledger.record(CLINIC, NOTE_AGGREGATES[kind], number, command)


def test_told_is_what_can_be_read(ledger: Ledger, notes: Notes, changes: Changes) -> None:
    """To everybody, whoever treats whom: neither more nor less than the views show."""
    for number, one in enumerate(SOME, 1):
        _save(ledger, number, *one)
    happened = changes.page(CLINIC, 0, NEXT_TO_ALL).changes
    assert len(happened) == len(SOME)
    pairs = list(product([ALMA, BRUNO], [CLARA, DAVID]))
    for treats in product([False, True], repeat=len(pairs)):
        for number, ((therapist, client), is_active) in enumerate(
            zip(pairs, treats, strict=True), 1
        ):
            put = put_relationship(therapist, client, is_active=is_active)
            ledger.record(CLINIC, RELATIONSHIP, number, put)
        clients_of = changes.treatments(CLINIC).clients_of
        for who in EVERYBODY:
            heard = visible_changes(caller(who), happened, clients_of.get(who.user_id, frozenset()))
            for kind in (Kind.NOTE, Kind.SOAP_NOTE):
                shown = {note.note_id for note in notes.page(caller(who), kind, 0, 100)}
                assert {one.number for one in heard if one.about is kind} == shown


def test_a_deletion_is_told_to_whom_the_note_was_open(ledger: Ledger, changes: Changes) -> None:
    _save(ledger, 1, Kind.NOTE, ALMA, CLARA, PROGRESS)
    ledger.record(CLINIC, NOTE, 1, delete())
    [_, deleted] = changes.page(CLINIC, 0, NEXT_TO_ALL).changes
    assert (deleted.what, deleted.therapist_user_id) == (ChangeType.DELETED, ALMA.user_id)
    for who in EVERYBODY:
        may = who == ALMA or who.role is Role.AUDITOR
        assert visible_changes(caller(who), [deleted], frozenset()) == ([deleted] if may else [])


def test_two_relationships_of_a_pair_open_as_long_as_one_lasts(
    ledger: Ledger, changes: Changes
) -> None:
    record = partial(ledger.record, CLINIC, RELATIONSHIP)
    steps: list[tuple[int, PutRelationship, bool]] = [
        (1, put_relationship(), True),
        (2, put_relationship(), True),
        (1, put_relationship(is_active=False), True),
        (2, put_relationship(is_active=False), False),
    ]
    for number, command, is_open in steps:
        record(number, command)
        clients = changes.treatments(CLINIC).clients_of.get(ALMA.user_id, frozenset())
        assert (CLARA.user_id in clients) is is_open


def test_a_page_ends_where_it_is_told_to(ledger: Ledger, changes: Changes) -> None:
    _save(ledger, 1, Kind.NOTE, ALMA, CLARA, PROGRESS)
    for n in range(4):
        ledger.record(CLINIC, NOTE, 1, save(f"version {n}"))
    ledger.record(CLINIC, RELATIONSHIP, 1, put_relationship())
    first = KEY_FACTS + 1
    page = changes.page(CLINIC, first, first + 2)
    positions = [one.position for one in page.changes]
    assert (positions, page.position) == ([first + 1, first + 2], first + 2)
    assert not page.has_relationships
    page = changes.page(CLINIC, first + 3, first + 5)
    assert ([one.version for one in page.changes], page.position) == ([5], first + 5)
    assert page.has_relationships


def test_long_words_and_many_files_do_not_matter(ledger: Ledger, changes: Changes) -> None:
    files = tuple(new_file(X_RAY.model_copy(update={"name": f"{n}"})) for n in range(2_000))
    long = create("x" * 1_000_000, new_files=files)
    ledger.record(CLINIC, NOTE, 1, long)
    [change] = changes.page(CLINIC, 0, NEXT_TO_ALL).changes
    assert (change.what, change.number, change.version) == (ChangeType.DRAFTED, 1, 1)
