"""Threads of this process that run the jobs of the queue."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Final

from dramatiq import Broker, Worker

LOOK_MS: Final = 100
"""How often an idle worker asks the broker for jobs, and sends its heartbeat."""
WATCH_SECONDS: Final = 2.0
INTERRUPTED_MS_MAX: Final = 5_000


@contextmanager
def running_worker(queue: Broker, threads: int, stop_seconds: float = 20.0) -> Iterator[None]:
    """Run jobs while the block runs; one block for each opened queue.

    At the end of the block no job begins. Running jobs have `stop_seconds` to finish; then they are
    interrupted (`dramatiq.middleware.Shutdown` is raised in them) and run again later.
    """
    worker = Worker(queue, worker_threads=threads, worker_timeout=LOOK_MS)
    # One job in reserve. The default, one for each thread, lets jobs wait behind a long one while
    # another worker is idle.
    worker.queue_prefetch = threads + 1
    queue.emit_after("process_boot")  # starts the time limits, as Dramatiq's own program does
    worker.start()
    ended = Event()
    watch = Thread(target=_replace_dead_threads, args=(worker, ended), name="workers", daemon=True)
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join()
        _stop(worker, stop_seconds)


def _stop(worker: Worker, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for thread in worker.workers:
        thread.stop()
    for thread in worker.workers:
        thread.join(max(0.0, deadline - time.monotonic()))
    worker.stop(INTERRUPTED_MS_MAX)


def _replace_dead_threads(worker: Worker, ended: Event) -> None:
    """Start a new thread for each that ended: an interrupt just after its job was done ends it."""
    while not ended.wait(WATCH_SECONDS):
        for thread in [thread for thread in worker.workers if not thread.is_alive()]:
            worker.workers.remove(thread)
            worker._add_worker()
        for name, consumer in list(worker.consumers.items()):
            if not consumer.is_alive():
                del worker.consumers[name]
                worker._add_consumer(name, delay=name in worker.broker.delay_queues)
