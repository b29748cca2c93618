"""Whether a clinic's ledger is whole: positions without a gap, versions from 1, the head at the last entry.

Whoever may change the tables can remove entries. Nobody who reads the ledger steps over such a gap:
the follower stops for that clinic, a rebuild refuses, and `noteledger check` names the position.
Without the Merkle log, one removal is not seen here: the newest entries, together with the head,
the bookmarks and the views' rows of them.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import islice
from typing import Any, Final, NamedTuple

from psycopg import Connection, Cursor
from psycopg.rows import scalar_row, tuple_row

RANGE_ENTRIES: Final = 10_000
"""Entries that one statement of a check looks at."""
BREAKS_MAX: Final = 5
"""Breaks of one clinic that a check names."""


class Reason(StrEnum):
    """Why a ledger is not whole at a position."""

    MISSING = "an entry is missing"
    BEYOND_HEAD = "an entry stands after the ledger's head"
    VERSION = "the version before this entry's is missing, or stands after it"
    CUT = "the ledger ends before this position, and a follower had read further"
    NO_HEAD = "the clinic has entries and no ledger head"


class Break(NamedTuple):
    """Where a clinic's ledger is not whole."""

    clinic_id: int
    position: int
    reason: Reason

    def sentence(self) -> str:
        """For an operator."""
        return f"Clinic {self.clinic_id}, position {self.position}: {self.reason}."


class LedgerIsBrokenError(Exception):
    """A clinic's ledger is not whole, so nothing is built on it; `noteledger check` names all places."""

    def __init__(self, found: Break) -> None:
        super().__init__(found.sentence())
        self.found = found


def first_break(
    conn: Connection[Any], clinic_id: int, after: int, head: int, positions: Sequence[int]
) -> Break | None:
    """The first break among entries that were read, in order, from position `after` + 1 on.

    `head` was read before them, or with them. Where they are the newest, the entries end at it.
    """
    for expected, position in enumerate(positions, after + 1):
        if position != expected:
            gap = Break(clinic_id, expected, Reason.MISSING)
            return _version_break(conn, clinic_id, after, expected - 1) or gap
    if not positions:
        return Break(clinic_id, after + 1, Reason.MISSING) if head > after else None
    return _version_break(conn, clinic_id, after, positions[-1])


def _version_break(conn: Connection[Any], clinic_id: int, after: int, last: int) -> Break | None:
    """Each version but the first has the one before it at a lower position: so all do, down to 1.

    The one before is looked up row by row: a join, planned before the range is known, could read the
    whole table for a batch.
    """
    found = (
        conn.cursor(row_factory=scalar_row, binary=True)
        .execute(
            """
            SELECT min(e.position) FROM ledger.entries e
            WHERE e.clinic_id = %(clinic_id)s
            AND e.position > %(after)s AND e.position <= %(last)s
            AND e.version <> 1 AND coalesce((
                SELECT min(b.position) FROM ledger.entries b
                WHERE b.clinic_id = %(clinic_id)s AND b.aggregate_id = e.aggregate_id
                AND b.version = e.version - 1
            ), e.position) >= e.position
            """,
            {"clinic_id": clinic_id, "after": after, "last": last},
        )
        .fetchone()
    )
    return None if found is None else Break(clinic_id, found, Reason.VERSION)


def clinic_ids(conn: Connection[Any]) -> list[int]:
    """All clinics that have a head, or an entry, in order."""
    return (
        conn.cursor(row_factory=scalar_row)
        .execute(
            """
            WITH RECURSIVE with_entries (clinic_id) AS (
                SELECT min(clinic_id) FROM ledger.entries
                UNION ALL
                SELECT (SELECT min(e.clinic_id) FROM ledger.entries e WHERE e.clinic_id > w.clinic_id)
                FROM with_entries w WHERE w.clinic_id IS NOT NULL
            )
            SELECT clinic_id FROM with_entries WHERE clinic_id IS NOT NULL
            UNION SELECT clinic_id FROM ledger.ledger_head ORDER BY clinic_id
            """
        )
        .fetchall()
    )


def breaks(conn: Connection[Any], clinic_id: int) -> list[Break]:
    """The first BREAKS_MAX places where the clinic's ledger is not whole, by ranges of positions."""
    return list(islice(_all_breaks(conn, clinic_id), BREAKS_MAX))


def head_break(conn: Connection[Any], clinic_id: int) -> Break | None:
    """Whether the head is not the last entry's position, or is behind what a follower has read."""
    row = (
        conn.cursor(row_factory=tuple_row)
        .execute(
            """
            SELECT (SELECT position FROM ledger.ledger_head WHERE clinic_id = %(clinic_id)s),
                (SELECT coalesce(max(position), 0) FROM ledger.entries
                    WHERE clinic_id = %(clinic_id)s),
                (SELECT coalesce(max(position), 0) FROM ledger.bookmarks
                    WHERE clinic_id = %(clinic_id)s)
            """,
            {"clinic_id": clinic_id},
        )
        .fetchone()
    )
    assert row is not None, "a row of three"
    head, last, read = row
    if head is None:
        return Break(clinic_id, last, Reason.NO_HEAD)
    if head > last:
        return Break(clinic_id, last + 1, Reason.MISSING)
    if head < last:
        return Break(clinic_id, head + 1, Reason.BEYOND_HEAD)
    return Break(clinic_id, head + 1, Reason.CUT) if read > head else None


class _Range(NamedTuple):
    last: int | None
    before_gap: int | None
    loose: int | None


def _all_breaks(conn: Connection[Any], clinic_id: int) -> Iterator[Break]:
    after, expected_after = -(2**63), 0
    while (found := _range(conn.cursor(), clinic_id, after, expected_after)).last is not None:
        places = [
            *([] if found.before_gap is None else [(found.before_gap + 1, Reason.MISSING)]),
            *([] if found.loose is None else [(found.loose, Reason.VERSION)]),
        ]
        for position, reason in sorted(places):
            yield Break(clinic_id, position, reason)
        after = expected_after = found.last
    if at_head := head_break(conn, clinic_id):
        yield at_head


def _range(cursor: Cursor[Any], clinic_id: int, after: int, expected_after: int) -> _Range:
    """The first gap and the first loose version among the next RANGE_ENTRIES entries."""
    cursor.row_factory = tuple_row
    row = cursor.execute(
        """
        SELECT max(position), min(before) FILTER (WHERE position <> before + 1),
            min(position) FILTER (WHERE is_loose)
        FROM (
            SELECT e.position,
                lag(e.position, 1, %(expected_after)s::bigint) OVER (ORDER BY e.position) AS before,
                e.version <> 1 AND coalesce((
                    SELECT min(b.position) FROM ledger.entries b
                    WHERE b.clinic_id = %(clinic_id)s AND b.aggregate_id = e.aggregate_id
                    AND b.version = e.version - 1
                ), e.position) >= e.position AS is_loose
            FROM (
                SELECT position, aggregate_id, version FROM ledger.entries
                WHERE clinic_id = %(clinic_id)s AND position > %(after)s
                ORDER BY position LIMIT %(limit)s
            ) e
        ) looked_at
        """,
        {
            "clinic_id": clinic_id,
            "after": after,
            "expected_after": expected_after,
            "limit": RANGE_ENTRIES,
        },
    ).fetchone()
    assert row is not None, "an aggregate has one row"
    return _Range(*row)
