"""A clinic behind its HTTP door: the sample people with their accounts, and a way in for each of them.

Alma treats Clara; Bruno treats David; Colin treats Clara too. Eva and Finn are of another clinic on
the same database, whose ids exist nowhere else.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import psycopg
from httpx2 import Auth, BasicAuth, Response
from psycopg.rows import TupleRow
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from api.app import create_app
from api.services import Services
from domain.person import PERSON
from domain.record_type import RECORD_TYPE
from domain.relationship import RELATIONSHIP
from domain.session import SESSION
from domain.value import PSYCHOTHERAPY, By, Role
from ledger.accounts import Accounts
from ledger.ledger import Ledger
from runtime import wiring
from runtime.settings import Settings
from tests import samples
from tests.databases import Database, owner_of
from tests.samples import (
    ADAM,
    ALMA,
    ALMA_TREATS_CLARA,
    AUDRA,
    BRUNO,
    CLARA,
    CLINIC,
    CORA,
    ELSEWHERE,
    ML,
    NOON,
    PROGRESS,
)

BASE: Final = "/apis/therapistnotes"

COLIN: Final = By(user_id=13, role=Role.THERAPIST)
"""Treats Clara too, and writes no notes about her."""
COLIN_TREATS_CLARA: Final = 103

EVA: Final = By(user_id=61, role=Role.THERAPIST)
FINN: Final = By(user_id=62, role=Role.CLIENT)
EVA_TREATS_FINN: Final = 161
SESSION_ELSEWHERE: Final = 261
TYPE_ELSEWHERE: Final = 61

RETIRED: Final = 3
"""A record type that is no longer in use."""

PASSWORD: Final = "correct horse battery"

LOGINS: Final = {
    ALMA: "alma",
    BRUNO: "bruno",
    COLIN: "colin",
    AUDRA: "audra",
    ADAM: "adam",
    ML: "ml",
    CORA: "cora",
}

Credentials = tuple[str, str]
Tokens = dict[By, Credentials]
"""Login name and Basic password of each program that may come in."""


class Door:
    """One caller's way in: every request carries their credentials."""

    def __init__(self, http: TestClient, credentials: Credentials | None) -> None:
        self._http = http
        self.credentials: Auth = BasicAuth(*credentials) if credentials else Auth()

    def ask(self, method: str, path: str, **said: Any) -> Response:
        """A request to a path below the contract's base, or to a whole path."""
        whole = (
            path if path.startswith(("/apis", "/directory", "/auth", "/metrics")) else BASE + path
        )
        answer: Response = self._http.request(method, whole, auth=self.credentials, **said)
        return answer

    def get(self, path: str, **said: Any) -> Response:
        """Read."""
        return self.ask("GET", path, **said)

    def post(self, path: str, body: Any, **said: Any) -> Response:
        """Look up, or save."""
        return self.ask("POST", path, json=body, **said)

    def put(self, path: str, body: Any, **said: Any) -> Response:
        """Change."""
        return self.ask("PUT", path, json=body, **said)

    def delete(self, path: str, body: Any = None, **said: Any) -> Response:
        """Delete or withdraw."""
        if body is not None:
            said["json"] = body
        return self.ask("DELETE", path, **said)

    def post_form(
        self,
        metadata: object,
        files: Sequence[tuple[str, bytes]] = (),
        on_unreadable: str | None = None,
        **said: Any,
    ) -> Response:
        """Operation 12. Metadata that is not text yet goes as its JSON text."""
        text = metadata if isinstance(metadata, str | bytes) else json.dumps(metadata)
        parts: list[tuple[str, Any]] = [("metadata", (None, text))]
        parts += [("on_unreadable", (None, on_unreadable))] if on_unreadable is not None else []
        parts += [("files", (name, content, "text/plain")) for name, content in files]
        return self.ask("POST", "/recordtype/", files=parts, **said)

    def save_note(
        self,
        text: object = "slept well",
        files: Sequence[tuple[str, bytes]] = (),
        headers: dict[str, str] | None = None,
        on_unreadable: str | None = None,
        **said: Any,
    ) -> dict[str, Any]:
        """A note of Alma's about Clara that is expected to be saved: its long form."""
        answer = self.post_form(note(text, **said), files, on_unreadable, headers=headers)
        return _saved(answer)

    def save_soap(
        self, text: object = "S: slept well", headers: dict[str, str] | None = None, **said: Any
    ) -> dict[str, Any]:
        """A SOAP note about Clara that is expected to be saved: its long form."""
        return _saved(self.post("/soap/recordtype/", soap(text, **said), headers=headers))

    def look_up(
        self, path: str, record_type: int = PROGRESS, client: By = CLARA
    ) -> list[dict[str, Any]]:
        """What a look-up finds; nothing where it answers 204."""
        answer = self.post(path, look_up(record_type, client))
        if answer.status_code == 204:
            assert answer.content == b""
            return []
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        assert found, "where nothing is found the answer is 204"
        return found


