"""Threads of this process that work on the jobs in the queue."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Final

from dramatiq import Broker, Worker

LOOK_MS: Final = 100
"""How often an idle worker asks for jobs, and tells that it lives."""
WATCH_SECONDS: Final = 2.0
INTERRUPTED_MS_MAX: Final = 5_000


@contextmanager
def running_worker(queue: Broker, threads: int, stop_seconds: float = 20.0) -> Iterator[None]:
    """Work on jobs in the block; one block for each queue that was opened.

    At its end no job is begun, and those under way have `stop_seconds`; after that they are
    interrupted (`dramatiq.middleware.Shutdown` is raised in them) and are tried again later.
    """
    worker = Worker(queue, worker_threads=threads, worker_timeout=LOOK_MS)
    # One job in reserve. The default, one for each thread, lets jobs wait behind a long one while
    # another worker is idle.
    worker.queue_prefetch = threads + 1
    queue.emit_after("process_boot")  # time limits begin here; Dramatiq's own program says it, too
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
    """An interrupt that comes a moment after its job was done ends the thread itself."""
    while not ended.wait(WATCH_SECONDS):
        for thread in [thread for thread in worker.workers if not thread.is_alive()]:
            worker.workers.remove(thread)
            worker._add_worker()
        for name, consumer in list(worker.consumers.items()):
            if not consumer.is_alive():
                del worker.consumers[name]
                worker._add_consumer(name, delay=name in worker.broker.delay_queues)
