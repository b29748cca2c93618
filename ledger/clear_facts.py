"""An aggregate's facts as far as they are stored in the clear: no key is used, and no word is read."""

from collections.abc import Iterator
from typing import Final, NamedTuple
from uuid import UUID

from psycopg.rows import tuple_row

from domain.value import Fact
from ledger.codec import read_clear
from ledger.database import Datastore

PAGE_FACTS: Final = 200


class ClearFact(NamedTuple):
    """A fact at its place. `stored_as` is the name that its bytes were written under.

    `fact` has no words. It is of today's shape, whichever it was stored in.
    """

    version: int
    position: int
    stored_as: str
    fact: Fact


def clear_facts(datastore: Datastore, clinic_id: int, aggregate_id: UUID) -> Iterator[ClearFact]:
    """The aggregate's facts by version, none where there is no such aggregate.

    They are read in pages: no more than `PAGE_FACTS` are held at a time, and no connection is held
    between two pages. Raises KindIsUnknownError for a fact that a newer program has written.
    """
    version = 0
    while page := _page(datastore, clinic_id, aggregate_id, version):
        yield from page
        version = page[-1].version


def _page(datastore: Datastore, clinic_id: int, aggregate_id: UUID, after: int) -> list[ClearFact]:
    with datastore.get_connection() as conn:
        rows = (
            conn.cursor(row_factory=tuple_row, binary=True)
            .execute(
                "SELECT version, position, kind, state FROM ledger.entries"
                " WHERE clinic_id = %(clinic_id)s AND aggregate_id = %(aggregate_id)s"
                " AND version > %(after)s ORDER BY version LIMIT %(limit)s",
                {
                    "clinic_id": clinic_id,
                    "aggregate_id": aggregate_id,
                    "after": after,
                    "limit": PAGE_FACTS,
                },
            )
            .fetchall()
        )
    return [
        ClearFact(version, position, stored_as, read_clear(stored_as, sealed))
        for version, position, stored_as, sealed in rows
    ]