def _saved(answer: Response) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    saved: dict[str, Any] = answer.json()
    return saved


# --- what is asked


def note(text: object = "slept well", **said: Any) -> dict[str, Any]:
    """The metadata of a note of Alma's about Clara."""
    return _about_clara() | {"data": text} | said


def soap(text: object = "S: slept well", **said: Any) -> dict[str, Any]:
    """A SOAP note about Clara, as a therapist sends it."""
    sent_as = {"sender_role": "therapist", "is_approved": False}
    return _about_clara() | sent_as | {"data": text} | said


def trigger(**said: Any) -> dict[str, Any]:
    """What a SOAP note about Clara shall be drafted for."""
    return _about_clara() | said


def _about_clara() -> dict[str, Any]:
    return {
        "record_type": PROGRESS,
        "client_user_id": CLARA.user_id,
        "therapist_user_id": ALMA.user_id,
        "therapist_client_id": ALMA_TREATS_CLARA,
    }


def look_up(record_type: int = PROGRESS, client: By = CLARA) -> dict[str, Any]:
    """Which client and record type."""
    return {"record_type_id": record_type, "client_user_id": client.user_id}


def put(text: str = "slept badly", **said: Any) -> dict[str, Any]:
    """A new version of a note, in its short form."""
    return {"data": text, "date": NOON.isoformat()} | said


def put_soap(text: str = "S: slept badly", **said: Any) -> dict[str, Any]:
    """A new version of a SOAP note, in its short form."""
    return {"therapist_data": text, "date": NOON.isoformat(), "signature": None} | said


def amend_soap(text: str = "S: slept badly", **said: Any) -> dict[str, Any]:
    """An amendment of a SOAP history entry."""
    return {"data": text, "date": NOON.isoformat(), "signature": None} | said


# --- the clinic


@dataclass(frozen=True)
class Clinic:
    """The application, one of the clinics that it serves, and who may come in there."""

    number: int
    services: Services
    app: ASGIApp
    http: TestClient
    owner: psycopg.Connection[TupleRow]
    tokens: Tokens

    def door(self, who: By | None) -> Door:
        """The way in of one of the people, or of nobody."""
        return Door(self.http, self.tokens[who] if who else None)

    @property
    def alma(self) -> Door:
        """The therapist who writes."""
        return self.door(ALMA)

    @property
    def colin(self) -> Door:
        """Another therapist of the same client."""
        return self.door(COLIN)

    @property
    def bruno(self) -> Door:
        """A therapist of another client."""
        return self.door(BRUNO)

    @property
    def audra(self) -> Door:
        """The auditor."""
        return self.door(AUDRA)

    @property
    def adam(self) -> Door:
        """The administrator."""
        return self.door(ADAM)

    @property
    def ml(self) -> Door:
        """The ML service."""
        return self.door(ML)

    @property
    def cora(self) -> Door:
        """The compliance officer."""
        return self.door(CORA)

    @property
    def eva(self) -> Door:
        """A therapist of another clinic."""
        return self.door(EVA)

    @property
    def nobody(self) -> Door:
        """Who does not say who they are."""
        return self.door(None)

    def position(self) -> int:
        """How far the ledgers of all clinics have come: it stands still where nothing is recorded."""
        row = self.owner.execute("SELECT sum(position) FROM ledger.ledger_head").fetchone()
        assert row is not None
        return int(row[0])

    def stored(self) -> tuple[int, ...]:
        """How many rows each of the ledger's tables holds that a save writes."""
        row = self.owner.execute(
            "SELECT (SELECT sum(position) FROM ledger.ledger_head),"
            " (SELECT count(*) FROM ledger.entries), (SELECT count(*) FROM ledger.attachments),"
            " (SELECT count(*) FROM ledger.data_keys), (SELECT count(*) FROM ledger.claims)"
        ).fetchone()
        assert row is not None
        return tuple(map(int, row))

    @contextmanager
    def like(self, **services: Any) -> Iterator["Clinic"]:
        """The same clinic by another application, some of whose services are different."""
        changed = replace(self.services, **services)
        app = create_app(changed)
        with TestClient(app) as http:
            yield replace(self, services=changed, app=app, http=http)


