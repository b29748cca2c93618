"""Data keys: one for each person and scope, random, stored wrapped by a key-encryption key.

Somebody who can change the table can make a person's words unreadable, and nothing else: a wrapped key
that was copied to another row does not unwrap, because the row is part of its associated data.
"""

import hmac
import logging
import math
import os
import threading
import time
from collections.abc import Set
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID, uuid4

from cachetools import TTLCache
from eventsourcing.persistence import OperationalError
from psycopg.rows import class_row, scalar_row, tuple_row

from domain.refusals import PersonIsErased
from domain.value import THE_CLINIC, By, KeyScope, Subject
from ledger.database import CONNECT_SECONDS_MAX, UNREACHABLE, Datastore
from ledger.key_encryption import KeyEncryption
from ledger.key_history import (
    NewKey,
    clinics_with_old_keys,
    destroy_keys,
    key_ids_made,
    make_key,
    old_keys,
    record_old_key,
)
from ledger.sealing import DataKey
from ledger.store import lock_head

log = logging.getLogger("noteledger.keys")

CACHE_SECONDS: Final = 300
CACHED_KEYS: Final = 20_000
CHECKED_SECONDS: Final = 0.5
"""The longest time for which a process does not look whether keys were destroyed."""
ALL_SCOPES: Final = frozenset(KeyScope)
_SECRET_BYTES: Final = 32


class KeyIsRefusedError(Exception):
    """These keys were not made to open such words."""


class KeyIsMissingError(Exception):
    """Stored bytes name a data key that this clinic never had."""


class _KeyRow(NamedTuple):
    key_id: UUID
    wrapped: bytes | None
    person_id: int
    scope: str


