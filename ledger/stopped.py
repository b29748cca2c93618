"""The clinics for which a follower has stopped, and where: what `/readyz`, metrics and `check` show.

It stands in the database because another process may follow than the one that is asked.
"""

from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row, scalar_row

from ledger.continuity import Break
from ledger.database import Datastore

STOPPED_MAX: Final = 100
"""Stopped clinics that are shown."""


class Stopped(NamedTuple):
    """A follower does not go on in this clinic's ledger; no words, only numbers and a fixed reason."""

    clinic_id: int
    follower: str
    position: int
    reason: str


def stopped(datastore: Datastore) -> list[Stopped]:
    """The first STOPPED_MAX of them, by clinic."""
    with datastore.get_connection() as conn:
        return read_stopped(conn)


def read_stopped(conn: Connection[Any]) -> list[Stopped]:
    """The same, on a connection."""
    return (
        conn.cursor(row_factory=class_row(Stopped))
        .execute(
            """
            SELECT clinic_id, follower, position, reason FROM ledger.stopped_followers
            ORDER BY clinic_id, follower LIMIT %(limit)s
            """,
            {"limit": STOPPED_MAX},
        )
        .fetchall()
    )


def stopped_clinics(conn: Connection[Any], follower: str) -> list[int]:
    """The clinics for which this follower has stopped."""
    return (
        conn.cursor(row_factory=scalar_row)
        .execute(
            "SELECT clinic_id FROM ledger.stopped_followers WHERE follower = %(follower)s",
            {"follower": follower},
        )
        .fetchall()
    )


def put_stopped(conn: Connection[Any], follower: str, found: Break) -> None:
    """Say that the follower has stopped here; again at will."""
    conn.execute(
        """
        INSERT INTO ledger.stopped_followers AS s (clinic_id, follower, position, reason)
        VALUES (%(clinic_id)s, %(follower)s, %(position)s, %(reason)s)
        ON CONFLICT (clinic_id, follower) DO UPDATE
        SET position = excluded.position, reason = excluded.reason, stopped_at = now()
        WHERE (s.position, s.reason) <> (excluded.position, excluded.reason)
        """,
        {**found._asdict(), "follower": follower},
    )


def remove_stopped(conn: Connection[Any], follower: str, clinic_id: int) -> None:
    """The follower goes on in this clinic's ledger."""
    conn.execute(
        "DELETE FROM ledger.stopped_followers"
        " WHERE clinic_id = %(clinic_id)s AND follower = %(follower)s",
        {"clinic_id": clinic_id, "follower": follower},
    )
