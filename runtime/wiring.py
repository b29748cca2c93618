"""The one place that builds: from settings and a database to everything that serves requests."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter

from api.services import Limits, Services, StreamLimits
from domain.value import Authentication, Caller, KeyScope
from handlers.documents import DocumentLimits, Documents, find_tesseract
from ledger import schema
from ledger.accounts import Accounts
from ledger.appender import Appender
from ledger.browser_sessions import BrowserSessions, SessionTimes
from ledger.database import Datastore
from ledger.keys import Keys
from ledger.ledger import Ledger
from ledger.stopped import stopped
from projections.changes import Changes
from projections.generations import Generations
from projections.history import History
from projections.note_rows import NoteRows
from projections.notes import Notes
from projections.people import People
from projections.rebuild import VIEWS
from projections.record_types import RecordTypes
from projections.references import References
from projections.relationships import Relationships
from projections.sessions import Sessions
from projections.transcripts import DraftSources
from runtime.checks import require_ready
from runtime.embedded import ServerAddress, attach_or_start, embedded_postgres
from runtime.embedded_broker import attach_or_start_broker, embedded_broker, is_available
from runtime.key_file import open_key_file, require_right_key
from runtime.operator_errors import OperatorError
from runtime.settings import Settings


@dataclass(frozen=True)
class System:
    """What runs: the services that serve requests, and the database behind them.

    `workers_ledger` is the same ledger by keys that open no psychotherapy note.
    """

    datastore: Datastore
    services: Services
    workers_ledger: Ledger


class NothingIsHereError(OperatorError):
    """The state directory holds no database: start `noteledger serve` there, or name another one."""

    def __init__(self, state: Path) -> None:
        super().__init__(f"{type(self).__doc__} ({state.resolve()})")


@contextmanager
def database(settings: Settings) -> Iterator[ServerAddress]:
    """The operator's database, or the embedded one, owned by this process while it serves.

    Raises StateIsInUse where another process serves from the same state directory.
    """
    if settings.database_url is None:
        with embedded_postgres(settings.state) as address:
            yield address
    else:
        yield _operators(settings)


@contextmanager
def attached_database(settings: Settings) -> Iterator[ServerAddress]:
    """The same for a tool beside the service: it uses a server that runs already.

    Raises NothingIsHereError: a tool makes no new embedded database by a slip of the directory.
    """
    if settings.database_url is None:
        if not (settings.state / "passwords").exists():
            raise NothingIsHereError(settings.state)
        with attach_or_start(settings.state) as address:
            yield address
    else:
        yield _operators(settings)


@contextmanager
def attached_system(settings: Settings) -> Iterator[System]:
    """All of it for a tool, beside the running service or without one. Raises NotReadyError."""
    with attached_database(settings) as address:
        require_ready(address.app_url)
        with build(settings, address.app_url) as system:
            yield system


@contextmanager
def broker(settings: Settings) -> Iterator[str | None]:
    """The URL of the operator's broker, or of the embedded one, owned by this process while it serves.

    None: jobs wait in memory, since there is no Valkey for this platform, or the database is the
    operator's and no broker was named.
    """
    with _broker(settings, embedded_broker) as url:
        yield url


@contextmanager
def attached_broker(settings: Settings) -> Iterator[str | None]:
    """The same for a tool beside the service."""
    with _broker(settings, attach_or_start_broker) as url:
        yield url


@contextmanager
def _broker(
    settings: Settings, embedded: Callable[[Path], AbstractContextManager[str]]
) -> Iterator[str | None]:
    if settings.broker_url is not None:
        yield settings.broker_url.get_secret_value()
    elif settings.is_embedded and is_available():
        with embedded(settings.state) as url:
            yield url
    else:
        yield None


def why_in_memory(settings: Settings) -> str:
    """The sentence for an operator who has no broker."""
    reason = (
        "There is no Valkey server for this platform"
        if settings.is_embedded
        else "NOTELEDGER_BROKER_URL is not set"
    )
    return f"{reason}: jobs wait in memory, and are found again in the ledger after a restart."


def _operators(settings: Settings) -> ServerAddress:
    assert settings.database_url is not None
    app_url = settings.database_url.get_secret_value()
    owner = settings.owner_database_url
    return ServerAddress(owner_url=owner.get_secret_value() if owner else app_url, app_url=app_url)


@contextmanager
def build(settings: Settings, app_url: str) -> Iterator[System]:
    """All of it, running; taken down in the reverse order."""
    with ExitStack() as stack:
        datastore = Datastore(app_url, max_overflow=settings.database_connections - 4)
        stack.callback(datastore.close)
        key_file = open_key_file(settings, datastore)
        keys = Keys(datastore, key_file)
        require_right_key(settings.key_path, keys, datastore)
        keys.record_old_keys()
        appender = Appender(datastore, [view.write for view in VIEWS])
        appender.start()
        stack.callback(appender.stop)
        documents = build_documents(settings)
        stack.callback(documents.close)
        metrics = CollectorRegistry()
        opened = Counter(
            "noteledger_openings", "Entries and files whose words were opened.", registry=metrics
        )
        ledger = Ledger(datastore, keys, appender, opened.inc)
        general = Keys(datastore, key_file, frozenset({KeyScope.GENERAL}))
        note_rows = NoteRows(datastore, ledger.open)
        clear_rows = NoteRows(datastore, ledger.clear)
        times = SessionTimes(
            idle=timedelta(minutes=settings.session_idle_minutes),
            absolute=timedelta(hours=settings.session_absolute_hours),
        )
        browser_sessions = BrowserSessions(datastore, times)
        browser_sessions.forget_expired(_now(), timedelta(days=settings.idempotency_days))
        yield System(
            datastore,
            Services(
                ledger=ledger,
                keys=keys,
                accounts=Accounts(datastore, keys),
                browser_sessions=browser_sessions,
                note_rows=note_rows,
                notes=Notes(note_rows),
                history=History(note_rows),
                note_outlines=Notes(clear_rows),
                history_outlines=History(clear_rows),
                people=People(datastore, ledger),
                relationships=Relationships(datastore),
                sessions=Sessions(datastore),
                record_types=RecordTypes(datastore),
                references=References(datastore),
                generations=Generations(datastore),
                draft_sources=DraftSources(datastore),
                metrics=metrics,
                changes=Changes(datastore),
                documents=documents,
                limits=_limits(settings),
                stream_limits=StreamLimits(settings.streams_max, settings.streams_each_max),
                clock=_now,
                is_ready=lambda: schema_version(datastore) == schema.VERSION,
                stopped=partial(stopped, datastore),
                is_https=settings.is_https,
                anonymous=_anonymous(settings),
            ),
            Ledger(datastore, general, appender, opened.inc),
        )


def build_documents(settings: Settings) -> Documents:
    """What reads uploaded files; starts nothing until the first one comes."""
    limits = DocumentLimits(settings.document_seconds_max, settings.document_text_bytes_max)
    return Documents(limits, find_tesseract())


def _limits(settings: Settings) -> Limits:
    return Limits(
        text_bytes_max=settings.text_bytes_max,
        file_bytes_max=settings.file_bytes_max,
        files_max=settings.files_max,
        page_entries=settings.page_entries,
    )


def _anonymous(settings: Settings) -> Caller | None:
    if settings.anonymous_role is None:
        return None
    return Caller(
        1,
        settings.anonymous_user_id,
        settings.anonymous_role,
        authentication=Authentication.ANONYMOUS,
    )


def _now() -> datetime:
    return datetime.now(UTC)


def schema_version(datastore: Datastore) -> int:
    """The version of the schema that the database has."""
    with datastore.get_connection() as conn:
        return schema.version(conn)