class Keys:
    """The data keys of all clinics, with a small cache. Keys of other scopes than `scopes` are refused.

    A key that was destroyed, or whose row was deleted, is forgotten within a second: before a cache is
    used, the count of such changes is read, unless that was done within CHECKED_SECONDS.
    """

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
        self._by_id: TTLCache[tuple[int, UUID], bytes | None] = TTLCache(CACHED_KEYS, CACHE_SECONDS)
        """Secrets by clinic and key id; None for a key that is gone. Owned by `_lock`."""
        self._changes = -1
        """The count of changes for which the caches are right. Owned by `_lock`."""
        self._checked_at = -math.inf
        """When `_changes` was read, by the monotonic clock. Owned by `_lock`."""
        self._checking = threading.Lock()
        """Held while the count of changes is read, so that one thread reads it."""

    def for_sealing(self, clinic_id: int, subject: Subject) -> DataKey:
        """The subject's key, made where there is none yet. Raises KeyIsRefusedError, PersonIsErased."""
        if subject.scope not in self._scopes:
            raise KeyIsRefusedError(KeyIsRefusedError.__doc__)
        self._check_if_free()
        with self._lock:
            key, changes = self._by_subject.get((clinic_id, subject)), self._changes
        if key is None:
            key = self._find_or_make(clinic_id, subject)
            with self._lock:
                if changes == self._changes:  # otherwise it may be gone since it was read
                    self._by_subject[clinic_id, subject] = key
                    self._by_id[clinic_id, key.key_id] = key.secret
        return key

    def for_opening(self, clinic_id: int, key_ids: Set[UUID]) -> dict[UUID, bytes]:
        """The secrets of these keys, without those that are gone.

        Raises KeyIsMissingError, KeyIsRefusedError.
        """
        self._check()
        with self._lock:
            known = {
                key_id: self._by_id[clinic_id, key_id]
                for key_id in key_ids
                if (clinic_id, key_id) in self._by_id
            }
        if unknown := key_ids - known.keys():
            known |= self._load(clinic_id, unknown)
        return {key_id: secret for key_id, secret in known.items() if secret is not None}

    def clinic_secret(self, clinic_id: int, purpose: str) -> bytes:
        """A secret of the clinic for one purpose: the same in every process."""
        key = self.for_sealing(clinic_id, Subject(THE_CLINIC))
        return hmac.digest(key.secret, b"noteledger purpose 1\0" + purpose.encode(), "sha256")

    def destroy(self, clinic_id: int, person_id: int, by: By, at: datetime) -> int:
        """Place a fence and destroy the person's keys, with the fact of it: all or nothing.

        The position of the fact, which is the fence's. No entry about the person is behind it, and
        their words can be opened by nobody. Every process forgets the keys within a second. Asked
        again, it answers the same and does nothing. Raises PersonIsUnknown.
        """
        self.record_old_keys()  # so that the fact names them, too
        clinic_key = self.for_sealing(clinic_id, Subject(THE_CLINIC))
        position = destroy_keys(self._datastore, clinic_id, person_id, clinic_key, by, at)
        with self._lock:
            self._checked_at = -math.inf  # this process forgets at once
        return position

    def record_old_keys(self) -> None:
        """Write the facts of the keys that a program of schema 2 made, at the end of the ledgers.

        Done at each start; it may be done by several processes at once, and again after a crash.
        """
        for clinic_id in clinics_with_old_keys(self._datastore):
            clinic_key = self.for_sealing(clinic_id, Subject(THE_CLINIC))
            while old := old_keys(self._datastore, clinic_id):
                with self._datastore.get_connection() as conn, conn.transaction():
                    cursor = conn.cursor(row_factory=tuple_row)
                    now = lock_head(cursor, clinic_id)
                    for key in old:
                        epoch = self._port.name_of(key.wrapped).epoch
                        record_old_key(cursor, clinic_id, key, epoch, clinic_key, now)

    def _check_if_free(self) -> None:
        """Look for changes, but wait for nobody: the append looks for itself whether a key is gone.

        So a save goes on where the database is away for a moment, and the appender tries again.
        """
        if not self._is_checked() and self._checking.acquire(blocking=False):
            try:
                self._forget_what_changed()
            except UNREACHABLE as error:
                log.warning("it is not known whether keys were destroyed: %s", type(error).__name__)
            finally:
                self._checking.release()

    def _check(self) -> None:
        """Look for changes, or wait until another thread has. Raises the library's OperationalError."""
        if self._is_checked():
            return
        if not self._checking.acquire(timeout=CONNECT_SECONDS_MAX):
            raise OperationalError("the database does not say whether keys were destroyed")
        try:
            if not self._is_checked():
                self._forget_what_changed()
        finally:
            self._checking.release()

    def _forget_what_changed(self) -> None:
        """Empty both caches if a key was destroyed or deleted since they were last found right."""
        asked_at = time.monotonic()
        with self._datastore.get_connection() as conn:
            changes = (
                conn.cursor(row_factory=scalar_row)
                .execute("SELECT changes FROM ledger.data_key_changes")
                .fetchone()
            )
        assert changes is not None, "the table has its only row"
        with self._lock:
            if changes != self._changes:
                self._by_subject.clear()
                self._by_id.clear()
            self._changes, self._checked_at = changes, asked_at

    def _is_checked(self) -> bool:
        with self._lock:
            return time.monotonic() < self._checked_at + CHECKED_SECONDS

    def _load(self, clinic_id: int, key_ids: Set[UUID]) -> dict[UUID, bytes | None]:
        with self._lock:
            changes = self._changes
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
        secrets = {row.key_id: self._unwrap(clinic_id, row) for row in rows}
        if missing := key_ids - secrets.keys():
            self._require_made(clinic_id, missing)
            secrets |= dict.fromkeys(missing)
        with self._lock:
            if changes == self._changes:  # otherwise one may be gone since it was read
                self._by_id.update({(clinic_id, key_id): key for key_id, key in secrets.items()})
        return secrets

    def _unwrap(self, clinic_id: int, row: _KeyRow) -> bytes | None:
        if row.wrapped is None:
            return None
        associated_data = _associated_data(clinic_id, row.person_id, row.scope, row.key_id)
        return self._port.unwrap(row.wrapped, associated_data)

    def _require_made(self, clinic_id: int, missing: Set[UUID]) -> None:
        """Keys without a row are gone if they were once made: somebody deleted them past the program."""
        if never_made := missing - key_ids_made(self._datastore, clinic_id):
            raise KeyIsMissingError(f"{len(never_made)} of the data keys that entries name")
        log.error("%d data keys of clinic %d were deleted, not destroyed", len(missing), clinic_id)

    def _find_or_make(self, clinic_id: int, subject: Subject) -> DataKey:
        """Two processes may need a key at once: one makes it, and both read it."""
        row = self._row_of(clinic_id, subject)
        if row is None:
            self._make(clinic_id, subject)
            row = self._row_of(clinic_id, subject)
        secret = self._unwrap(clinic_id, row) if row else None
        if row is None or secret is None:
            raise PersonIsErased
        return DataKey(row.key_id, secret)

    def _make(self, clinic_id: int, subject: Subject) -> None:
        fresh = DataKey(uuid4(), os.urandom(_SECRET_BYTES))
        the_clinic = Subject(THE_CLINIC)
        clinic_key = fresh if subject == the_clinic else self.for_sealing(clinic_id, the_clinic)
        associated_data = _associated_data(clinic_id, *subject, fresh.key_id)
        wrapped = self._port.wrap(fresh.secret, associated_data)
        new = NewKey(fresh.key_id, wrapped, self._port.name_of(wrapped))
        make_key(self._datastore, clinic_id, subject, new, clinic_key)

    def _row_of(self, clinic_id: int, subject: Subject) -> _KeyRow | None:
        with self._datastore.get_connection() as conn:
            return (
                conn.cursor(row_factory=class_row(_KeyRow))
                .execute(
                    "SELECT key_id, wrapped, person_id, scope FROM ledger.data_keys"
                    " WHERE clinic_id = %s AND person_id = %s AND scope = %s",
                    (clinic_id, *subject),
                )
                .fetchone()
            )


def _associated_data(clinic_id: int, person_id: int, scope: str, key_id: UUID) -> bytes:
    return f"noteledger data key 1\0{clinic_id}\0{person_id}\0{scope}\0{key_id}".encode()
