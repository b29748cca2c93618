"""Fences: behind the one of an erased person, no entry about them is appended and no key is made.

They are looked at inside the transaction that appends, after it has locked the clinic's head. Whoever
erases locks the same row: so an entry is before the fence, and unreadable, or it is refused. Somebody
who can delete a fence can let entries be recorded again; the facts of the keys still say that they
were destroyed.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Cursor

from ledger.entry import NewEntry
from ledger.sealing import take_apart


class About(NamedTuple):
    """Whom new entries are about, and which data keys they are sealed with; each once.

    `insert_entries` (store.py) refuses them where one of the persons has a fence or one of the keys is
    gone: nobody could ever open them.
    """

    persons: tuple[int, ...]
    keys: tuple[UUID, ...]


NOBODY: Final = About((), ())
"""For entries that no fence concerns: those of the keys themselves."""


def about(entries: Sequence[NewEntry]) -> About:
    """Whom the entries are about."""
    persons = {entry.fact.subject().person_id for entry in entries}
    keys = {take_apart(entry.sealed).key_id for entry in entries}
    return About(tuple(persons), tuple(keys))


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
