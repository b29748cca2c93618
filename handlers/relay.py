"""Send each entry's jobs, then move the bookmark; and send again what was sent and never ended.

A crash between sending and the bookmark sends a job again; that is why every job may run twice.
A queue that lost its memory loses nothing: the sweeper finds the jobs in the table.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Final

from handlers.open_jobs import OpenJobs
from handlers.policies import Job, jobs_for
from ledger.bookmark import TryLater
from ledger.database import UNREACHABLE, Datastore
from ledger.entry import Entry
from ledger.locks import try_lock

log = logging.getLogger("noteledger.handlers")

FOLLOWER: Final = "relay"
SWEEP_SECONDS: Final = 5.0

Send = Callable[[Sequence[Job]], None]
"""Puts jobs into the queue. Raises TryLater where it cannot be reached."""


class Relay:
    """What the follower of the ledgers does with the entries."""

    def __init__(self, open_jobs: OpenJobs, send: Send) -> None:
        self._open_jobs = open_jobs
        self._send = send

    def take(self, entries: Sequence[Entry]) -> None:
        """Remember the jobs, then send them. If we stop in between, the sweeper sends them."""
        asked = [(job, entry.position) for entry in entries for job in jobs_for(entry)]
        if asked:
            self._open_jobs.ask(asked)
            jobs = [job for job, _ in asked]
            self._send(jobs)
            self._open_jobs.sent(jobs)


class Sweeper:
    """Sends again what has neither finished, failed nor been cancelled; one process at a time.

    `length` tells how many messages the queue holds, those under way included.
    """

    def __init__(
        self, datastore: Datastore, open_jobs: OpenJobs, send: Send, length: Callable[[], int]
    ) -> None:
        self._datastore = datastore
        self._open_jobs = open_jobs
        self._send = send
        self._length = length

    def sweep(self) -> int:
        """Once; how many jobs were sent again."""
        with try_lock(self._datastore, "sweeper") as conn:
            if conn is None:
                return 0
            overdue = self._open_jobs.overdue()
            # A message for each open job: none is lost, they only have to wait for each other.
            if not overdue or self._length() >= self._open_jobs.count():
                return 0
            self._send(overdue)
            self._open_jobs.sent(overdue)
            return len(overdue)

    def keep_sweeping(self, stop: threading.Event) -> None:
        """Until `stop` is set."""
        while not stop.wait(SWEEP_SECONDS):
            try:
                self.sweep()
            except (TryLater, *UNREACHABLE) as late:
                log.warning("the sweeper waits: %s", type(late).__name__)
            except Exception:
                log.exception("the sweeper met an error, and goes on")
