"""PostgreSQL's advisory locks: one process at a time does something, and another may when it has ended.

A lock belongs to a connection. A process that ends, by kill -9 too, loses its connections and so
its locks: nothing is left to clean up.
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
    """The connection that holds the lock inside the block; None where another connection holds it.

    It never waits: a waiting caller would keep a connection that the lock's holder may need.
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
                _unlock(conn, name)


def _unlock(conn: Connection[Any], name: tuple[object, ...]) -> None:
    """Unlock, or close the connection, which unlocks as well.

    A connection that went back into the pool with the lock would keep it until this process ends.
    """
    try:
        conn.execute("SELECT pg_advisory_unlock(%s)", (lock_key(*name),))
    except psycopg.Error:
        conn.close()
    except BaseException:  # an interrupt of this thread
        conn.close()
        raise


def lock_key(*name: object) -> int:
    """The number that PostgreSQL knows the lock by: a signed 64-bit integer."""
    digest = sha256("\0".join(map(str, name)).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
