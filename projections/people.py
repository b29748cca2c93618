"""The people of the directory: role, and the entry that holds the name."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, assert_never
from uuid import UUID

from psycopg import Cursor

from domain.person import PERSON, PersonFact, PersonRegistered, PersonRenamed
from domain.value import Caller, Role
from ledger.database import Datastore
from ledger.entry import Entry
from ledger.ledger import Ledger
from ledger.outlines import SealedEntry
from projections.view import View, as_json, by_name, entries_of

TABLE: Final = """
CREATE TABLE people (
    clinic_id bigint NOT NULL,
    user_id bigint NOT NULL,
    role text NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (clinic_id, user_id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON people TO noteledger_app;
ALTER TABLE people ENABLE ROW LEVEL SECURITY;
CREATE POLICY written_by_the_ledger ON people TO noteledger_app
    USING ((SELECT current_setting('noteledger.role', true)) = 'ledger');
CREATE POLICY read_in_the_clinic ON people FOR SELECT TO noteledger_app
    USING (clinic_id = (SELECT current_setting('noteledger.clinic_id', true)::bigint));
"""


class Row(NamedTuple):
    """The view's columns."""

    clinic_id: int
    user_id: int
    role: str
    position: int


def write(cursor: Cursor[Any], entries: Sequence[Entry]) -> None:
    """Take in a batch of entries, one by one: the newest of a person holds the name."""
    for entry, fact in entries_of(entries, PERSON):
        match fact:
            case PersonRegistered():
                _insert(cursor, entry, fact)
            case PersonRenamed():
                _set_position(cursor, entry, fact)
            case _:
                assert_never(fact)


def _insert(cursor: Cursor[Any], entry: Entry, fact: PersonRegistered) -> None:
    row = Row(
        clinic_id=entry.clinic_id, user_id=fact.user_id, role=fact.role, position=entry.position
    )
    cursor.execute(
        """
        INSERT INTO people
        SELECT * FROM json_populate_recordset(NULL::people, %(rows)s::json)
        """,
        {"rows": as_json([row])},
    )


def _set_position(cursor: Cursor[Any], entry: Entry, fact: PersonRenamed) -> None:
    cursor.execute(
        """
        UPDATE people SET position = %(position)s
        WHERE clinic_id = %(clinic_id)s AND user_id = %(user_id)s
        """,
        {"clinic_id": entry.clinic_id, "user_id": fact.user_id, "position": entry.position},
    )


VIEW: Final = View("people", "people", TABLE, Row, write)


# --- reading


class PersonRow(NamedTuple):
    """A person as a reader sees them; the name is None once it was erased."""

    user_id: int
    role: Role
    version: int
    full_name: str | None


class _SealedPerson(NamedTuple):
    """What the statements below select: a person, and the entry that holds the name."""

    user_id: int
    role: str
    aggregate_id: UUID
    version: int
    fact_type: str
    sealed: bytes

    def entry(self) -> SealedEntry:
        """The entry."""
        return SealedEntry(
            aggregate_id=self.aggregate_id,
            version=self.version,
            fact_type=self.fact_type,
            sealed=self.sealed,
        )


AROUND_MAX: Final = 5_000


class Around(NamedTuple):
    """Full names: a note's client and therapist; other staff and the therapist's clients in `others`."""

    client: str | None
    therapist: str | None
    others: tuple[str, ...]


class People:
    """Reads the directory's people for a caller."""

    def __init__(self, datastore: Datastore, ledger: Ledger) -> None:
        self._datastore = datastore
        self._ledger = ledger

    def find(self, caller: Caller, user_id: int) -> PersonRow | None:
        """One person, if they are in the caller's clinic."""
        found = self._read(_BY_ID, caller, {"user_id": user_id})
        return found[0] if found else None

    def page(
        self, caller: Caller, roles: Sequence[Role], after: int, limit: int
    ) -> list[PersonRow]:
        """People of these roles by id; a therapist finds of the clients only their own."""
        filters = {"roles": [role.value for role in roles], "after": after, "limit": limit}
        return self._read(_PAGE, caller, filters)

    def around(self, clinic_id: int, client_user_id: int, therapist_user_id: int) -> Around:
        """The people whom a note of this therapist about this client may name."""
        params = {
            "clinic_id": clinic_id,
            "client": client_user_id,
            "therapist": therapist_user_id,
            "limit": AROUND_MAX,
        }
        with self._datastore.as_ledger() as conn:
            cursor = conn.cursor(row_factory=by_name(_SealedPerson), binary=True)
            rows = cursor.execute(_AROUND, params).fetchall()
        facts = self._ledger.open(clinic_id, [row.entry() for row in rows])
        names = {row.user_id: _name(fact) for row, fact in zip(rows, facts, strict=True)}
        client, therapist = names.pop(client_user_id, None), names.pop(therapist_user_id, None)
        return Around(client, therapist, tuple(name for name in names.values() if name))

    def _read(
        self, statement: str, caller: Caller, filters: Mapping[str, object]
    ) -> list[PersonRow]:
        params = {
            "clinic_id": caller.clinic_id,
            "caller_is_therapist": caller.role is Role.THERAPIST,
            **filters,
        }
        with self._datastore.as_caller(caller) as conn:
            cursor = conn.cursor(row_factory=by_name(_SealedPerson), binary=True)
            rows = cursor.execute(statement, params).fetchall()
        facts = self._ledger.open(caller.clinic_id, [row.entry() for row in rows])
        return [
            PersonRow(
                user_id=row.user_id,
                role=Role(row.role),
                version=row.version,
                full_name=_name(fact),
            )
            for row, fact in zip(rows, facts, strict=True)
        ]


def _name(fact: object) -> str | None:
    assert isinstance(fact, PersonFact)
    return fact.words.full_name if fact.words else None


_BY_ID: Final = """
    SELECT p.*, e.aggregate_id, e.version, e.kind AS fact_type, e.state AS sealed
    FROM people p JOIN entries e ON e.clinic_id = p.clinic_id AND e.position = p.position
    WHERE p.clinic_id = %(clinic_id)s AND p.user_id = %(user_id)s
    AND (NOT %(caller_is_therapist)s OR p.role <> 'client'
        OR views.is_callers_client(p.clinic_id, p.user_id))
"""
_PAGE: Final = """
    SELECT p.*, e.aggregate_id, e.version, e.kind AS fact_type, e.state AS sealed
    FROM people p JOIN entries e ON e.clinic_id = p.clinic_id AND e.position = p.position
    WHERE p.clinic_id = %(clinic_id)s AND p.user_id > %(after)s
    AND p.role = ANY(%(roles)s::text[])
    AND (NOT %(caller_is_therapist)s OR p.role <> 'client'
        OR views.is_callers_client(p.clinic_id, p.user_id))
    ORDER BY p.user_id LIMIT %(limit)s
"""
_AROUND: Final = """
    SELECT p.*, e.aggregate_id, e.version, e.kind AS fact_type, e.state AS sealed
    FROM people p JOIN entries e ON e.clinic_id = p.clinic_id AND e.position = p.position
    WHERE p.clinic_id = %(clinic_id)s
    AND (p.role <> 'client' OR p.user_id = %(client)s OR EXISTS (
        SELECT FROM relationships r WHERE r.clinic_id = p.clinic_id
        AND r.therapist_user_id = %(therapist)s AND r.client_user_id = p.user_id
    ))
    ORDER BY p.user_id NOT IN (%(client)s, %(therapist)s), p.user_id LIMIT %(limit)s
"""
