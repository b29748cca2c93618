"""A database that an earlier program left: it is brought to today's schema, and all of it opens."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest

from domain.aggregates import aggregate_id
from domain.data_keys import DataKeyMade, DataKeysDestroyed
from domain.value import Kind
from ledger import schema
from ledger.codec import read_clear
from ledger.database import Datastore
from ledger.ids import Ids
from ledger.ledger import Ledger
from ledger.outlines import SealedEntry
from projections.rebuild import VIEWS, lay_missing
from runtime import owner as owner_commands
from runtime.checks import Level
from runtime.embedded import ServerAddress
from runtime.ledger_checks import whole_findings
from tests.databases import Database, Program, fresh_database, owner_of, running
from tests.samples import ADAM, NOON
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
def program(old_database: Database, tmp_path: Path) -> Iterator[Program]:
    """Today's program on it."""
    migrate(old_database)
    key_file = tmp_path / "key.json"
    with files("tests.ledger").joinpath("version_2/key.json").open("rb") as kept:
        key_file.write_bytes(kept.read())
    with running(old_database.app_url, key_file) as program:
        yield program


@pytest.fixture
def ledger(program: Program) -> Ledger:
    """Its ledger."""
    return program.ledger


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
            "INSERT INTO ledger.entries SELECT 1, h.position + 1, %s, 1, e.kind, e.state"
            " FROM ledger.ledger_head h JOIN ledger.entries e USING (clinic_id)"
            " WHERE h.clinic_id = 1 AND e.kind = 'note-processing-failed/1'",
            (far,),
        )
        owner.execute("UPDATE ledger.ledger_head SET position = position + 1 WHERE clinic_id = 1")
    migrate(old_database)
    with Datastore(old_database.app_url) as datastore:
        ids = Ids(datastore)
        kinds = (Kind.NOTE, Kind.SOAP_NOTE, Kind.GENERATION, Kind.PERSON)
        assert [ids.next(1, kind) for kind in kinds] == [71, 21, 21, 1_000_001]
        for (clinic_id,) in clinics[1:]:
            assert [ids.next(clinic_id, kind) for kind in kinds] == [21, 21, 21, 1_000_001]
        assert ids.next(99, Kind.NOTE) == 1, "a clinic that is added later begins at 1"


def test_keys_that_had_no_fact_get_one_at_the_next_start(
    program: Program, old_database: Database
) -> None:
    with owner_of(old_database.owner_url) as owner:
        before = owner.execute("SELECT sum(position) FROM ledger.ledger_head").fetchone()
        waiting = owner.execute(
            "SELECT clinic_id, key_id, person_id FROM ledger.data_keys WHERE made_position IS NULL"
        ).fetchall()
        assert waiting
        with ThreadPoolExecutor(2) as threads:  # two processes start at once
            for started in [threads.submit(program.keys.record_old_keys) for _ in range(2)]:
                started.result()
        after = owner.execute("SELECT sum(position) FROM ledger.ledger_head").fetchone()
        assert before is not None
        assert after is not None
        assert after[0] - before[0] == len(waiting)
        told = owner.execute(
            "SELECT k.clinic_id, k.key_id, k.person_id, e.aggregate_id, e.kind, e.state"
            " FROM ledger.data_keys k JOIN ledger.entries e"
            " ON e.clinic_id = k.clinic_id AND e.position = k.made_position"
            " WHERE k.made_at IS NULL AND k.kek_epoch = 1"
        ).fetchall()
        assert_whole(owner)
    assert {row[:3] for row in told} == {tuple(row) for row in waiting}
    for _, key_id, person_id, aggregate, kind, state in told:
        fact = read_clear(kind, state)
        assert isinstance(fact, DataKeyMade)
        assert (fact.key_id, fact.person_id) == (key_id, person_id)
        assert aggregate == aggregate_id(Kind.DATA_KEYS, person_id)


def test_who_is_erased_before_that_is_erased_with_all_their_keys(
    program: Program, old_database: Database
) -> None:
    with owner_of(old_database.owner_url) as owner:
        row = owner.execute(
            "SELECT clinic_id, person_id FROM ledger.data_keys WHERE person_id <> 0 LIMIT 1"
        ).fetchone()
        assert row is not None
        clinic_id, person_id = row
        position = program.keys.destroy(clinic_id, person_id, ADAM, NOON)
        entry = owner.execute(
            "SELECT kind, state FROM ledger.entries WHERE clinic_id = %s AND position = %s",
            (row[0], position),
        ).fetchone()
        assert entry is not None
        fact = read_clear(*entry)
        assert isinstance(fact, DataKeysDestroyed)
        keys = owner.execute(
            "SELECT key_id FROM ledger.data_keys WHERE clinic_id = %s AND person_id = %s"
            " AND wrapped IS NULL ORDER BY key_id",
            tuple(row),
        ).fetchall()
        assert_whole(owner)
    assert fact.key_ids == tuple(key_id for (key_id,) in keys)


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


class TestPlan:
    """`noteledger migrate --plan`: the steps and views that are ahead, and nothing is done."""

    def test_all_that_is_ahead_is_named_and_not_done(self, old_database: Database) -> None:
        lines = owner_commands.plan(old_database.owner_url)
        ahead = [step for step in schema.steps() if step.version > 2]
        assert lines[: len(ahead)] == [f"step {one.version:03}: {one.title}" for one in ahead]
        assert lines[len(ahead) :] == [
            f"view {view.name}: laid anew from the ledger" for view in VIEWS
        ]
        with owner_of(old_database.owner_url) as owner:
            assert schema.version(owner) == 2
        assert owner_commands.plan(old_database.owner_url) == lines

    def test_an_empty_database(self, server: ServerAddress) -> None:
        with fresh_database(server, "template1") as database:
            lines = owner_commands.plan(database.owner_url)
            assert len(lines) == len(schema.steps()) + len(VIEWS)
            owner_commands.lay(database.owner_url, lambda _: None)
            assert owner_commands.plan(database.owner_url) == []


def test_a_migrated_database_is_what_a_fresh_one_is(old_database: Database) -> None:
    """Nothing is found by a check: grants, policies, keys, entries and rows are as laid today."""
    migrate(old_database)
    found = list(whole_findings(ServerAddress(old_database.owner_url, old_database.app_url)))
    assert {one.level for one in found} == {Level.RIGHT}, found
