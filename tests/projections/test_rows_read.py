"""How many rows of a large table a statement reads: no more than it shows or changes.

PostgreSQL counts the rows that it reads of each table. Here most rows are about other clients, and
the plans are those of the service, made once for all parameters.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Final, NamedTuple

import pytest
from psycopg import ClientCursor

from domain.note import NOTE
from domain.soap_note import SOAP_NOTE
from domain.value import Kind
from projections.partial_history import CONSIDERED, partial_history
from projections.view import by_name
from runtime.embedded import ServerAddress
from tests.databases import Program, fresh_database, owner_of, running
from tests.samples import (
    ALMA,
    CLARA,
    CLINIC,
    EVERYBODY,
    PROGRESS,
    SESSION_ID,
    amend,
    caller,
    create,
    delete,
    enter_directory,
    save,
)

READER: Final = caller(ALMA)
NOTES: Final = 20
"""Of each kind, each saved three times; the second save is an approval, the third is amended."""
NEWEST_SAVE: Final = 13 + (1 + len(EVERYBODY)) + 2 * NOTES * 4 - 1
"""Its position: after the directory's 13 facts, one of each data key, and before its amendment."""

OF_OTHERS: Final = """
    CREATE TEMPORARY TABLE others AS
    SELECT n, CASE WHEN n %% 2 = 0 THEN 'note' ELSE 'soap-note' END AS kind, 5000 + n / 50 AS client
    FROM generate_series(1, 20000) n;

    INSERT INTO ledger.entries (clinic_id, position, aggregate_id, version, kind, state)
    SELECT %(clinic_id)s, -n, gen_random_uuid(), 1, 'note-drafted/2', decode(repeat('00', 1000), 'hex')
    FROM others;

    INSERT INTO views.current_notes
    SELECT o.* FROM others, json_populate_record(NULL::views.current_notes, json_build_object(
        'clinic_id', %(clinic_id)s, 'kind', kind, 'note_id', 1000000 + n, 'version', 1,
        'position', -n, 'client_user_id', client, 'record_type', 2, 'therapist_user_id', 99,
        'is_approved', false, 'created_by', 99, 'created_at', now()
    )) o;

    INSERT INTO views.history
    SELECT o.* FROM others, json_populate_record(NULL::views.history, json_build_object(
        'clinic_id', %(clinic_id)s, 'kind', kind, 'note_id', 1000000 + n, 'version', 1,
        'position', -n, 'client_user_id', client, 'record_type', 2, 'therapist_user_id', 99,
        'is_approved', false, 'updated_at', now()
    )) o;
"""
"""20,000 saves of another therapist, before all others in the ledger; nobody opens them."""


class RowsRead(NamedTuple):
    """How many rows of each table were read."""

    entries: int
    current_notes: int
    history: int


@pytest.fixture(scope="module")
def large(server: ServerAddress, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A clinic where one client of Alma has notes, and other clients have many more."""
    key_file = tmp_path_factory.mktemp("key") / "key.json"
    with (
        fresh_database(server) as database,
        owner_of(database.owner_url) as owner,
        running(database.app_url, key_file, pool_size=1, max_overflow=0) as program,
    ):
        enter_directory(program.ledger)
        for aggregate, note_id in product((NOTE, SOAP_NOTE), range(1, NOTES + 1)):
            record = partial(program.ledger.record, CLINIC, aggregate, note_id)
            record(create(therapist_session_id=SESSION_ID))
            record(save(is_approved=True))
            record(save())
            record(amend(3, "amended"))
        ClientCursor(owner).execute(OF_OTHERS, {"clinic_id": CLINIC})
        owner.execute("ANALYZE ledger.entries, views.current_notes, views.history")
        yield program


KIND: Final = Kind.SOAP_NOTE
READERS: Final[dict[str, tuple[Callable[[Program], object], RowsRead]]] = {
    "a note": (
        lambda program: program.notes.find(READER, KIND, 7),
        RowsRead(entries=1, current_notes=1, history=0),
    ),
    "a note with its amendment": (
        lambda program: program.notes.find_amended(READER, KIND, 7),
        RowsRead(entries=2, current_notes=1, history=1),
    ),
    "a page of notes": (
        lambda program: program.notes.page(READER, KIND, after=5, limit=10),
        RowsRead(entries=10, current_notes=10, history=0),
    ),
    "a page of notes with their amendments": (
        lambda program: program.notes.page_amended(READER, KIND, after=5, limit=10),
        RowsRead(entries=20, current_notes=10, history=10),
    ),
    "a client's notes": (
        lambda program: program.notes.of_client(READER, KIND, CLARA.user_id, PROGRESS),
        RowsRead(entries=NOTES, current_notes=NOTES, history=0),
    ),
    "a history entry": (
        lambda program: program.history.find(READER, KIND, NEWEST_SAVE),
        RowsRead(entries=2, current_notes=0, history=1),
    ),
    "a page of the history": (
        lambda program: program.history.page(READER, KIND, None, limit=10),
        RowsRead(entries=14, current_notes=0, history=10),
    ),
    "a client's newest entries": (
        lambda program: program.history.newest(READER, KIND, CLARA.user_id, PROGRESS, limit=10),
        RowsRead(entries=14, current_notes=0, history=10),
    ),
    "a client's partial history": (
        lambda program: partial_history(program.rows, READER, CLARA.user_id, PROGRESS),
        RowsRead(entries=12, current_notes=0, history=CONSIDERED),
    ),
}


@pytest.mark.parametrize("name", READERS)
def test_no_more_rows_are_read_than_are_shown(large: Program, name: str) -> None:
    read, expected = READERS[name]
    assert read(large), "and the statement is prepared"
    before = _rows_read(large)
    read(large)
    assert _since(before, _rows_read(large)) == expected


def test_no_more_rows_are_read_than_are_changed(large: Program) -> None:
    """An amendment changes one history entry; a deletion hides a note and its three entries."""
    record = partial(large.ledger.record, CLINIC, NOTE)
    record(1, amend(1, "amended"))
    before = _rows_read(large)
    record(2, amend(1, "amended"))
    after_amendment = _rows_read(large)
    assert _of_views(before, after_amendment) == (0, 1)
    record(2, delete())
    assert _of_views(after_amendment, _rows_read(large)) == (1, 3)


def _since(before: RowsRead, now: RowsRead) -> RowsRead:
    return RowsRead(
        entries=now.entries - before.entries,
        current_notes=now.current_notes - before.current_notes,
        history=now.history - before.history,
    )


def _of_views(before: RowsRead, now: RowsRead) -> tuple[int, int]:
    read = _since(before, now)
    return read.current_notes, read.history


def _rows_read(program: Program) -> RowsRead:
    """Since the database was made, as the program's only connection has reported it."""
    with program.datastore.as_ledger() as conn:
        conn.execute("SELECT pg_stat_force_next_flush()")
        cursor = conn.cursor(row_factory=by_name(RowsRead))
        found = cursor.execute(
            """
            SELECT
                sum(read) FILTER (WHERE relname = 'entries')::bigint AS entries,
                sum(read) FILTER (WHERE relname = 'current_notes')::bigint AS current_notes,
                sum(read) FILTER (WHERE relname = 'history')::bigint AS history
            FROM (
                SELECT relname, seq_tup_read + idx_tup_fetch AS read FROM pg_stat_user_tables
            ) tables
            """
        ).fetchone()
    assert found is not None
    return found
