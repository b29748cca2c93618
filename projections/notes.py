"""The current notes and SOAP notes: one row for each that is not deleted, pointing at its newest save."""

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
    NoteProcessingAskedAgain,
    NoteProcessingFailed,
    NoteSoftDeleted,
    NoteVersion,
)
from domain.soap_note import SOAP_NOTE
from domain.value import Caller, Kind
from ledger.entry import Entry
from projections.note_rows import NoteRow, NoteRows, reading
from projections.view import View, as_json, entries_of

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


class Row(NamedTuple):
    """The view's columns."""

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


class _Key(NamedTuple):
    clinic_id: int
    kind: str
    note_id: int


def write(cursor: Cursor[Any], entries: Sequence[Entry]) -> None:
    """Take in a batch of entries, in their order."""
    saved: dict[tuple[int, str, int], Row] = {}
    deleted: set[_Key] = set()
    for entry, fact in entries_of(entries, NOTE, SOAP_NOTE):
        match fact:
            case NoteDrafted() | NoteApproved():
                row = _row(entry, fact)
                key = (row.clinic_id, row.kind, row.note_id)
                if earlier := saved.get(key):
                    row = row._replace(created_by=earlier.created_by, created_at=earlier.created_at)
                saved[key] = row
            case NoteSoftDeleted():
                kind = kind_and_number(entry.aggregate_id)[0].value
                deleted.add(_Key(entry.clinic_id, kind, fact.note_id))
            case HistoryEntryAmended() | HistoryEntryWithdrawn():
                pass  # the note still points at its newest save
            case NoteDeidentified() | NoteProcessingFailed() | NoteProcessingAskedAgain():
                pass
            case _:
                assert_never(fact)
    if saved:
        _upsert(cursor, saved.values())
    if deleted:
        _delete(cursor, deleted)


def _row(entry: Entry, fact: NoteVersion) -> Row:
    return Row(
        clinic_id=entry.clinic_id,
        kind=kind_and_number(entry.aggregate_id)[0].value,
        note_id=fact.note_id,
        version=entry.version,
        position=entry.position,
        client_user_id=fact.client_user_id,
        record_type=fact.record_type,
        therapist_user_id=fact.therapist_user_id,
        therapist_session_id=fact.therapist_session_id,
        is_approved=isinstance(fact, NoteApproved),
        created_by=fact.by.user_id,
        created_at=fact.at,
    )


def _upsert(cursor: Cursor[Any], rows: Iterable[Row]) -> None:
    """A note's first save brings who created it and when; the later ones leave that alone."""
    cursor.execute(
        """
        INSERT INTO current_notes
        SELECT * FROM json_populate_recordset(NULL::current_notes, %(rows)s::json)
        ON CONFLICT (clinic_id, kind, note_id) DO UPDATE SET
            version = excluded.version, position = excluded.position,
            therapist_session_id = excluded.therapist_session_id,
            is_approved = excluded.is_approved
        """,
        {"rows": as_json(rows)},
    )


def _delete(cursor: Cursor[Any], keys: Iterable[_Key]) -> None:
    cursor.executemany(
        """
        DELETE FROM current_notes
        WHERE clinic_id = %(clinic_id)s AND kind = %(kind)s AND note_id = %(note_id)s
        """,
        [key._asdict() for key in keys],
    )


VIEW: Final = View("notes", "current_notes", TABLE, Row, write)


# --- reading


class CurrentNote(NamedTuple):
    """A note as a reader sees it: its newest save, opened, and its amendment, if it has one.

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
        """One note, if it is there for this caller; without its amendment."""
        found = self._read(_BY_ID, caller, kind, {"note_id": note_id})
        return found[0] if found else None

    def find_amended(self, caller: Caller, kind: Kind, note_id: int) -> CurrentNote | None:
        """The same with the amendment of its newest save, where there is one."""
        found = self._read(_AMENDED_BY_ID, caller, kind, {"note_id": note_id})
        return found[0] if found else None

    def page(self, caller: Caller, kind: Kind, after: int, limit: int) -> list[CurrentNote]:
        """Notes by id, those above `after`; without their amendments."""
        return self._read(_PAGE, caller, kind, {"after": after}, limit)

    def page_amended(self, caller: Caller, kind: Kind, after: int, limit: int) -> list[CurrentNote]:
        """The same with the amendments of their newest saves."""
        return self._read(_AMENDED_PAGE, caller, kind, {"after": after}, limit)

    def of_client(
        self, caller: Caller, kind: Kind, client_user_id: int, record_type: int
    ) -> list[CurrentNote]:
        """A client's notes of one record type, by id; without their amendments."""
        filters = {"client_user_id": client_user_id, "record_type": record_type}
        return self._read(_OF_CLIENT, caller, kind, filters)

    def _read(
        self,
        statement: str,
        caller: Caller,
        kind: Kind,
        filters: Mapping[str, object],
        limit: int | None = None,
    ) -> list[CurrentNote]:
        found = self._rows.read(statement, caller, kind, filters, limit)
        return [_current_note(row, saved, amended) for row, saved, amended in found]


def _current_note(
    row: NoteRow, saved: NoteVersion, amended: HistoryEntryAmended | None
) -> CurrentNote:
    assert row.created_by is not None, "the column is NOT NULL"
    assert row.created_at is not None, "the column is NOT NULL"
    return CurrentNote(
        note_id=row.note_id,
        version=row.version,
        position=row.position,
        created_by=row.created_by,
        created_at=row.created_at,
        session_starts_at=row.session_starts_at,
        session_ends_at=row.session_ends_at,
        saved=saved,
        amended=amended,
    )


_BY_ID: Final = reading("""
    SELECT n.*, n.client_user_id AS client, NULL::bigint AS amended_at_position,
        n.note_id AS ascending, NULL::bigint AS descending
    FROM current_notes n
    WHERE n.clinic_id = %(clinic_id)s AND n.kind = %(kind)s AND n.note_id = %(note_id)s
""")
_PAGE: Final = reading("""
    SELECT n.*, n.client_user_id AS client, NULL::bigint AS amended_at_position,
        n.note_id AS ascending, NULL::bigint AS descending
    FROM current_notes n
    WHERE n.clinic_id = %(clinic_id)s AND n.kind = %(kind)s AND n.note_id > %(after)s
""")
_AMENDED_BY_ID: Final = reading("""
    SELECT n.*, n.client_user_id AS client, h.amended_at_position,
        n.note_id AS ascending, NULL::bigint AS descending
    FROM current_notes n
    LEFT JOIN history h ON h.clinic_id = n.clinic_id AND h.position = n.position
    WHERE n.clinic_id = %(clinic_id)s AND n.kind = %(kind)s AND n.note_id = %(note_id)s
""")
_AMENDED_PAGE: Final = reading("""
    SELECT n.*, n.client_user_id AS client, h.amended_at_position,
        n.note_id AS ascending, NULL::bigint AS descending
    FROM current_notes n
    LEFT JOIN history h ON h.clinic_id = n.clinic_id AND h.position = n.position
    WHERE n.clinic_id = %(clinic_id)s AND n.kind = %(kind)s AND n.note_id > %(after)s
""")
_OF_CLIENT: Final = reading("""
    SELECT n.*, %(client_user_id)s::bigint AS client, NULL::bigint AS amended_at_position,
        n.note_id AS ascending, NULL::bigint AS descending
    FROM current_notes n
    WHERE n.clinic_id = %(clinic_id)s AND n.kind = %(kind)s
    AND n.client_user_id = %(client_user_id)s AND n.record_type = %(record_type)s
""")
