"""Workers as processes of their own, and their broker, really killed."""

import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from handlers.queue import SharedQueue, declare, message_of, open_queue, send
from handlers.workers import running_worker
from runtime.valkey_server import answers
from tests.brokers import Server, broker_server
from tests.handlers.worker_program import RunLog, within, worker

LONG_MS = 60_000
SECONDS = 60.0


@pytest.fixture
def log(tmp_path: Path) -> RunLog:
    """What workers tell."""
    return RunLog(tmp_path / "runs")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A broker that may be killed."""
    with broker_server() as server:
        yield server


@pytest.fixture
def killable(server: Server) -> Iterator[SharedQueue]:
    """A queue on it."""
    assert within(SECONDS, lambda: answers(server.url))
    with closing(open_queue(server.url)) as queue:
        assert isinstance(queue, SharedQueue)
        yield queue


class TestWorkers:
    def test_two_share_the_work(self, broker_url: str, log: RunLog, tmp_path: Path) -> None:
        with worker(broker_url, tmp_path / "runs"), worker(broker_url, tmp_path / "runs"):
            assert within(SECONDS, lambda: len(log.of("ready")) == 2)
            with closing(open_queue(broker_url)) as queue:
                for number in range(10):
                    send(queue, "share", number)
                assert within(SECONDS, lambda: queue.length() == 0)
        done = log.of("done")
        assert sorted(line.number for line in done) == list(range(10))
        assert {line.worker for line in done} == {line.worker for line in log.of("ready")}

    def test_a_killed_ones_job_runs_in_another(
        self, broker_url: str, log: RunLog, tmp_path: Path
    ) -> None:
        with (
            closing(open_queue(broker_url)) as queue,
            worker(broker_url, tmp_path / "runs") as victim,
        ):
            send(queue, "hang", 1)
            assert within(SECONDS, lambda: len(log.of("begun")) == 1)
            victim.kill()
            with worker(broker_url, tmp_path / "runs") as other:
                assert within(SECONDS, lambda: queue.length() == 0)
        assert [line.worker for line in log.of("begun")] == [victim.pid, other.pid]
        assert [line.worker for line in log.of("done")] == [other.pid]

    def test_sigterm_lets_it_finish(self, broker_url: str, log: RunLog, tmp_path: Path) -> None:
        with (
            closing(open_queue(broker_url)) as queue,
            worker(broker_url, tmp_path / "runs") as process,
        ):
            for number in range(2):
                send(queue, "hold", number)
            assert within(SECONDS, lambda: len(log.of("begun")) == 1)
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == 0
            assert [line.number for line in log.of("begun")] == [0]
            assert [line.number for line in log.of("done")] == [0]
            assert queue.length() == 1
            with closing(redis.Redis.from_url(broker_url)) as client:
                assert client.llen("noteledger:jobs") == 1  # for anybody, at once


class TestBrokerEnds:
    def test_erased_it_is_worked_with_again(self, server: Server, killable: SharedQueue) -> None:
        seen: list[int] = []
        declare(killable, "see", seen.append, time_limit_ms=LONG_MS)
        with running_worker(killable, threads=1):
            send(killable, "see", 1)
            assert within(SECONDS, lambda: seen == [1])
            server.kill_and_erase()
            assert within(SECONDS, lambda: answers(server.url))
            send(killable, "see", 2)
            assert within(SECONDS, lambda: seen == [1, 2])

    def test_a_delayed_job_that_a_worker_held_is_held_again(
        self, server: Server, killable: SharedQueue
    ) -> None:
        seen: list[int] = []
        declare(killable, "see", seen.append, time_limit_ms=LONG_MS)
        held = f"noteledger:__acks__.{killable.broker_id}.jobs.DQ"
        with (
            running_worker(killable, threads=1),
            closing(redis.Redis.from_url(server.url)) as client,
        ):
            killable.enqueue(message_of("see", 1), delay=5_000)
            assert within(SECONDS, lambda: bool(client.scard(held)))
            server.kill()
            assert within(SECONDS, lambda: seen == [1])
            assert within(SECONDS, lambda: killable.length() == 0)

    def test_a_job_that_ends_meanwhile_is_done_once(
        self, server: Server, killable: SharedQueue
    ) -> None:
        seen: list[int] = []

        def rest(number: int) -> None:
            server.kill()
            time.sleep(0.05)
            seen.append(number)

        declare(killable, "rest", rest, time_limit_ms=LONG_MS)
        send(killable, "rest", 1)
        with running_worker(killable, threads=1):
            assert within(SECONDS, lambda: bool(seen))
            assert within(SECONDS, lambda: answers(server.url) and killable.length() == 0)
        assert seen == [1]
