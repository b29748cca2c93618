"""Whether the ids that a save or a directory entry names are there, and belong together."""

from typing import Final

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


class References:
    """Checks ids against the views, one question to the database each time."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

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
