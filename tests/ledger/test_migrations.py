"""A database that an earlier program left: it is brought to today's schema, and all of it opens."""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest

from domain.aggregates import aggregate_id
from domain.value import Kind
from ledger import schema
from ledger.database import Datastore
from ledger.ids import Ids
from ledger.ledger import Ledger, SealedEntry
from projections.rebuild import lay_missing
from runtime.embedded import ServerAddress
from tests.databases import Database, fresh_database, owner_of, running
from tests.wholeness import assert_whole

VERSION_2: Final = files("tests.ledger") / "version_2"


@pytest.fixture
def old_database(server: ServerAddress) -> Iterator[Database]:
    """As the program of schema version 2 left it."""
    with fresh_database(server, "template1") as database:
        with owner_of(database.owner_url) as owner:
            owner.execute((VERSION_2 / "dump.sql").read_text("utf-8").encode())
        yield database


def migrate(database: Database) -> None:
    with owner_of(database.owner_url) as owner:
        schema.lay(owner)
        lay_missing(owner, lambda _: None)


@pytest.fixture
def ledger(old_database: Database, tmp_path: Path) -> Iterator[Ledger]:
    """Today's program on it."""
    migrate(old_database)
    key_file = tmp_path / "key.json"
    with files("tests.ledger").joinpath("version_2/key.json").open("rb") as kept:
        key_file.write_bytes(kept.read())
    with running(old_database.app_url, key_file) as program:
        yield program.ledger


def test_every_fact_says_what_it_said(ledger: Ledger, old_database: Database) -> None:
    expected: list[dict[str, Any]] = json.loads((VERSION_2 / "facts.json").read_text("utf-8"))
    with owner_of(old_database.owner_url) as owner:
        rows = owner.execute(
            "SELECT clinic_id, position, aggregate_id, version, kind, state FROM ledger.entries"
            " ORDER BY clinic_id, position"
        ).fetchall()
    assert len(rows) == len(expected)
    for row, was in zip(rows, expected, strict=True):
        clinic_id, position, aggregate_id, version, fact_type, sealed = row
        assert (clinic_id, position, version) == (was["clinic"], was["position"], was["version"])
        assert (aggregate_id, fact_type) == (UUID(was["aggregate"]), was["fact_type"])
        [fact] = ledger.open(clinic_id, [SealedEntry(aggregate_id, version, fact_type, sealed)])
        assert _holds(json.loads(fact.model_dump_json()), was["fact"]), was


def _holds(now: Any, was: Any) -> bool:
    """Whether all that was said is still said; a newer shape may say more."""
    if isinstance(was, dict):
        return isinstance(now, dict) and all(_holds(now.get(name), was[name]) for name in was)
    if isinstance(was, list):
        return len(now) == len(was) and all(map(_holds, now, was))
    return bool(now == was)


def test_all_of_it_is_whole(ledger: Ledger, old_database: Database) -> None:
    with owner_of(old_database.owner_url) as owner:
        assert_whole(owner)
        assert schema.version(owner) == schema.VERSION


def test_ids_go_on_above_those_that_were_given(old_database: Database) -> None:
    """The old sequences gave their first block; a note with a greater id stands in clinic 1."""
    with owner_of(old_database.owner_url) as owner:
        clinics = owner.execute("SELECT clinic_id FROM ledger.ledger_head ORDER BY 1").fetchall()
        far = aggregate_id(Kind.NOTE, 70)
        owner.execute(
            "INSERT INTO ledger.entries SELECT 1, position + 1, %s, 1, 'note-drafted/1', '\\x00'"
            " FROM ledger.ledger_head WHERE clinic_id = 1",
            (far,),
        )
    migrate(old_database)
    with Datastore(old_database.app_url) as datastore:
        ids = Ids(datastore)
        kinds = (Kind.NOTE, Kind.SOAP_NOTE, Kind.GENERATION, Kind.PERSON)
        assert [ids.next(1, kind) for kind in kinds] == [71, 21, 21, 1_000_001]
        for (clinic_id,) in clinics[1:]:
            assert [ids.next(clinic_id, kind) for kind in kinds] == [21, 21, 21, 1_000_001]
        assert ids.next(99, Kind.NOTE) == 1, "a clinic that is added later begins at 1"


def test_it_is_laid_again_at_will(old_database: Database) -> None:
    migrate(old_database)
    with owner_of(old_database.owner_url) as owner:
        assert schema.steps_ahead(owner) == []
    migrate(old_database)


def test_the_steps_that_are_ahead_are_named(old_database: Database) -> None:
    with owner_of(old_database.owner_url) as owner:
        assert schema.version(owner) == 2
        assert schema.steps_ahead(owner) == [step for step in schema.steps() if step.version > 2]


def test_a_step_that_fails_leaves_the_version_before_it(server: ServerAddress) -> None:
    good, bad = schema.Step(901, "good", "CREATE TABLE one (id int)"), schema.Step(902, "bad", "?")
    known = [*schema.steps(), good]
    with fresh_database(server, "template1") as database, owner_of(database.owner_url) as owner:
        with pytest.raises(psycopg.errors.SyntaxError):
            schema.lay(owner, [*known, bad])
        assert schema.version(owner) == 901
        schema.lay(owner, known)
        assert schema.version(owner) == 901


def test_steps_are_numbered_once_and_say_what_they_do() -> None:
    numbers = [step.version for step in schema.steps()]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == schema.VERSION
    assert all(step.title and not step.title.startswith("--") for step in schema.steps())
