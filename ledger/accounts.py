"""Who may sign in: people with passwords, programs with tokens; log-ins throttled.

Login names are sealed; an account is found by a keyed digest of its name. Passwords are hashed by
argon2id (RFC 9106). Tokens and session ids are 256 random bits, of which only the SHA-256 is stored.
Somebody who can read these tables cannot sign in with what they read. Somebody who can change them
can let anybody in; every note that is then written still names the account's user.
"""

import hmac
import secrets
import threading
import unicodedata
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID, uuid4

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from psycopg.errors import UniqueViolation
from psycopg.rows import class_row

from domain.value import THE_CLINIC, Authentication, Caller, Role, Subject
from ledger.database import Datastore
from ledger.keys import Keys
from ledger.sealing import decrypt_and_verify_commitment, seal, take_apart

FREE_FAILURES: Final = 5
WAIT_SECONDS_MAX: Final = 900
PASSWORD_CHARS_MIN: Final = 10
PASSWORD_CHARS_MAX: Final = 256
HASHINGS_AT_ONCE: Final = 2
"""Each argon2id hashing takes 64 MiB: with more at once, strangers could exhaust the memory."""
_DEFAULT_CLINIC: Final = 1


class LoginIsTaken(Exception):
    """An account of this name exists already."""


class LoginIsUnknown(Exception):
    """There is no account of this name."""


class PasswordIsTooShort(Exception):
    """A password has between 10 and 256 characters."""


class LoginIsThrottled(Exception):
    """Too many failed log-ins: wait a while."""


class Account(NamedTuple):
    """An account, without anything secret."""

    clinic_id: int
    account_id: UUID
    user_id: int
    role: str
    password_hash: str | None
    token_digest: bytes | None
    disabled_at: datetime | None
    login_sealed: bytes

    @property
    def caller(self) -> Caller:
        """The caller of a request that is signed in with this account."""
        by = Authentication.TOKEN if self.token_digest else Authentication.PASSWORD
        return Caller(self.clinic_id, self.user_id, Role(self.role), authentication=by)


