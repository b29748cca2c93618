"""A clinic to measure on: 1,000 clients of 10 therapists, 10,000 notes, half of them SOAP notes.

Each note is drafted and approved, so a client's history has more than 10 entries of each kind.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg

from domain.note import NOTE, CreateNote, Draft, SaveNote
from domain.person import PERSON, PutPerson
from domain.record_type import RECORD_TYPE, PutRecordType
from domain.relationship import RELATIONSHIP, PutRelationship
from domain.soap_note import SOAP_NOTE
from domain.value import By, Role
from ledger import schema
from projections.rebuild import lay_missing
from runtime import wiring
from runtime.embedded import ServerAddress
from runtime.settings import Settings
from runtime.wiring import System

CLIENTS: Final = 1_000
THERAPISTS: Final = 10
NOTES_EACH: Final = 5
"""Of each kind, for each client."""
SEEDED_TYPE: Final = 2
CREATED_TYPE: Final = 3
"""Of the notes that a benchmark creates."""
CLINIC: Final = 1
TEXT: Final = ("The client and I went over the week and what helped in it. " * 20)[:1000]
_FIRST_THERAPIST: Final = 100
_FIRST_CLIENT: Final = 10_000
_THE_OPERATOR: Final = By(user_id=0, role=Role.ADMINISTRATOR)


class Therapist(NamedTuple):
    """Who reads and writes."""

    user_id: int
    login: str
    token: str


class Seeded(NamedTuple):
    """The clinic's therapists, and who treats whom."""

    therapists: tuple[Therapist, ...]

    def therapist_of(self, client: int) -> Therapist:
        """The client's therapist."""
        return self.therapists[client % THERAPISTS]

    def relationship_of(self, client: int) -> int:
        """The relationship between the two."""
        return client


def client_ids() -> range:
    """All clients."""
    return range(_FIRST_CLIENT, _FIRST_CLIENT + CLIENTS)


def lay(address: ServerAddress) -> None:
    """The schema, and the views' tables."""
    with psycopg.connect(address.owner_url, autocommit=True) as conn:
        schema.lay(conn)
        lay_missing(conn, lambda _: None)


@contextmanager
def seeded_system(address: ServerAddress, state: Path) -> Iterator[Seeded]:
    """Lay the schema and fill it."""
    lay(address)
    with wiring.build(Settings(state=state), address.app_url) as system:
        seeded = seed_people(system)
        with ThreadPoolExecutor(32) as threads:
            list(threads.map(lambda client: _seed_notes(system, seeded, client), client_ids()))
        yield seeded
    with psycopg.connect(address.owner_url, autocommit=True) as conn:
        conn.execute("VACUUM ANALYZE")


def seed_people(system: System) -> Seeded:
    """Therapists, clients and who treats whom."""
    record, at = system.services.ledger.record, system.services.clock()
    who: dict[str, Any] = {"by": _THE_OPERATOR, "at": at}
    for number in (SEEDED_TYPE, CREATED_TYPE):
        put = PutRecordType(**who, name=f"Type {number}", description="")
        record(CLINIC, RECORD_TYPE, number, put)
    therapists = []
    for number in range(_FIRST_THERAPIST, _FIRST_THERAPIST + THERAPISTS):
        person = PutPerson(**who, role=Role.THERAPIST, full_name=f"Therapist {number}")
        record(CLINIC, PERSON, number, person)
        login = f"therapist-{number}"
        token = system.services.accounts.add_token(login, Role.THERAPIST, number)
        therapists.append(Therapist(number, login, token))
    seeded = Seeded(tuple(therapists))
    for client in client_ids():
        person = PutPerson(**who, role=Role.CLIENT, full_name=f"Client {client}")
        record(CLINIC, PERSON, client, person)
        relationship = PutRelationship(
            **who,
            therapist_user_id=seeded.therapist_of(client).user_id,
            client_user_id=client,
        )
        record(CLINIC, RELATIONSHIP, client, relationship)
    return seeded


def _seed_notes(system: System, seeded: Seeded, client: int) -> None:
    ledger, at = system.services.ledger, system.services.clock()
    by = By(user_id=seeded.therapist_of(client).user_id, role=Role.THERAPIST)
    for aggregate in (NOTE, SOAP_NOTE):
        for _ in range(NOTES_EACH):
            note_id = ledger.ids.next(CLINIC, aggregate.kind)
            create = CreateNote(
                by=by,
                at=at,
                client_user_id=client,
                therapist_user_id=by.user_id,
                therapist_client_id=seeded.relationship_of(client),
                record_type=SEEDED_TYPE,
                draft=Draft(text=TEXT),
            )
            ledger.record(CLINIC, aggregate, note_id, create)
            approve = Draft(text=TEXT, is_approved=True, signer_name="Therapist")
            save = SaveNote(by=by, at=at, draft=approve)
            ledger.record(CLINIC, aggregate, note_id, save)
