"""Real databases for tests: one server for each worker, and on it a fresh database for each test.

The server does not wait for the disk: what is lost when a machine loses its power is not tested
here. All else is as in service.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Identifier

from ledger import schema
from ledger.appender import Appender
from ledger.database import Datastore
from ledger.key_encryption import LocalKeyFile
from ledger.keys import Keys
from ledger.ledger import Ledger
from projections.history import History
from projections.note_rows import NoteRows
from projections.notes import Notes
from projections.rebuild import VIEWS, lay_missing
from runtime.embedded import ServerAddress, embedded_postgres

SERVER_OPTIONS: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
}
TEMPLATE: Final = "noteledger"
"""The server's own database, in which the schema is laid and nothing else is written."""

_NUMBERS: Final = count(1)


class Database(NamedTuple):
    """libpq URLs of one database: for its owner, and for the running program."""

    owner_url: str
    app_url: str


@contextmanager
def short_directory() -> Iterator[Path]:
    """A directory whose name leaves room for a socket's, and that is gone afterwards.

    Started by root, the server runs as another user, who must come through.
    """
    with tempfile.TemporaryDirectory(prefix="nl-") as name:
        path = Path(name)
        path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        yield path


@contextmanager
def server_with_schema() -> Iterator[ServerAddress]:
    """A server whose own database has the schema laid: the template of all others."""
    with (
        short_directory() as directory,
        embedded_postgres(directory / "s", server_options=SERVER_OPTIONS) as address,
    ):
        with owner_of(address.owner_url) as owner:
            schema.lay(owner)
            lay_missing(owner, lambda _: None)
        yield address


@contextmanager
def fresh_database(server: ServerAddress, template: str = TEMPLATE) -> Iterator[Database]:
    """A database of its own, dropped afterwards with whoever is still connected.

    To the template nobody is connected meanwhile.
    """
    name = f"t{next(_NUMBERS)}"
    with owner_of(_elsewhere(server.owner_url, "postgres")) as admin:
        fresh = Identifier(name)
        admin.execute(
            SQL("CREATE DATABASE {} TEMPLATE {}").format(fresh, Identifier(template)),
        )
        try:
            yield Database(_elsewhere(server.owner_url, name), _elsewhere(server.app_url, name))
        finally:
            admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(fresh))


@contextmanager
def owner_of(owner_url: str) -> Iterator[psycopg.Connection[TupleRow]]:
    """A connection as the owner, in autocommit mode."""
    with psycopg.connect(owner_url, autocommit=True) as conn:
        yield conn


def _elsewhere(url: str, database: str) -> str:
    return urlsplit(url)._replace(path=f"/{database}").geturl()


class Program(NamedTuple):
    """The lower rooms as a running program holds them."""

    datastore: Datastore
    keys: Keys
    appender: Appender
    ledger: Ledger
    rows: NoteRows
    notes: Notes
    history: History


@contextmanager
def running(url: str, key_file: Path, **pool: Any) -> Iterator[Program]:
    """What one process of the service runs; two of them on one database are two processes."""
    datastore = Datastore(url, **pool)
    keys = Keys(datastore, LocalKeyFile.open_or_create(key_file))
    appender = Appender(datastore, [view.write for view in VIEWS])
    ledger = Ledger(datastore, keys, appender)
    rows = NoteRows(datastore, ledger.open)
    appender.start()
    try:
        yield Program(datastore, keys, appender, ledger, rows, Notes(rows), History(rows))
    finally:
        appender.stop()
        datastore.close()
