"""The rows of the data keys, each with the fact that tells of it; and how a person's are destroyed.

A row and its fact are written in one transaction, which has locked the clinic's head: neither is there
without the other, and of two processes that need the same key one makes it. If we crash before
COMMIT, there is no key, and nothing was sealed with it.
"""

from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Cursor
from psycopg.rows import class_row, scalar_row, tuple_row

from domain.aggregates import aggregate_id
from domain.data_keys import (
    DATA_KEYS,
    DataKeyMade,
    DataKeys,
    DataKeysCommand,
    DestroyDataKeys,
    MakeDataKey,
)
from domain.refusals import PersonIsErased, PersonIsUnknown
from domain.value import THE_CLINIC, THE_WORKER, By, KeyScope, Kind, Subject
from ledger.codec import entry_associated_data, read_clear, seal_fact
from ledger.database import Datastore
from ledger.fences import fence_of, place_fence
from ledger.key_encryption import KekName
from ledger.sealing import DataKey
from ledger.store import insert_entries, lock_head, take_positions

OLD_KEYS_AT_ONCE: Final = 100
"""So many facts of old keys are written while a clinic's head is locked."""


class NewKey(NamedTuple):
    """A data key as it is stored."""

    key_id: UUID
    wrapped: bytes
    kek: KekName


class OldKey(NamedTuple):
    """A data key that a program of schema 2 made, whose fact is not written yet."""

    key_id: UUID
    person_id: int
    scope: str
    wrapped: bytes


def make_key(
    datastore: Datastore, clinic_id: int, subject: Subject, new: NewKey, clinic_key: DataKey
) -> None:
    """Store the key with its fact, unless the subject has one. Raises PersonIsErased.

    The fact is sealed with the clinic's key, which outlives the person's.
    """
    with datastore.get_connection() as conn, conn.transaction():
        cursor = conn.cursor(row_factory=tuple_row)
        now = lock_head(cursor, clinic_id)
        if fence_of(cursor, clinic_id, subject.person_id) is not None:
            raise PersonIsErased
        if _has_key(cursor, clinic_id, subject):
            return
        command = MakeDataKey(by=THE_WORKER, at=now, key_id=new.key_id, scope=subject.scope)
        position = _append(cursor, clinic_id, subject.person_id, command, clinic_key)
        cursor.execute(
            "INSERT INTO ledger.data_keys (clinic_id, key_id, person_id, scope, wrapped, made_at,"
            " made_position, kek, kek_epoch) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (clinic_id, new.key_id, *subject, new.wrapped, now, position, *new.kek),
        )


def old_keys(datastore: Datastore, clinic_id: int) -> list[OldKey]:
    """Keys of the clinic without a fact, a bounded number; the clinic's own first."""
    with datastore.get_connection() as conn:
        return (
            conn.cursor(row_factory=class_row(OldKey))
            .execute(
                "SELECT key_id, person_id, scope, wrapped FROM ledger.data_keys"
                " WHERE clinic_id = %s AND made_position IS NULL AND wrapped IS NOT NULL"
                " ORDER BY person_id, scope LIMIT %s",
                (clinic_id, OLD_KEYS_AT_ONCE),
            )
            .fetchall()
        )


def clinics_with_old_keys(datastore: Datastore) -> list[int]:
    """Clinics that have keys without a fact."""
    with datastore.get_connection() as conn:
        return (
            conn.cursor(row_factory=scalar_row)
            .execute(
                "SELECT DISTINCT clinic_id FROM ledger.data_keys"
                " WHERE made_position IS NULL AND wrapped IS NOT NULL ORDER BY clinic_id"
            )
            .fetchall()
        )


def record_old_key(
    cursor: Cursor[Any], clinic_id: int, old: OldKey, epoch: int, clinic_key: DataKey, now: datetime
) -> None:
    """Write the fact of an old key, dated now, unless another process has; the head is locked."""
    is_waiting = cursor.execute(
        "SELECT FROM ledger.data_keys WHERE clinic_id = %s AND key_id = %s"
        " AND made_position IS NULL AND wrapped IS NOT NULL",
        (clinic_id, old.key_id),
    ).fetchone()
    if is_waiting is None:
        return
    scope = KeyScope(old.scope)
    command = MakeDataKey(by=THE_WORKER, at=now, key_id=old.key_id, scope=scope)
    cursor.execute(
        "UPDATE ledger.data_keys SET made_position = %s, kek_epoch = %s"
        " WHERE clinic_id = %s AND key_id = %s",
        (
            _append(cursor, clinic_id, old.person_id, command, clinic_key),
            epoch,
            clinic_id,
            old.key_id,
        ),
    )


