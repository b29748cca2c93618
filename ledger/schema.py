"""Lay the ledger's tables and the role of the running program, step by step; as the owner, at will.

Each file of `migrations/` is a step: its number is the schema's version after it, and its first line
says what it does. A step is taken once, in a transaction of its own. If we stop between two steps,
the next start goes on with the one that was not taken.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import tuple_row

from ledger.database import APP_ROLE

_MIGRATIONS: Final = Path(__file__).with_name("migrations")
LAYING_LOCK: Final = 0x6E6F7465_00000002
"""Key of the advisory lock that whoever takes steps holds."""


class Step(NamedTuple):
    """A change of the schema: the version that it leads to, what it does, and its statements."""

    version: int
    title: str
    statements: str


class RoleIsMissingError(Exception):
    """The role noteledger_app does not exist and may not be made by this database user.

    Ask an administrator of the database server for: CREATE ROLE noteledger_app; GRANT
    noteledger_app TO the user of NOTELEDGER_DATABASE_URL.
    """


def steps() -> list[Step]:
    """All steps, in order."""
    return [_step(file) for file in sorted(_MIGRATIONS.glob("[0-9][0-9][0-9]_*.sql"))]


def _step(file: Path) -> Step:
    statements = file.read_text("utf-8")
    title = statements.partition("\n")[0].removeprefix("-- ")
    return Step(int(file.name[:3]), title, statements)


VERSION: Final = max(int(file.name[:3]) for file in _MIGRATIONS.glob("[0-9][0-9][0-9]_*.sql"))
"""What the steps lead to. A program refuses to run on an older schema, or on a newer one."""


def steps_ahead(conn: Connection[Any], known: Sequence[Step] | None = None) -> list[Step]:
    """Of the known steps, or of all, those that the database's schema has not taken."""
    now = version(conn)
    return [step for step in known or steps() if step.version > now]


def lay(conn: Connection[Any], known: Sequence[Step] | None = None) -> None:
    """Take the known steps, or all: then the schema has VERSION.

    `conn` is in autocommit mode. Raises RoleIsMissingError.
    """
    with _alone(conn):
        _lay_role(conn)
        for step in steps_ahead(conn, known):
            with conn.transaction():
                conn.execute(step.statements.encode())
                conn.execute(
                    "INSERT INTO ledger.schema_version (version) VALUES (%s)", (step.version,)
                )


@contextmanager
def _alone(conn: Connection[Any]) -> Iterator[None]:
    conn.execute("SELECT pg_advisory_lock(%s)", (LAYING_LOCK,))
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute("SELECT pg_advisory_unlock(%s)", (LAYING_LOCK,))


def version(conn: Connection[Any]) -> int:
    """The schema's version, 0 where none was laid."""
    cursor = conn.cursor(row_factory=tuple_row)
    row = cursor.execute("SELECT to_regclass('ledger.schema_version') IS NULL").fetchone()
    if row is None or row[0]:
        return 0
    found = cursor.execute("SELECT max(version) FROM ledger.schema_version").fetchone()
    return found[0] or 0 if found else 0


def _lay_role(conn: Connection[Any]) -> None:
    """The role that may only SELECT and INSERT on the entries, and that its owner may put on."""
    cursor = conn.cursor(row_factory=tuple_row)
    if cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", (APP_ROLE,)).fetchone() is None:
        try:
            cursor.execute("CREATE ROLE noteledger_app NOLOGIN")
        except InsufficientPrivilege:
            raise RoleIsMissingError(RoleIsMissingError.__doc__) from None
    row = cursor.execute("SELECT pg_has_role(%s, 'MEMBER')", (APP_ROLE,)).fetchone()
    if row and not row[0]:
        cursor.execute("GRANT noteledger_app TO CURRENT_USER")
