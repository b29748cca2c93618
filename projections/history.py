"""The history: one row for each save that is shown, pointing at its entry and at its amendment.

A history entry's id is the position of its save. An amended entry points at the amendment too, a
withdrawn one has no row, nor has any entry of a deleted note: the ledger keeps them all.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Cursor

from domain.aggregates import kind_and_number
from domain.note_facts import (
    HistoryEntryAmended,
    HistoryEntryWithdrawn,
    NoteApproved,
    NoteSoftDeleted,
    NoteVersion,
)
from domain.value import Caller, Kind
from ledger.entry import Entry
from projections.view import NoteRows, View, columns

TABLE: Final = """
CREATE TABLE history (
    clinic_id bigint NOT NULL,
    position bigint NOT NULL,
    kind text NOT NULL,
    note_id bigint NOT NULL,
    version bigint NOT NULL,
    client_user_id bigint NOT NULL,
    record_type bigint NOT NULL,
    therapist_user_id bigint NOT NULL,
    therapist_session_id bigint,
    is_approved boolean NOT NULL,
    updated_at timestamptz NOT NULL,
    amended_at_position bigint,
    PRIMARY KEY (clinic_id, position)
);
CREATE UNIQUE INDEX ON history (clinic_id, kind, note_id, version);
CREATE INDEX ON history (clinic_id, client_user_id, kind, record_type, position);
CREATE INDEX ON history (clinic_id, client_user_id, record_type, updated_at, position)
    WHERE kind = 'soap-note';
GRANT SELECT, INSERT, UPDATE, DELETE ON history TO noteledger_app;
ALTER TABLE history ENABLE ROW LEVEL SECURITY;
CREATE POLICY written_by_the_ledger ON history TO noteledger_app
    USING ((SELECT current_setting('noteledger.role', true)) = 'ledger');
