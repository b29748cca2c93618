"""What reading a file costs: milliseconds by kind, alone; files a second, as many at once as there are CPUs.

    python -m tests.benchmarks.documents [--rounds 30] [--storm 1000]

Each figure is a whole child process, from its start to its end. `--storm` lets that many files come at
once and shows the memory before and after.
"""

import argparse
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from handlers.documents import Documents, Read
from tests.handlers.documents import FILES, TESSERACT, file, readers

NAMES: Final = (
    "letter.txt",
    "letter.html",
    "letter.rtf",
    "letter.odt",
    "letter.docx",
    "word-tables.docx",
    "letter.pdf",
)
PICTURES: Final = ("picture.png", "scan.pdf")
BATCH_CHANGES: Final = 200
KIB: Final = 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--storm", type=int, default=0)
    asked = parser.parse_args()
    with readers(TESSERACT) as documents:
        print(f"isolation: {documents.isolation.sentence}; OCR: {'yes' if TESSERACT else 'no'}")
        print(f"{'file':20}{'KiB':>8}{'ms (median)':>14}{'10 %':>8}{'90 %':>8}{'CPU ms':>8}")
        names = NAMES + (PICTURES if TESSERACT else ())
        costs = _costs(documents, names, asked.rounds)
        for name in names:
            _show(name, costs[name])
        for name in ("letter.txt", "letter.docx", "letter.pdf"):
            rate = _rate(documents, file(name), asked.rounds * 2)
            print(f"{name}: {rate:.1f} files a second, {documents.limits.at_once} at once")
        if asked.storm:
            _storm(documents, asked.storm)


class Cost(NamedTuple):
    """Milliseconds that a file took, and those that a CPU worked on it."""

    wall: float
    cpu: float


def _costs(documents: Documents, names: tuple[str, ...], rounds: int) -> dict[str, list[Cost]]:
    """In turn, round by round, so that a busy machine is as busy for one as for the other."""
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            content, worked, start = file(name), _cpu_seconds(), time.perf_counter()
            documents.read(content)
            took = time.perf_counter() - start
            costs[name].append(Cost(1000 * took, 1000 * (_cpu_seconds() - worked)))
    return costs


def _cpu_seconds() -> float:
    """Of this process and of the children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _show(name: str, costs: list[Cost]) -> None:
    walls = [cost.wall for cost in costs]
    tenths, median = statistics.quantiles(walls, n=10), statistics.median(walls)
    cpu = statistics.mean(cost.cpu for cost in costs)  # the kernel counts in hundredths of a second
    size = (FILES / name).stat().st_size / KIB
    print(f"{name:20}{size:8.0f}{median:14.0f}{tenths[0]:8.0f}{tenths[-1]:8.0f}{cpu:8.0f}")


def _rate(documents: Documents, content: bytes, count: int) -> float:
    start = time.perf_counter()
    found = documents.read_all([content] * count)
    assert all(isinstance(read, Read) for read in found)
    return count / (time.perf_counter() - start)


def _storm(documents: Documents, count: int) -> None:
    before, start = _resident_mib(), time.perf_counter()
    with ThreadPoolExecutor(min(count, BATCH_CHANGES)) as crowd:
        found = list(crowd.map(documents.read, [b"slept well"] * count))
    seconds = time.perf_counter() - start
    print(
        f"{len(found)} files at once: {seconds:.1f} s; memory {before} MiB before, {_resident_mib()} after"
    )


def _resident_mib() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // (KIB * KIB)


if __name__ == "__main__":
    main()
