"""The process is killed at every moment of an append: before and after each statement and COMMIT."""

import subprocess
import sys
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from domain.note import NOTE
from domain.value import Kind
from tests.databases import Database, Program, running
from tests.ledger import crashing
from tests.samples import ALMA, CLINIC, caller, create
from tests.wholeness import assert_whole

CHECKOUT = Path(__file__).parents[2]
STATEMENTS_MIN = 6
"""Of an append with a file and a claim: head, entries, claim, file, and two views at least."""

Owner = psycopg.Connection[TupleRow]


def test_nothing_acknowledged_is_missing_and_nothing_doubled(
    database: Database, key_file: Path, owner: Owner
) -> None:
    told = _killed_at_every_moment(database, key_file)
    *deaths, survivor = [int(line.split()[1]) for line in told if line.startswith("ack")]
    steps = range(1, len(deaths) + 1)
    assert told[-1] == f"survived {len(steps) + 1}"
    assert len(steps) >= 2 * STATEMENTS_MIN + 2

    assert_whole(owner)
    _assert_no_file_hangs_loose(owner)
    with running(database.app_url, key_file) as program:
        for note_id in (*deaths, survivor):
            assert _is_there(program, note_id), "what was acknowledged is there"
        stored = [_is_there(program, crashing.dying_note(step)) for step in steps]
        assert stored == [False] * (len(steps) - 1) + [True], "all of it from COMMIT on, or nothing"

        # Whoever got no answer sends it again, with the same Idempotency-Key.
        for step, was_stored in zip(steps, stored, strict=True):
            fresh = 1000 + step
            again = program.ledger.record(CLINIC, NOTE, fresh, create(), (), crashing.claim(step))
            assert again.number == (crashing.dying_note(step) if was_stored else fresh)
            assert (again.position is None) == was_stored
    assert_whole(owner)


def _killed_at_every_moment(database: Database, key_file: Path) -> list[str]:
    """What the processes said until they died."""
    command = (sys.executable, "-m", "tests.ledger.crashing", database.app_url, str(key_file))
    ran = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.splitlines()


def _is_there(program: Program, note_id: int) -> bool:
    return program.notes.find(caller(ALMA), Kind.NOTE, note_id) is not None


def _assert_no_file_hangs_loose(owner: Owner) -> None:
    [(files, claims)] = owner.execute(
        "SELECT (SELECT count(*) FROM ledger.attachments), (SELECT count(*) FROM ledger.claims)"
    ).fetchall()
    assert files == claims, "each save that died had one of each"
