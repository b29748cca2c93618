"""Advisory locks: something is done by one process at a time, and by another when that one is gone.

A lock belongs to a connection. Whoever dies, kill -9 included, loses the connection, and with it
the lock: nobody has to clear up.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row

from ledger.database import Datastore


@contextmanager
def held_if_free(datastore: Datastore, *name: object) -> Iterator[Connection[Any] | None]:
    """The connection that holds the lock in the block; None where somebody else has it.

    Nobody waits for a lock: those who wait would hold connections that the holder may need.
    """
    with datastore.get_connection() as conn:
        cursor = conn.cursor(row_factory=tuple_row)
        row = cursor.execute("SELECT pg_try_advisory_lock(%s)", (_key(name),)).fetchone()
        if row is None or not row[0]:
            yield None
            return
        try:
            yield conn
        finally:
            _let_go(conn, name)


def _let_go(conn: Connection[Any], name: tuple[object, ...]) -> None:
    """A connection that is lost has let go already."""
    if not conn.closed:
        conn.execute("SELECT pg_advisory_unlock(%s)", (_key(name),))


def _key(name: tuple[object, ...]) -> int:
    digest = sha256("\0".join(map(str, name)).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
