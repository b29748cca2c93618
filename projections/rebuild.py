"""Lay the views' tables, and rebuild any of them from the ledger while the service runs.

A view is built in the schema `rebuilding`, beside the live one; when it has caught up, the heads
of all ledgers are locked for a moment, the last entries are taken in, and the two change places
in that same transaction. A crash before it leaves the live view as it was, and the next rebuild
starts by throwing the half-built one away.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection, Cursor
from psycopg.rows import scalar_row, tuple_row
from psycopg.sql import SQL, Identifier

from ledger.codec import read_clear
from ledger.entry import Entry
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
BATCH: Final = 2_000
_ONE_AT_A_TIME: Final = 0x6E6F7465_00000001
"""Key of the advisory lock that a rebuild holds."""

Progress = Callable[[int], None]


def lay_missing(conn: Connection[Any], progress: Progress) -> None:
    """Make the tables of the views that have none, filled from the ledger; as the owner."""
    cursor = conn.cursor(row_factory=scalar_row)
    for view in VIEWS:
        table = f"views.{view.table_name}"
        if cursor.execute("SELECT to_regclass(%s) IS NULL", (table,)).fetchone():
            rebuild(conn, view, progress)


def rebuild(conn: Connection[Any], view: View, progress: Progress) -> None:
    """Build the view anew from the ledger and put it in the place of the live one; as the owner.

    `conn` is in autocommit mode. `progress` is called with the number of entries read so far.
    """
    cursor = conn.cursor(row_factory=tuple_row)
    cursor.execute("SELECT pg_advisory_lock(%s)", (_ONE_AT_A_TIME,))
    try:
        # Functions and policies name other views, which may not be there yet: do not check now.
        cursor.execute("SET check_function_bodies TO off")
        cursor.execute("DROP SCHEMA IF EXISTS rebuilding CASCADE")
        cursor.execute("CREATE SCHEMA rebuilding")
        cursor.execute("SET search_path TO rebuilding, views, ledger")
        cursor.execute(view.table.encode())
        done: dict[int, int] = {}
        while _catch_up(cursor, view, done, progress) >= BATCH:
            pass
        _change_places(conn, cursor, view, done, progress)
    finally:
        if not conn.closed:
            cursor.execute("RESET search_path")
            cursor.execute("SELECT pg_advisory_unlock(%s)", (_ONE_AT_A_TIME,))


def _change_places(
    conn: Connection[Any], cursor: Cursor[Any], view: View, done: dict[int, int], progress: Progress
) -> None:
    table = Identifier(view.table_name)
    with conn.transaction():
        # Appends wait from here on: whoever holds a head may still write to the live view.
        cursor.execute("SELECT FROM ledger.ledger_head ORDER BY clinic_id FOR UPDATE")
        while _catch_up(cursor, view, done, progress):
            pass
        cursor.execute(SQL("DROP TABLE IF EXISTS views.{}").format(table))
        cursor.execute(SQL("ALTER TABLE rebuilding.{} SET SCHEMA views").format(table))
        cursor.execute("DROP SCHEMA rebuilding")


class _StoredEntry(NamedTuple):
    """A row of `ledger.entries`."""

    clinic_id: int
    position: int
    aggregate_id: UUID
    version: int
    kind: str
    state: bytes

    def clear(self) -> Entry:
        """The entry with its fact, without words."""
        return Entry(
            clinic_id=self.clinic_id,
            position=self.position,
            aggregate_id=self.aggregate_id,
            version=self.version,
            fact=read_clear(self.kind, self.state),
        )


def _catch_up(cursor: Cursor[Any], view: View, done: dict[int, int], progress: Progress) -> int:
    """Take in the next batch of each clinic; the size of the largest."""
    conn, largest = cursor.connection, 0
    clinic_ids: list[int] = (
        conn.cursor(row_factory=scalar_row)
        .execute("SELECT clinic_id FROM ledger.ledger_head WHERE position > 0 ORDER BY clinic_id")
        .fetchall()
    )
    for clinic_id in clinic_ids:
        rows = (
            conn.cursor(row_factory=by_name(_StoredEntry))
            .execute(
                """
                SELECT * FROM ledger.entries
                WHERE clinic_id = %(clinic_id)s AND position > %(after)s
                ORDER BY position LIMIT %(limit)s
                """,
                {"clinic_id": clinic_id, "after": done.get(clinic_id, 0), "limit": BATCH},
            )
            .fetchall()
        )
        if rows:
            view.write(cursor, [row.clear() for row in rows])
            done[clinic_id] = rows[-1].position
            largest = max(largest, len(rows))
            progress(sum(done.values()))
    return largest
