"""The record types: the operator's list, with the names that the front ends show."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, assert_never

from psycopg import Cursor

from domain.record_type import RECORD_TYPE, RecordTypeDefined, RecordTypeRetired
from domain.value import Caller
from ledger.database import Datastore
from ledger.entry import Entry
from projections.view import View, as_json, by_name, entries_of

TABLE: Final = """
CREATE TABLE record_types (
    clinic_id bigint NOT NULL,
    record_type bigint NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    is_active boolean NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (clinic_id, record_type)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON record_types TO noteledger_app;
ALTER TABLE record_types ENABLE ROW LEVEL SECURITY;
CREATE POLICY written_by_the_ledger ON record_types TO noteledger_app
    USING ((SELECT current_setting('noteledger.role', true)) = 'ledger');
CREATE POLICY read_in_the_clinic ON record_types FOR SELECT TO noteledger_app
    USING (clinic_id = (SELECT current_setting('noteledger.clinic_id', true)::bigint));
"""


class RecordTypeRow(NamedTuple):
    """The view's columns, and a record type as a reader sees it."""

    clinic_id: int
    record_type: int
    name: str
    description: str
    is_active: bool
    version: int


def write(cursor: Cursor[Any], entries: Sequence[Entry]) -> None:
    """Take in a batch of entries, one by one: there are few."""
    for entry, fact in entries_of(entries, RECORD_TYPE):
        match fact:
            case RecordTypeDefined():
                _define(cursor, entry, fact)
            case RecordTypeRetired():
                _retire(cursor, entry, fact)
            case _:
                assert_never(fact)


def _define(cursor: Cursor[Any], entry: Entry, fact: RecordTypeDefined) -> None:
    row = RecordTypeRow(
        clinic_id=entry.clinic_id,
        record_type=fact.record_type,
        name=fact.name,
        description=fact.description,
        is_active=True,
        version=entry.version,
    )
    cursor.execute(
        """
        INSERT INTO record_types
        SELECT * FROM json_populate_recordset(NULL::record_types, %(rows)s::json)
        ON CONFLICT (clinic_id, record_type) DO UPDATE SET
            name = excluded.name, description = excluded.description,
            is_active = excluded.is_active, version = excluded.version
        """,
        {"rows": as_json([row])},
    )


def _retire(cursor: Cursor[Any], entry: Entry, fact: RecordTypeRetired) -> None:
    cursor.execute(
        """
        UPDATE record_types SET is_active = false, version = %(version)s
        WHERE clinic_id = %(clinic_id)s AND record_type = %(record_type)s
        """,
        {
            "clinic_id": entry.clinic_id,
            "record_type": fact.record_type,
            "version": entry.version,
        },
    )


VIEW: Final = View("record-types", "record_types", TABLE, RecordTypeRow, write)


# --- reading


class RecordTypes:
    """Reads the record types."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    def active(self, caller: Caller, only: int | None = None) -> list[RecordTypeRow]:
        """Those in use, by id; `only` names a single one."""
        with self._datastore.as_caller(caller) as conn:
            cursor = conn.cursor(row_factory=by_name(RecordTypeRow))
            return cursor.execute(
                """
                SELECT * FROM record_types
                WHERE clinic_id = %(clinic_id)s AND is_active
                AND record_type BETWEEN coalesce(%(only)s::bigint, 0)
                    AND coalesce(%(only)s::bigint, 9223372036854775807)
                ORDER BY record_type
                """,
                {"clinic_id": caller.clinic_id, "only": only},
            ).fetchall()
