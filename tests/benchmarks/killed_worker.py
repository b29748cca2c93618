"""How long a killed worker's job waits for another worker: kill -9 in the middle of it, again and again.

python -m tests.benchmarks.killed_worker --kills 20
"""

import argparse
import os
import signal
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

from handlers.queue import open_queue, send
from tests.brokers import broker_server
from tests.handlers.worker_program import Line, RunLog, within, worker

RUNS_AGAIN_SECONDS_MAX = 120.0


def main() -> None:
    """Print the waits, in seconds from the kill to the end of the second run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    kills = parser.parse_args().kills
    with tempfile.TemporaryDirectory() as directory, broker_server() as broker:
        waits = [_wait(broker.url, Path(directory, "runs"), number) for number in range(kills)]
    print(
        f"{kills} kills: run again after {min(waits):.1f} to {max(waits):.1f} s,"
        f" median {statistics.median(waits):.1f}"
    )


def _wait(url: str, path: Path, number: int) -> float:
    log = RunLog(path)
    with worker(url, path) as victim, worker(url, path) as other:
        victims, others = Line(victim.pid, "ready", 0), Line(other.pid, "ready", 0)
        assert within(60, lambda: {victims, others} <= set(log.lines()))
        with closing(open_queue(url)) as queue:
            send(queue, "hang", number)
        assert within(60, lambda: number in [line.number for line in log.of("begun")])
        [begun] = [line for line in log.of("begun") if line.number == number]
        os.kill(begun.worker, signal.SIGKILL)
        killed_at = time.monotonic()
        assert within(
            RUNS_AGAIN_SECONDS_MAX, lambda: number in [line.number for line in log.of("done")]
        )
        return time.monotonic() - killed_at


if __name__ == "__main__":
    main()
