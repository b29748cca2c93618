"""The generations: where each SOAP note stands that a therapist asked the service to draft."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Cursor
from psycopg.rows import class_row, tuple_row

from domain.generation_facts import (
    OPEN,
    GenerationCancelled,
    GenerationDrafted,
    GenerationFact,
    GenerationFailed,
    GenerationFinished,
    GenerationRequested,
    GenerationStarted,
    GenerationState,
)
from domain.value import Caller
from ledger.database import Datastore
from ledger.entry import Entry
from projections.view import View

TABLE: Final = """
CREATE TABLE generations (
    clinic_id bigint NOT NULL,
    generation_id bigint NOT NULL,
    client_user_id bigint NOT NULL,
    therapist_user_id bigint NOT NULL,
    therapist_client_id bigint NOT NULL,
    record_type bigint NOT NULL,
    therapist_session_id bigint,
    soap_note_id bigint NOT NULL,
    run integer NOT NULL,
    state text NOT NULL,
    why text,
    requested_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (clinic_id, generation_id)
);
CREATE INDEX ON generations (clinic_id, therapist_client_id, therapist_session_id, state);
GRANT SELECT, INSERT, UPDATE, DELETE ON generations TO noteledger_app;
ALTER TABLE generations ENABLE ROW LEVEL SECURITY;
CREATE POLICY written_by_the_ledger ON generations TO noteledger_app
    USING ((SELECT current_setting('noteledger.role', true)) = 'ledger');
CREATE POLICY read_by_whom_it_concerns ON generations FOR SELECT TO noteledger_app USING (
    clinic_id = (SELECT current_setting('noteledger.clinic_id', true)::bigint)
    AND CASE (SELECT current_setting('noteledger.role', true))
        WHEN 'auditor' THEN true
        WHEN 'administrator' THEN true
        WHEN 'therapist' THEN
            therapist_user_id = (SELECT current_setting('noteledger.user_id', true)::bigint)
        ELSE false
    END
);
"""


def write(cursor: Cursor[Any], entries: Sequence[Entry]) -> None:
    """Take in a batch of entries, in their order."""
    for entry in entries:
        if not isinstance(fact := entry.fact, GenerationFact):
            continue
        match fact:
            case GenerationRequested():
                _request(cursor, entry, fact)
            case GenerationStarted():
                _change(cursor, entry, fact, GenerationState.RUNNING)
            case GenerationDrafted():
                _change(cursor, entry, fact, GenerationState.RUNNING)
            case GenerationFinished():
                _change(cursor, entry, fact, GenerationState.DONE)
            case GenerationFailed(why=why):
                _change(cursor, entry, fact, GenerationState.FAILED, why)
            case GenerationCancelled():
                _change(cursor, entry, fact, GenerationState.CANCELLED)


def _request(cursor: Cursor[Any], entry: Entry, fact: GenerationRequested) -> None:
    cursor.execute(
        "INSERT INTO generations (clinic_id, generation_id, client_user_id, therapist_user_id,"
        "  therapist_client_id, record_type, therapist_session_id, soap_note_id, run, state,"
        "  requested_at, changed_at, version)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (clinic_id, generation_id) DO UPDATE SET"
        "  soap_note_id = excluded.soap_note_id, run = excluded.run, state = excluded.state,"
        "  why = NULL, requested_at = excluded.requested_at, changed_at = excluded.changed_at,"
        "  version = excluded.version",
        (
            entry.clinic_id,
            fact.generation_id,
            fact.client_user_id,
            fact.therapist_user_id,
            fact.therapist_client_id,
            fact.record_type,
            fact.therapist_session_id,
            fact.soap_note_id,
            fact.run,
            GenerationState.QUEUED,
            fact.at,
            fact.at,
            entry.version,
        ),
    )


def _change(
    cursor: Cursor[Any],
    entry: Entry,
    fact: GenerationFact,
    state: GenerationState,
    why: str | None = None,
) -> None:
    cursor.execute(
        "UPDATE generations SET state = %s, why = %s, changed_at = %s, version = %s"
        " WHERE clinic_id = %s AND generation_id = %s",
        (state, why, fact.at, entry.version, entry.clinic_id, fact.generation_id),
    )


VIEW: Final = View("generations", "generations", TABLE, write)


# --- reading


class GenerationRow(NamedTuple):
    """A generation as a reader sees it; `soap_note_id` names a note once the state is done."""

    generation_id: int
    client_user_id: int
    therapist_user_id: int
    therapist_client_id: int
    record_type: int
    therapist_session_id: int | None
    soap_note_id: int
    state: str
    why: str | None
    requested_at: datetime
    changed_at: datetime
    version: int


class Generations:
    """Reads the generations for a caller: a therapist sees their own."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    def find(self, caller: Caller, generation_id: int) -> GenerationRow | None:
        """One generation, if it is there for this caller."""
        with self._datastore.as_caller(caller) as conn:
            cursor = conn.cursor(row_factory=class_row(GenerationRow))
            return cursor.execute(
                "SELECT generation_id, client_user_id, therapist_user_id, therapist_client_id,"
                "  record_type, therapist_session_id, soap_note_id, state, why, requested_at,"
                "  changed_at, version FROM generations"
                " WHERE clinic_id = %s AND generation_id = %s",
                (caller.clinic_id, generation_id),
            ).fetchone()

    def page(self, caller: Caller, below: int | None, limit: int) -> list[GenerationRow]:
        """Generations, newest first, those with a smaller id than `below`."""
        with self._datastore.as_caller(caller) as conn:
            cursor = conn.cursor(row_factory=class_row(GenerationRow))
            return cursor.execute(
                "SELECT generation_id, client_user_id, therapist_user_id, therapist_client_id,"
                "  record_type, therapist_session_id, soap_note_id, state, why, requested_at,"
                "  changed_at, version FROM generations"
                " WHERE clinic_id = %(clinic_id)s"
                " AND generation_id < coalesce(%(below)s::bigint, 9223372036854775807)"
                " ORDER BY generation_id DESC LIMIT %(limit)s",
                {"clinic_id": caller.clinic_id, "below": below, "limit": limit},
            ).fetchall()

    def is_under_way(
        self, caller: Caller, therapist_client_id: int, therapist_session_id: int | None
    ) -> bool:
        """Whether a draft is being made for this relationship and session (None: for none)."""
        with self._datastore.as_caller(caller) as conn:
            cursor = conn.cursor(row_factory=tuple_row)
            row = cursor.execute(
                "SELECT EXISTS (SELECT FROM generations"
                "  WHERE clinic_id = %(clinic_id)s AND therapist_client_id = %(relationship)s"
                "  AND therapist_session_id IS NOT DISTINCT FROM %(session)s::bigint"
                "  AND state = ANY(%(open)s::text[]))",
                {
                    "clinic_id": caller.clinic_id,
                    "relationship": therapist_client_id,
                    "session": therapist_session_id,
                    "open": sorted(OPEN),
                },
            ).fetchone()
        return bool(row and row[0])
