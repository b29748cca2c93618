"""The queue, on a real broker and in memory: what is sent runs, fails, is given up, in time or not."""

import io
import logging
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import redis
from dramatiq.middleware import Shutdown, TimeLimitExceeded, raise_thread_exception
from dramatiq.worker import WorkerThread

from handlers.queue import (
    Argument,
    JobQueue,
    QueueIsAwayError,
    SharedQueue,
    declare,
    message_of,
    open_queue,
    send,
)
from handlers.workers import running_worker
from runtime.logs import WithoutWords
from tests.handlers.worker_program import until_asked_to_stop, within

LONG_MS = 60_000
SECONDS = 60.0
"""Long enough for anything here on a slow machine; nothing waits for it that goes well."""


@pytest.fixture(params=["shared", "memory"])
def queue(request: pytest.FixtureRequest) -> Iterator[JobQueue]:
    """An empty queue, of either kind."""
    url = request.getfixturevalue("broker_url") if request.param == "shared" else None
    with closing(open_queue(url)) as queue:
        yield queue


@pytest.fixture
def shared(broker_url: str) -> Iterator[JobQueue]:
    """An empty queue on a broker."""
    with closing(open_queue(broker_url)) as queue:
        yield queue


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """What Dramatiq logs, as the program writes it."""
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(WithoutWords())
    logging.getLogger("dramatiq").addHandler(handler)
    try:
        yield log
    finally:
        logging.getLogger("dramatiq").removeHandler(handler)


def messages(url: str) -> str:
    """Every message that the broker keeps."""
    with closing(redis.Redis.from_url(url)) as client:
        return repr([client.hgetall(name) for name in client.keys("*.msgs")])


class TestRuns:
    def test_what_was_sent_runs_with_its_arguments_in_order(self, queue: JobQueue) -> None:
        seen: list[tuple[Argument, ...]] = []
        declare(queue, "see", lambda *arguments: seen.append(arguments), time_limit_ms=LONG_MS)
        for number in range(50):
            send(queue, "see", 1, number, "note")
        assert queue.length() == 50
        with running_worker(queue, threads=1):
            assert within(SECONDS, lambda: queue.length() == 0)
        assert seen == [(1, number, "note") for number in range(50)]

    def test_a_delayed_one_waits_in_the_queue(self, queue: JobQueue) -> None:
        seen: list[float] = []
        declare(queue, "see", lambda: seen.append(time.monotonic()), time_limit_ms=LONG_MS)
        sent_at = time.monotonic()
        queue.enqueue(message_of("see"), delay=700)
        assert queue.length() == 1
        with running_worker(queue, threads=1):
            assert within(SECONDS, lambda: queue.length() == 0)
        assert [at - sent_at >= 0.7 for at in seen] == [True]

    def test_threads_work_side_by_side(self, queue: JobQueue) -> None:
        together = threading.Barrier(3)

        def meet() -> None:
            together.wait(SECONDS)

        declare(queue, "meet", meet, time_limit_ms=LONG_MS)
        for _ in range(3):
            send(queue, "meet")
        with running_worker(queue, threads=3):
            assert within(SECONDS, lambda: queue.length() == 0)
        assert not together.broken


