"""Whether settings, key file and database fit together: what is wrong, and how to fix it.

`noteledger check` shows all of it. The service and every tool ask the same questions about the
database when they start, and refuse to run on the first thing that is wrong. Those are quick;
`runtime/ledger_checks.py` has the ones that read the whole ledger.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from enum import Enum
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import Connection
from psycopg.rows import tuple_row

from ledger import schema
from ledger.database import APP_ROLE
from projections.rebuild import outdated
from runtime.operator_errors import OperatorError
from runtime.settings import ENV_PREFIX, Settings, env_name

SERVER_VERSION_MIN: Final = 15
CONNECT_SECONDS_MAX: Final = 10
LATE_SECONDS: Final = 600
NOT_SETTINGS: Final = {"NOTELEDGER_PYTHON", "NOTELEDGER_APP_PASSWORD"}
"""Read by the start script and by docker-compose.yml."""


class Level(Enum):
    """How much a finding matters: nothing runs on what is WRONG."""

    RIGHT = "right"
    ADVICE = "advice"
    WRONG = "wrong"


class Finding(NamedTuple):
    """What was found about a subject, and how to fix it where that is called for."""

    level: Level
    subject: str
    sentence: str
    fix: str = ""


class NotReadyError(OperatorError):
    """The database is not ready for the program; the message says why and how to fix it."""


def require_ready(app_url: str) -> None:
    """Raises NotReadyError with the first thing that is wrong with the database."""
    for finding in database_findings(app_url):
        if finding.level is Level.WRONG:
            raise NotReadyError(f"{finding.sentence} {finding.fix}")


# --- the settings


def settings_findings(settings: Settings) -> Iterator[Finding]:
    """What the settings say, without asking anybody else."""
    known = {env_name(name) for name in Settings.model_fields} | NOT_SETTINGS
    for name in sorted(os.environ):
        if name.startswith(ENV_PREFIX) and name not in known:
            sentence = f"{name} is no setting, and does nothing."
            yield Finding(Level.ADVICE, "settings", sentence, "docs/settings.md lists them all.")
    if not settings.is_loopback and not settings.is_https:
        yield Finding(
            Level.ADVICE,
            "settings",
            f"Other machines reach {settings.host}, and no public https address is set.",
            "Put a TLS proxy before it, and its address into NOTELEDGER_PUBLIC_URL.",
        )
    if settings.is_demo and not settings.is_loopback:
        yield Finding(
            Level.ADVICE,
            "settings",
            "An empty ledger gets demo log-ins with a well-known password, open to other machines.",
            "Unset NOTELEDGER_DEMO, or listen on 127.0.0.1.",
        )
    yield Finding(Level.RIGHT, "settings", "The settings can be used.")


# --- the database


def database_findings(app_url: str) -> Iterator[Finding]:
    """What the running program will find; stops at what makes further questions useless."""
    try:
        connection = psycopg.connect(
            app_url, autocommit=True, row_factory=tuple_row, connect_timeout=CONNECT_SECONDS_MAX
        )
    except psycopg.OperationalError as error:
        sentence = f"The database cannot be reached: {_one_line(error)}."
        fix = "Start it, or set NOTELEDGER_DATABASE_URL right."
        yield Finding(Level.WRONG, "database", sentence, fix)
        return
    with closing(connection) as conn:
        yield from _server_findings(conn)
        yield from _role_findings(conn)


def _server_findings(conn: Connection[Any]) -> Iterator[Finding]:
    major, minor = divmod(conn.info.server_version, 10_000)
    if major < SERVER_VERSION_MIN:
        sentence = f"The database server is PostgreSQL {major}."
        fix = f"Use PostgreSQL {SERVER_VERSION_MIN} or newer."
        yield Finding(Level.WRONG, "database", sentence, fix)
        return
    yield Finding(Level.RIGHT, "database", f"PostgreSQL {major}.{minor} answers.")


def _role_findings(conn: Connection[Any]) -> Iterator[Finding]:
    """As the user that signed in, and then as the role that the program works under."""
    if _one(conn, "SELECT to_regnamespace('ledger') IS NULL"):
        yield _schema_is(0)
        return
    may_more = _may_change_entries(conn)
    try:
        conn.execute("SET ROLE noteledger_app")
    except psycopg.Error:
        sentence = f"The database user may not work as {APP_ROLE}."
        fix = f"Run `noteledger migrate`; then, as the owner: GRANT {APP_ROLE} TO that user."
        yield Finding(Level.WRONG, "rights", sentence, fix)
        return
    yield from _schema_findings(conn)
    if _may_change_entries(conn):
        sentence = f"{APP_ROLE} may change or remove entries of the ledger."
        fix = f"REVOKE UPDATE, DELETE, TRUNCATE ON ledger.entries FROM {APP_ROLE}; it is no superuser."
        yield Finding(Level.WRONG, "rights", sentence, fix)
    elif may_more:
        yield Finding(
            Level.ADVICE,
            "rights",
            "The database user may change entries of the ledger; the program itself does not.",
            f"Sign in as {APP_ROLE} in NOTELEDGER_DATABASE_URL, and as the owner in"
            " NOTELEDGER_OWNER_DATABASE_URL.",
        )
    else:
        yield Finding(Level.RIGHT, "rights", "The program can add entries, and change none.")


def _schema_findings(conn: Connection[Any]) -> Iterator[Finding]:
    found = schema.version(conn)
    if found != schema.VERSION:
        yield _schema_is(found)
        return
    if views := outdated(conn):
        names = ", ".join(one.view.name for one in views)
        sentence = f"These views are missing, or another program has laid them: {names}."
        yield Finding(Level.WRONG, "schema", sentence, "Run `noteledger migrate`.")
        return
    yield Finding(Level.RIGHT, "schema", f"The schema has version {found}.")
    yield from _work_findings(conn)


def _work_findings(conn: Connection[Any]) -> Iterator[Finding]:
    set_aside = _one(conn, "SELECT count(*) FROM ledger.set_aside")
    if set_aside:
        sentence = f"{set_aside} entries could not be taken, and started no work."
        fix = "Look at ledger.set_aside. Each restart of the service, or of `follow`, tries again."
        yield Finding(Level.ADVICE, "work", sentence, fix)
    late = _one(
        conn,
        "SELECT count(*) FROM ledger.open_jobs"
        " WHERE asked_at < now() - %(seconds)s * interval '1 second'",
        {"seconds": LATE_SECONDS},
    )
    if late:
        sentence = f"{late} jobs have waited for more than {LATE_SECONDS // 60} minutes."
        fix = "Are `noteledger worker` and `noteledger follow` running, or too few of them?"
        yield Finding(Level.ADVICE, "work", sentence, fix)
    else:
        yield Finding(Level.RIGHT, "work", "No job is late.")


def _schema_is(found: int) -> Finding:
    if found > schema.VERSION:
        sentence = f"The schema has version {found}; this program knows {schema.VERSION}."
        return Finding(Level.WRONG, "schema", sentence, "Run the newer noteledger that laid it.")
    sentence = f"The schema has version {found}, and {schema.VERSION} is needed."
    return Finding(Level.WRONG, "schema", sentence, "Run `noteledger migrate`.")


def _may_change_entries(conn: Connection[Any]) -> bool:
    """False where the table is not there, or may not even be asked about."""
    try:
        return bool(
            _one(
                conn,
                "SELECT to_regclass('ledger.entries') IS NOT NULL"
                " AND has_table_privilege('ledger.entries', 'UPDATE, DELETE, TRUNCATE')",
            )
        )
    except psycopg.errors.InsufficientPrivilege:
        return False


def _one(conn: Connection[Any], question: Any, params: dict[str, Any] | None = None) -> Any:
    row = conn.execute(question, params).fetchone()
    assert row is not None
    return row[0]


def _one_line(error: psycopg.OperationalError) -> str:
    """libpq's reason, without its question; names host and user, never a password."""
    lines = (line.strip().rstrip(".") for line in str(error).splitlines())
    return "; ".join(line for line in lines if line and not line.endswith("?"))
