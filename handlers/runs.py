"""One run of a job: under a lock, counted, and given up after a bounded number of starts.

A start is counted before the job begins: if the job ends its worker, the count is there. The queue
tries a failed job again. A permanent failure, or one start too many, is recorded as a fact with its
reason.
"""

import logging
from dataclasses import replace
from typing import Final

from dramatiq.middleware import Shutdown, TimeLimitExceeded

from domain.refusals import PersonIsErased, Refused
from domain.work import WhyFailed
from handlers.job_context import JobContext, PermanentFailure, RetryableFailure
from handlers.jobs import JOB_HANDLERS
from handlers.open_jobs import OpenJobs
from handlers.policies import Job
from ledger.database import UNREACHABLE, Datastore
from ledger.locks import try_lock
from ledger.request_ids import new_request_id, under_way

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
        run_id = new_request_id()
        by = self._context.by.model_copy(update={"request_id": run_id})
        with under_way(run_id), try_lock(self._datastore, "job", *job) as conn:
            if conn is not None:
                self._run(job, replace(self._context, by=by))

    def _run(self, job: Job, context: JobContext) -> None:
        # Counted before anything is looked at: what breaks is given up, wherever it breaks.
        starts = self._open_jobs.start(job)
        if starts > STARTS_MAX:
            self._give_up(job, context, self._open_jobs.why(job) or WhyFailed.ENDED_ITS_WORKER)
            return
        self._try(job, context, starts)

    def _try(self, job: Job, context: JobContext, starts: int) -> None:
        try:
            if JOB_HANDLERS[job.name].is_wanted(context, job):
                JOB_HANDLERS[job.name].run(context, job)
        except PersonIsErased:  # nothing is recorded about them any more, and nobody waits for it
            self._open_jobs.close(job)
        except (Shutdown, *UNREACHABLE):
            self._open_jobs.take_back_start(job)
            raise
        except TimeLimitExceeded:
            self._give_up(job, context, WhyFailed.TOOK_TOO_LONG)
        except PermanentFailure as failure:
            self._give_up(job, context, failure.why)
        except Exception as error:
            why = error.why if isinstance(error, RetryableFailure) else WhyFailed.BROKE
            if starts >= STARTS_MAX:
                log.exception("the job %s was given up", job.name)
                self._give_up(job, context, why)
                return
            self._open_jobs.broke(job, why)
            raise
        else:
            self._open_jobs.close(job)

    def _give_up(self, job: Job, context: JobContext, why: WhyFailed) -> None:
        try:
            JOB_HANDLERS[job.name].give_up(context, job, why)
        except Refused:  # deleted or erased in the meantime: no failure to record
            log.info("the job %s is not wanted any more", job.name)
        except (Shutdown, *UNREACHABLE):
            self._open_jobs.take_back_start(job)
            raise
        except Exception as error:
            # That it failed cannot be recorded either. The job stays open, for an operator to see; it is
            # sent again ever more rarely (open_jobs.py), and not tried again by the queue meanwhile.
            log.error("the job %s cannot be given up: %s", job.name, type(error).__name__)
            return
        self._open_jobs.close(job)