def destroy_keys(
    datastore: Datastore, clinic_id: int, person_id: int, clinic_key: DataKey, by: By, at: datetime
) -> int:
    """Place the person's fence and destroy their keys; the fence's position. Asked twice, done once.

    If we crash before COMMIT, nothing is destroyed. Raises PersonIsUnknown.
    """
    with datastore.get_connection() as conn, conn.transaction():
        cursor = conn.cursor(row_factory=tuple_row)
        now = lock_head(cursor, clinic_id)
        fence = fence_of(cursor, clinic_id, person_id)
        if fence is not None:
            return fence
        if person_id == THE_CLINIC or not _is_known(cursor, clinic_id, person_id):
            raise PersonIsUnknown("person_id")
        command = DestroyDataKeys(by=by, at=at)
        position = _append(cursor, clinic_id, person_id, command, clinic_key)
        if position is None:  # somebody took the fence away: it stands where it stood
            position = _newest_position(cursor, clinic_id, person_id)
        place_fence(cursor, clinic_id, person_id, position)
        cursor.execute(
            "UPDATE ledger.data_keys SET wrapped = NULL, destroyed_at = %s"
            " WHERE clinic_id = %s AND person_id = %s AND wrapped IS NOT NULL",
            (now, clinic_id, person_id),
        )
    return position


def key_ids_made(datastore: Datastore, clinic_id: int) -> set[UUID]:
    """All keys that the clinic's facts tell of. Reads them all: for where a row is missing."""
    with datastore.get_connection() as conn:
        rows = (
            conn.cursor(row_factory=tuple_row, binary=True)
            .execute(
                "SELECT kind, state FROM ledger.entries"
                " WHERE clinic_id = %s AND kind = 'data-key-made/1'",
                (clinic_id,),
            )
            .fetchall()
        )
    facts = [read_clear(fact_type, sealed) for fact_type, sealed in rows]
    return {fact.key_id for fact in facts if isinstance(fact, DataKeyMade)}


def _append(
    cursor: Cursor[Any], clinic_id: int, person_id: int, command: DataKeysCommand, key: DataKey
) -> int | None:
    """Decide and append the fact; its position, None where there is nothing to tell. The head is locked.

    No view is made of such facts, so none is written.
    """
    aggregate = aggregate_id(Kind.DATA_KEYS, person_id)
    keys = _state(cursor, clinic_id, aggregate)
    facts = DATA_KEYS.decide(person_id, keys, command)
    if not facts:
        return None
    [fact] = facts
    version = keys.version + 1 if keys else 1
    where = entry_associated_data(clinic_id, aggregate, version, fact.fact_type)
    sealed = seal_fact(key, where, fact)
    position = take_positions(cursor, clinic_id, 1)
    insert_entries(cursor, clinic_id, position, [aggregate], [version], [fact.fact_type], [sealed])
    return position


def _state(cursor: Cursor[Any], clinic_id: int, aggregate: UUID) -> DataKeys | None:
    rows = cursor.execute(
        "SELECT kind, state FROM ledger.entries"
        " WHERE clinic_id = %s AND aggregate_id = %s ORDER BY version",
        (clinic_id, aggregate),
    ).fetchall()
    keys: DataKeys | None = None
    for fact_type, sealed in rows:
        fact = read_clear(fact_type, sealed)
        assert isinstance(fact, DATA_KEYS.fact_types), "an aggregate's entries hold its own facts"
        keys = DATA_KEYS.evolve(keys, fact)
    return keys


def _newest_position(cursor: Cursor[Any], clinic_id: int, person_id: int) -> int:
    row = cursor.execute(
        "SELECT max(position) FROM ledger.entries WHERE clinic_id = %s AND aggregate_id = %s",
        (clinic_id, aggregate_id(Kind.DATA_KEYS, person_id)),
    ).fetchone()
    assert row is not None
    return int(row[0])


def _has_key(cursor: Cursor[Any], clinic_id: int, subject: Subject) -> bool:
    found = cursor.execute(
        "SELECT FROM ledger.data_keys WHERE clinic_id = %s AND person_id = %s AND scope = %s",
        (clinic_id, *subject),
    ).fetchone()
    return found is not None


def _is_known(cursor: Cursor[Any], clinic_id: int, person_id: int) -> bool:
    """Whether anything was recorded about the person: that takes a key."""
    found = cursor.execute(
        "SELECT FROM ledger.entries WHERE clinic_id = %s AND aggregate_id = ANY(%s) LIMIT 1",
        (
            clinic_id,
            [aggregate_id(kind, person_id) for kind in (Kind.PERSON, Kind.DATA_KEYS)],
        ),
    ).fetchone()
    return found is not None
