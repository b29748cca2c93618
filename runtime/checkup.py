"""`noteledger check`: all that can be asked about an installation, without changing it."""

from collections.abc import Iterator

import psycopg

from runtime.broker_checks import broker_findings
from runtime.checks import (
    CONNECT_SECONDS_MAX,
    Finding,
    Level,
    database_findings,
    settings_findings,
)
from runtime.document_checks import document_findings
from runtime.embedded import EmbeddedServerError
from runtime.key_file import key_findings
from runtime.ledger_checks import whole_findings
from runtime.settings import Settings
from runtime.wiring import NothingIsHereError, attached_broker, attached_database, why_in_memory


def findings(settings: Settings) -> Iterator[Finding]:
    """Settings, database, schema, rights, entries, views, key file, broker, reading of files; in this order."""
    yield from settings_findings(settings)
    try:
        with attached_database(settings) as address:
            found = list(database_findings(address.app_url))
            yield from found
            if settings.owner_database_url:
                yield _owner_finding(address.owner_url)
            wrong = {finding.subject for finding in found if finding.level is Level.WRONG}
            if wrong <= {"rights"}:
                yield from whole_findings(address)
            if not wrong:
                yield from key_findings(settings, address.app_url)
    except (NothingIsHereError, EmbeddedServerError) as error:
        yield Finding(Level.WRONG, "database", str(error))
        return
    yield from _broker_findings(settings)
    yield from document_findings(settings)


def _broker_findings(settings: Settings) -> Iterator[Finding]:
    try:
        with attached_broker(settings) as url:
            if url is None:
                yield Finding(Level.ADVICE, "broker", why_in_memory(settings))
            else:
                yield from broker_findings(url)
    except EmbeddedServerError as error:
        yield Finding(Level.WRONG, "broker", str(error))


def _owner_finding(owner_url: str) -> Finding:
    try:
        psycopg.connect(owner_url, connect_timeout=CONNECT_SECONDS_MAX).close()
    except psycopg.OperationalError:
        sentence = "The owner cannot sign in to the database."
        fix = "Set NOTELEDGER_OWNER_DATABASE_URL right; the running program does not need it."
        return Finding(Level.WRONG, "database", sentence, fix)
    return Finding(Level.RIGHT, "database", "The owner can sign in.")
