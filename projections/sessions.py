"""The therapy sessions: when they are, and how far the work on them is."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, assert_never

from psycopg import Cursor

from domain.session import (
    SESSION,
    SessionRescheduled,
    SessionScheduled,
    SessionStatusAdvanced,
    SessionStatusSet,
    TranscriptStored,
)
from domain.value import Caller
from ledger.database import Datastore
from ledger.entry import Entry
from projections.view import View, as_json, by_name, entries_of

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


class SessionRow(NamedTuple):
    """The view's columns, and a session as a reader sees it."""

    clinic_id: int
    session_id: int
    client_user_id: int
    therapist_user_id: int
    therapist_client_id: int
    starts_at: datetime
    ends_at: datetime
    event_status: str
    version: int


def write(cursor: Cursor[Any], entries: Sequence[Entry]) -> None:
    """Take in a batch of entries, one by one, in their order."""
    for entry, fact in entries_of(entries, SESSION):
        match fact:
            case SessionScheduled():
                _insert(cursor, _row(entry, fact))
            case SessionRescheduled():
                _reschedule(cursor, entry, fact)
            case SessionStatusSet() | SessionStatusAdvanced():
                _set_status(cursor, entry, fact)
            case TranscriptStored():
                _set_version(cursor, entry, fact)
            case _:
                assert_never(fact)


def _row(entry: Entry, fact: SessionScheduled) -> SessionRow:
    return SessionRow(
        clinic_id=entry.clinic_id,
        session_id=fact.session_id,
        client_user_id=fact.client_user_id,
        therapist_user_id=fact.therapist_user_id,
        therapist_client_id=fact.therapist_client_id,
        starts_at=fact.starts_at,
        ends_at=fact.ends_at,
        event_status=fact.event_status,
        version=entry.version,
    )


def _insert(cursor: Cursor[Any], row: SessionRow) -> None:
    cursor.execute(
        """
        INSERT INTO sessions
        SELECT * FROM json_populate_recordset(NULL::sessions, %(rows)s::json)
        """,
        {"rows": as_json([row])},
    )


def _reschedule(cursor: Cursor[Any], entry: Entry, fact: SessionRescheduled) -> None:
    cursor.execute(
        """
        UPDATE sessions SET starts_at = %(starts_at)s, ends_at = %(ends_at)s, version = %(version)s
        WHERE clinic_id = %(clinic_id)s AND session_id = %(session_id)s
        """,
        {
            "clinic_id": entry.clinic_id,
            "session_id": fact.session_id,
            "starts_at": fact.starts_at,
            "ends_at": fact.ends_at,
            "version": entry.version,
        },
    )


def _set_status(
    cursor: Cursor[Any], entry: Entry, fact: SessionStatusSet | SessionStatusAdvanced
) -> None:
    cursor.execute(
        """
        UPDATE sessions SET event_status = %(event_status)s, version = %(version)s
        WHERE clinic_id = %(clinic_id)s AND session_id = %(session_id)s
        """,
        {
            "clinic_id": entry.clinic_id,
            "session_id": fact.session_id,
            "event_status": fact.event_status,
            "version": entry.version,
        },
    )


def _set_version(cursor: Cursor[Any], entry: Entry, fact: TranscriptStored) -> None:
    cursor.execute(
        """
        UPDATE sessions SET version = %(version)s
        WHERE clinic_id = %(clinic_id)s AND session_id = %(session_id)s
        """,
        {
            "clinic_id": entry.clinic_id,
            "session_id": fact.session_id,
            "version": entry.version,
        },
    )


VIEW: Final = View("sessions", "sessions", TABLE, SessionRow, write)


# --- reading


class Sessions:
    """Reads the sessions for a caller: a therapist sees their own and their clients'."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    def page(
        self, caller: Caller, after: int, limit: int, only: int | None = None
    ) -> list[SessionRow]:
        """Sessions by id, those above `after`; `only` names a single one."""
        with self._datastore.as_caller(caller) as conn:
            cursor = conn.cursor(row_factory=by_name(SessionRow))
            return cursor.execute(
                """
                SELECT * FROM sessions
                WHERE clinic_id = %(clinic_id)s AND session_id > %(after)s
                AND session_id BETWEEN coalesce(%(only)s::bigint, 0)
                    AND coalesce(%(only)s::bigint, 9223372036854775807)
                ORDER BY session_id LIMIT %(limit)s
                """,
                {
                    "clinic_id": caller.clinic_id,
                    "after": after,
                    "only": only,
                    "limit": limit,
                },
            ).fetchall()
