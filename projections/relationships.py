"""The therapist–client relationships: a client's notes are open to the therapists who treat them."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, assert_never

from psycopg import Cursor

from domain.relationship import RELATIONSHIP, RelationshipBegan, RelationshipEnded
from domain.value import Caller, Role
from ledger.database import Datastore
from ledger.entry import Entry
from projections.view import View, as_json, by_name, entries_of

TABLE: Final = """
CREATE TABLE relationships (
    clinic_id bigint NOT NULL,
    therapist_client_id bigint NOT NULL,
    therapist_user_id bigint NOT NULL,
    client_user_id bigint NOT NULL,
    is_active boolean NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (clinic_id, therapist_client_id)
);
CREATE INDEX ON relationships (clinic_id, therapist_user_id, client_user_id, is_active);
GRANT SELECT, INSERT, UPDATE, DELETE ON relationships TO noteledger_app;
ALTER TABLE relationships ENABLE ROW LEVEL SECURITY;
CREATE POLICY written_by_the_ledger ON relationships TO noteledger_app
    USING ((SELECT current_setting('noteledger.role', true)) = 'ledger');
CREATE POLICY read_in_the_clinic ON relationships FOR SELECT TO noteledger_app
    USING (clinic_id = (SELECT current_setting('noteledger.clinic_id', true)::bigint));
-- Named by the other views' policies; looks its table up by name, so that a rebuilt one is found.
CREATE OR REPLACE FUNCTION views.is_callers_client(of_clinic bigint, client bigint)
RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT EXISTS (
        SELECT FROM views.relationships
        WHERE clinic_id = of_clinic AND client_user_id = client AND is_active
        AND therapist_user_id = current_setting('noteledger.user_id', true)::bigint
    )
$$;
"""


class RelationshipRow(NamedTuple):
    """The view's columns, and a relationship as a reader sees it."""

    clinic_id: int
    therapist_client_id: int
    therapist_user_id: int
    client_user_id: int
    is_active: bool
    version: int


def write(cursor: Cursor[Any], entries: Sequence[Entry]) -> None:
    """Take in a batch of entries: the newest of a relationship counts."""
    rows: dict[tuple[int, int], RelationshipRow] = {}
    for entry, fact in entries_of(entries, RELATIONSHIP):
        match fact:
            case RelationshipBegan():
                is_active = True
            case RelationshipEnded():
                is_active = False
            case _:
                assert_never(fact)
        rows[entry.clinic_id, fact.therapist_client_id] = RelationshipRow(
            clinic_id=entry.clinic_id,
            therapist_client_id=fact.therapist_client_id,
            therapist_user_id=fact.therapist_user_id,
            client_user_id=fact.client_user_id,
            is_active=is_active,
            version=entry.version,
        )
    if rows:
        cursor.execute(
            """
            INSERT INTO relationships
            SELECT * FROM json_populate_recordset(NULL::relationships, %(rows)s::json)
            ON CONFLICT (clinic_id, therapist_client_id) DO UPDATE SET
                is_active = excluded.is_active, version = excluded.version
            """,
            {"rows": as_json(rows.values())},
        )


VIEW: Final = View("relationships", "relationships", TABLE, RelationshipRow, write)


# --- reading


class Relationships:
    """Reads the relationships for a caller: a therapist sees their own."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    def page(
        self, caller: Caller, after: int, limit: int, only: int | None = None
    ) -> list[RelationshipRow]:
        """Relationships by id, those above `after`; `only` names a single one."""
        with self._datastore.as_caller(caller) as conn:
            cursor = conn.cursor(row_factory=by_name(RelationshipRow))
            return cursor.execute(
                """
                SELECT * FROM relationships
                WHERE clinic_id = %(clinic_id)s AND therapist_client_id > %(after)s
                AND therapist_client_id BETWEEN coalesce(%(only)s::bigint, 0)
                    AND coalesce(%(only)s::bigint, 9223372036854775807)
                AND (NOT %(caller_is_therapist)s OR therapist_user_id = %(caller)s)
                ORDER BY therapist_client_id LIMIT %(limit)s
                """,
                {
                    "clinic_id": caller.clinic_id,
                    "caller": caller.user_id,
                    "caller_is_therapist": caller.role is Role.THERAPIST,
                    "after": after,
                    "only": only,
                    "limit": limit,
                },
            ).fetchall()
