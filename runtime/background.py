"""The background work, built and run: the follower and the sweeper, the worker's threads, or both.

With a broker of the operator's they are programs of their own, any number of each: followers lead
one at a time, and each job is one worker's at a time. Otherwise all of it runs in the service.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Event, Thread
from typing import Final, TypeVar

from domain.value import Kind
from domain.work import JobName
from handlers import deidentify
from handlers.deidentify import Names
from handlers.job_context import JobContext
from handlers.jobs import JOB_HANDLERS
from handlers.metrics import JobMetrics, QueueMetrics, StoppedMetrics
from handlers.open_jobs import OpenJobs
from handlers.policies import Job
from handlers.queue import JobQueue, QueueIsAwayError, declare, open_queue, send
from handlers.relay import FOLLOWER, Relay, Sweeper
from handlers.runs import STARTS_MAX, Runs
from handlers.workers import running_worker
from ledger.bookmark import Follower, TryLater
from projections.people import People
from projections.transcripts import DraftSources
from runtime.drafting import drafting
from runtime.settings import Settings
from runtime.wiring import System

JOIN_SECONDS_MAX: Final = 10.0
WAITING_MAX: Final = 50_000
"""Jobs in the queue above which no more are sent; some 15 MB. The others wait in the ledger."""

Made = TypeVar("Made")


@dataclass(frozen=True)
class Background:
    """The queue, and what is remembered beside it."""

    queue: JobQueue
    open_jobs: OpenJobs


@contextmanager
def opened(system: System, broker_url: str | None) -> Iterator[Background]:
    """The queue of the broker at `broker_url`, or in memory; its figures are in the metrics."""
    registry = system.services.metrics
    with closing(open_queue(broker_url, JobMetrics(registry))) as queue:
        open_jobs = OpenJobs(system.datastore)
        registry.register(QueueMetrics(queue, open_jobs.oldest_seconds))
        registry.register(StoppedMetrics(system.services.stopped))
        yield Background(queue, open_jobs)


@contextmanager
def following(system: System, background: Background) -> Iterator[None]:
    """Relay and sweeper run in the block, or stand by where another process leads."""
    send_all = partial(_send_all, background.queue)
    relay = Relay(background.open_jobs, send_all)
    sweeper = Sweeper(
        system.datastore, background.open_jobs, send_all, partial(_length, background.queue)
    )
    follower = Follower(system.datastore, FOLLOWER, relay.take)
    stop = Event()
    threads = [
        Thread(target=follower.follow, args=(stop,), name="relay", daemon=True),
        Thread(target=sweeper.keep_sweeping, args=(stop,), name="sweeper", daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(JOIN_SECONDS_MAX)


@contextmanager
def working(settings: Settings, system: System, background: Background) -> Iterator[None]:
    """Jobs are done in the block."""
    runs = Runs(system.datastore, background.open_jobs, job_context(settings, system))

    def run(name: str, clinic_id: int, kind: str, number: int, version: int) -> None:
        runs.run(Job(clinic_id, JobName(name), Kind(kind), number, version))

    for name, handler in JOB_HANDLERS.items():
        declare(
            background.queue,
            name,
            partial(run, name),
            time_limit_ms=handler.time_limit_ms,
            retries_max=STARTS_MAX,
        )
    with running_worker(background.queue, settings.worker_threads):
        yield


def job_context(settings: Settings, system: System) -> JobContext:
    """What the jobs work with. The models are loaded when the first job needs them."""
    ledger = system.workers_ledger
    people = People(system.datastore, ledger)
    deidentifier = _once(deidentify.load)

    def names(clinic_id: int, client_user_id: int, therapist_user_id: int) -> Names:
        around = people.around(clinic_id, client_user_id, therapist_user_id)
        return Names(
            client=(around.client,) if around.client else (),
            therapist=(around.therapist,) if around.therapist else (),
            others=around.others,
        )

    return JobContext(
        ledger=ledger,
        deidentifier=deidentifier,
        names=names,
        note_ids_to_draft_from=DraftSources(system.datastore).note_ids,
        draft=drafting(settings, deidentifier),
        clock=system.services.clock,
    )


def _send_all(queue: JobQueue, jobs: Sequence[Job]) -> None:
    """All of them, or an error. A full broker would hand out nothing either: it is never filled."""
    if _length(queue) > WAITING_MAX:
        raise TryLater
    try:
        for clinic_id, name, kind, number, version in jobs:
            send(queue, name, clinic_id, kind.value, number, version)
    except QueueIsAwayError as away:
        raise TryLater(str(away)) from away


def _length(queue: JobQueue) -> int:
    try:
        return queue.length()
    except QueueIsAwayError as away:
        raise TryLater(str(away)) from away


def _once(make: Callable[[], Made]) -> Callable[[], Made]:
    """Made when it is first asked for, by whichever thread; where that fails, tried again."""
    lock, made = threading.Lock(), list[Made]()

    def get() -> Made:
        with lock:
            if not made:
                made.append(make())
            return made[0]

    return get
