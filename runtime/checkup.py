"""`noteledger check`: all that can be asked about an installation, without changing it."""

from collections.abc import Iterator

import psycopg

from runtime.checks import (
    CONNECT_SECONDS_MAX,
    Finding,
    Level,
    database_findings,
    settings_findings,
)
from runtime.embedded import EmbeddedServerError
from runtime.key_file import key_findings
from runtime.settings import Settings
from runtime.wiring import NothingIsHereError, attached_database


def findings(settings: Settings) -> Iterator[Finding]:
    """Settings, database, schema, rights and key file, in this order."""
    yield from settings_findings(settings)
    try:
        with attached_database(settings) as address:
            found = list(database_findings(address.app_url))
            yield from found
            if settings.owner_database_url:
                yield _owner_finding(address.owner_url)
            if not any(finding.level is Level.WRONG for finding in found):
                yield from key_findings(settings, address.app_url)
    except (NothingIsHereError, EmbeddedServerError) as error:
        yield Finding(Level.WRONG, "database", str(error))


def _owner_finding(owner_url: str) -> Finding:
    try:
        psycopg.connect(owner_url, connect_timeout=CONNECT_SECONDS_MAX).close()
    except psycopg.OperationalError:
        sentence = "The owner cannot sign in to the database."
        mend = "Set NOTELEDGER_OWNER_DATABASE_URL right; the running program does not need it."
        return Finding(Level.WRONG, "database", sentence, mend)
    return Finding(Level.RIGHT, "database", "The owner can sign in.")
