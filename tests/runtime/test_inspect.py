"""`noteledger inspect`: what is stored in the clear about one thing, and no word of it."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import TupleRow

from domain.aggregates import AGGREGATES, aggregate_id
from domain.note import NOTE
from domain.record_type import RECORD_TYPE, PutRecordType
from domain.session import SESSION
from domain.soap_note import SOAP_NOTE
from domain.value import Authentication, Kind
from ledger import clear_facts
from ledger.ledger import Ledger
from runtime.operator import the_operator
from tests.databases import Database
from tests.ledger.frozen import SAMPLES, stored_bytes
from tests.runtime.command_line import Result, in_here, on
from tests.samples import ALMA, CLINIC, NOON, SESSION_ID, after, create, delete, put_session, save

WORD = "quinceberry"
Inspect = Callable[..., Result]


@pytest.fixture
def inspect(database: Database, tmp_path: Path) -> Inspect:
    """Runs the command with a key file that is not there."""
    key_file = tmp_path / "no-key.json"

    def run(*arguments: str) -> Result:
        result = in_here("inspect", *arguments, env=on(database, key_file))
        assert not key_file.exists()
        return result

    return run


def heads(result: Result) -> list[list[str]]:
    """The first line of each fact, in its parts."""
    assert result.code == 0, result.error
    return [line.split("  ") for line in result.out.splitlines() if not line.startswith(" ")]


def test_each_fact_with_its_place_author_and_clear_fields(ledger: Ledger, inspect: Inspect) -> None:
    ledger.record(CLINIC, NOTE, 6, create(text=WORD))
    ledger.record(CLINIC, NOTE, 7, create(text=WORD))
    ledger.record(CLINIC, NOTE, 7, save(text=f"{WORD} again", at=after(1)))
    ledger.record(CLINIC, NOTE, 7, delete(at=after(2), reason=WORD))
    result = inspect("note", "7")
    by = f"user {ALMA.user_id} (therapist)"
    assert heads(result) == [
        ["version 1", "position 4", after(0).isoformat(), by, "note-drafted/2"],
        ["version 2", "position 5", after(1).isoformat(), by, "note-drafted/2"],
        ["version 3", "position 6", after(2).isoformat(), by, "note-soft-deleted/1"],
    ]
    assert result.out.count("\n    record_type: 2\n") == 3
    assert WORD not in result.out + result.error


def test_a_fact_of_a_former_shape_goes_by_the_name_that_it_was_stored_under(
    inspect: Inspect, owner: psycopg.Connection[TupleRow]
) -> None:
    [name] = [name for name, sample in SAMPLES.items() if sample.fact_type == "note-drafted/1"][:1]
    owner.execute(
        "INSERT INTO ledger.entries VALUES (%s, 1, %s, 1, 'note-drafted/1', %s)",
        (CLINIC, aggregate_id(Kind.NOTE, 7), stored_bytes()[name]),
    )
    [[_, _, _, _, stored_as]] = heads(inspect("note", "7"))
    assert stored_as == "note-drafted/1"


def test_however_many_facts_there_are(
    ledger: Ledger, inspect: Inspect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clear_facts, "PAGE_FACTS", 2)
    ledger.record(CLINIC, SOAP_NOTE, 7, create())
    for minutes in range(1, 5):
        ledger.record(CLINIC, SOAP_NOTE, 7, save(text=f"{minutes}", at=after(minutes)))
    assert [head[0] for head in heads(inspect("soap-note", "7"))] == [
        f"version {version}" for version in range(1, 6)
    ]


def test_things_of_other_kinds(ledger: Ledger, inspect: Inspect) -> None:
    ledger.record(CLINIC, SESSION, SESSION_ID, put_session())
    result = inspect("session", str(SESSION_ID))
    assert [head[-1] for head in heads(result)] == ["session-scheduled/2"]
    assert '\n    event_status: "Scheduled"\n' in result.out


@pytest.mark.parametrize("kind", [aggregate.kind for aggregate in AGGREGATES])
def test_what_is_not_recorded(inspect: Inspect, kind: Kind) -> None:
    result = inspect(kind, "7")
    assert (result.code, result.out) == (1, "")
    assert result.error == f"noteledger: Clinic 1 has no {kind} 7.\n"


def test_another_clinics_is_not_shown(ledger: Ledger, inspect: Inspect) -> None:
    ledger.record(CLINIC, NOTE, 7, create())
    assert inspect("note", "7", "--clinic", "2").error == "noteledger: Clinic 2 has no note 7.\n"


def test_a_kind_that_there_is_not(inspect: Inspect) -> None:
    result = inspect("letter", "7")
    assert result.code == 1
    assert "'letter' is no kind" in result.error
    assert all(aggregate.kind in result.error for aggregate in AGGREGATES)


def test_it_tells_who_acted_and_how_that_is_known(ledger: Ledger, inspect: Inspect) -> None:
    in_full = {"authentication": Authentication.TOKEN, "account": UUID(int=7), "request_id": "7f3c"}
    ledger.record(CLINIC, NOTE, 7, create(by=ALMA.model_copy(update=in_full)))
    put = PutRecordType(by=the_operator("Anna Vries"), at=NOON, name="Letter", description="")
    ledger.record(CLINIC, RECORD_TYPE, 7, put)
    [by] = [line[3] for line in heads(inspect("note", "7"))]
    assert by == f"user {ALMA.user_id} (therapist), by token, account {UUID(int=7)}, request 7f3c"
    [by] = [line[3] for line in heads(inspect("record-type", "7"))]
    assert by == 'operator "Anna Vries" (administrator), by operator'
