"""Public ids, counted for each clinic and kind; taken in blocks: most saves ask the database for none."""

import threading
from collections.abc import Mapping
from typing import Final, NamedTuple

from psycopg.rows import scalar_row

from domain.value import Kind
from ledger.database import Datastore

BLOCK: Final = 20


class Numbering(NamedTuple):
    """The first id of a kind in each clinic, and how many a process takes at once.

    A process that ends leaves the rest of its block unused; no id is given twice.
    """

    first: int = 1
    block: int = BLOCK


NUMBERINGS: Final[Mapping[Kind, Numbering]] = {
    Kind.NOTE: Numbering(),
    Kind.SOAP_NOTE: Numbering(),
    Kind.GENERATION: Numbering(),
    # Ids below are given by hand; few are needed, so none is left unused.
    Kind.PERSON: Numbering(first=1_000_001, block=1),
}
"""The kinds whose ids the ledger gives; all others bring theirs."""


class Ids:
    """The next ids of notes, SOAP notes, generations and persons, in each clinic."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._lock = threading.Lock()
        """Held while a block is fetched, too: otherwise each of many threads would fetch its own."""
        self._blocks: dict[tuple[int, Kind], range] = {}
        """What is left of the block of each clinic and kind. Owned by `_lock`."""

    def next(self, clinic_id: int, kind: Kind) -> int:
        """An id that was given to no other aggregate of this clinic and kind, nor will be.

        Somebody may have brought an id of their own: a person's is looked up before it is used.
        """
        with self._lock:
            block = self._blocks.get((clinic_id, kind)) or self._fetch(clinic_id, kind)
            self._blocks[clinic_id, kind] = block[1:]
            return block[0]

    def _fetch(self, clinic_id: int, kind: Kind) -> range:
        """A block. One statement: it is ours once it returns, and nobody waits longer than for that."""
        numbering = NUMBERINGS[kind]
        with self._datastore.get_connection() as conn:
            first = (
                conn.cursor(row_factory=scalar_row)
                .execute(
                    "INSERT INTO ledger.id_counters AS counter (clinic_id, kind, next_id)"
                    " VALUES (%(clinic_id)s, %(kind)s, %(first)s + %(block)s)"
                    " ON CONFLICT (clinic_id, kind)"
                    " DO UPDATE SET next_id = counter.next_id + %(block)s"
                    " RETURNING next_id - %(block)s",
                    {"clinic_id": clinic_id, "kind": kind.value, **numbering._asdict()},
                )
                .fetchone()
            )
        assert first is not None, "INSERT returns a row"
        return range(first, first + numbering.block)
