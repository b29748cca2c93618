"""The therapy sessions: when they are, and how far the work on them is."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Cursor
from psycopg.rows import class_row

from domain.session import (
    SessionRescheduled,
    SessionScheduled,
    SessionStatusAdvanced,
    SessionStatusSet,
    TranscriptStored,
)
from domain.value import Caller
from ledger.database import Datastore
from ledger.entry import Entry
from projections.view import View

TABLE: Final = """
CREATE TABLE sessions (
    clinic_id bigint NOT NULL,
    session_id bigint NOT NULL,
    client_user_id bigint NOT NULL,
    therapist_user_id bigint NOT NULL,
    therapist_client_id bigint NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    event_status text NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (clinic_id, session_id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON sessions TO noteledger_app;
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
CREATE POLICY written_by_the_ledger ON sessions TO noteledger_app
    USING ((SELECT current_setting('noteledger.role', true)) = 'ledger');
CREATE POLICY read_by_whom_it_concerns ON sessions FOR SELECT TO noteledger_app USING (
    clinic_id = (SELECT current_setting('noteledger.clinic_id', true)::bigint)
    AND ((SELECT current_setting('noteledger.role', true)) <> 'therapist'
        OR therapist_user_id = (SELECT current_setting('noteledger.user_id', true)::bigint)
        OR views.is_callers_client(clinic_id, client_user_id))
);
"""


def write(cursor: Cursor[Any], entries: Sequence[Entry]) -> None:
    """Take in a batch of entries, in their order."""
    for entry in entries:
        match entry.fact:
            case SessionScheduled() as fact:
                cursor.execute(
                    "INSERT INTO sessions (clinic_id, session_id, client_user_id,"
                    "  therapist_user_id, therapist_client_id, starts_at, ends_at, event_status,"
                    "  version) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                    (
                        entry.clinic_id,
                        fact.session_id,
                        fact.client_user_id,
                        fact.therapist_user_id,
                        fact.therapist_client_id,
                        fact.starts_at,
                        fact.ends_at,
                        fact.event_status,
                        entry.version,
                    ),
                )
            case SessionRescheduled() as fact:
                cursor.execute(
                    "UPDATE sessions SET starts_at = %s, ends_at = %s, version = %s"
                    " WHERE clinic_id = %s AND session_id = %s",
                    (fact.starts_at, fact.ends_at, entry.version, entry.clinic_id, fact.session_id),
                )
            case SessionStatusSet() | SessionStatusAdvanced() as fact:
                cursor.execute(
                    "UPDATE sessions SET event_status = %s, version = %s"
                    " WHERE clinic_id = %s AND session_id = %s",
                    (fact.event_status, entry.version, entry.clinic_id, fact.session_id),
                )
            case TranscriptStored() as fact:
                cursor.execute(
                    "UPDATE sessions SET version = %s WHERE clinic_id = %s AND session_id = %s",
                    (entry.version, entry.clinic_id, fact.session_id),
                )
            case _:
                pass


VIEW: Final = View("sessions", "sessions", TABLE, write)


# --- reading


class SessionRow(NamedTuple):
    """A session as a reader sees it."""

    session_id: int
    client_user_id: int
    therapist_user_id: int
    therapist_client_id: int
    starts_at: datetime
    ends_at: datetime
    event_status: str
    version: int


class Sessions:
    """Reads the sessions for a caller: a therapist sees their own and their clients'."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    def page(
        self, caller: Caller, after: int, limit: int, only: int | None = None
    ) -> list[SessionRow]:
        """Sessions by id, those above `after`; `only` names a single one."""
        with self._datastore.as_caller(caller) as conn:
            cursor = conn.cursor(row_factory=class_row(SessionRow))
            return cursor.execute(
                "SELECT session_id, client_user_id, therapist_user_id, therapist_client_id,"
                "  starts_at, ends_at, event_status, version FROM sessions"
                " WHERE clinic_id = %(clinic_id)s AND session_id > %(after)s"
                " AND session_id BETWEEN coalesce(%(only)s::bigint, 0)"
                "  AND coalesce(%(only)s::bigint, 9223372036854775807)"
                " ORDER BY session_id LIMIT %(limit)s",
                {
                    "clinic_id": caller.clinic_id,
                    "after": after,
                    "only": only,
                    "limit": limit,
                },
            ).fetchall()
