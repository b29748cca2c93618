"""Two walls before each note: the access function and row-level security, held against each other."""

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import Connection
from psycopg.rows import TupleRow, tuple_row

from domain import access
from domain.access import Action, NoteAccess
from domain.aggregates import aggregate_id
from domain.generation import GENERATION
from domain.note import NOTE
from domain.relationship import RELATIONSHIP, RelationshipBegan, RelationshipEnded
from domain.session import SESSION
from domain.soap_note import SOAP_NOTE
from domain.value import PSYCHOTHERAPY, By, Caller, Kind
from ledger.database import Datastore
from ledger.entry import Entry
from projections import history, notes, relationships
from projections.partial_history import partial_history
from projections.rebuild import VIEWS
from tests.databases import Database, Program
from tests.samples import (
    ADAM,
    ALMA,
    AUDRA,
    BRUNO,
    CLARA,
    CLINIC,
    DAVID,
    ELSEWHERE,
    EVERYBODY,
    ML,
    NOON,
    PROGRESS,
    SESSION_ID,
    caller,
    create,
    drafted,
    enter_directory,
    present,
    put_relationship,
)
from tests.wholeness import all_views
from tests.work_samples import GENERATION_ID, put_transcript, request_generation

Owner = psycopg.Connection[TupleRow]
CLINICS = st.sampled_from([CLINIC, ELSEWHERE])
THERAPISTS = st.sampled_from([ALMA, BRUNO])
CLIENTS = st.sampled_from([CLARA, DAVID])


class SomeNote(NamedTuple):
    """What decides about a note."""

    clinic_id: int
    kind: Kind
    therapist: By
    client: By
    record_type: int


class Treats(NamedTuple):
    """Who treats whom, or did."""

    clinic_id: int
    therapist: By
    client: By
    is_active: bool


NOTES = st.lists(
    st.builds(
        SomeNote,
        CLINICS,
        st.sampled_from([Kind.NOTE, Kind.SOAP_NOTE]),
        THERAPISTS,
        CLIENTS,
        st.sampled_from([PROGRESS, PSYCHOTHERAPY]),
    ),
    max_size=12,
)
TREATS = st.lists(st.builds(Treats, CLINICS, THERAPISTS, CLIENTS, st.booleans()), max_size=5)
CALLERS = [caller(who, clinic) for who in EVERYBODY for clinic in (CLINIC, ELSEWHERE)]


def test_the_database_shows_what_the_access_function_allows(datastore: Datastore) -> None:
    """Neither more nor less, to each caller of both clinics, without the first wall's help."""

    @given(some_notes=NOTES, treats=TREATS)
    @settings(max_examples=60)
    def holds(some_notes: list[SomeNote], treats: list[Treats]) -> None:
        _write_views(datastore, some_notes, treats)
        for who in CALLERS:
            allowed = {n for n, note in enumerate(some_notes, 1) if _may_read(who, note, treats)}
            assert _visible(datastore, who, "current_notes") == allowed
            assert _visible(datastore, who, "history") == allowed

    holds()


def _write_views(
    datastore: Datastore, some_notes: Sequence[SomeNote], treats: Sequence[Treats]
) -> None:
    """As the ledger does; the entries themselves are not needed."""
    with datastore.as_ledger() as conn, conn.transaction():
        cursor = conn.cursor(row_factory=tuple_row)
        for table in (b"current_notes", b"history", b"relationships"):
            cursor.execute(b"DELETE FROM " + table)
        entries = [_entry(n, note) for n, note in enumerate(some_notes, 1)]
        notes.write(cursor, entries)
        history.write(cursor, entries)
        relationships.write(cursor, [_began_or_ended(n, one) for n, one in enumerate(treats, 1)])


def _entry(n: int, note: SomeNote) -> Entry:
    fact = drafted(
        note_id=n,
        by=note.therapist,
        therapist_user_id=note.therapist.user_id,
        client_user_id=note.client.user_id,
        record_type=note.record_type,
    )
    return Entry(note.clinic_id, n, aggregate_id(note.kind, n), 1, fact)


def _began_or_ended(n: int, treats: Treats) -> Entry:
    fields: dict[str, Any] = {
        "by": ADAM,
        "at": NOON,
        "therapist_client_id": n,
        "therapist_user_id": treats.therapist.user_id,
        "client_user_id": treats.client.user_id,
    }
    fact = RelationshipBegan(**fields) if treats.is_active else RelationshipEnded(**fields)
    return Entry(treats.clinic_id, n, aggregate_id(Kind.RELATIONSHIP, n), 1, fact)


def _may_read(who: Caller, note: SomeNote, treats: Sequence[Treats]) -> bool:
    is_callers_client = any(
        one.is_active
        and (one.clinic_id, one.client) == (note.clinic_id, note.client)
        and one.therapist.user_id == who.user_id
        for one in treats
    )
    asked = NoteAccess(note.kind, note.record_type, note.therapist.user_id, is_callers_client)
    return who.clinic_id == note.clinic_id and access.refusal(who, Action.READ, asked) is None


def _visible(datastore: Datastore, who: Caller, table: str) -> set[int]:
    with datastore.as_caller(who) as conn:
        rows = conn.execute(f"SELECT note_id FROM {table}".encode()).fetchall()  # noqa: S608
    assert len({row["note_id"] for row in rows}) == len(rows)
    return {row["note_id"] for row in rows}


