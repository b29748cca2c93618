"""Read a ledger's entries in batches, without words and without a gap: what views are built from."""

from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import tuple_row

from ledger.codec import read_clear
from ledger.continuity import Break, LedgerIsBrokenError, Reason, first_break
from ledger.entry import Entry
from projections.view import by_name

BATCH: Final = 2_000
BATCH_BYTES: Final = 16 * 2**20
"""Sealed bytes of a batch; a single entry may be larger."""


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


class EntryIsUnreadableError(Exception):
    """The clear fields of an entry cannot be read; the message names the entry, and quotes nothing."""

    def __init__(self, row: _StoredEntry, error: Exception) -> None:
        where = f"Clinic {row.clinic_id}, position {row.position}"
        super().__init__(f"{where}: the entry cannot be read ({type(error).__name__}).")


def heads(conn: Connection[Any]) -> dict[int, int]:
    """The newest position of each clinic that has one."""
    rows = (
        conn.cursor(row_factory=tuple_row)
        .execute(
            "SELECT clinic_id, position FROM ledger.ledger_head WHERE position > 0"
            " ORDER BY clinic_id"
        )
        .fetchall()
    )
    return dict(rows)


def next_batch(conn: Connection[Any], clinic_id: int, after: int, head: int) -> list[Entry]:
    """The entries from `after` + 1 on, none where that is the end. `head` was read before.

    Raises LedgerIsBrokenError, and EntryIsUnreadableError.
    """
    rows = (
        conn.cursor(row_factory=by_name(_StoredEntry))
        .execute(
            """
            SELECT * FROM (
                SELECT *, sum(octet_length(state)) OVER (ORDER BY position) AS bytes
                FROM (
                    SELECT * FROM ledger.entries
                    WHERE clinic_id = %(clinic_id)s AND position > %(after)s
                    ORDER BY position LIMIT %(limit)s
                ) next
            ) measured
            WHERE bytes <= %(bytes_max)s OR position = %(after)s + 1
            ORDER BY position
            """,
            {
                "clinic_id": clinic_id,
                "after": after,
                "limit": BATCH,
                "bytes_max": BATCH_BYTES,
            },
        )
        .fetchall()
    )
    found = first_break(conn, clinic_id, after, head, [row.position for row in rows])
    if found:
        raise LedgerIsBrokenError(found)
    return [_clear(row) for row in rows]


def _clear(row: _StoredEntry) -> Entry:
    try:
        return row.clear()
    except Exception as error:
        raise EntryIsUnreadableError(row, error) from error


def require_nothing_beyond(conn: Connection[Any]) -> None:
    """Raises LedgerIsBrokenError for an entry after a head. The caller has locked the heads."""
    row = (
        conn.cursor(row_factory=tuple_row)
        .execute(
            """
            SELECT h.clinic_id, h.position FROM ledger.ledger_head h
            WHERE EXISTS (
                SELECT FROM ledger.entries e
                WHERE e.clinic_id = h.clinic_id AND e.position > h.position
            )
            ORDER BY h.clinic_id LIMIT 1
            """
        )
        .fetchone()
    )
    if row:
        raise LedgerIsBrokenError(Break(row[0], row[1] + 1, Reason.BEYOND_HEAD))
