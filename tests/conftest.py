"""What tests stand on: a server for each worker, a database for each test, a program that runs on it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg.rows import TupleRow

from handlers.documents import find_tesseract
from ledger.appender import Appender
from ledger.database import Datastore
from ledger.keys import Keys
from ledger.ledger import Ledger
from projections.history import History
from projections.note_rows import NoteRows
from projections.notes import Notes
from runtime.embedded import ServerAddress
from tests.brokers import broker_server, forget_all
from tests.databases import (
    Database,
    Program,
    fresh_database,
    owner_of,
    running,
    server_with_schema,
)

pytest.register_assert_rewrite("tests.domain.histories", "tests.campaigns.small_runs")

# Profiles of hypothesis (`--hypothesis-profile`). No example fails because it took long, and every
# run tries the same examples, so that a failure can be repeated; `make test-random` takes new ones.
settings.register_profile("noteledger", deadline=None, derandomize=True, database=None)
USUAL: Final = settings.get_profile("noteledger")
settings.register_profile("fast", USUAL, max_examples=15, stateful_step_count=15)
settings.register_profile("random", USUAL, derandomize=False, print_blob=True)
settings.register_profile(
    "mutation",  # mutmut runs the suite more than once in one process, so methods get other objects
    settings.get_profile("fast"),
    suppress_health_check=[HealthCheck.differing_executors],
)
settings.load_profile("noteledger")


class FailureLines:
    """Writes the name of each test that fails at once; the details follow at the end of the run."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        self._reporter = reporter

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called for each phase of each test, also for those that ran in another process."""
        if report.failed:
            phase = "" if report.when == "call" else f" ({report.when})"
            self._reporter.write_line(f"\nFAILED {report.nodeid}{phase}", red=True)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Where there is a terminal: in the process that pytest-xdist's workers report to."""
    if reporter := config.pluginmanager.get_plugin("terminalreporter"):
        config.pluginmanager.register(FailureLines(reporter), "failure-lines")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A run that is complete skips nothing: what only root can be in is no case of anybody else's."""
    absent = [] if os.geteuid() == 0 else ["as_root"]
    absent += [] if find_tesseract() else ["with_ocr"]
    items[:] = [item for item in items if not any(map(item.get_closest_marker, absent))]


@pytest.fixture(scope="session")
def server() -> Iterator[ServerAddress]:
    """The worker's server. Its own database is the template: tests take `database`."""
    with server_with_schema() as address:
        yield address


@pytest.fixture
def database(server: ServerAddress) -> Iterator[Database]:
    """A database with the schema laid and nothing recorded."""
    with fresh_database(server) as fresh:
        yield fresh


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection[TupleRow]]:
    """The owner's connection to the database: a superuser's, which row-level security lets through."""
    with owner_of(database.owner_url) as conn:
        yield conn


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """The worker's broker. Tests take `broker_url`."""
    with broker_server() as server:
        yield server.url


@pytest.fixture
def broker_url(broker: str) -> str:
    """A broker in which nothing waits."""
    forget_all(broker)
    return broker


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """Where the key-encryption key is kept."""
    return tmp_path / "key.json"


@pytest.fixture
def program(database: Database, key_file: Path) -> Iterator[Program]:
    """The lower rooms, running."""
    with running(database.app_url, key_file) as program:
        yield program


@pytest.fixture
def datastore(program: Program) -> Datastore:
    """The program's connections."""
    return program.datastore


@pytest.fixture
def keys(program: Program) -> Keys:
    """The program's keys."""
    return program.keys


@pytest.fixture
def appender(program: Program) -> Appender:
    """The program's appender, started."""
    return program.appender


@pytest.fixture
def ledger(program: Program) -> Ledger:
    """The program's ledger."""
    return program.ledger


@pytest.fixture
def rows(program: Program) -> NoteRows:
    """What the readers of notes read with."""
    return program.rows


@pytest.fixture
def notes(program: Program) -> Notes:
    """The reader of current notes."""
    return program.notes


@pytest.fixture
def history(program: Program) -> History:
    """The reader of the history."""
    return program.history
