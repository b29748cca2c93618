"""What a save costs late in a note's life: `python -m tests.benchmarks.long_lives`.

Saves go in turn to a note at version 2 and to a note at version 1,000 (and a few more, as they are
saved), in one process. Prints the medians and the ratio; `--cold` empties what the process keeps
between saves, so that each save reads the whole note.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

from domain.note import NOTE
from ledger.outlines import Outlines
from runtime import wiring
from runtime.embedded import embedded_postgres
from runtime.settings import Settings
from tests.benchmarks.seeding import CLINIC, lay
from tests.samples import create, enter_directory, save

LONG: int = 1
LONG_VERSIONS: int = 1_000


def main() -> None:
    """Build the long note, then save in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--cold", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="noteledger-bench-") as directory:
        Path(directory).chmod(0o711)
        state = Path(directory) / "state"
        with embedded_postgres(state) as address:
            lay(address)
            with wiring.build(Settings(state=state), address.app_url) as system:
                ledger = system.services.ledger
                enter_directory(ledger, CLINIC)
                ledger.record(CLINIC, NOTE, LONG, create())
                for n in range(2, LONG_VERSIONS):
                    ledger.record(CLINIC, NOTE, LONG, save(f"slept {n}"))
                seconds: dict[str, list[float]] = {"version 2": [], "version 1,000": []}
                for n in range(2, asked.rounds + 2):
                    ledger.record(CLINIC, NOTE, n, create())
                    for name, note_id in (("version 2", n), ("version 1,000", LONG)):
                        if asked.cold:
                            ledger._outlines = Outlines(system.datastore)
                        begin = time.perf_counter()
                        ledger.record(CLINIC, NOTE, note_id, save(f"slept well {n}"))
                        seconds[name].append(time.perf_counter() - begin)
    for name, all_of_it in seconds.items():
        print(f"{name:16}{median(all_of_it) * 1e3:8.2f} ms")
    ratios = [late / early for early, late in zip(*seconds.values(), strict=True)]
    print(f"ratio of each pair, median: {median(ratios):.2f}")


if __name__ == "__main__":
    main()
