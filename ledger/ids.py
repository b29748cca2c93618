"""Public ids from database sequences, taken in blocks: most saves ask the database for none."""

import threading
from typing import Final

from psycopg.rows import tuple_row

from domain.value import Kind
from ledger.database import Datastore

BLOCK: Final = 20
"""The sequences' INCREMENT (schema.sql). A crash leaves ids of a block unused; none is used twice."""

_NEXT: Final = {
    Kind.NOTE: "SELECT nextval('ledger.note_id')",
    Kind.SOAP_NOTE: "SELECT nextval('ledger.soap_note_id')",
    Kind.GENERATION: "SELECT nextval('ledger.generation_id')",
}


class Ids:
    """The next ids of notes, SOAP notes and generations."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._lock = threading.Lock()
        self._blocks: dict[Kind, range] = {}
        """What is left of each kind's block. Owned by `_lock`, which is held while a new one is fetched."""

    def next(self, kind: Kind) -> int:
        """An id that no other aggregate of this kind has or will have."""
        with self._lock:
            block = self._blocks.get(kind)
            if not block:
                with self._datastore.get_connection() as conn:
                    row = conn.cursor(row_factory=tuple_row).execute(_NEXT[kind]).fetchone()
                assert row is not None
                block = range(row[0], row[0] + BLOCK)
            self._blocks[kind] = block[1:]
            return block[0]
