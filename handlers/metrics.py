"""Metrics for Prometheus: runs, failures and durations by job; the queue; stopped followers."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from dramatiq import Broker
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Middleware
from prometheus_client import CollectorRegistry, Counter, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from handlers.queue import JobQueue, QueueIsAwayError
from ledger.stopped import Stopped

BUCKETS_SECONDS: Final = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


class JobMetrics(Middleware):
    """Counts the runs of jobs in this process. Pass it to `open_queue`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._begun = threading.local()
        self._runs = Counter(
            "noteledger_job_runs", "Runs of jobs that have ended.", ["job"], registry=registry
        )
        self._failures = Counter(
            "noteledger_job_failures", "Runs that ended in an error.", ["job"], registry=registry
        )
        self._seconds = Histogram(
            "noteledger_job_duration_seconds",
            "How long runs of jobs took.",
            ["job"],
            buckets=BUCKETS_SECONDS,
            registry=registry,
        )

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """Note the time: a run begins in this thread."""
        self._begun.at = time.monotonic()

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        """Count the run that ended in this thread."""
        job = message.actor_name
        self._runs.labels(job).inc()
        self._seconds.labels(job).observe(time.monotonic() - self._begun.at)
        if exception is not None:
            self._failures.labels(job).inc()


class QueueMetrics(Collector):
    """The queue's metrics, read at each scrape. Pass it to `registry.register`.

    `oldest_seconds` returns the age of the oldest open job, or None.
    """

    def __init__(self, queue: JobQueue, oldest_seconds: Callable[[], float | None]) -> None:
        self._queue = queue
        self._oldest_seconds = oldest_seconds

    def describe(self) -> Iterator[Metric]:
        """No metrics: registering must not connect to the broker."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Without the length where the broker does not answer."""
        try:
            length: int | None = self._queue.length()
        except QueueIsAwayError:
            length = None
        is_up = "Whether the broker answers."
        yield GaugeMetricFamily("noteledger_broker_up", is_up, value=length is not None)
        if length is not None:
            jobs = "Jobs in the queue that nobody has finished: waiting, delayed or under way."
            yield GaugeMetricFamily("noteledger_queue_jobs", jobs, value=length)
        oldest = "Age of the oldest job that was asked for and is not done; 0 where there is none."
        yield GaugeMetricFamily(
            "noteledger_oldest_job_age_seconds", oldest, value=self._oldest_seconds() or 0.0
        )


class StoppedMetrics(Collector):
    """The clinics for which a follower has stopped, read at each scrape. Pass it to `registry.register`.

    `stopped` is `ledger.stopped.stopped` on the program's connections.
    """

    def __init__(self, stopped: Callable[[], Sequence[Stopped]]) -> None:
        self._stopped = stopped

    def describe(self) -> Iterator[Metric]:
        """No metrics: registering must not connect to the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """One sample for each stopped clinic; the family alone where there is none."""
        family = GaugeMetricFamily(
            "noteledger_follower_stopped_position",
            "Where a follower has stopped in a clinic's ledger, because the ledger is not whole.",
            labels=("follower", "clinic", "reason"),
        )
        for clinic_id, follower, position, reason in self._stopped():
            family.add_metric((follower, str(clinic_id), reason), position)
        yield family
