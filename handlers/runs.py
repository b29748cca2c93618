"""A run of a job: alone, counted, and given up after a bounded number of starts.

A job that ends its worker is counted before it begins, so that the next start knows. What fails is
tried again by the queue; what fails for good, or too often, becomes a fact with its reason.
"""

import logging
from typing import Final

from dramatiq.middleware import Shutdown, TimeLimitExceeded

from domain.refusals import PersonIsErased, Refused
from domain.work import WhyFailed
from handlers.jobs import JOB_HANDLERS, JobContext, PermanentFailure, RetryableFailure
from handlers.open_jobs import OpenJobs
from handlers.policies import Job
from ledger.database import UNREACHABLE, Datastore
from ledger.locks import try_lock

log = logging.getLogger("noteledger.handlers")

STARTS_MAX: Final = 5


class Runs:
    """Runs jobs, whoever sent them."""

    def __init__(self, datastore: Datastore, open_jobs: OpenJobs, context: JobContext) -> None:
        self._datastore = datastore
        self._open_jobs = open_jobs
        self._context = context

    def run(self, job: Job) -> None:
        """Do it, unless it is done. Raises what the queue shall try again.

        Where another worker is at it, that one finishes; if it dies, its own message comes back.
        """
        with try_lock(self._datastore, "job", *job) as conn:
            if conn is None:
                return
            # Counted before anything is looked at: what breaks is given up, wherever it breaks.
            starts = self._open_jobs.start(job)
            if starts > STARTS_MAX:
                self._give_up(job, self._open_jobs.why(job) or WhyFailed.ENDED_ITS_WORKER)
                return
            self._try(job, starts)

    def _try(self, job: Job, starts: int) -> None:
        try:
            if JOB_HANDLERS[job.name].is_wanted(self._context, job):
                JOB_HANDLERS[job.name].run(self._context, job)
        except PersonIsErased:  # nothing is recorded about them any more, and nobody waits for it
            self._open_jobs.close(job)
        except (Shutdown, *UNREACHABLE):
            self._open_jobs.take_back_start(job)
            raise
        except TimeLimitExceeded:
            self._give_up(job, WhyFailed.TOOK_TOO_LONG)
        except PermanentFailure as given_up:
            self._give_up(job, given_up.why)
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
        except Refused:  # deleted or erased in between: nobody waits for it any more
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
