"""Fences: behind the one of an erased person, no entry about them is appended and no key is made.

They are looked at inside the transaction that appends, after it has locked the clinic's head. Whoever
erases locks the same row: so an entry is before the fence, and unreadable, or it is refused. Somebody
who can delete a fence can let entries be recorded again; the facts of the keys still say that they
were destroyed.
"""

from collections.abc import Sequence
from typing import Any

from psycopg import Cursor

from domain.refusals import PersonIsErased
from ledger.entry import NewEntry
from ledger.sealing import take_apart


def refuse_behind_fences(cursor: Cursor[Any], clinic_id: int, entries: Sequence[NewEntry]) -> None:
    """Refuse entries that are about an erased person, or that nobody could ever open.

    The caller holds the clinic's head. What a process keeps in memory does not count here. Raises
    PersonIsErased.
    """
    persons = {entry.fact.subject().person_id for entry in entries}
    keys = {take_apart(entry.sealed).key_id for entry in entries}
    row = cursor.execute(
        """
        SELECT EXISTS (
            SELECT FROM ledger.fences
            WHERE clinic_id = %(clinic_id)s AND person_id = ANY(%(persons)s)
        ), (
            SELECT count(*) FROM ledger.data_keys
            WHERE clinic_id = %(clinic_id)s AND key_id = ANY(%(keys)s) AND wrapped IS NOT NULL
        )
        """,
        {"clinic_id": clinic_id, "persons": list(persons), "keys": list(keys)},
    ).fetchone()
    assert row is not None
    is_fenced, keys_there = row
    if is_fenced or keys_there < len(keys):
        raise PersonIsErased


def place_fence(cursor: Cursor[Any], clinic_id: int, person_id: int, position: int) -> None:
    """Place the person's fence; the caller holds the clinic's head."""
    cursor.execute(
        "INSERT INTO ledger.fences (clinic_id, person_id, position) VALUES (%s, %s, %s)",
        (clinic_id, person_id, position),
    )


def fence_of(cursor: Cursor[Any], clinic_id: int, person_id: int) -> int | None:
    """The position of the person's fence, None where they have none."""
    row = cursor.execute(
        "SELECT position FROM ledger.fences WHERE clinic_id = %s AND person_id = %s",
        (clinic_id, person_id),
    ).fetchone()
    return row[0] if row else None
