"""Clinics for the API's tests: one running application for each module, a clinic of its own for each test."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import pytest

from runtime.embedded import ServerAddress
from tests.api.clinic import Clinic, Tokens, add_clinic, opened, seed
from tests.databases import Database, fresh_database
from tests.samples import ELSEWHERE

_NUMBERS: Final = count(ELSEWHERE + 1)


class Seeded(NamedTuple):
    """A database with both clinics, where its key file is, and the accounts' tokens."""

    database: Database
    state: Path
    tokens: Tokens


@pytest.fixture(scope="session")
def template(server: ServerAddress, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeded]:
    """What each module gets a copy of; nobody stays connected to it."""
    state = tmp_path_factory.mktemp("state")
    with fresh_database(server) as database:
        yield Seeded(database, state, seed(database, state))


@pytest.fixture(scope="module")
def seeded(server: ServerAddress, template: Seeded) -> Iterator[Seeded]:
    """The module's copy."""
    name = urlsplit(template.database.owner_url).path.removeprefix("/")
    with fresh_database(server, name) as database:
        yield template._replace(database=database)


@pytest.fixture(scope="module")
def shared_clinic(seeded: Seeded) -> Iterator[Clinic]:
    """One clinic for all tests of a module: they read, or are refused."""
    with opened(*seeded) as clinic:
        yield clinic


@pytest.fixture
def clinic(shared_clinic: Clinic) -> Clinic:
    """A clinic of the test's own, in which nothing is written yet."""
    number = next(_NUMBERS)
    tokens = shared_clinic.tokens | add_clinic(shared_clinic.owner, shared_clinic.services, number)
    return replace(shared_clinic, number=number, tokens=tokens)


OpenClinic = Callable[[], AbstractContextManager[Clinic]]


@pytest.fixture
def open_again(clinic: Clinic, seeded: Seeded) -> OpenClinic:
    """The test's clinic as a further process serves it."""
    return lambda: opened(seeded.database, seeded.state, clinic.tokens, clinic.number)


@pytest.fixture(scope="module")
def ids(shared_clinic: Clinic) -> dict[str, int]:
    """A note and a SOAP note to aim at."""
    saved, saved_soap = shared_clinic.alma.save_note(), shared_clinic.alma.save_soap()
    return {
        "note": saved["id"],
        "entry": saved["history"]["id"],
        "soap": saved_soap["id"],
        "soap_entry": saved_soap["history"]["id"],
    }
