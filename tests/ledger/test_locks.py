"""Advisory locks: one holder at a time, and none left over, however the block was left."""

import psycopg
import pytest

from ledger.database import Datastore
from ledger.locks import try_lock
from tests.runtime.embedded_states import within


class Interrupt(BaseException):
    """What Dramatiq raises in a thread, at whatever point it is."""


def is_free(datastore: Datastore) -> bool:
    """Whether another connection can take the lock."""
    with try_lock(datastore, "test") as conn:
        return conn is not None


def is_soon_free(datastore: Datastore) -> bool:
    """The same, once the server has noticed that a connection is gone."""
    return within(60, lambda: is_free(datastore))


def test_one_holds_it_and_others_do_without(datastore: Datastore) -> None:
    with try_lock(datastore, "test") as conn:
        assert conn is not None
        assert not is_free(datastore)
    assert is_free(datastore)


@pytest.mark.parametrize("error", [ValueError, Interrupt])
def test_an_error_lets_go_and_comes_through(
    datastore: Datastore, error: type[BaseException]
) -> None:
    with pytest.raises(error), try_lock(datastore, "test"):
        raise error
    assert is_free(datastore)


def test_an_interrupt_within_a_statement_lets_go_and_comes_through(datastore: Datastore) -> None:
    with pytest.raises(Interrupt), try_lock(datastore, "test") as conn:
        assert conn is not None
        conn.pgconn.send_query(b"SELECT pg_sleep(0)")
        raise Interrupt
    assert is_soon_free(datastore)


def test_an_interrupt_while_it_lets_go_leaves_nothing_held(
    datastore: Datastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlock = psycopg.Connection.execute

    def interrupted(conn: object, query: object, *args: object, **kwargs: object) -> object:
        if "unlock" in str(query):
            raise Interrupt
        return unlock(conn, query, *args, **kwargs)  # type: ignore[call-overload]

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Connection, "execute", interrupted)
        with pytest.raises(Interrupt), try_lock(datastore, "test"):
            pass
    assert is_soon_free(datastore)


def test_a_connection_that_broke_in_the_block_has_let_go(datastore: Datastore) -> None:
    with pytest.raises(ValueError, match="x"), try_lock(datastore, "test") as conn:
        assert conn is not None
        conn.close()
        raise ValueError("x")
    assert is_soon_free(datastore)
