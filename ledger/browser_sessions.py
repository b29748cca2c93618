"""Browser sessions on the server: an opaque cookie, of which only the SHA-256 is stored.

They end when they are idle too long, at a maximum age, at log-out, and when the account is disabled.
"""

import secrets
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from psycopg.rows import tuple_row

from domain.value import Authentication, Caller, Role
from ledger.accounts import Account, digest_of
from ledger.database import Datastore

TOUCH_SECONDS: Final = 60
"""The use of a session is written down at most this often."""


class SessionTimes(NamedTuple):
    """How long a browser session may be idle, and how long it lasts at most."""

    idle: timedelta
    absolute: timedelta


class BrowserSessions:
    """The sessions of all clinics; a cookie begins with its clinic's number."""

    def __init__(self, datastore: Datastore, times: SessionTimes) -> None:
        self._datastore = datastore
        self._times = times

    def begin(self, account: Account, at: datetime) -> str:
        """The opaque value of a new session's cookie."""
        token = secrets.token_urlsafe(32)
        with self._datastore.get_connection() as conn:
            conn.execute(
                "INSERT INTO ledger.login_sessions"
                " (clinic_id, token_digest, account_id, began_at, used_at)"
                " VALUES (%s, %s, %s, %s, %s)",
                (account.clinic_id, digest_of(token), account.account_id, at, at),
            )
        return f"{account.clinic_id}.{token}"

    def caller(self, cookie: str, at: datetime) -> Caller | None:
        """The session's caller, None where it has ended. This counts as use of the session."""
        found = self._find(cookie, at)
        if found is None:
            return None
        caller, used_at = found
        if used_at < at - timedelta(seconds=TOUCH_SECONDS):
            with self._datastore.get_connection() as conn:
                conn.execute(
                    "UPDATE ledger.login_sessions SET used_at = %s"
                    " WHERE clinic_id = %s AND token_digest = %s",
                    (at, *_key(cookie)),
                )
        return caller

    def listener(self, cookie: str, at: datetime) -> Caller | None:
        """The same for an event stream; listening does not count as use of the session."""
        found = self._find(cookie, at)
        return found[0] if found else None

    def _find(self, cookie: str, at: datetime) -> tuple[Caller, datetime] | None:
        if not _is_cookie(cookie):
            return None
        times = (at - self._times.idle, at - self._times.absolute)
        with self._datastore.get_connection() as conn:
            row = (
                conn.cursor(row_factory=tuple_row)
                .execute(
                    "SELECT a.clinic_id, a.user_id, a.role, s.used_at FROM ledger.login_sessions s"
                    " JOIN ledger.accounts a USING (clinic_id, account_id)"
                    " WHERE s.clinic_id = %s AND s.token_digest = %s AND s.used_at > %s"
                    " AND s.began_at > %s AND a.disabled_at IS NULL",
                    (*_key(cookie), *times),
                )
                .fetchone()
            )
        if row is None:
            return None
        by = Authentication.BROWSER_SESSION
        return Caller(row[0], row[1], Role(row[2]), authentication=by), row[3]

    def end(self, cookie: str) -> None:
        """End the session."""
        if _is_cookie(cookie):
            with self._datastore.get_connection() as conn:
                conn.execute(
                    "DELETE FROM ledger.login_sessions WHERE clinic_id = %s AND token_digest = %s",
                    _key(cookie),
                )

    def forget_expired(self, at: datetime, claims_kept: timedelta) -> None:
        """Delete ended sessions, old failures and old Idempotency-Keys."""
        with self._datastore.get_connection() as conn:
            conn.execute(
                "DELETE FROM ledger.login_sessions WHERE used_at <= %s OR began_at <= %s",
                (at - self._times.idle, at - self._times.absolute),
            )
            conn.execute(
                "DELETE FROM ledger.login_failures WHERE last_at <= %s", (at - timedelta(days=1),)
            )
            conn.execute("DELETE FROM ledger.claims WHERE claimed_at <= %s", (at - claims_kept,))


def _is_cookie(cookie: str) -> bool:
    clinic_id = cookie.partition(".")[0]
    return clinic_id.isascii() and clinic_id.isdigit() and len(clinic_id) <= 15


def _key(cookie: str) -> tuple[int, bytes]:
    clinic_id, _, token = cookie.partition(".")
    return int(clinic_id), digest_of(token)
