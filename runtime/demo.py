"""The demo: invented people, relationships, sessions around the first start, and log-ins.

Only a ledger that is empty, or that holds nothing but a demo that a crash left half done, gets
it: the log-ins' password is well known.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from domain.aggregates import aggregate_id, aggregate_of
from domain.person import PERSON, PutPerson
from domain.relationship import PutRelationship
from domain.session import EventStatus, PutSession
from domain.value import THE_CLINIC, Kind, Role
from ledger.accounts import Accounts, LoginIsTaken
from ledger.database import Datastore
from ledger.ledger import Ledger
from runtime.seed import OPERATOR, RECORD_TYPES

CLINIC: Final = 1
PASSWORD: Final = "noteledger-demo"  # noqa: S105 (well known, and meant to be)
SESSION_MINUTES: Final = 50


class DemoPerson(NamedTuple):
    """Somebody of the demo, with the log-in of those who have one."""

    user_id: int
    role: Role
    full_name: str
    login: str | None = None


class DemoSession(NamedTuple):
    """A session so many days from the first start, at this hour (UTC)."""

    session_id: int
    therapist_client_id: int
    day: int
    hour: int
    event_status: EventStatus


PEOPLE: Final = (
    DemoPerson(101, Role.THERAPIST, "Dr. Mara Lindqvist", "therapist"),
    DemoPerson(102, Role.THERAPIST, "Dr. Tomas Abara", "therapist2"),
    DemoPerson(103, Role.AUDITOR, "Ines Okonjo-Vale", "auditor"),
    DemoPerson(104, Role.ADMINISTRATOR, "Pieter Halloran", "admin"),
    DemoPerson(105, Role.ML, "The ML service", "ml"),
    DemoPerson(106, Role.COMPLIANCE, "Noor Vandermeer", "compliance"),
    DemoPerson(201, Role.CLIENT, "Juno Castellane"),
    DemoPerson(202, Role.CLIENT, "Emil Vantongeren"),
    DemoPerson(203, Role.CLIENT, "Sadia Mirembe"),
    DemoPerson(204, Role.CLIENT, "Leopold Ashgrove"),
)
RELATIONSHIPS: Final = {301: (101, 201), 302: (101, 202), 303: (102, 203), 304: (102, 204)}
"""Relationship → therapist and client."""

SESSIONS: Final = (
    DemoSession(401, 301, -14, 9, EventStatus.REVIEWED),
    DemoSession(402, 301, -7, 9, EventStatus.SUMMARY_NOTES),
    DemoSession(403, 302, -6, 11, EventStatus.COMPLETED),
    DemoSession(404, 303, -3, 14, EventStatus.COMPLETED),
    DemoSession(405, 304, -1, 16, EventStatus.CANCELLED),
    DemoSession(406, 301, 1, 9, EventStatus.SCHEDULED),
    DemoSession(407, 302, 2, 11, EventStatus.SCHEDULED),
    DemoSession(408, 303, 4, 14, EventStatus.SCHEDULED),
)


def may_seed_demo(datastore: Datastore, ledger: Ledger) -> bool:
    """Whether the ledger holds nothing but record types and (part of) the demo itself, with their keys.

    Its first person is looked at by name: somebody else's import may use the same ids.
    """
    own = [aggregate_id(kind, number) for kind, number in _aggregates()]
    persons = (THE_CLINIC, *(person.user_id for person in PEOPLE))
    own += [aggregate_id(Kind.DATA_KEYS, person_id) for person_id in persons]
    with datastore.get_connection() as conn:
        foreign = conn.execute(
            "SELECT FROM ledger.entries WHERE clinic_id = %s AND aggregate_id <> ALL(%s) LIMIT 1",
            (CLINIC, own),
        ).fetchone()
        has_people = conn.execute(
            "SELECT FROM ledger.entries WHERE clinic_id = %s AND aggregate_id = ANY(%s) LIMIT 1",
            (CLINIC, [aggregate_id(Kind.PERSON, person.user_id) for person in PEOPLE]),
        ).fetchone()
    if foreign is not None:
        return False
    first = ledger.state(CLINIC, PERSON, PEOPLE[0].user_id)
    if first is None:
        return has_people is None
    return first.words is not None and first.words.full_name == PEOPLE[0].full_name


def seed_demo(ledger: Ledger, accounts: Accounts, at: datetime) -> None:
    """Record what is not there yet, the people in the order of the list; then the log-ins."""
    for kind, number, command in commands(at):
        if ledger.outline(CLINIC, aggregate_of(kind), number) is None:
            ledger.record(CLINIC, aggregate_of(kind), number, command)
    taken = {login for login, _ in accounts.all(CLINIC)}
    for person in PEOPLE:
        if person.login and person.login not in taken:
            try:
                accounts.add_user(person.login, person.role, person.user_id, PASSWORD)
            except LoginIsTaken:  # by another start, just now
                continue


def demo_logins(accounts: Accounts) -> list[str]:
    """The demo's log-ins that open the service now."""
    own = {(person.login, person.user_id) for person in PEOPLE}
    return [
        login
        for login, account in accounts.all(CLINIC)
        if (login, account.user_id) in own and account.password_hash and account.disabled_at is None
    ]


def _aggregates() -> Iterator[tuple[Kind, int]]:
    for seed in RECORD_TYPES:
        yield Kind.RECORD_TYPE, seed.record_type
    for person in PEOPLE:
        yield Kind.PERSON, person.user_id
    for therapist_client_id in RELATIONSHIPS:
        yield Kind.RELATIONSHIP, therapist_client_id
    for session in SESSIONS:
        yield Kind.SESSION, session.session_id


def commands(at: datetime) -> Iterator[tuple[Kind, int, Any]]:
    """All that the demo records in a ledger that starts now, in its order."""
    about: dict[str, Any] = {"by": OPERATOR, "at": at}
    for user_id, role, full_name, _ in PEOPLE:
        person = PutPerson(**about, role=role, full_name=full_name)
        yield Kind.PERSON, user_id, person
    for number, (therapist, client) in RELATIONSHIPS.items():
        relationship = PutRelationship(
            **about,
            therapist_user_id=therapist,
            client_user_id=client,
        )
        yield Kind.RELATIONSHIP, number, relationship
    today = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for session_id, therapist_client_id, day, hour, event_status in SESSIONS:
        starts_at = today + timedelta(days=day, hours=hour)
        therapist, client = RELATIONSHIPS[therapist_client_id]
        session = PutSession(
            **about,
            client_user_id=client,
            therapist_user_id=therapist,
            therapist_client_id=therapist_client_id,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(minutes=SESSION_MINUTES),
            event_status=event_status,
        )
        yield Kind.SESSION, session_id, session
