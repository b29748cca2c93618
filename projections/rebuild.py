"""Lay the views' tables, and rebuild any of them from the ledger while the service runs.

A view is built in the schema `rebuilding`, beside the live one; when it has caught up, the heads
of all ledgers are locked for a moment, the last entries are taken in, and the two change places
in that same transaction. A crash before it leaves the live view as it was, and the next rebuild
starts by throwing the half-built one away. A ledger that is not whole (`ledger/continuity.py`) is
refused, and the live view stays as well.

A table's comment is a digest of the SQL that laid it. Where this program has other SQL, or its typed
row other columns, the view is laid anew: nobody has to remember which program changed a view.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final, NamedTuple

from psycopg import Connection, Cursor
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier, Literal

from projections import (
    generations,
    history,
    notes,
    people,
    record_types,
    relationships,
    sessions,
    transcripts,
)
from projections.stored import heads, next_batch, require_nothing_beyond
from projections.view import View, by_name

VIEWS: Final[tuple[View, ...]] = (
    people.VIEW,
    relationships.VIEW,
    record_types.VIEW,
    sessions.VIEW,
    notes.VIEW,
    history.VIEW,
    transcripts.VIEW,
    generations.VIEW,
)
BUILDING_LOCK: Final = 0x6E6F7465_00000001
"""Key of the advisory lock that a rebuild holds."""

Progress = Callable[[int], None]


class OutdatedView(NamedTuple):
    """A view that this program does not find as it lays it."""

    view: View
    is_missing: bool


class _LaidTable(NamedTuple):
    table_name: str
    comment: str | None
    columns: list[str]


def outdated(conn: Connection[Any]) -> list[OutdatedView]:
    """The views that are missing, or were laid by other SQL, or have other columns."""
    laid = {
        table.table_name: table
        for table in conn.cursor(row_factory=by_name(_LaidTable)).execute(
            """
            SELECT c.relname::text AS table_name,
                obj_description(c.oid, 'pg_class') AS comment,
                (SELECT array_agg(a.attname::text) FROM pg_attribute a
                    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
            FROM pg_class c
            WHERE c.relnamespace = to_regnamespace('views') AND c.relkind = 'r'
            """
        )
    }
    return [
        OutdatedView(view, is_missing=view.table_name not in laid)
        for view in VIEWS
        if not _is_as_laid_today(view, laid.get(view.table_name))
    ]


def _is_as_laid_today(view: View, table: _LaidTable | None) -> bool:
    return (
        table is not None
        and table.comment == _digest(view)
        and set(table.columns or ()) == set(view.row._fields)
    )


def _digest(view: View) -> str:
    """What the table's comment says of the SQL that laid it."""
    return f"sha256:{sha256(view.table.encode()).hexdigest()}"


def lay_missing(conn: Connection[Any], progress: Progress) -> None:
    """Lay the views that are missing or outdated, filled from the ledger; as the owner."""
    for one in outdated(conn):
        rebuild(conn, one.view, progress)


def rebuild(conn: Connection[Any], view: View, progress: Progress) -> None:
    """Build the view anew from the ledger and put it in the place of the live one; as the owner.

    `conn` is in autocommit mode. `progress` is called with the number of entries read so far.
    """
    cursor = conn.cursor(row_factory=tuple_row)
    cursor.execute("SELECT pg_advisory_lock(%s)", (BUILDING_LOCK,))
    try:
        # Functions and policies name other views, which may not be there yet: do not check now.
        cursor.execute("SET check_function_bodies TO off")
        cursor.execute("DROP SCHEMA IF EXISTS rebuilding CASCADE")
        cursor.execute("CREATE SCHEMA rebuilding")
        cursor.execute("SET search_path TO rebuilding, views, ledger")
        cursor.execute(view.table.encode())
        cursor.execute(
            SQL("COMMENT ON TABLE {} IS {}").format(
                Identifier(view.table_name), Literal(_digest(view))
            )
        )
        done: dict[int, int] = {}
        while _catch_up(cursor, view, done, progress):
            pass
        _change_places(conn, cursor, view, done, progress)
    finally:
        if not conn.closed:
            cursor.execute("RESET search_path")
            cursor.execute("SELECT pg_advisory_unlock(%s)", (BUILDING_LOCK,))


def _change_places(
    conn: Connection[Any], cursor: Cursor[Any], view: View, done: dict[int, int], progress: Progress
) -> None:
    table = Identifier(view.table_name)
    with conn.transaction():
        # Appends wait from here on: whoever holds a head may still write to the live view.
        cursor.execute("SELECT FROM ledger.ledger_head ORDER BY clinic_id FOR UPDATE")
        while _catch_up(cursor, view, done, progress):
            pass
        require_nothing_beyond(conn)
        cursor.execute(SQL("DROP TABLE IF EXISTS views.{}").format(table))
        cursor.execute(SQL("ALTER TABLE rebuilding.{} SET SCHEMA views").format(table))
        cursor.execute("DROP SCHEMA rebuilding")


def _catch_up(cursor: Cursor[Any], view: View, done: dict[int, int], progress: Progress) -> bool:
    """Take in the next batch of each clinic; whether a clinic may have more.

    Raises LedgerIsBrokenError where a ledger is not whole: a view without the missing entries would
    show what was deleted, or hide what was saved.
    """
    conn, more = cursor.connection, False
    for clinic_id, head in heads(conn).items():
        entries = next_batch(conn, clinic_id, done.get(clinic_id, 0), head)
        if entries:
            view.write(cursor, entries)
            done[clinic_id] = entries[-1].position
            more |= done[clinic_id] < head
            progress(sum(done.values()))
    return more
