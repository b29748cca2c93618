"""What is counted about jobs and their queue."""

import threading
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from handlers.metrics import JobMetrics, QueueMetrics, StoppedMetrics
from handlers.queue import declare, message_of, open_queue, send
from handlers.workers import running_worker
from ledger.stopped import Stopped
from tests.handlers.worker_program import within

SECONDS = 60.0
LONG_MS = 60_000


@pytest.fixture
def registry() -> CollectorRegistry:
    """Nothing counted yet."""
    return CollectorRegistry()


def test_runs_failures_and_durations_by_job(registry: CollectorRegistry, broker_url: str) -> None:
    def fail() -> None:
        raise ValueError

    with closing(open_queue(broker_url, JobMetrics(registry))) as queue:
        declare(queue, "rest", lambda number: None, time_limit_ms=LONG_MS)
        declare(queue, "fail", fail, time_limit_ms=LONG_MS, retries_max=1)
        for number in range(3):
            send(queue, "rest", number)
        send(queue, "fail")
        with running_worker(queue, threads=2):
            assert within(SECONDS, lambda: queue.length() == 0)

    def counted(name: str, job: str) -> float | None:
        return registry.get_sample_value(f"noteledger_job_{name}", {"job": job})

    assert (counted("runs_total", "rest"), counted("failures_total", "rest")) == (3, None)
    assert (counted("runs_total", "fail"), counted("failures_total", "fail")) == (2, 2)
    assert counted("duration_seconds_count", "rest") == 3
    assert (counted("duration_seconds_sum", "rest") or 0) > 0


def test_the_queue_as_it_stands(registry: CollectorRegistry, broker_url: str) -> None:
    age: list[float | None] = [None]
    done = threading.Event()
    with closing(open_queue(broker_url)) as queue:
        registry.register(QueueMetrics(queue, lambda: age[0]))
        declare(queue, "rest", done.set, time_limit_ms=LONG_MS)
        assert registry.get_sample_value("noteledger_queue_jobs") == 0
        assert registry.get_sample_value("noteledger_oldest_job_age_seconds") == 0
        age[0] = 2.5
        send(queue, "rest")
        queue.enqueue(message_of("rest"), delay=LONG_MS)
        assert registry.get_sample_value("noteledger_queue_jobs") == 2
        assert registry.get_sample_value("noteledger_oldest_job_age_seconds") == 2.5
        with running_worker(queue, threads=1):
            assert done.wait(SECONDS)
            assert within(SECONDS, lambda: registry.get_sample_value("noteledger_queue_jobs") == 1)
        assert registry.get_sample_value("noteledger_broker_up") == 1


def test_a_broker_that_is_away(registry: CollectorRegistry, tmp_path: Path) -> None:
    with closing(open_queue(f"unix://{tmp_path}/none")) as queue:
        registry.register(QueueMetrics(queue, lambda: 3.0))
        assert registry.get_sample_value("noteledger_broker_up") == 0
        assert registry.get_sample_value("noteledger_queue_jobs") is None
        assert registry.get_sample_value("noteledger_oldest_job_age_seconds") == 3


def test_a_stopped_follower_is_named_with_its_position(registry: CollectorRegistry) -> None:
    stopped = [Stopped(1, "relay", 7, "an entry is missing")]
    registry.register(StoppedMetrics(lambda: stopped))

    def position() -> float | None:
        labels = {"follower": "relay", "clinic": "1", "reason": "an entry is missing"}
        return registry.get_sample_value("noteledger_follower_stopped_position", labels)

    assert position() == 7
    stopped.clear()
    assert position() is None