def seed(database: Database, state: Path) -> Tokens:
    """Everybody and their accounts, in the first clinic and in the other; the tokens to come in with."""
    with (
        owner_of(database.owner_url) as owner,
        wiring.build(settings(state), database.app_url) as system,
    ):
        tokens = add_clinic(owner, system.services, CLINIC)
        _open_ledger(owner, ELSEWHERE)
        _enter_elsewhere(system.services.ledger)
        return tokens | _add_accounts(system.services.accounts, ELSEWHERE, {EVA: "eva"})


def add_clinic(owner: psycopg.Connection[TupleRow], services: Services, number: int) -> Tokens:
    """One more clinic with the same people; clinics share a database and know nothing of each other."""
    _open_ledger(owner, number)
    samples.enter_directory(services.ledger, number)
    record = partial(services.ledger.record, number)
    record(PERSON, COLIN.user_id, samples.put_person(COLIN, "Colin Claessen"))
    treats = samples.put_relationship(COLIN, CLARA)
    record(RELATIONSHIP, COLIN_TREATS_CLARA, treats)
    for is_active in (True, False):
        retired = samples.put_record_type("Telegram", is_active=is_active)
        record(RECORD_TYPE, RETIRED, retired)
    return _add_accounts(services.accounts, number, LOGINS)


def _open_ledger(owner: psycopg.Connection[TupleRow], number: int) -> None:
    owner.execute(
        "INSERT INTO ledger.ledger_head (clinic_id) VALUES (%s) ON CONFLICT DO NOTHING", (number,)
    )


def _enter_elsewhere(ledger: Ledger) -> None:
    record = partial(ledger.record, ELSEWHERE)
    record(PERSON, EVA.user_id, samples.put_person(EVA, "Eva Evers"))
    record(PERSON, FINN.user_id, samples.put_person(FINN, "Finn Faber"))
    treats = samples.put_relationship(EVA, FINN)
    record(RELATIONSHIP, EVA_TREATS_FINN, treats)
    for record_type in (PSYCHOTHERAPY, TYPE_ELSEWHERE):
        record(RECORD_TYPE, record_type, samples.put_record_type())
    session = samples.put_session(
        by=EVA,
        therapist=EVA,
        client=FINN,
        therapist_client_id=EVA_TREATS_FINN,
    )
    record(SESSION, SESSION_ELSEWHERE, session)


def _add_accounts(accounts: Accounts, number: int, logins: dict[By, str]) -> Tokens:
    tokens: Tokens = {}
    for who, name in logins.items():
        login = f"{number}/{name}"
        tokens[who] = (login, accounts.add_token(login, who.role, who.user_id))
    return tokens


def settings(state: Path) -> Settings:
    """Everything as it comes, but for where the key file is."""
    return Settings(state=state)


@contextmanager
def opened(
    database: Database, state: Path, tokens: Tokens, number: int = CLINIC
) -> Iterator[Clinic]:
    """The application as one process serves it; two of them on one database are two processes."""
    with ExitStack() as stack:
        system = stack.enter_context(wiring.build(settings(state), database.app_url))
        app = create_app(system.services)
        http = stack.enter_context(TestClient(app))
        owner = stack.enter_context(owner_of(database.owner_url))
        yield Clinic(number, system.services, app, http, owner, tokens)
