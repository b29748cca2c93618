"""Connections to PostgreSQL: the library's datastore, with our role, and with the caller set on each.

Every connection works as `noteledger_app`, which owns nothing and may only SELECT and INSERT on
the entries. Row-level security on the views reads three settings of the connection (clinic,
user, role); nothing is visible until they are set.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from eventsourcing.persistence import InterfaceError, OperationalError
from eventsourcing.postgres import PostgresDatastore
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import ExecStatus
from psycopg.rows import DictRow

from domain.value import Caller

APP_ROLE: Final = "noteledger_app"
UNREACHABLE: Final = (OperationalError, InterfaceError)
"""What the library raises where the database does not answer, or not within the time limit."""

CONNECT_SECONDS_MAX: Final = 10.0
"""The longest wait for a connection."""

LEDGER_ROLE: Final = "ledger"
"""The role name under which the ledger itself writes the views."""


_SET_CALLER_NAME: Final = b"noteledger_set_caller"
_SET_CALLER: Final = (
    b"SELECT set_config('noteledger.clinic_id', $1, false),"
    b" set_config('noteledger.user_id', $2, false), set_config('noteledger.role', $3, false)"
)


class LedgerConnection(Connection[DictRow]):
    """A connection that remembers which caller its settings name."""

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
            connect_timeout=CONNECT_SECONDS_MAX,
        )
        # The pool's own attempts to reconnect come at ever longer intervals, for five minutes: after a
        # long outage nobody would get a connection for as long again. With this limit it stops, and
        # starts again when a connection is next asked for.
        self.pool.reconnect_timeout = CONNECT_SECONDS_MAX
        # The library passes on five parameters; an operator's URL may hold more (sslmode, …),
        # and leave out what libpq is to find for itself.
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
            # Our statements look things up by keys: the first plan is as good as any, and planning
            # one with row-level security costs several times its execution.
            conn.execute("SET plan_cache_mode TO force_generic_plan")
            conn.prepare_threshold = 0
            conn.pgconn.prepare(_SET_CALLER_NAME, _SET_CALLER)

        return after_connect

    @contextmanager
    def get_connection(self) -> Iterator[Connection[DictRow]]:
        """A connection out of the pool.

        When one is lost the server may have restarted, and then every connection of the pool is
        broken. So the pool checks them all at once; otherwise each would fail one more request.
        """
        try:
            with super().get_connection() as conn:
                yield conn
        except UNREACHABLE:
            self.pool.check()
            raise

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
    # A request's first statement, sent by libpq itself: a cursor's would cost as much as a read.
    values = [str(value).encode() for value in caller]
    result = conn.pgconn.exec_prepared(_SET_CALLER_NAME, values)
    if result.status != ExecStatus.TUPLES_OK:
        # psycopg throws away all that is prepared (DEALLOCATE ALL) after each ROLLBACK.
        conn.pgconn.prepare(_SET_CALLER_NAME, _SET_CALLER)
        result = conn.pgconn.exec_prepared(_SET_CALLER_NAME, values)
    if result.status != ExecStatus.TUPLES_OK:
        raise OperationalError("the caller could not be set on the connection")
    conn.caller = caller
