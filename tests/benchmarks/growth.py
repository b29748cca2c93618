"""What a save costs as the ledger grows: `python -m tests.benchmarks.growth`.

Measures creating notes of 1 KB by 32 threads through the ledger, at 10,000, 100,000 and 500,000
stored entries of the same run, and prints the cost of a save and its ratio to the first. Between
the measurements the ledger is filled by the same code in large transactions.
"""

import argparse
import itertools
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import psycopg
from psycopg.rows import tuple_row

from domain.note import CreateNote, Draft, decide
from domain.value import By, Kind, Role, aggregate_id
from ledger.appender import write_additions
from ledger.codec import place, seal_fact
from ledger.entry import Addition, NewEntry
from projections.rebuild import VIEWS
from runtime import wiring
from runtime.embedded import embedded_postgres
from runtime.settings import Settings
from runtime.wiring import System
from tests.benchmarks.seeding import (
    CLINIC,
    RECORD_TYPE,
    TEXT,
    Seeded,
    client_ids,
    lay,
    seed_people,
)

SIZES: Final = (10_000, 100_000, 500_000)
BATCH: Final = 250
THREADS: Final = 32
ROUNDS: Final = 7


def creates(system: System, seeded: Seeded) -> Iterator[CreateNote]:
    """New notes, of all clients in turn."""
    for client in itertools.cycle(client_ids()):
        therapist = seeded.therapist_of(client).user_id
        yield CreateNote(
            by=By(user_id=therapist, role=Role.THERAPIST),
            at=system.parts.clock(),
            note_id=system.parts.ledger.ids.next(Kind.NOTE),
            client_user_id=client,
            therapist_user_id=therapist,
            therapist_client_id=seeded.relationship_of(client),
            record_type=RECORD_TYPE,
            draft=Draft(text=TEXT),
        )


def stored(system: System) -> int:
    """Entries in the ledger."""
    with system.datastore.get_connection() as conn:
        row = (
            conn.cursor(row_factory=tuple_row)
            .execute("SELECT position FROM ledger.ledger_head WHERE clinic_id = %s", (CLINIC,))
            .fetchone()
        )
    assert row is not None
    return int(row[0])


def fill(system: System, notes: Iterator[CreateNote], size: int) -> None:
    """Append until the ledger holds `size` entries."""
    writers = [view.write for view in VIEWS]
    while (missing := size - stored(system)) > 0:
        batch = itertools.islice(notes, min(BATCH, missing))
        additions = [_addition(system, command) for command in batch]
        with system.datastore.as_ledger() as conn, conn.transaction():
            write_additions(conn.cursor(row_factory=tuple_row), additions, writers)


def _addition(system: System, command: CreateNote) -> Addition:
    aggregate = aggregate_id(Kind.NOTE, command.note_id)
    [fact] = decide(None, command)
    key = system.parts.keys.for_sealing(CLINIC, fact.subject())
    state = seal_fact(key, place(CLINIC, aggregate, 1, fact.kind), fact)
    return Addition(CLINIC, aggregate, (NewEntry(1, fact, state),))


def measure(system: System, notes: Iterator[CreateNote], saves: int) -> tuple[float, float]:
    """Microseconds a save: elapsed, and CPU of this process. The median of several rounds."""
    record = system.parts.ledger.record
    elapsed, cpu = [], []
    with ThreadPoolExecutor(THREADS) as threads:
        for _ in range(ROUNDS):
            commands = list(itertools.islice(notes, saves))
            began, used = time.perf_counter(), _cpu_seconds()
            list(threads.map(lambda c: record(CLINIC, Kind.NOTE, c.note_id, c), commands))
            elapsed.append((time.perf_counter() - began) / saves * 1e6)
            cpu.append((_cpu_seconds() - used) / saves * 1e6)
    return statistics.median(elapsed), statistics.median(cpu)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--saves", type=int, default=1_000, help="saves in each of 7 rounds")
    saves = parser.parse_args().saves
    server_core, own_core = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, {own_core})
    with tempfile.TemporaryDirectory(prefix="noteledger-growth-") as directory:
        Path(directory).chmod(0o711)  # started by root, the server runs as somebody else
        state = Path(directory) / "state"
        with embedded_postgres(state, cpu=server_core) as address:
            lay(address)
            with wiring.build(Settings(state=state), address.app_url) as system:
                notes = creates(system, seed_people(system))
                print(f"{'entries':>10}{'us a save':>12}{'ratio':>8}{'of it CPU here':>17}")
                first = None
                for size in SIZES:
                    fill(system, notes, size)
                    with psycopg.connect(address.owner_url, autocommit=True) as conn:
                        conn.execute("VACUUM ANALYZE")
                        conn.execute("CHECKPOINT")
                    elapsed, cpu = measure(system, notes, saves)
                    first = first or elapsed
                    print(f"{size:10,}{elapsed:12.0f}{elapsed / first:8.2f}{cpu:17.0f}", flush=True)


if __name__ == "__main__":
    main()
