"""The sessions that have a transcript, and what a SOAP note can be drafted from."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, assert_never

from psycopg import Cursor
from psycopg.rows import scalar_row

from domain.session import (
    SESSION,
    SessionRescheduled,
    SessionScheduled,
    SessionStatusAdvanced,
    SessionStatusSet,
    TranscriptStored,
)
from ledger.database import Datastore
from ledger.entry import Entry
from projections.view import View, as_json, entries_of

TABLE: Final = """
CREATE TABLE transcripts (
    clinic_id bigint NOT NULL,
    session_id bigint NOT NULL,
    version bigint NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (clinic_id, session_id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON transcripts TO noteledger_app;
ALTER TABLE transcripts ENABLE ROW LEVEL SECURITY;
CREATE POLICY written_by_the_ledger ON transcripts TO noteledger_app
    USING ((SELECT current_setting('noteledger.role', true)) = 'ledger');
"""


class Row(NamedTuple):
    """The view's columns."""

    clinic_id: int
    session_id: int
    version: int
    position: int


def write(cursor: Cursor[Any], entries: Sequence[Entry]) -> None:
    """Take in a batch of entries, one by one: the newest transcript of a session counts."""
    for entry, fact in entries_of(entries, SESSION):
        match fact:
            case TranscriptStored():
                _upsert(cursor, _row(entry, fact))
            case SessionScheduled() | SessionRescheduled():
                pass
            case SessionStatusSet() | SessionStatusAdvanced():
                pass
            case _:
                assert_never(fact)


def _row(entry: Entry, fact: TranscriptStored) -> Row:
    return Row(
        clinic_id=entry.clinic_id,
        session_id=fact.session_id,
        version=entry.version,
        position=entry.position,
    )


def _upsert(cursor: Cursor[Any], row: Row) -> None:
    cursor.execute(
        """
        INSERT INTO transcripts
        SELECT * FROM json_populate_recordset(NULL::transcripts, %(rows)s::json)
        ON CONFLICT (clinic_id, session_id) DO UPDATE SET
            version = excluded.version, position = excluded.position
        """,
        {"rows": as_json([row])},
    )


VIEW: Final = View("transcripts", "transcripts", TABLE, Row, write)


# --- reading


class DraftSources:
    """Finds what a SOAP note could be drafted from; psychotherapy notes never are."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    def newest_session(
        self, clinic_id: int, client_user_id: int, therapist_user_id: int
    ) -> int | None:
        """The newest session of the two that has a transcript, or a note of the therapist; None without one."""
        with self._datastore.as_ledger() as conn:
            cursor = conn.cursor(row_factory=scalar_row)
            return cursor.execute(
                """
                SELECT s.session_id FROM sessions s
                WHERE s.clinic_id = %(clinic_id)s
                AND s.client_user_id = %(client)s AND s.therapist_user_id = %(therapist)s
                AND (
                    EXISTS (
                        SELECT FROM transcripts t
                        WHERE t.clinic_id = s.clinic_id AND t.session_id = s.session_id
                    )
                    OR EXISTS (
                        SELECT FROM current_notes n
                        WHERE n.clinic_id = s.clinic_id AND n.client_user_id = s.client_user_id
                        AND n.kind = 'note' AND n.record_type <> 1
                        AND n.therapist_user_id = s.therapist_user_id
                        AND n.therapist_session_id = s.session_id
                    )
                )
                ORDER BY s.starts_at DESC, s.session_id DESC LIMIT 1
                """,
                {
                    "clinic_id": clinic_id,
                    "client": client_user_id,
                    "therapist": therapist_user_id,
                },
            ).fetchone()

    def has_transcript(self, clinic_id: int, session_id: int) -> bool:
        """Whether the session has one."""
        with self._datastore.as_ledger() as conn:
            cursor = conn.cursor(row_factory=scalar_row)
            found = cursor.execute(
                """
                SELECT EXISTS (
                    SELECT FROM transcripts
                    WHERE clinic_id = %(clinic_id)s AND session_id = %(session_id)s
                )
                """,
                {"clinic_id": clinic_id, "session_id": session_id},
            ).fetchone()
        return bool(found)

    def is_there_any(
        self,
        clinic_id: int,
        client_user_id: int,
        therapist_user_id: int,
        therapist_session_id: int | None,
    ) -> bool:
        """Whether there is a transcript of the session, or a note in `note_ids`."""
        if therapist_session_id and self.has_transcript(clinic_id, therapist_session_id):
            return True
        return bool(
            self.note_ids(clinic_id, client_user_id, therapist_user_id, therapist_session_id)
        )

    def note_ids(
        self,
        clinic_id: int,
        client_user_id: int,
        therapist_user_id: int,
        therapist_session_id: int | None,
    ) -> list[int]:
        """The therapist's notes of the session, by id; without a session, their newest note of none."""
        with self._datastore.as_ledger() as conn:
            cursor = conn.cursor(row_factory=scalar_row)
            found: list[int] = cursor.execute(
                """
                SELECT note_id FROM current_notes
                WHERE clinic_id = %(clinic_id)s AND client_user_id = %(client)s
                AND kind = 'note' AND record_type <> 1 AND therapist_user_id = %(therapist)s
                AND therapist_session_id IS NOT DISTINCT FROM %(session)s::bigint
                ORDER BY note_id
                """,
                {
                    "clinic_id": clinic_id,
                    "client": client_user_id,
                    "therapist": therapist_user_id,
                    "session": therapist_session_id,
                },
            ).fetchall()
        return found if therapist_session_id is not None else found[-1:]
