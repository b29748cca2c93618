"""The history: one row for each save that is shown, pointing at its entry and at its amendment.

A history entry's id is the position of its save. An amended entry points at the amendment too, a
withdrawn one has no row, nor has any entry of a deleted note: the ledger keeps them all.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, assert_never

from psycopg import Cursor

from domain.aggregates import kind_and_number
from domain.note import NOTE
from domain.note_facts import (
    HistoryEntryAmended,
    HistoryEntryWithdrawn,
    NoteApproved,
    NoteDeidentified,
    NoteDrafted,
    NoteFact,
    NoteProcessingAskedAgain,
    NoteProcessingFailed,
    NoteSoftDeleted,
    NoteVersion,
)
from domain.soap_note import SOAP_NOTE
from domain.value import Caller, Kind
from ledger.entry import Entry
from projections.note_rows import NoteRows, reading
from projections.view import View, as_json, entries_of

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


class Row(NamedTuple):
    """The view's columns."""

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
    amended_at_position: int | None = None


class _Key(NamedTuple):
    """The entry of one version of a note; without a version, all of the note's entries."""

    clinic_id: int
    kind: str
    note_id: int
    version: int | None


class _Amendment(NamedTuple):
    """What an amendment changes of a row."""

    clinic_id: int
    kind: str
    note_id: int
    version: int
    updated_at: datetime
    amended_at_position: int


def write(cursor: Cursor[Any], entries: Sequence[Entry]) -> None:
    """Take in a batch of entries: a save comes before whatever changes or hides it."""
    saves: list[Row] = []
    amendments: dict[_Key, _Amendment] = {}
    hidden: list[_Key] = []
    for entry, fact in entries_of(entries, NOTE, SOAP_NOTE):
        match fact:
            case NoteDrafted() | NoteApproved():
                saves.append(_row(entry, fact))
            case HistoryEntryAmended(amended_version=version):
                amendments[_key(entry, fact, version)] = _amendment(entry, fact)
            case HistoryEntryWithdrawn(withdrawn_version=version):
                hidden.append(_key(entry, fact, version))
            case NoteSoftDeleted():
                hidden.append(_key(entry, fact, None))
            case NoteDeidentified() | NoteProcessingFailed() | NoteProcessingAskedAgain():
                pass  # these are no history entries, nor do they change one
            case _:
                assert_never(fact)
    if saves:
        _insert(cursor, saves)
    if amendments:
        _amend(cursor, amendments.values())
    if hidden:
        _hide(cursor, hidden)


def _row(entry: Entry, fact: NoteVersion) -> Row:
    return Row(
        clinic_id=entry.clinic_id,
        position=entry.position,
        kind=kind_and_number(entry.aggregate_id)[0].value,
        note_id=fact.note_id,
        version=entry.version,
        client_user_id=fact.client_user_id,
        record_type=fact.record_type,
        therapist_user_id=fact.therapist_user_id,
        therapist_session_id=fact.therapist_session_id,
        is_approved=isinstance(fact, NoteApproved),
        updated_at=fact.at,
    )


def _key(entry: Entry, fact: NoteFact, version: int | None) -> _Key:
    kind = kind_and_number(entry.aggregate_id)[0].value
    return _Key(clinic_id=entry.clinic_id, kind=kind, note_id=fact.note_id, version=version)


def _amendment(entry: Entry, fact: HistoryEntryAmended) -> _Amendment:
    return _Amendment(
        clinic_id=entry.clinic_id,
        kind=kind_and_number(entry.aggregate_id)[0].value,
        note_id=fact.note_id,
        version=fact.amended_version,
        updated_at=fact.at,
        amended_at_position=entry.position,
    )


def _insert(cursor: Cursor[Any], rows: Iterable[Row]) -> None:
    cursor.execute(
        """
        INSERT INTO history
        SELECT * FROM json_populate_recordset(NULL::history, %(rows)s::json)
        """,
        {"rows": as_json(rows)},
    )


def _amend(cursor: Cursor[Any], amendments: Iterable[_Amendment]) -> None:
    cursor.executemany(
        """
        UPDATE history
        SET updated_at = %(updated_at)s, amended_at_position = %(amended_at_position)s
        WHERE clinic_id = %(clinic_id)s AND kind = %(kind)s AND note_id = %(note_id)s
        AND version = %(version)s
        """,
        [amendment._asdict() for amendment in amendments],
    )


def _hide(cursor: Cursor[Any], hidden: Iterable[_Key]) -> None:
    cursor.executemany(
        """
        DELETE FROM history
        WHERE clinic_id = %(clinic_id)s AND kind = %(kind)s AND note_id = %(note_id)s
        AND (%(version)s::bigint IS NULL OR version = %(version)s)
        """,
        [key._asdict() for key in hidden],
    )


VIEW: Final = View("history", "history", TABLE, Row, write)


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


def read_entries(
    rows: NoteRows,
    statement: str,
    caller: Caller,
    kind: Kind,
    filters: Mapping[str, object],
    limit: int | None = None,
) -> list[HistoryEntry]:
    """The entries that the statement finds and the caller may read."""
    return [
        HistoryEntry(
            position=row.position,
            note_id=row.note_id,
            version=row.version,
            session_starts_at=row.session_starts_at,
            session_ends_at=row.session_ends_at,
            saved=saved,
            amended=amended,
        )
        for row, saved, amended in rows.read(statement, caller, kind, filters, limit)
    ]


class History:
    """Reads the history for a caller."""

    def __init__(self, rows: NoteRows) -> None:
        self._rows = rows

    def find(self, caller: Caller, kind: Kind, position: int) -> HistoryEntry | None:
        """One entry, if it is there for this caller."""
        found = read_entries(self._rows, _BY_POSITION, caller, kind, {"position": position})
        return found[0] if found else None

    def page(
        self, caller: Caller, kind: Kind, before: int | None, limit: int
    ) -> list[HistoryEntry]:
        """Entries, newest first, those below `before`."""
        return read_entries(self._rows, _PAGE, caller, kind, {"before": before}, limit)

    def newest(
        self, caller: Caller, kind: Kind, client_user_id: int, record_type: int, limit: int
    ) -> list[HistoryEntry]:
        """A client's newest entries of one record type, by id descending."""
        filters = {"client_user_id": client_user_id, "record_type": record_type}
        return read_entries(self._rows, _NEWEST, caller, kind, filters, limit)


_BY_POSITION: Final = reading("""
    SELECT h.*, h.client_user_id AS client, NULL::bigint AS created_by,
        NULL::timestamptz AS created_at, NULL::bigint AS ascending, h.position AS descending
    FROM history h
    WHERE h.clinic_id = %(clinic_id)s AND h.kind = %(kind)s AND h.position = %(position)s
""")
_PAGE: Final = reading("""
    SELECT h.*, h.client_user_id AS client, NULL::bigint AS created_by,
        NULL::timestamptz AS created_at, NULL::bigint AS ascending, h.position AS descending
    FROM history h
    WHERE h.clinic_id = %(clinic_id)s AND h.kind = %(kind)s
    AND h.position < coalesce(%(before)s::bigint, 9223372036854775807)
""")
_NEWEST: Final = reading("""
    SELECT h.*, %(client_user_id)s::bigint AS client, NULL::bigint AS created_by,
        NULL::timestamptz AS created_at, NULL::bigint AS ascending, h.position AS descending
    FROM history h
    WHERE h.clinic_id = %(clinic_id)s AND h.kind = %(kind)s
    AND h.client_user_id = %(client_user_id)s AND h.record_type = %(record_type)s
""")
