"""Data keys: one for each person and scope, random, stored wrapped by a key-encryption key.

Somebody who can change the table can make a person's words unreadable, and nothing else: a wrapped key
that was copied to another row does not unwrap, because the row is part of its associated data.
"""

import hmac
import json
import os
import threading
from collections.abc import Set
from pathlib import Path
from typing import Final, NamedTuple, Protocol
from uuid import UUID, uuid4

from cachetools import TTLCache
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg.rows import class_row, tuple_row

from domain.value import THE_CLINIC, KeyScope, Subject
from ledger.database import Datastore
from ledger.sealing import DataKey

CACHE_SECONDS: Final = 300
CACHED_KEYS: Final = 20_000
ALL_SCOPES: Final = frozenset(KeyScope)
_SECRET_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class KeyEncryption(Protocol):
    """The interface to what holds the key-encryption key: a file, AWS KMS, Vault transit."""

    def wrap(self, secret: bytes, associated_data: bytes) -> bytes:
        """The secret, encrypted and authenticated together with the associated data."""
        ...

    def unwrap(self, wrapped: bytes, associated_data: bytes) -> bytes:
        """The inverse. Raises KeyDoesNotUnwrapError."""
        ...


class KeyDoesNotUnwrapError(Exception):
    """A data key does not unwrap: the key file is not the one that it was wrapped with."""


class KeyIsRefusedError(Exception):
    """These keys were not made to open such words."""


class KeyIsMissingError(Exception):
    """Stored bytes name a data key that the key table does not hold."""


