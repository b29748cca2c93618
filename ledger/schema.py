"""Lay the ledger's tables and the role of the running program; as the owner, any number of times."""

from pathlib import Path
from typing import Any, Final

from psycopg import Connection
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import tuple_row

from ledger.database import APP_ROLE

VERSION: Final = 2
"""What `schema.sql` lays. A program refuses to run on an older schema, or on a newer one."""

_ONE_AT_A_TIME: Final = 0x6E6F7465_00000002


class RoleIsMissingError(Exception):
    """The role noteledger_app does not exist and may not be made by this database user.

    Ask an administrator of the database server for: CREATE ROLE noteledger_app; GRANT
    noteledger_app TO the user of NOTELEDGER_DATABASE_URL.
    """


def lay(conn: Connection[Any]) -> None:
    """Bring the schema to VERSION in one transaction. Raises RoleIsMissingError."""
    with conn.transaction():
        cursor = conn.cursor(row_factory=tuple_row)
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_ONE_AT_A_TIME,))
        _lay_role(conn)
        cursor.execute((Path(__file__).with_name("schema.sql")).read_bytes())
        cursor.execute(
            "INSERT INTO ledger.schema_version (version) VALUES (%s) ON CONFLICT DO NOTHING",
            (VERSION,),
        )


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
            with conn.transaction():
                cursor.execute("CREATE ROLE noteledger_app NOLOGIN")
        except InsufficientPrivilege:
            raise RoleIsMissingError(RoleIsMissingError.__doc__) from None
    row = cursor.execute("SELECT pg_has_role(%s, 'MEMBER')", (APP_ROLE,)).fetchone()
    if row and not row[0]:
        cursor.execute("GRANT noteledger_app TO CURRENT_USER")
