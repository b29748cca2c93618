"""The people of the directory: role, and the entry that holds the name."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from psycopg import Cursor
from psycopg.rows import tuple_row

from domain.person import PersonFact, PersonRegistered, PersonRenamed
from domain.value import Caller, Role
from ledger.database import Datastore
from ledger.entry import Entry
from ledger.ledger import Ledger, SealedEntry
from projections.view import View

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


def write(cursor: Cursor[Any], entries: Sequence[Entry]) -> None:
    """Take in a batch of entries, one by one: the newest of a person holds the name."""
    for entry in entries:
        match entry.fact:
            case PersonRegistered(user_id=user_id, role=role):
                cursor.execute(
                    "INSERT INTO people (clinic_id, user_id, role, position)"
                    " VALUES (%s, %s, %s, %s)",
                    (entry.clinic_id, user_id, role, entry.position),
                )
            case PersonRenamed(user_id=user_id):
                cursor.execute(
                    "UPDATE people SET position = %s WHERE clinic_id = %s AND user_id = %s",
                    (entry.position, entry.clinic_id, user_id),
                )
            case _:
                pass


VIEW: Final = View("people", "people", TABLE, write)


# --- reading


class PersonRow(NamedTuple):
    """A person as a reader sees them; the name is None once it was erased."""

    user_id: int
    role: Role
    version: int
    full_name: str | None


AROUND_MAX: Final = 5_000


class Around(NamedTuple):
    """The full names of a note's client and therapist, of other staff and of the therapist's clients."""

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
        which = {"roles": [role.value for role in roles], "after": after, "limit": limit}
        return self._read(_PAGE, caller, which)

    def around(self, clinic_id: int, client_user_id: int, therapist_user_id: int) -> "Around":
        """Whom a note of this therapist about this client may name."""
        params = {"clinic_id": clinic_id, "therapist": therapist_user_id, "limit": AROUND_MAX}
        with self._datastore.as_ledger() as conn:
            cursor = conn.cursor(row_factory=tuple_row, binary=True)
            rows = cursor.execute(_AROUND, params | {"client": client_user_id}).fetchall()
        facts = self._ledger.open(clinic_id, [SealedEntry(*row[1:5]) for row in rows])
        names = {row[0]: _name(fact) for row, fact in zip(rows, facts, strict=True)}
        client, therapist = names.pop(client_user_id, None), names.pop(therapist_user_id, None)
        return Around(client, therapist, tuple(name for name in names.values() if name))

    def _read(self, statement: str, caller: Caller, which: dict[str, Any]) -> list[PersonRow]:
        params = {
            "clinic_id": caller.clinic_id,
            "caller": caller.user_id,
            "caller_is_therapist": caller.role is Role.THERAPIST,
        }
        with self._datastore.as_caller(caller) as conn:
            cursor = conn.cursor(row_factory=tuple_row, binary=True)
            rows = cursor.execute(statement, params | which).fetchall()
        facts = self._ledger.open(caller.clinic_id, [SealedEntry(*row[2:6]) for row in rows])
        return [
            PersonRow(row[0], Role(row[1]), row[3], _name(fact))
            for row, fact in zip(rows, facts, strict=True)
        ]


def _name(fact: object) -> str | None:
    assert isinstance(fact, PersonFact)
    return fact.words.full_name if fact.words else None


_BY_ID: Final = """
    SELECT p.user_id, p.role, e.aggregate_id, e.version, e.kind, e.state
    FROM people p JOIN entries e ON e.clinic_id = p.clinic_id AND e.position = p.position
    WHERE p.clinic_id = %(clinic_id)s AND p.user_id = %(user_id)s
    AND (NOT %(caller_is_therapist)s OR p.role <> 'client'
        OR views.is_callers_client(p.clinic_id, p.user_id))
"""
_PAGE: Final = """
    SELECT p.user_id, p.role, e.aggregate_id, e.version, e.kind, e.state
    FROM people p JOIN entries e ON e.clinic_id = p.clinic_id AND e.position = p.position
    WHERE p.clinic_id = %(clinic_id)s AND p.user_id > %(after)s
    AND p.role = ANY(%(roles)s::text[])
    AND (NOT %(caller_is_therapist)s OR p.role <> 'client'
        OR views.is_callers_client(p.clinic_id, p.user_id))
    ORDER BY p.user_id LIMIT %(limit)s
"""
_AROUND: Final = """
    SELECT p.user_id, e.aggregate_id, e.version, e.kind, e.state
    FROM people p JOIN entries e ON e.clinic_id = p.clinic_id AND e.position = p.position
    WHERE p.clinic_id = %(clinic_id)s
    AND (p.role <> 'client' OR p.user_id = %(client)s OR EXISTS (
        SELECT FROM relationships r WHERE r.clinic_id = p.clinic_id
        AND r.therapist_user_id = %(therapist)s AND r.client_user_id = p.user_id
    ))
    ORDER BY p.user_id NOT IN (%(client)s, %(therapist)s), p.user_id LIMIT %(limit)s
"""
