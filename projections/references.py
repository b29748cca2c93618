"""Whether the ids that a save or a directory entry names are there, and belong together.

Persons, relationships and sessions stay what they were first said to be, so what was once found
to belong together is remembered for good; a record type may be retired, and is asked for again
after a second. What was not found is never remembered.
"""

import threading
from typing import Final

from cachetools import LRUCache, TTLCache
from psycopg.rows import tuple_row

from domain.refusals import (
    ClientIsUnknown,
    RecordTypeIsUnknown,
    RelationshipIsUnknown,
    SessionIsUnknown,
    TherapistIsUnknown,
)
from domain.value import Caller
from ledger.database import Datastore

REMEMBERED: Final = 100_000
RECORD_TYPE_SECONDS: Final = 1

_Together = tuple[int, int, int, int | None, int | None]


class References:
    """Checks ids against the views: one question to the database, or none."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._lock = threading.Lock()
        self._together: LRUCache[_Together, bool] = LRUCache(REMEMBERED)
        self._record_types: TTLCache[tuple[int, int | None], bool] = TTLCache(
            1_000, RECORD_TYPE_SECONDS
        )

    def check(
        self,
        caller: Caller,
        client_user_id: int,
        therapist_user_id: int,
        therapist_client_id: int | None = None,
        therapist_session_id: int | None = None,
        record_type: int | None = None,
    ) -> None:
        """Raises the refusal that names the first wrong id; None is not checked."""
        whose = (client_user_id, therapist_user_id, therapist_client_id, therapist_session_id)
        together, of_type = (caller.clinic_id, *whose), (caller.clinic_id, record_type)
        with self._lock:
            if together in self._together and of_type in self._record_types:
                return
        self._ask(caller, *whose, record_type)
        with self._lock:
            self._together[together] = self._record_types[of_type] = True

    def _ask(
        self,
        caller: Caller,
        client_user_id: int,
        therapist_user_id: int,
        therapist_client_id: int | None,
        therapist_session_id: int | None,
        record_type: int | None,
    ) -> None:
        with self._datastore.as_caller(caller) as conn:
            row = (
                conn.cursor(row_factory=tuple_row, binary=True)
                .execute(
                    _FOUND,
                    {
                        "clinic_id": caller.clinic_id,
                        "client_user_id": client_user_id,
                        "therapist_user_id": therapist_user_id,
                        "therapist_client_id": therapist_client_id,
                        "therapist_session_id": therapist_session_id,
                        "record_type": record_type,
                    },
                )
                .fetchone()
            )
        assert row is not None
        has_client, has_therapist, has_relationship, has_session, has_record_type = row
        if not has_client:
            raise ClientIsUnknown("client_user_id")
        if not has_therapist:
            raise TherapistIsUnknown("therapist_user_id")
        if therapist_client_id is not None and not has_relationship:
            raise RelationshipIsUnknown("therapist_client_id")
        if therapist_session_id is not None and not has_session:
            raise SessionIsUnknown("therapist_session_id")
        if record_type is not None and not has_record_type:
            raise RecordTypeIsUnknown("record_type")


_FOUND: Final = """
    SELECT
        EXISTS (
            SELECT FROM people WHERE clinic_id = %(clinic_id)s
            AND user_id = %(client_user_id)s AND role = 'client'
        ),
        EXISTS (
            SELECT FROM people WHERE clinic_id = %(clinic_id)s
            AND user_id = %(therapist_user_id)s AND role = 'therapist'
        ),
        EXISTS (
            SELECT FROM relationships WHERE clinic_id = %(clinic_id)s
            AND therapist_client_id = %(therapist_client_id)s::bigint
            AND therapist_user_id = %(therapist_user_id)s AND client_user_id = %(client_user_id)s
        ),
        EXISTS (
            SELECT FROM sessions WHERE clinic_id = %(clinic_id)s
            AND session_id = %(therapist_session_id)s::bigint
            AND therapist_user_id = %(therapist_user_id)s AND client_user_id = %(client_user_id)s
        ),
        EXISTS (
            SELECT FROM record_types WHERE clinic_id = %(clinic_id)s
            AND record_type = %(record_type)s::bigint AND is_active
        )
"""
