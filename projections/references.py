"""Whether the ids that a save or a directory entry names are there, and belong together.

The people of a relationship or a session never change, so ids that were once found to belong
together are remembered, as long as there is room; a record type may be retired, and is looked up
again after a second. What was not found is never remembered.
"""

import threading
from typing import Final, NamedTuple

from cachetools import LRUCache, TTLCache

from domain.refusals import (
    ClientIsUnknown,
    RecordTypeIsUnknown,
    RelationshipIsUnknown,
    SessionIsUnknown,
    TherapistIsUnknown,
)
from domain.value import Caller
from ledger.database import Datastore
from projections.view import by_name

REMEMBERED: Final = 100_000
RECORD_TYPE_SECONDS: Final = 1


class _Ids(NamedTuple):
    """Ids that belong together, or not; None is not checked."""

    clinic_id: int
    client_user_id: int
    therapist_user_id: int
    therapist_client_id: int | None
    therapist_session_id: int | None


class _Found(NamedTuple):
    """Which of the ids are there, and fit the others."""

    has_client: bool
    has_therapist: bool
    has_relationship: bool
    has_session: bool
    has_record_type: bool


class References:
    """Checks ids against the views: one question to the database, or none."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        # Each request's thread asks: the caches are read and written under this lock.
        self._lock = threading.Lock()
        self._together: LRUCache[_Ids, bool] = LRUCache(REMEMBERED)
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
        ids = _Ids(
            clinic_id=caller.clinic_id,
            client_user_id=client_user_id,
            therapist_user_id=therapist_user_id,
            therapist_client_id=therapist_client_id,
            therapist_session_id=therapist_session_id,
        )
        of_type = (caller.clinic_id, record_type)
        with self._lock:
            if ids in self._together and of_type in self._record_types:
                return
        _refuse_unknown(ids, record_type, self._look_up(caller, ids, record_type))
        with self._lock:
            self._together[ids] = self._record_types[of_type] = True

    def _look_up(self, caller: Caller, ids: _Ids, record_type: int | None) -> _Found:
        with self._datastore.as_caller(caller) as conn:
            cursor = conn.cursor(row_factory=by_name(_Found), binary=True)
            params = {**ids._asdict(), "record_type": record_type}
            found = cursor.execute(_FOUND, params).fetchone()
        assert found is not None, "a SELECT without FROM has one row"
        return found


def _refuse_unknown(ids: _Ids, record_type: int | None, found: _Found) -> None:
    if not found.has_client:
        raise ClientIsUnknown("client_user_id")
    if not found.has_therapist:
        raise TherapistIsUnknown("therapist_user_id")
    if ids.therapist_client_id is not None and not found.has_relationship:
        raise RelationshipIsUnknown("therapist_client_id")
    if ids.therapist_session_id is not None and not found.has_session:
        raise SessionIsUnknown("therapist_session_id")
    if record_type is not None and not found.has_record_type:
        raise RecordTypeIsUnknown("record_type")


_FOUND: Final = """
    SELECT
        EXISTS (
            SELECT FROM people WHERE clinic_id = %(clinic_id)s
            AND user_id = %(client_user_id)s AND role = 'client'
        ) AS has_client,
        EXISTS (
            SELECT FROM people WHERE clinic_id = %(clinic_id)s
            AND user_id = %(therapist_user_id)s AND role = 'therapist'
        ) AS has_therapist,
        EXISTS (
            SELECT FROM relationships WHERE clinic_id = %(clinic_id)s
            AND therapist_client_id = %(therapist_client_id)s::bigint
            AND therapist_user_id = %(therapist_user_id)s AND client_user_id = %(client_user_id)s
        ) AS has_relationship,
        EXISTS (
            SELECT FROM sessions WHERE clinic_id = %(clinic_id)s
            AND session_id = %(therapist_session_id)s::bigint
            AND therapist_user_id = %(therapist_user_id)s AND client_user_id = %(client_user_id)s
        ) AS has_session,
        EXISTS (
            SELECT FROM record_types WHERE clinic_id = %(clinic_id)s
            AND record_type = %(record_type)s::bigint AND is_active
        ) AS has_record_type
"""
