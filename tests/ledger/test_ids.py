"""Public ids: each clinic counts its own, and none comes twice, whoever asks and whoever crashes."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import psycopg
from psycopg.rows import TupleRow

from domain.value import Kind
from ledger.database import Datastore
from ledger.ids import BLOCK, Ids
from ledger.ledger import Ledger
from tests.databases import Database, Program
from tests.samples import CLINIC, ELSEWHERE

CHECKOUT: Final = Path(__file__).parents[2]
TAKE_AND_DIE: Final = """
import os, sys
from domain.value import Kind
from ledger.database import Datastore
from ledger.ids import Ids
ids = Ids(Datastore(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    print(ids.next(1, Kind.NOTE), flush=True)
os.kill(os.getpid(), 9)
"""


def test_no_id_comes_twice(program: Program, database: Database) -> None:
    with Datastore(database.app_url) as datastore, ThreadPoolExecutor(8) as threads:
        processes = [program.ledger.ids, Ids(datastore)]
        given = list(
            threads.map(lambda n: processes[n % 2].next(CLINIC, Kind.NOTE), range(BLOCK * 10))
        )
    assert len(set(given)) == len(given)
    assert min(given) == 1


def test_of_two_processes_that_are_killed_none_gave_what_another_gave(database: Database) -> None:
    taken = BLOCK + 3
    command = [sys.executable, "-P", "-c", TAKE_AND_DIE, database.app_url, str(taken)]
    environment = {"PYTHONPATH": str(CHECKOUT)}
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    given = [int(line) for process in both for line in process.communicate(timeout=60)[0].split()]
    assert len(set(given)) == len(given) == 2 * taken
    with Datastore(database.app_url) as datastore:
        assert Ids(datastore).next(CLINIC, Kind.NOTE) == 4 * BLOCK + 1, "two blocks each"


def test_kinds_and_clinics_count_apart(ledger: Ledger) -> None:
    kinds = (Kind.NOTE, Kind.SOAP_NOTE, Kind.GENERATION)
    assert [ledger.ids.next(CLINIC, kind) for kind in kinds] == [1, 1, 1]
    assert [ledger.ids.next(CLINIC, kind) for kind in kinds] == [2, 2, 2]
    assert [ledger.ids.next(ELSEWHERE, kind) for kind in kinds] == [1, 1, 1]


def test_ids_of_persons_are_above_those_that_are_given_by_hand(
    ledger: Ledger, database: Database
) -> None:
    assert [ledger.ids.next(CLINIC, Kind.PERSON) for _ in range(2)] == [1_000_001, 1_000_002]
    with Datastore(database.app_url) as datastore:
        assert Ids(datastore).next(CLINIC, Kind.PERSON) == 1_000_003
        assert Ids(datastore).next(ELSEWHERE, Kind.PERSON) == 1_000_001


def test_a_counter_is_the_clinics_own_row(
    ledger: Ledger, owner: psycopg.Connection[TupleRow]
) -> None:
    ledger.ids.next(ELSEWHERE, Kind.NOTE)
    rows = owner.execute(
        "SELECT kind, next_id FROM ledger.id_counters WHERE clinic_id = %s", (ELSEWHERE,)
    ).fetchall()
    assert rows == [("note", BLOCK + 1)]
