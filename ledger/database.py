"""Connections to PostgreSQL: the library's datastore, as the running role, told who asks.

Every connection works as `noteledger_app`, which owns nothing and may only SELECT and INSERT on
the entries. Row-level security on the views reads three settings of the connection (clinic,
user, role); nothing is visible until they are set.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from eventsourcing.postgres import PostgresDatastore
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow

from domain.value import Caller

APP_ROLE: Final = "noteledger_app"
LEDGER_ROLE: Final = "ledger"
"""The role name under which the ledger itself writes the views."""


class LedgerConnection(Connection[DictRow]):
    """A connection that remembers for whom it was last set up."""

    caller: tuple[int, int, str] | None = None


class Datastore(PostgresDatastore):
    """The library's pool, made from a libpq URL, with our role and search path."""

    def __init__(self, url: str, pool_size: int = 4, max_overflow: int = 16) -> None:
        params: dict[str, Any] = conninfo_to_dict(url)
        super().__init__(
            dbname=params.pop("dbname", ""),
            host=params.pop("host", ""),
            port=params.pop("port", ""),
            user=params.pop("user", ""),
            password=params.pop("password", ""),
            pool_size=pool_size,
            max_overflow=max_overflow,
            connect_timeout=10.0,
        )
        # The library passes on five parameters; an operator's URL may hold more (sslmode, …),
        # and leaves out what libpq shall find for itself.
        assert isinstance(self.pool.kwargs, dict)
        given = {name: value for name, value in self.pool.kwargs.items() if value != ""}
        self.pool.kwargs = given | params
        self.pool.connection_class = LedgerConnection

    def after_connect_func(self) -> Callable[[Connection[Any]], None]:
        """Set up each new connection."""

        def after_connect(conn: Connection[Any]) -> None:
            conn.autocommit = True
            conn.execute("SET ROLE noteledger_app")
            conn.execute("SET search_path TO views, ledger")

        return after_connect

    @contextmanager
    def as_caller(self, caller: Caller) -> Iterator[Connection[DictRow]]:
        """A connection on which the views show what the caller may see, and nothing else."""
        with self.get_connection() as conn:
            _set_caller(conn, (caller.clinic_id, caller.user_id, caller.role.value))
            yield conn

    @contextmanager
    def as_ledger(self) -> Iterator[Connection[DictRow]]:
        """A connection on which the ledger writes and checks the views of every clinic."""
        with self.get_connection() as conn:
            _set_caller(conn, (0, 0, LEDGER_ROLE))
            yield conn


def _set_caller(conn: Connection[Any], caller: tuple[int, int, str]) -> None:
    assert isinstance(conn, LedgerConnection)
    if conn.caller == caller:
        return
    conn.caller = None
    conn.execute(
        "SELECT set_config('noteledger.clinic_id', %s::text, false),"
        " set_config('noteledger.user_id', %s::text, false),"
        " set_config('noteledger.role', %s, false)",
        caller,
    )
    conn.caller = caller