class Accounts:
    """The accounts of all clinics. `2/anna` is the login name `anna` of clinic 2; `anna`, of clinic 1."""

    def __init__(self, datastore: Datastore, keys: Keys) -> None:
        self._datastore = datastore
        self._keys = keys
        self._hasher = PasswordHasher()
        self._hashing = threading.BoundedSemaphore(HASHINGS_AT_ONCE)
        """Held for each check of a password."""
        self._nobodys_hash = self._hasher.hash(secrets.token_hex())
        """Checked where the name is unknown, so that the answer takes as long as for a known one."""

    # --- the operator's side

    def add_user(self, login: str, role: Role, user_id: int, password: str) -> None:
        """An account for a person. Raises LoginIsTaken, PasswordIsTooShort."""
        if not PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX:
            raise PasswordIsTooShort
        self._add(login, role, user_id, self._hasher.hash(_nfkc(password)), None)

    def add_token(self, login: str, role: Role, user_id: int) -> str:
        """An account for a program; its Basic password, which is shown once. Raises LoginIsTaken."""
        token = secrets.token_urlsafe(32)
        self._add(login, role, user_id, None, digest_of(token))
        return token

    def disable(self, login: str, at: datetime) -> None:
        """Nobody signs in with it any more, and its sessions end. Raises LoginIsUnknown."""
        clinic_id, name = _clinic_and_name(login)
        if not self._has_clinic(clinic_id):
            raise LoginIsUnknown
        with self._datastore.get_connection() as conn, conn.transaction():
            row = conn.execute(
                "UPDATE ledger.accounts SET disabled_at = %s"
                " WHERE clinic_id = %s AND login_digest = %s RETURNING account_id",
                (at, clinic_id, self._login_digest(clinic_id, name)),
            ).fetchone()
            if row is None:
                raise LoginIsUnknown
            conn.execute(
                "DELETE FROM ledger.login_sessions WHERE clinic_id = %s AND account_id = %s",
                (clinic_id, row["account_id"]),
            )

    def all(self, clinic_id: int) -> list[tuple[str, Account]]:
        """A clinic's accounts with their login names, by user."""
        with self._datastore.get_connection() as conn:
            rows = (
                conn.cursor(row_factory=class_row(Account))
                .execute(
                    "SELECT clinic_id, account_id, user_id, role, password_hash, token_digest,"
                    "  disabled_at, login_sealed FROM ledger.accounts"
                    " WHERE clinic_id = %s ORDER BY user_id, account_id",
                    (clinic_id,),
                )
                .fetchall()
            )
        return [(self._login(account), account) for account in rows]

    # --- signing in

    def signed_in(self, login: str, password: str) -> Account | None:
        """The account that name and password (or token) belong to. Raises LoginIsThrottled.

        An attempt is counted before the password is checked, so that many at the same moment cannot
        pass the limit together; success clears the count. An unknown name takes as long as a known one.
        """
        clinic_id, name = _clinic_and_name(login)
        if not self._has_clinic(clinic_id):
            return None
        digest = self._login_digest(clinic_id, name)
        account = self._find(clinic_id, digest)
        if account and account.token_digest:
            right = hmac.compare_digest(account.token_digest, digest_of(password))
            return account if right and not account.disabled_at else None
        self._count_attempt(clinic_id, digest)
        right = self._verify(account.password_hash if account else None, password)
        if not right or account is None or account.disabled_at:
            return None
        with self._datastore.get_connection() as conn:
            conn.execute(
                "DELETE FROM ledger.login_failures WHERE clinic_id = %s AND login_digest = %s",
                (clinic_id, digest),
            )
        return account

    # --- private

    def _add(
        self,
        login: str,
        role: Role,
        user_id: int,
        password_hash: str | None,
        token_digest: bytes | None,
    ) -> None:
        clinic_id, name = _clinic_and_name(login)
        if not self._has_clinic(clinic_id):
            raise LoginIsUnknown(f"there is no clinic {clinic_id}")
        account_id = uuid4()
        key = self._keys.for_sealing(clinic_id, Subject(THE_CLINIC))
        sealed = seal(key, _login_associated_data(clinic_id, account_id), b"", name.encode())
        digest = self._login_digest(clinic_id, name)
        with self._datastore.get_connection() as conn:
            try:
                conn.execute(
                    "INSERT INTO ledger.accounts (clinic_id, account_id, user_id, role,"
                    "  login_digest, login_sealed, password_hash, token_digest)"
                    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                    (
                        clinic_id,
                        account_id,
                        user_id,
                        role,
                        digest,
                        sealed,
                        password_hash,
                        token_digest,
                    ),
                )
            except UniqueViolation:
                raise LoginIsTaken from None

    def _login(self, account: Account) -> str:
        key_id = take_apart(account.login_sealed).key_id
        secret = self._keys.for_opening(account.clinic_id, {key_id})[key_id]
        associated_data = _login_associated_data(account.clinic_id, account.account_id)
        return decrypt_and_verify_commitment(secret, associated_data, account.login_sealed).decode()

    def _login_digest(self, clinic_id: int, name: str) -> bytes:
        secret = self._keys.clinic_secret(clinic_id, "login")
        return hmac.digest(secret, _nfkc(name).casefold().encode(), "sha256")

    def _has_clinic(self, clinic_id: int) -> bool:
        with self._datastore.get_connection() as conn:
            found = conn.execute(
                "SELECT FROM ledger.ledger_head WHERE clinic_id = %s", (clinic_id,)
            )
            return found.fetchone() is not None

    def _find(self, clinic_id: int, digest: bytes) -> Account | None:
        with self._datastore.get_connection() as conn:
            return (
                conn.cursor(row_factory=class_row(Account))
                .execute(
                    "SELECT clinic_id, account_id, user_id, role, password_hash, token_digest,"
                    "  disabled_at, login_sealed FROM ledger.accounts"
                    " WHERE clinic_id = %s AND login_digest = %s",
                    (clinic_id, digest),
                )
                .fetchone()
            )

    def _count_attempt(self, clinic_id: int, digest: bytes) -> None:
        with self._datastore.get_connection() as conn:
            counted = conn.execute(
                "INSERT INTO ledger.login_failures AS f (clinic_id, login_digest, failures, last_at)"
                " VALUES (%(clinic_id)s, %(digest)s, 1, now())"
                " ON CONFLICT (clinic_id, login_digest) DO UPDATE"
                " SET failures = f.failures + 1, last_at = now()"
                " WHERE f.failures < %(free)s OR f.last_at <= now() - interval '1 second'"
                "  * least(2 ^ least(f.failures - %(free)s, 20), %(wait)s)"
                " RETURNING failures",
                {
                    "clinic_id": clinic_id,
                    "digest": digest,
                    "free": FREE_FAILURES,
                    "wait": WAIT_SECONDS_MAX,
                },
            ).fetchone()
        if counted is None:
            raise LoginIsThrottled

    def _verify(self, password_hash: str | None, password: str) -> bool:
        if len(password) > PASSWORD_CHARS_MAX:
            return False
        with self._hashing:
            try:
                self._hasher.verify(password_hash or self._nobodys_hash, _nfkc(password))
            except (VerificationError, InvalidHashError):
                return False
        return password_hash is not None


def _clinic_and_name(login: str) -> tuple[int, str]:
    clinic, slash, name = login.partition("/")
    if slash and clinic.isascii() and clinic.isdigit() and len(clinic) <= 15:
        return int(clinic), name
    return _DEFAULT_CLINIC, login


def _login_associated_data(clinic_id: int, account_id: UUID) -> bytes:
    return b"noteledger login 1\0" + clinic_id.to_bytes(8, "big") + account_id.bytes


def _nfkc(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def digest_of(token: str) -> bytes:
    """The digest that is stored instead of the token."""
    return sha256(token.encode()).digest()
