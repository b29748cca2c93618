"""What `noteledger check` costs: `python -m tests.benchmarks.checking --entries 1000000`.

Fills a ledger with notes of 1 KB, five versions each, by the writers of the views in large
transactions; then runs the command as a process of its own and prints how long it took, its largest
memory, and the largest memory of the server's process that worked for it.
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import psycopg
from psycopg.rows import tuple_row

from domain.aggregates import aggregate_id
from domain.note import NOTE, Draft, SaveNote, decide
from domain.note_facts import Note, NoteFact
from ledger.appender import write_additions
from ledger.codec import entry_associated_data, seal_fact
from ledger.entry import Addition, NewEntry
from projections.rebuild import VIEWS
from runtime import wiring
from runtime.embedded import embedded_postgres
from runtime.settings import ENV_PREFIX, Settings
from runtime.wiring import System
from tests.benchmarks.growth import creates, stored
from tests.benchmarks.seeding import CLINIC, TEXT, lay, seed_people

VERSIONS: Final = 5
NOTES_A_BATCH: Final = 200
POLL_SECONDS: Final = 0.05


def notes(system: System) -> Iterator[Addition]:
    """New notes, of all clients in turn, each drafted once and saved four times."""
    for note_id, create in creates(system, seed_people(system)):
        facts = decide(note_id, None, create)
        note: Note | None = None
        for fact in facts:
            note = NOTE.evolve(note, fact)
        for version in range(2, VERSIONS + 1):
            draft = Draft(text=f"{TEXT[:990]} {version}")
            save = SaveNote(by=create.by, at=create.at, draft=draft)
            [saved] = decide(note_id, note, save)
            note = NOTE.evolve(note, saved)
            facts = [*facts, saved]
        yield _addition(system, note_id, facts)


def _addition(system: System, note_id: int, facts: Sequence[NoteFact]) -> Addition:
    aggregate = aggregate_id(NOTE.kind, note_id)
    entries = []
    for version, fact in enumerate(facts, 1):
        key = system.services.keys.for_sealing(CLINIC, fact.subject())
        at = entry_associated_data(CLINIC, aggregate, version, fact.fact_type)
        entries.append(NewEntry(version, fact, seal_fact(key, at, fact)))
    return Addition(CLINIC, aggregate, tuple(entries))


def fill(system: System, size: int) -> None:
    """Append until the ledger holds at least `size` entries."""
    writers = [view.write for view in VIEWS]
    made = notes(system)
    while stored(system) < size:
        batch = list(itertools.islice(made, NOTES_A_BATCH))
        with system.datastore.as_ledger() as conn, conn.transaction():
            write_additions(conn.cursor(row_factory=tuple_row), batch, writers)


def peak_bytes(pid: int, ended: threading.Event, peaks: dict[str, int]) -> None:
    """Keep the largest anonymous memory of the process, and of any process of PostgreSQL."""
    while not ended.wait(POLL_SECONDS):
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
            except (OSError, ValueError):
                continue
            name = fields["Name"].strip()
            if "RssAnon" in fields and (name == "postgres" or status.parent.name == str(pid)):
                kind = "server" if name == "postgres" else "check"
                bytes_now = int(fields["RssAnon"].split()[0]) * 1024
                peaks[kind] = max(peaks.get(kind, 0), bytes_now)


def check(state: Path) -> tuple[float, dict[str, int]]:
    """Run the command; its seconds, and the largest memory of it and of the server, in bytes."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    peaks: dict[str, int] = {}
    ended = threading.Event()
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "runtime.cli", "check", "--state", str(state)], env=env
    ) as process:
        watch = threading.Thread(target=peak_bytes, args=(process.pid, ended, peaks))
        watch.start()
        code = process.wait()
        seconds = time.perf_counter() - began
        ended.set()
        watch.join()
    if code:
        raise SystemExit(f"the check ended with {code}")
    return seconds, peaks


def main() -> None:
    """Fill, check, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    entries = parser.parse_args().entries
    with tempfile.TemporaryDirectory(prefix="noteledger-checking-") as directory:
        Path(directory).chmod(0o711)  # started by root, the server runs as somebody else
        state = Path(directory) / "state"
        with embedded_postgres(state) as address:
            lay(address)
            with wiring.build(Settings(state=state), address.app_url) as system:
                began = time.perf_counter()
                fill(system, entries)
                size = stored(system)
                print(f"{size:,} entries made in {time.perf_counter() - began:.0f} s", flush=True)
            with psycopg.connect(address.owner_url, autocommit=True) as conn:
                conn.execute("VACUUM ANALYZE")
            seconds, peaks = check(state)
    megabytes = {kind: round(peak / 2**20) for kind, peak in peaks.items()}
    print(f"{size:,} entries checked in {seconds:.1f} s; largest memory in MiB: {megabytes}")


if __name__ == "__main__":
    main()
