"""The record types: the operator's list, with the names that the front ends show."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from psycopg import Cursor
from psycopg.rows import class_row

from domain.record_type import RecordTypeDefined, RecordTypeRetired
from domain.value import Caller
from ledger.database import Datastore
from ledger.entry import Entry
from projections.view import View

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


def write(cursor: Cursor[Any], entries: Sequence[Entry]) -> None:
    """Take in a batch of entries, one by one: there are few."""
    for entry in entries:
        match entry.fact:
            case RecordTypeDefined(record_type=record_type, name=name, description=description):
                cursor.execute(
                    "INSERT INTO record_types"
                    " (clinic_id, record_type, name, description, is_active, version)"
                    " VALUES (%s, %s, %s, %s, true, %s)"
                    " ON CONFLICT (clinic_id, record_type) DO UPDATE SET name = excluded.name,"
                    "  description = excluded.description, is_active = true,"
                    "  version = excluded.version",
                    (entry.clinic_id, record_type, name, description, entry.version),
                )
            case RecordTypeRetired(record_type=record_type):
                cursor.execute(
                    "UPDATE record_types SET is_active = false, version = %s"
                    " WHERE clinic_id = %s AND record_type = %s",
                    (entry.version, entry.clinic_id, record_type),
                )
            case _:
                pass


VIEW: Final = View("record-types", "record_types", TABLE, write)


# --- reading


class RecordTypeRow(NamedTuple):
    """A record type as a reader sees it."""

    record_type: int
    name: str
    description: str
    is_active: bool
    version: int


class RecordTypes:
    """Reads the record types."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    def active(self, caller: Caller, only: int | None = None) -> list[RecordTypeRow]:
        """Those in use, by id; `only` names a single one."""
        with self._datastore.as_caller(caller) as conn:
            cursor = conn.cursor(row_factory=class_row(RecordTypeRow))
            return cursor.execute(
                "SELECT record_type, name, description, is_active, version FROM record_types"
                " WHERE clinic_id = %(clinic_id)s AND is_active"
                " AND record_type BETWEEN coalesce(%(only)s::bigint, 0)"
                "  AND coalesce(%(only)s::bigint, 9223372036854775807)"
                " ORDER BY record_type",
                {"clinic_id": caller.clinic_id, "only": only},
            ).fetchall()
