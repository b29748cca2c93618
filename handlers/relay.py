"""Send the jobs of each entry, then move the bookmark; send overdue jobs again.

A crash between sending and the bookmark sends a job again; that is why every job may run twice.
If the queue loses its messages, no job is lost: the sweeper finds the jobs in `ledger.open_jobs`.
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
"""Puts jobs into the queue. Raises TryLater where the broker cannot be reached."""


class Relay:
    """Takes the entries that the follower reads."""

    def __init__(self, open_jobs: OpenJobs, send: Send) -> None:
        self._open_jobs = open_jobs
        self._send = send

    def take(self, entries: Sequence[Entry]) -> None:
        """Write the jobs to the table, then send them. After a crash in between the sweeper sends them."""
        requested = [(job, entry.position) for entry in entries for job in jobs_for(entry)]
        if requested:
            self._open_jobs.ask(requested)
            jobs = [job for job, _ in requested]
            self._send(jobs)
            self._open_jobs.sent(jobs)


class Sweeper:
    """Sends overdue open jobs again; one process at a time.

    `length` returns the number of messages in the queue, with those of running jobs.
    """

    def __init__(
        self, datastore: Datastore, open_jobs: OpenJobs, send: Send, length: Callable[[], int]
    ) -> None:
        self._datastore = datastore
        self._open_jobs = open_jobs
        self._send = send
        self._length = length

    def sweep(self) -> int:
        """Sweep once. Returns the number of jobs that were sent."""
        with try_lock(self._datastore, "sweeper") as conn:
            if conn is None:
                return 0
            overdue = self._open_jobs.overdue()
            # There is a message for each open job: none is lost, they only wait for each other.
            if not overdue or self._length() >= self._open_jobs.count():
                return 0
            self._send(overdue)
            self._open_jobs.sent(overdue)
            return len(overdue)

    def keep_sweeping(self, stop: threading.Event) -> None:
        """Sweep again and again, until `stop` is set."""
        while not stop.wait(SWEEP_SECONDS):
            try:
                self.sweep()
            except (TryLater, *UNREACHABLE) as late:
                log.warning("the sweeper waits: %s", type(late).__name__)
            except Exception:
                log.exception("the sweeper met an error, and goes on")