CREATE POLICY read_by_whom_it_concerns ON history FOR SELECT TO noteledger_app USING (
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
    position: int
    kind: str
    note_id: int
    version: int
    client_user_id: int
    record_type: int
    therapist_user_id: int
    therapist_session_id: int | None
    is_approved: bool
    updated_at: datetime


class _Amendment(NamedTuple):
    clinic_id: int
    kind: str
    note_id: int
    version: int
    updated_at: datetime
    amended_at_position: int


def write(cursor: Cursor[Any], entries: Sequence[Entry]) -> None:
    """Take in a batch of entries: a save comes before whatever changes or hides it."""
    saves: list[_Row] = []
    amendments: dict[tuple[int, str, int, int], _Amendment] = {}
    hidden: list[tuple[int, str, int, int | None]] = []
    for entry in entries:
        fact = entry.fact
        match fact:
            case NoteVersion():
                saves.append(_row(entry, fact))
            case HistoryEntryAmended():
                amendment = _amendment(entry, fact)
                amendments[amendment[:4]] = amendment
            case HistoryEntryWithdrawn():
                kind = kind_and_number(entry.aggregate_id)[0].value
                hidden.append((entry.clinic_id, kind, fact.note_id, fact.withdrawn_version))
            case NoteSoftDeleted():
                kind = kind_and_number(entry.aggregate_id)[0].value
                hidden.append((entry.clinic_id, kind, fact.note_id, None))
            case _:
                pass
    if saves:
        _insert(cursor, saves)
    if amendments:
        _amend(cursor, list(amendments.values()))
    if hidden:
        _hide(cursor, hidden)


def _row(entry: Entry, fact: NoteVersion) -> _Row:
    return _Row(
        entry.clinic_id,
        entry.position,
        kind_and_number(entry.aggregate_id)[0].value,
        fact.note_id,
        entry.version,
        fact.client_user_id,
        fact.record_type,
        fact.therapist_user_id,
        fact.therapist_session_id,
        isinstance(fact, NoteApproved),
        fact.at,
    )


def _amendment(entry: Entry, fact: HistoryEntryAmended) -> _Amendment:
    kind = kind_and_number(entry.aggregate_id)[0].value
    return _Amendment(
        entry.clinic_id, kind, fact.note_id, fact.amended_version, fact.at, entry.position
    )


def _insert(cursor: Cursor[Any], rows: Sequence[_Row]) -> None:
    cursor.execute(
        "INSERT INTO history (clinic_id, position, kind, note_id, version, client_user_id,"
        "  record_type, therapist_user_id, therapist_session_id, is_approved, updated_at)"
        " SELECT * FROM unnest(%b::bigint[], %b::bigint[], %b::text[], %b::bigint[], %b::bigint[],"
        "  %b::bigint[], %b::bigint[], %b::bigint[], %b::bigint[], %b::boolean[],"
        "  %b::timestamptz[])",
        columns(rows),
    )


def _amend(cursor: Cursor[Any], amendments: Sequence[_Amendment]) -> None:
    cursor.execute(
        "UPDATE history h SET updated_at = a.updated_at, amended_at_position = a.position"
        " FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::timestamptz[],"
        "  %s::bigint[]) AS a (clinic_id, kind, note_id, version, updated_at, position)"
        " WHERE (h.clinic_id, h.kind, h.note_id, h.version)"
        "  = (a.clinic_id, a.kind, a.note_id, a.version)",
        columns(amendments),
    )


def _hide(cursor: Cursor[Any], hidden: Sequence[tuple[int, str, int, int | None]]) -> None:
    """Without a version: every entry of the note."""
    cursor.execute(
        "DELETE FROM history h"
        " USING unnest(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[])"
        "  AS d (clinic_id, kind, note_id, version)"
        " WHERE (h.clinic_id, h.kind, h.note_id) = (d.clinic_id, d.kind, d.note_id)"
        " AND (d.version IS NULL OR h.version = d.version)",
        columns(hidden),
    )


VIEW: Final = View("history", "history", TABLE, write)


# --- reading


class HistoryEntry(NamedTuple):
    """A history entry as a reader sees it: the save, its amendment if any, its session's times."""

    position: int
    note_id: int
    version: int
    session_starts_at: datetime | None
    session_ends_at: datetime | None
    saved: NoteVersion
    amended: HistoryEntryAmended | None


class History:
    """Reads the history for a caller."""

    def __init__(self, rows: NoteRows) -> None:
        self._rows = rows

    def find(self, caller: Caller, kind: Kind, position: int) -> HistoryEntry | None:
        """One entry, if it is there for this caller."""
        found = self._all(_BY_POSITION, caller, kind, {"position": position})
        return found[0] if found else None

    def page(
        self, caller: Caller, kind: Kind, before: int | None, limit: int
    ) -> list[HistoryEntry]:
        """Entries, newest first, those below `before`."""
        return self._all(_PAGE, caller, kind, {"before": before, "limit": limit})

    def newest(
        self, caller: Caller, kind: Kind, client_user_id: int, record_type: int, limit: int
    ) -> list[HistoryEntry]:
        """A client's newest entries of one record type, by id descending."""
        which = {"client_user_id": client_user_id, "record_type": record_type, "limit": limit}
        return self._all(_NEWEST, caller, kind, which)

    def _all(
        self, statement: str, caller: Caller, kind: Kind, which: dict[str, Any]
    ) -> list[HistoryEntry]:
        return [
            HistoryEntry._make((*own, saved, amended))
            for own, saved, amended in self._rows.read(statement, caller, kind, which)
        ]


_BY_POSITION: Final = """
    SELECT h.record_type, h.therapist_user_id,
        EXISTS (
            SELECT FROM relationships r
            WHERE r.clinic_id = h.clinic_id AND r.therapist_user_id = %(user_id)s
            AND r.client_user_id = h.client_user_id AND r.is_active
        ),
        e.aggregate_id, e.version, e.kind, e.state, a.aggregate_id, a.version, a.kind, a.state,
        h.position, h.note_id, h.version, s.starts_at, s.ends_at
    FROM history h
    JOIN entries e ON e.clinic_id = h.clinic_id AND e.position = h.position
    LEFT JOIN entries a ON a.clinic_id = h.clinic_id AND a.position = h.amended_at_position
    LEFT JOIN sessions s ON s.clinic_id = h.clinic_id AND s.session_id = h.therapist_session_id
    WHERE h.clinic_id = %(clinic_id)s AND h.kind = %(kind)s AND h.position = %(position)s
"""
_PAGE: Final = """
    SELECT h.record_type, h.therapist_user_id,
        EXISTS (
            SELECT FROM relationships r
            WHERE r.clinic_id = h.clinic_id AND r.therapist_user_id = %(user_id)s
            AND r.client_user_id = h.client_user_id AND r.is_active
        ),
        e.aggregate_id, e.version, e.kind, e.state, a.aggregate_id, a.version, a.kind, a.state,
        h.position, h.note_id, h.version, s.starts_at, s.ends_at
    FROM history h
    JOIN entries e ON e.clinic_id = h.clinic_id AND e.position = h.position
    LEFT JOIN entries a ON a.clinic_id = h.clinic_id AND a.position = h.amended_at_position
    LEFT JOIN sessions s ON s.clinic_id = h.clinic_id AND s.session_id = h.therapist_session_id
    WHERE h.clinic_id = %(clinic_id)s AND h.kind = %(kind)s
    AND h.position < coalesce(%(before)s::bigint, 9223372036854775807)
    ORDER BY h.position DESC LIMIT %(limit)s
"""
_NEWEST: Final = """
    SELECT h.record_type, h.therapist_user_id,
        EXISTS (
            SELECT FROM relationships r
            WHERE r.clinic_id = %(clinic_id)s AND r.therapist_user_id = %(user_id)s
            AND r.client_user_id = %(client_user_id)s AND r.is_active
        ),
        e.aggregate_id, e.version, e.kind, e.state, a.aggregate_id, a.version, a.kind, a.state,
        h.position, h.note_id, h.version, s.starts_at, s.ends_at
    FROM history h
    JOIN entries e ON e.clinic_id = h.clinic_id AND e.position = h.position
    LEFT JOIN entries a ON a.clinic_id = h.clinic_id AND a.position = h.amended_at_position
    LEFT JOIN sessions s ON s.clinic_id = h.clinic_id AND s.session_id = h.therapist_session_id
    WHERE h.clinic_id = %(clinic_id)s AND h.kind = %(kind)s
    AND h.client_user_id = %(client_user_id)s AND h.record_type = %(record_type)s
    ORDER BY h.position DESC LIMIT %(limit)s
"""
