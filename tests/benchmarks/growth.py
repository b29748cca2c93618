"""What a save costs as the ledger grows: `python -m tests.benchmarks.growth`.

Measures creating notes of 1 KB by 32 threads through the ledger, at 10,000, 100,000 and 500,000
stored entries, each in turn with a second ledger on the same server that stays small: a slow
minute of the machine hits both. Between the measurements the ledger is filled by the same code in
large transactions.
"""

import argparse
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
from psycopg.rows import tuple_row

from domain.aggregates import aggregate_id
from domain.note import NOTE, CreateNote, Draft, decide
from domain.value import By, Kind, Role
from ledger.appender import write_additions
from ledger.codec import entry_associated_data, seal_fact
from ledger.entry import Addition, NewEntry
from projections.rebuild import VIEWS
from runtime import wiring
from runtime.embedded import ServerAddress, embedded_postgres
from runtime.settings import Settings
from runtime.wiring import System
from tests.benchmarks.seeding import (
    CLINIC,
    SEEDED_TYPE,
    TEXT,
    Seeded,
    client_ids,
    lay,
    seed_people,
)

SMALL: Final = 10_000
SIZES: Final = (SMALL, 100_000, 500_000)
BATCH: Final = 250
THREADS: Final = 32
ROUNDS: Final = 9


NewNote = tuple[int, CreateNote]
"""Its id, and the command that makes it."""


def creates(system: System, seeded: Seeded) -> Iterator[NewNote]:
    """New notes, of all clients in turn."""
    for client in itertools.cycle(client_ids()):
        therapist = seeded.therapist_of(client).user_id
        create = CreateNote(
            by=By(user_id=therapist, role=Role.THERAPIST),
            at=system.services.clock(),
            client_user_id=client,
            therapist_user_id=therapist,
            therapist_client_id=seeded.relationship_of(client),
            record_type=SEEDED_TYPE,
            draft=Draft(text=TEXT),
        )
        yield system.services.ledger.ids.next(CLINIC, Kind.NOTE), create


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


def fill(system: System, notes: Iterator[NewNote], size: int) -> None:
    """Append until the ledger holds `size` entries."""
    writers = [view.write for view in VIEWS]
    while (missing := size - stored(system)) > 0:
        batch = itertools.islice(notes, min(BATCH, missing))
        additions = [_addition(system, *new) for new in batch]
        with system.datastore.as_ledger() as conn, conn.transaction():
            write_additions(conn.cursor(row_factory=tuple_row), additions, writers)


def _addition(system: System, note_id: int, command: CreateNote) -> Addition:
    aggregate = aggregate_id(Kind.NOTE, note_id)
    [fact] = decide(note_id, None, command)
    key = system.services.keys.for_sealing(CLINIC, fact.subject())
    state = seal_fact(key, entry_associated_data(CLINIC, aggregate, 1, fact.fact_type), fact)
    return Addition(CLINIC, aggregate, (NewEntry(1, fact, state),))


def measure(system: System, notes: Iterator[NewNote], saves: int) -> float:
    """Microseconds a save."""
    record = system.services.ledger.record
    commands = list(itertools.islice(notes, saves))
    with ThreadPoolExecutor(THREADS) as threads:
        began = time.perf_counter()
        list(threads.map(lambda new: record(CLINIC, NOTE, *new), commands))
        return (time.perf_counter() - began) / saves * 1e6


@contextmanager
def grown(address: ServerAddress, state: Path) -> Iterator[tuple[System, Iterator[NewNote]]]:
    """A ledger of its own, with SMALL entries, and the notes to fill it further."""
    lay(address)
    with wiring.build(Settings(state=state), address.app_url) as system:
        notes = creates(system, seed_people(system))
        fill(system, notes, SMALL)
        yield system, notes


def other_database(address: ServerAddress) -> ServerAddress:
    """A second database of the same server."""
    with psycopg.connect(address.owner_url, autocommit=True) as conn:
        conn.execute("CREATE DATABASE growing")
    urls = (address.owner_url, address.app_url)
    return ServerAddress(*(url.replace("/noteledger?", "/growing?") for url in urls))


def main() -> None:
    """Fill, measure in turn, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--saves", type=int, default=1_000, help="saves in each round")
    saves = parser.parse_args().saves
    server_core, own_core = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, {own_core})
    with tempfile.TemporaryDirectory(prefix="noteledger-growth-") as directory:
        Path(directory).chmod(0o711)  # started by root, the server runs as somebody else
        state = Path(directory) / "state"
        with (
            embedded_postgres(state, cpu=server_core) as address,
            grown(address, state) as (small, small_notes),
            grown(other_database(address), state / "growing") as (large, large_notes),
        ):
            print(f"{'entries':>10}{'us a save':>12}{'small one':>12}{'ratio':>8}  (from, to)")
            for size in SIZES:
                fill(large, large_notes, size)
                with psycopg.connect(address.owner_url, autocommit=True) as conn:
                    conn.execute("CHECKPOINT")
                rounds = [
                    (measure(large, large_notes, saves), measure(small, small_notes, saves))
                    for _ in range(ROUNDS)
                ]
                ratios = sorted(a / b for a, b in rounds)
                us_large, us_small = (
                    statistics.median(column) for column in zip(*rounds, strict=True)
                )
                print(
                    f"{size:10,}{us_large:12.0f}{us_small:12.0f}{statistics.median(ratios):8.2f}"
                    f"  ({ratios[0]:.2f}, {ratios[-1]:.2f})",
                    flush=True,
                )


if __name__ == "__main__":
    main()
