"""A worker as a process of its own, for tests and figures: its jobs write their runs to a file."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, current_thread
from typing import NamedTuple

from dramatiq.worker import WorkerThread

from handlers.queue import declare, open_queue
from handlers.workers import running_worker

CHECKOUT = Path(__file__).parents[2]
TIME_LIMIT_MS = 120_000


class Line(NamedTuple):
    """A job's run, as its worker wrote it."""

    worker: int
    what: str
    number: int


class RunLog:
    """The file that workers write to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()

    def write(self, what: str, number: int) -> None:
        """Append a line, in one write."""
        with self._path.open("a") as file:
            file.write(f"{os.getpid()} {what} {number}\n")

    def lines(self) -> list[Line]:
        """All lines so far."""
        parts = (line.split() for line in self._path.read_text().splitlines())
        return [Line(int(worker), what, int(number)) for worker, what, number in parts]

    def of(self, what: str) -> list[Line]:
        """The lines of one kind."""
        return [line for line in self.lines() if line.what == what]


@contextmanager
def worker(url: str, path: Path, threads: int = 1) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process on the queue; killed afterwards where it still runs."""
    command = [sys.executable, "-m", "tests.handlers.worker_program", str(path), str(threads)]
    with subprocess.Popen(command, cwd=CHECKOUT, env={**os.environ, "BROKER_URL": url}) as process:
        try:
            yield process
        finally:
            process.kill()


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Whether the condition becomes true in time."""
    deadline = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return held


def until_asked_to_stop() -> None:
    """In a job: wait until its worker begins no other."""
    thread = current_thread()
    assert isinstance(thread, WorkerThread)
    while thread.running:
        time.sleep(0.01)


def main() -> None:
    """`share` waits for a second worker, `hold` for the stop; `hang` ends only if begun before."""
    log, threads = RunLog(Path(sys.argv[1])), int(sys.argv[2])
    ended = Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())

    def share(number: int) -> None:
        log.write("begun", number)
        while len({line.worker for line in log.of("begun")}) < 2:
            time.sleep(0.01)
        log.write("done", number)

    def hold(number: int) -> None:
        log.write("begun", number)
        until_asked_to_stop()
        log.write("done", number)

    def hang(number: int) -> None:
        was_begun = any(line.number == number for line in log.of("begun"))
        log.write("begun", number)
        while not was_begun:
            time.sleep(0.05)
        log.write("done", number)

    queue = open_queue(os.environ["BROKER_URL"])
    for job in (share, hold, hang):
        declare(queue, job.__name__, job, time_limit_ms=TIME_LIMIT_MS)
    with running_worker(queue, threads):
        log.write("ready", 0)
        ended.wait()


if __name__ == "__main__":
    main()