class TestReaders:
    """Both walls, as the API meets them."""

    def test_each_role_finds_what_is_theirs(self, program: Program) -> None:
        enter_directory(program.ledger)
        record = program.ledger.record
        record(CLINIC, NOTE, 1, create())
        record(CLINIC, NOTE, 2, create(record_type=PSYCHOTHERAPY))
        brunos: dict[str, Any] = {"by": BRUNO, "therapist": BRUNO}
        record(CLINIC, NOTE, 3, create(client=CLARA, **brunos))
        record(CLINIC, NOTE, 4, create(client=DAVID, **brunos))
        record(
            CLINIC,
            NOTE,
            5,
            create(client=CLARA, record_type=PSYCHOTHERAPY, **brunos),
        )
        finds = {ALMA: [1, 2, 3], BRUNO: [3, 4, 5], AUDRA: [1, 3, 4]}
        for who in EVERYBODY:
            expected = finds.get(who, [])
            reader = caller(who)
            page = program.notes.page(reader, Kind.NOTE, 0, 10)
            assert [note.note_id for note in page] == expected
            entries = program.history.page(reader, Kind.NOTE, None, 10)
            assert [entry.note_id for entry in entries] == expected[::-1]
            for note_id in range(1, 6):
                found = program.notes.find(reader, Kind.NOTE, note_id)
                assert (found is not None) == (note_id in expected)

    def test_a_relationship_that_ended_closes_the_notes_of_others(self, program: Program) -> None:
        enter_directory(program.ledger)
        brunos = create(by=BRUNO, therapist=BRUNO, client=CLARA)
        program.ledger.record(CLINIC, NOTE, 3, brunos)
        assert program.notes.find(caller(ALMA), Kind.NOTE, 3)
        ended = put_relationship(is_active=False)
        program.ledger.record(CLINIC, RELATIONSHIP, 101, ended)
        assert program.notes.find(caller(ALMA), Kind.NOTE, 3) is None
        program.ledger.record(CLINIC, RELATIONSHIP, 101, put_relationship())
        assert program.notes.find(caller(ALMA), Kind.NOTE, 3)

    def test_another_clinics_notes_are_not_there(self, program: Program, owner: Owner) -> None:
        """The same ids, the same people's numbers, and nothing of the other's."""
        owner.execute("INSERT INTO ledger.ledger_head (clinic_id) VALUES (%s)", (ELSEWHERE,))
        enter_directory(program.ledger, ELSEWHERE)
        program.ledger.record(ELSEWHERE, SOAP_NOTE, 1, create("theirs"))
        row = owner.execute(
            "SELECT position FROM ledger.ledger_head WHERE clinic_id = %s", (ELSEWHERE,)
        ).fetchone()
        [position] = present(row)
        for who in EVERYBODY:
            reader = caller(who)
            assert program.notes.find(reader, Kind.SOAP_NOTE, 1) is None
            assert program.history.find(reader, Kind.SOAP_NOTE, position) is None
            assert partial_history(program.rows, reader, CLARA.user_id, PROGRESS) == []
        there = caller(ALMA, ELSEWHERE)
        assert program.notes.find(there, Kind.SOAP_NOTE, 1)
        assert program.history.find(there, Kind.SOAP_NOTE, position)
        assert len(partial_history(program.rows, there, CLARA.user_id, PROGRESS)) == 1


class TestSecondWall:
    """Row-level security by itself, whatever statement comes through."""

    @pytest.fixture
    def entered(self, program: Program) -> Program:
        """A clinic with a row in each view."""
        enter_directory(program.ledger)
        program.ledger.record(CLINIC, NOTE, 1, create())
        program.ledger.record(CLINIC, SESSION, SESSION_ID, put_transcript())
        program.ledger.record(CLINIC, GENERATION, GENERATION_ID, request_generation())
        return program

    def test_a_caller_changes_no_view(self, entered: Program, owner: Owner) -> None:
        before = all_views(owner)
        for view, who in product(VIEWS, (ALMA, AUDRA, ADAM, ML)):
            table = view.table_name
            with entered.datastore.as_caller(caller(who)) as conn:
                for change in (f"UPDATE {table} SET clinic_id = 2", f"DELETE FROM {table}"):  # noqa: S608
                    assert conn.execute(change.encode()).rowcount == 0
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute(f"INSERT INTO {table} SELECT (NULL::{table}).*".encode())
        assert all_views(owner) == before

    def test_a_caller_of_another_clinic_sees_nothing(self, entered: Program) -> None:
        for view, who in product(VIEWS, EVERYBODY):
            with entered.datastore.as_caller(caller(who, ELSEWHERE)) as conn:
                assert _rows(conn, view.table_name) == 0

    @pytest.mark.usefixtures("entered")
    def test_whoever_was_not_named_sees_nothing(self, database: Database, owner: Owner) -> None:
        with psycopg.connect(database.app_url) as conn:
            for view in VIEWS:
                assert _rows(conn, view.table_name) == 0
                assert _rows(owner, view.table_name) > 0

    @pytest.mark.usefixtures("entered")
    def test_a_connection_forgets_whom_it_served_before(self, database: Database) -> None:
        """One connection, caller after caller."""
        with Datastore(database.app_url, pool_size=1, max_overflow=0) as one:
            for who, sees in ((ALMA, {1}), (BRUNO, set()), (AUDRA, {1}), (ADAM, set())):
                assert _visible(one, caller(who), "current_notes") == sees
            with one.as_ledger() as conn:
                assert _rows(conn, "current_notes") == 1
            assert _visible(one, caller(BRUNO), "current_notes") == set()


def _rows(conn: Connection[Any], table: str) -> int:
    cursor = conn.cursor(row_factory=tuple_row)
    row = cursor.execute(f"SELECT count(*) FROM views.{table}".encode()).fetchone()  # noqa: S608
    assert row is not None
    return int(row[0])
