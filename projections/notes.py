"""The current notes and SOAP notes: one row for each that is not deleted, pointing at its newest save."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Cursor

from domain.aggregates import kind_and_number
from domain.note_facts import HistoryEntryAmended, NoteApproved, NoteSoftDeleted, NoteVersion
from domain.value import Caller, Kind
from ledger.entry import Entry
from projections.view import NoteRows, View, columns

TABLE: Final = """
CREATE TABLE current_notes (
    clinic_id bigint NOT NULL,
    kind text NOT NULL,
    note_id bigint NOT NULL,
    version bigint NOT NULL,
    position bigint NOT NULL,
    client_user_id bigint NOT NULL,
    record_type bigint NOT NULL,
    therapist_user_id bigint NOT NULL,
    therapist_session_id bigint,
    is_approved boolean NOT NULL,
    created_by bigint NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (clinic_id, kind, note_id)
);
CREATE INDEX ON current_notes (clinic_id, client_user_id, kind, record_type, note_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON current_notes TO noteledger_app;
ALTER TABLE current_notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY written_by_the_ledger ON current_notes TO noteledger_app
    USING ((SELECT current_setting('noteledger.role', true)) = 'ledger');
CREATE POLICY read_by_whom_it_concerns ON current_notes FOR SELECT TO noteledger_app USING (
    clinic_id = (SELECT current_setting('noteledger.clinic_id', true)::bigint)
    AND CASE (SELECT current_setting('noteledger.role', true))
        WHEN 'auditor' THEN record_type <> 1
        WHEN 'therapist' THEN
            therapist_user_id = (SELECT current_setting('noteledger.user_id', true)::bigint)
            OR (record_type <> 1 AND views.is_callers_client(clinic_id, client_user_id))
        ELSE false
    END
);
"""


class _Row(NamedTuple):
    clinic_id: int
    kind: str
    note_id: int
    version: int
    position: int
    client_user_id: int
    record_type: int
    therapist_user_id: int
    therapist_session_id: int | None
    is_approved: bool
    created_by: int
    created_at: datetime


def write(cursor: Cursor[Any], entries: Sequence[Entry]) -> None:
    """Take in a batch of entries, in their order."""
    saved: dict[tuple[int, str, int], _Row] = {}
    deleted: set[tuple[int, str, int]] = set()
    for entry in entries:
        fact = entry.fact
        if isinstance(fact, NoteVersion):
            row = _row(entry, fact)
            earlier = saved.get(row[:3])
            if earlier:
                row = row._replace(created_by=earlier.created_by, created_at=earlier.created_at)
            saved[row[:3]] = row
        elif isinstance(fact, NoteSoftDeleted):
            deleted.add((entry.clinic_id, kind_and_number(entry.aggregate_id)[0], fact.note_id))
    if saved:
        _upsert(cursor, list(saved.values()))
    if deleted:
        clinics, kinds, note_ids = columns(deleted)
        cursor.execute(
            "DELETE FROM current_notes n"
            " USING unnest(%s::bigint[], %s::text[], %s::bigint[]) AS d (clinic_id, kind, note_id)"
            " WHERE (n.clinic_id, n.kind, n.note_id) = (d.clinic_id, d.kind, d.note_id)",
            (clinics, kinds, note_ids),
        )


def _row(entry: Entry, fact: NoteVersion) -> _Row:
    return _Row(
        entry.clinic_id,
        kind_and_number(entry.aggregate_id)[0].value,
        fact.note_id,
        entry.version,
        entry.position,
        fact.client_user_id,
        fact.record_type,
        fact.therapist_user_id,
        fact.therapist_session_id,
        isinstance(fact, NoteApproved),
        fact.by.user_id,
        fact.at,
    )


def _upsert(cursor: Cursor[Any], rows: Sequence[_Row]) -> None:
    """A note's first save brings who created it and when; the later ones leave that alone."""
    cursor.execute(
        "INSERT INTO current_notes AS n (clinic_id, kind, note_id, version, position,"
        "  client_user_id, record_type, therapist_user_id, therapist_session_id, is_approved,"
        "  created_by, created_at)"
        " SELECT * FROM unnest(%b::bigint[], %b::text[], %b::bigint[], %b::bigint[], %b::bigint[],"
        "  %b::bigint[], %b::bigint[], %b::bigint[], %b::bigint[], %b::boolean[], %b::bigint[],"
        "  %b::timestamptz[])"
        " ON CONFLICT (clinic_id, kind, note_id) DO UPDATE SET"
        "  version = excluded.version, position = excluded.position,"
        "  therapist_session_id = excluded.therapist_session_id,"
        "  is_approved = excluded.is_approved",
        columns(rows),
    )


VIEW: Final = View("notes", "current_notes", TABLE, write)


# --- reading


class CurrentNote(NamedTuple):
    """A note as a reader sees it: its newest save, opened, and what the history entry of it says.

    `position` is the id of that history entry; `amended` its amendment, where there is one.
    """

    note_id: int
    version: int
    position: int
    created_by: int
    created_at: datetime
    session_starts_at: datetime | None
    session_ends_at: datetime | None
    saved: NoteVersion
    amended: HistoryEntryAmended | None = None


class Notes:
    """Reads the current notes for a caller."""

    def __init__(self, rows: NoteRows) -> None:
        self._rows = rows

    def find(self, caller: Caller, kind: Kind, note_id: int) -> CurrentNote | None:
        """One note, if it is there for this caller."""
        found = self._all(_BY_ID, caller, kind, {"note_id": note_id})
        return found[0] if found else None

    def page(self, caller: Caller, kind: Kind, after: int, limit: int) -> list[CurrentNote]:
        """Notes by id, those above `after`."""
        return self._all(_PAGE, caller, kind, {"after": after, "limit": limit})

    def of_client(
        self, caller: Caller, kind: Kind, client_user_id: int, record_type: int
    ) -> list[CurrentNote]:
        """A client's notes of one record type, by id."""
        which = {"client_user_id": client_user_id, "record_type": record_type}
        return self._all(_OF_CLIENT, caller, kind, which)

    def _all(
        self, statement: str, caller: Caller, kind: Kind, which: dict[str, Any]
    ) -> list[CurrentNote]:
        return [
            CurrentNote._make((*own, saved, amended))
            for own, saved, amended in self._rows.read(statement, caller, kind, which)
        ]


_BY_ID: Final = """
    SELECT n.record_type, n.therapist_user_id,
        EXISTS (
            SELECT FROM relationships r
            WHERE r.clinic_id = n.clinic_id AND r.therapist_user_id = %(user_id)s
            AND r.client_user_id = n.client_user_id AND r.is_active
        ),
        e.aggregate_id, e.version, e.kind, e.state, a.aggregate_id, a.version, a.kind, a.state,
        n.note_id, n.version, n.position, n.created_by, n.created_at,
        s.starts_at, s.ends_at
    FROM current_notes n
    JOIN entries e ON e.clinic_id = n.clinic_id AND e.position = n.position
    LEFT JOIN sessions s ON s.clinic_id = n.clinic_id AND s.session_id = n.therapist_session_id
    LEFT JOIN history h ON h.clinic_id = n.clinic_id AND h.position = n.position
    LEFT JOIN entries a ON a.clinic_id = h.clinic_id AND a.position = h.amended_at_position
    WHERE n.clinic_id = %(clinic_id)s AND n.kind = %(kind)s AND n.note_id = %(note_id)s
"""
_PAGE: Final = """
    SELECT n.record_type, n.therapist_user_id,
        EXISTS (
            SELECT FROM relationships r
            WHERE r.clinic_id = n.clinic_id AND r.therapist_user_id = %(user_id)s
            AND r.client_user_id = n.client_user_id AND r.is_active
        ),
        e.aggregate_id, e.version, e.kind, e.state, a.aggregate_id, a.version, a.kind, a.state,
        n.note_id, n.version, n.position, n.created_by, n.created_at,
        s.starts_at, s.ends_at
    FROM current_notes n
    JOIN entries e ON e.clinic_id = n.clinic_id AND e.position = n.position
    LEFT JOIN sessions s ON s.clinic_id = n.clinic_id AND s.session_id = n.therapist_session_id
    LEFT JOIN history h ON h.clinic_id = n.clinic_id AND h.position = n.position
    LEFT JOIN entries a ON a.clinic_id = h.clinic_id AND a.position = h.amended_at_position
    WHERE n.clinic_id = %(clinic_id)s AND n.kind = %(kind)s AND n.note_id > %(after)s
    ORDER BY n.note_id LIMIT %(limit)s
"""
_OF_CLIENT: Final = """
    SELECT n.record_type, n.therapist_user_id,
        EXISTS (
            SELECT FROM relationships r
            WHERE r.clinic_id = %(clinic_id)s AND r.therapist_user_id = %(user_id)s
            AND r.client_user_id = %(client_user_id)s AND r.is_active
        ),
        e.aggregate_id, e.version, e.kind, e.state, NULL, NULL, NULL, NULL,
        n.note_id, n.version, n.position, n.created_by, n.created_at,
        s.starts_at, s.ends_at
    FROM current_notes n
    JOIN entries e ON e.clinic_id = n.clinic_id AND e.position = n.position
    LEFT JOIN sessions s ON s.clinic_id = n.clinic_id AND s.session_id = n.therapist_session_id
    WHERE n.clinic_id = %(clinic_id)s AND n.kind = %(kind)s
    AND n.client_user_id = %(client_user_id)s AND n.record_type = %(record_type)s
    ORDER BY n.note_id
"""
