"""One run of a job: under a lock, counted, and given up after a bounded number of starts.

A start is counted before the job begins: if the job ends its worker, the count is there. The queue
tries a failed job again. A permanent failure, or one start too many, is recorded as a fact with its
reason.
"""

import logging
from typing import Final

from dramatiq.middleware import Shutdown, TimeLimitExceeded

from domain.refusals import Refused
from domain.work import WhyFailed
from handlers.job_context import JobContext, PermanentFailure, RetryableFailure
from handlers.jobs import JOB_HANDLERS
from handlers.open_jobs import OpenJobs
from handlers.policies import Job
from ledger.database import UNREACHABLE, Datastore
from ledger.locks import try_lock

log = logging.getLogger("noteledger.handlers")

STARTS_MAX: Final = 5


class Runs:
    """Runs jobs, each under a lock of its own."""

    def __init__(self, datastore: Datastore, open_jobs: OpenJobs, context: JobContext) -> None:
        self._datastore = datastore
        self._open_jobs = open_jobs
        self._context = context

    def run(self, job: Job) -> None:
        """Run the job, unless nothing is left to do. Raises errors after which the queue tries again.

        Does nothing while another worker runs the job; if that one dies, its message comes back.
        """
        with try_lock(self._datastore, "job", *job) as conn:
            if conn is None:
                return
            if not JOB_HANDLERS[job.name].is_wanted(self._context, job):
                self._open_jobs.close(job)
                return
            starts = self._open_jobs.start(job)
            if starts > STARTS_MAX:
                self._give_up(job, self._open_jobs.why(job) or WhyFailed.ENDED_ITS_WORKER)
                return
            self._try(job, starts)

    def _try(self, job: Job, starts: int) -> None:
        try:
            JOB_HANDLERS[job.name].run(self._context, job)
        except (Shutdown, *UNREACHABLE):
            self._open_jobs.take_back_start(job)
            raise
        except TimeLimitExceeded:
            self._give_up(job, WhyFailed.TOOK_TOO_LONG)
        except PermanentFailure as failure:
            self._give_up(job, failure.why)
        except Exception as error:
            why = error.why if isinstance(error, RetryableFailure) else WhyFailed.BROKE
            if starts >= STARTS_MAX:
                log.exception("the job %s was given up", job.name)
                self._give_up(job, why)
                return
            self._open_jobs.broke(job, why)
            raise
        else:
            self._open_jobs.close(job)

    def _give_up(self, job: Job, why: WhyFailed) -> None:
        try:
            JOB_HANDLERS[job.name].give_up(self._context, job, why)
        except Refused:  # deleted in the meantime: no failure to record
            log.info("the job %s is not wanted any more", job.name)
        self._open_jobs.close(job)
