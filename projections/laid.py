"""Whether tables, grants, policies, keys and functions are what this program lays: by laying them beside.

Inside a transaction that is rolled back, the two schemas step aside under other names, and the steps
and the views' SQL lay them anew, empty. What PostgreSQL then says of the new ones is what it should
say of the live ones: no list of grants or policies is kept that somebody could forget. Nobody else
sees any of it; nothing of the live tables is locked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from psycopg import Connection

from ledger import schema
from ledger.catalogue import Difference, describe, differences
from projections.rebuild import BUILDING_LOCK, VIEWS

WAIT_SECONDS_MAX: Final = 30


def catalogue_differences(conn: Connection[Any]) -> list[Difference]:
    """Each object of the schemas that is not as this program lays it; as the owner, in autocommit mode.

    Raises psycopg's LockNotAvailable where a migration or a rebuild is under way for longer than
    WAIT_SECONDS_MAX, and InsufficientPrivilege where `conn` is not the owner's.
    """
    with unchanged_layout(conn, schema.LAYING_LOCK, BUILDING_LOCK):
        return differences(describe(conn), _laid_anew(conn))


def _laid_anew(conn: Connection[Any]) -> dict[str, str]:
    with conn.transaction(force_rollback=True):
        conn.execute("SET LOCAL lock_timeout TO '5s'")
        conn.execute("ALTER SCHEMA ledger RENAME TO ledger_of_the_program")
        conn.execute("ALTER SCHEMA views RENAME TO views_of_the_program")
        for step in schema.steps():
            conn.execute(step.statements.encode())
        # Functions and policies name other views, which may not be there yet: do not check now.
        conn.execute("SET LOCAL check_function_bodies TO off")
        conn.execute("SET LOCAL search_path TO views, ledger")
        for view in VIEWS:
            conn.execute(view.table.encode())
        return describe(conn)


@contextmanager
def unchanged_layout(conn: Connection[Any], *locks: int) -> Iterator[None]:
    """No migration (LAYING_LOCK) and no rebuild (BUILDING_LOCK) in the block. Readers and saves go on."""
    held: list[int] = []
    conn.execute("SELECT set_config('lock_timeout', %s, false)", (f"{WAIT_SECONDS_MAX}s",))
    try:
        for lock in locks:
            conn.execute("SELECT pg_advisory_lock(%s)", (lock,))
            held.append(lock)
        yield
    finally:
        if not conn.closed:
            conn.execute("RESET lock_timeout")
            for lock in held:
                conn.execute("SELECT pg_advisory_unlock(%s)", (lock,))