class TestFailures:
    def test_tried_again_then_given_up(self, queue: JobQueue) -> None:
        seen: list[int] = []

        def fail(number: int) -> None:
            seen.append(number)
            raise ValueError("Mabel")

        declare(
            queue,
            "fail",
            fail,
            time_limit_ms=LONG_MS,
            retries_max=1,
        )
        send(queue, "fail", 7)
        with running_worker(queue, threads=1):
            assert within(SECONDS, lambda: queue.length() == 0)
        assert seen == [7, 7]

    def test_the_time_limit_ends_it(self, queue: JobQueue) -> None:
        ends: list[BaseException] = []

        def loop() -> None:
            try:
                while True:
                    time.sleep(0.01)
            except TimeLimitExceeded as ended:
                ends.append(ended)
                raise

        declare(
            queue,
            "loop",
            loop,
            time_limit_ms=1_000,
            retries_max=0,
        )
        send(queue, "loop")
        with running_worker(queue, threads=1):
            assert within(SECONDS, lambda: queue.length() == 0)
        assert [type(error) for error in ends] == [TimeLimitExceeded]

    def test_no_word_of_an_error_is_logged_or_kept(self, shared: JobQueue, broker_url: str) -> None:
        failed, word = threading.Event(), "Mabel"

        def fail() -> None:
            failed.set()
            raise ValueError(word)

        declare(shared, "fail", fail, time_limit_ms=LONG_MS)
        send(shared, "fail")
        with logged() as log, running_worker(shared, threads=1):
            assert failed.wait(SECONDS)
            assert within(SECONDS, lambda: "retries" in messages(broker_url))
            assert "Mabel" not in messages(broker_url)
        assert "ValueError" in log.getvalue()
        assert "Mabel" not in log.getvalue()

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_a_thread_that_an_interrupt_ended_is_replaced(self, queue: JobQueue) -> None:
        declare(queue, "rest", lambda: None, time_limit_ms=LONG_MS)
        with running_worker(queue, threads=1):
            [thread] = [one for one in threading.enumerate() if isinstance(one, WorkerThread)]
            raise_thread_exception(thread.ident, Shutdown)  # type: ignore[no-untyped-call]
            thread.join(SECONDS)
            send(queue, "rest")
            assert within(SECONDS, lambda: queue.length() == 0)


class TestStopping:
    def test_a_job_under_way_is_finished_and_none_is_begun(self, queue: JobQueue) -> None:
        begun, seen = threading.Event(), []

        def rest(number: int) -> None:
            begun.set()
            until_asked_to_stop()
            seen.append(number)

        declare(queue, "rest", rest, time_limit_ms=LONG_MS)
        send(queue, "rest", 1)
        with running_worker(queue, threads=1):
            assert begun.wait(SECONDS)
            send(queue, "rest", 2)
        assert seen == [1]

    def test_a_long_one_is_interrupted_and_runs_again_later(self, shared: JobQueue) -> None:
        begun, seen = threading.Event(), []

        def nap() -> None:
            try:
                begun.set()
                while True:
                    time.sleep(0.01)
            except Shutdown:
                seen.append("interrupted")
                raise

        declare(shared, "nap", nap, time_limit_ms=LONG_MS)
        send(shared, "nap")
        with running_worker(shared, threads=1, stop_seconds=0.1):
            assert begun.wait(SECONDS)
        assert seen == ["interrupted"]
        assert shared.length() == 1


def test_the_middleware_is_our_own_list(queue: JobQueue) -> None:
    """Dramatiq's own list opens a port, writes files, and keeps the text of errors in messages."""
    names = [type(one).__name__ for one in queue.middleware]
    assert names == ["TimeLimit", "ShutdownNotifications", "Retries", "_WithoutWords"]


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """The URL of a broker that gives this answer to every command."""

    class Answer(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while self.request.recv(4096):
                self.request.sendall(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"redis://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class TestAway:
    def test_sending_says_so(self, tmp_path: Path) -> None:
        with closing(open_queue(f"unix://{tmp_path}/none")) as queue:
            with pytest.raises(QueueIsAwayError, match="ConnectionError"):
                send(queue, "see", 1)
            assert isinstance(queue, SharedQueue)
            with pytest.raises(QueueIsAwayError):
                queue.length()

    @pytest.mark.parametrize(
        "answer",
        [b"-LOADING the data\r\n", b"-OOM command not allowed\r\n", b"-MISCONF no disk\r\n"],
    )
    def test_a_broker_that_answers_with_an_error_is_away(self, answer: bytes) -> None:
        """Dramatiq counts only some errors as a lost connection; the others would end its threads."""
        with answering(answer) as url, closing(open_queue(url)) as queue:
            with pytest.raises(QueueIsAwayError):
                send(queue, "see", 1)
            assert isinstance(queue, SharedQueue)
            with pytest.raises(QueueIsAwayError):
                queue.length()