class LocalKeyFile:
    """A key-encryption key in a file that only its owner reads (0600); the default.

    Without this file nothing that was sealed can be opened again: back it up apart from the
    database. Each key has a name, which is stored with what it wrapped: a key of an earlier rotation is
    found, and a file of another installation is noticed.
    """

    def __init__(self, path: Path) -> None:
        kept = json.loads(path.read_text())
        self._current: str = kept["current"]
        self._keys = {name: bytes.fromhex(key) for name, key in kept["keys"].items()}

    @classmethod
    def open_or_create(cls, path: Path) -> "LocalKeyFile":
        """The key file at `path`, made on the first start.

        It is written under another name and then linked to `path`. If we crash in between, `path`
        does not exist and the next start makes a new file. Of two starts at once, one link succeeds
        and both use its key.
        """
        if not path.exists():
            name, key = uuid4().hex, os.urandom(_SECRET_BYTES).hex()
            text = json.dumps({"format": 1, "current": name, "keys": {name: key}})
            beside = path.with_name(f"{path.name}.{name}")
            fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            try:
                path.hardlink_to(beside)
            except FileExistsError:
                pass
            finally:
                beside.unlink()
        return cls(path)

    def wrap(self, secret: bytes, associated_data: bytes) -> bytes:
        """Layout: 16 bytes name of the key, 12 bytes nonce, AES-256-GCM ciphertext and tag."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(self._keys[self._current]).encrypt(nonce, secret, associated_data)
        return bytes.fromhex(self._current) + nonce + sealed

    def unwrap(self, wrapped: bytes, associated_data: bytes) -> bytes:
        """The inverse of `wrap`."""
        name, nonce, sealed = wrapped[:16].hex(), wrapped[16:28], wrapped[28:]
        try:
            return AESGCM(self._keys[name]).decrypt(nonce, sealed, associated_data)
        except (InvalidTag, KeyError, ValueError):  # ValueError: less than a nonce
            raise KeyDoesNotUnwrapError(KeyDoesNotUnwrapError.__doc__) from None


class _KeyRow(NamedTuple):
    key_id: UUID
    wrapped: bytes
    person_id: int
    scope: str


class Keys:
    """The data keys of all clinics, with a small cache. Keys of other scopes than `scopes` are refused."""

    def __init__(
        self, datastore: Datastore, port: KeyEncryption, scopes: Set[KeyScope] = ALL_SCOPES
    ) -> None:
        self._datastore = datastore
        self._port = port
        self._scopes = scopes
        self._lock = threading.Lock()
        """Held for each look into a cache, never while the database or the key file is asked."""
        self._by_subject: TTLCache[tuple[int, Subject], DataKey] = TTLCache(
            CACHED_KEYS, CACHE_SECONDS
        )
        """By clinic and subject. Owned by `_lock`."""
        self._by_id: TTLCache[tuple[int, UUID], bytes] = TTLCache(CACHED_KEYS, CACHE_SECONDS)
        """Secrets by clinic and key id. Owned by `_lock`."""

    def for_sealing(self, clinic_id: int, subject: Subject) -> DataKey:
        """The subject's key, made where there is none yet. Raises KeyIsRefusedError."""
        if subject.scope not in self._scopes:
            raise KeyIsRefusedError(KeyIsRefusedError.__doc__)
        with self._lock:
            key = self._by_subject.get((clinic_id, subject))
        if key is None:
            key = self._find_or_make(clinic_id, subject)
            with self._lock:
                self._by_subject[clinic_id, subject] = key
        return key

    def for_opening(self, clinic_id: int, key_ids: Set[UUID]) -> dict[UUID, bytes]:
        """The secrets of these keys. Raises KeyIsMissingError, KeyIsRefusedError."""
        with self._lock:
            found = {
                key_id: secret
                for key_id in key_ids
                if (secret := self._by_id.get((clinic_id, key_id))) is not None
            }
        missing = key_ids - found.keys()
        if missing:
            found |= self._load(clinic_id, missing)
        return found

    def clinic_secret(self, clinic_id: int, purpose: str) -> bytes:
        """A secret of the clinic for one purpose: the same in every process."""
        key = self.for_sealing(clinic_id, Subject(THE_CLINIC))
        return hmac.digest(key.secret, b"noteledger purpose 1\0" + purpose.encode(), "sha256")

    def _load(self, clinic_id: int, key_ids: Set[UUID]) -> dict[UUID, bytes]:
        with self._datastore.get_connection() as conn:
            rows = (
                conn.cursor(row_factory=class_row(_KeyRow))
                .execute(
                    "SELECT key_id, wrapped, person_id, scope FROM ledger.data_keys"
                    " WHERE clinic_id = %s AND key_id = ANY(%s)",
                    (clinic_id, list(key_ids)),
                )
                .fetchall()
            )
        if any(row.scope not in self._scopes for row in rows):
            raise KeyIsRefusedError(KeyIsRefusedError.__doc__)
        secrets = {
            row.key_id: self._port.unwrap(
                row.wrapped, _associated_data(clinic_id, row.person_id, row.scope, row.key_id)
            )
            for row in rows
        }
        if missing := key_ids - secrets.keys():
            raise KeyIsMissingError(f"{len(missing)} of the data keys that entries name")
        with self._lock:
            for key_id, secret in secrets.items():
                self._by_id[clinic_id, key_id] = secret
        return secrets

    def _find_or_make(self, clinic_id: int, subject: Subject) -> DataKey:
        """Two processes may make a key at once: the row that is inserted first stays, and both read it."""
        key_id = self._key_id(clinic_id, subject)
        if key_id is None:
            fresh = uuid4()
            associated_data = _associated_data(clinic_id, subject.person_id, subject.scope, fresh)
            wrapped = self._port.wrap(os.urandom(_SECRET_BYTES), associated_data)
            with self._datastore.get_connection() as conn:
                conn.execute(
                    "INSERT INTO ledger.data_keys (clinic_id, key_id, person_id, scope, wrapped)"
                    " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                    (clinic_id, fresh, subject.person_id, subject.scope, wrapped),
                )
            key_id = self._key_id(clinic_id, subject)
            assert key_id is not None, "the key was just made"
        return DataKey(key_id, self.for_opening(clinic_id, {key_id})[key_id])

    def _key_id(self, clinic_id: int, subject: Subject) -> UUID | None:
        with self._datastore.get_connection() as conn:
            row = (
                conn.cursor(row_factory=tuple_row)
                .execute(
                    "SELECT key_id FROM ledger.data_keys"
                    " WHERE clinic_id = %s AND person_id = %s AND scope = %s",
                    (clinic_id, subject.person_id, subject.scope),
                )
                .fetchone()
            )
        return row[0] if row else None


def _associated_data(clinic_id: int, person_id: int, scope: str, key_id: UUID) -> bytes:
    return f"noteledger data key 1\0{clinic_id}\0{person_id}\0{scope}\0{key_id}".encode()
