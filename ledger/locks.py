"""Advisory locks: something is done by one process at a time, and by another when that one is gone.

A lock belongs to a connection. Whoever dies, kill -9 included, loses the connection, and with it
the lock: nobody has to clear up.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import tuple_row

from ledger.database import Datastore


@contextmanager
def try_lock(datastore: Datastore, *name: object) -> Iterator[Connection[Any] | None]:
    """The connection that holds the lock in the block; None where somebody else has it.

    Nobody waits for a lock: those who wait would hold connections that the holder may need.
    """
    with datastore.get_connection() as conn:
        may_hold = True
        try:
            cursor = conn.cursor(row_factory=tuple_row)
            row = cursor.execute("SELECT pg_try_advisory_lock(%s)", (lock_key(*name),)).fetchone()
            may_hold = row is not None and row[0]
            yield conn if may_hold else None
        finally:
            if may_hold:
                _let_go(conn, name)


def _let_go(conn: Connection[Any], name: tuple[object, ...]) -> None:
    """Where the connection does not do it, it is lost, or is closed now, and the lock goes with it.

    One that went back into the pool with its lock would keep everybody out until this process ends.
    """
    try:
        conn.execute("SELECT pg_advisory_unlock(%s)", (lock_key(*name),))
    except psycopg.Error:
        conn.close()
    except BaseException:  # an interrupt of this thread
        conn.close()
        raise


def lock_key(*name: object) -> int:
    """The lock as PostgreSQL knows it: 64 bits with their sign."""
    digest = sha256("\0".join(map(str, name)).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
