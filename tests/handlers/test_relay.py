"""The relay and the sweeper: nothing that was asked for is lost, whatever is lost on the way."""

from collections.abc import Sequence
from threading import Event, Thread

import psycopg
import pytest
from psycopg.rows import TupleRow

from domain.note import NOTE
from domain.value import Kind
from domain.work import JobName
from handlers import open_jobs as open_jobs_module
from handlers.open_jobs import OpenJobs
from handlers.policies import Job
from handlers.relay import FOLLOWER, Relay, Sweeper
from ledger.bookmark import Follower, TryLater
from ledger.locks import try_lock
from tests.databases import Program
from tests.samples import CLINIC, NOTE_ID, SESSION_ID, create

Owner = psycopg.Connection[TupleRow]
DEIDENTIFY = Job(CLINIC, JobName.DEIDENTIFY, Kind.NOTE, NOTE_ID, 1)
SET_STATUS = Job(CLINIC, JobName.SET_EVENT_STATUS, Kind.NOTE, NOTE_ID, 1)


class Queue:
    """What arrived; where it is away, nothing does."""

    def __init__(self) -> None:
        self.arrived: list[Job] = []
        self.is_away = False

    def send(self, jobs: Sequence[Job]) -> None:
        if self.is_away:
            raise TryLater
        self.arrived += jobs

    def length(self) -> int:
        return len(self.arrived)


@pytest.fixture
def queue() -> Queue:
    """An empty one."""
    return Queue()


@pytest.fixture
def open_jobs(program: Program) -> OpenJobs:
    """None are open yet."""
    return OpenJobs(program.datastore)


def follow(program: Program, queue: Queue, open_jobs: OpenJobs) -> None:
    """Take what is new."""
    follower = Follower(program.datastore, FOLLOWER, Relay(open_jobs, queue.send).take)
    with program.datastore.get_connection() as conn:
        while follower.take_news(conn):
            pass


def save(program: Program) -> None:
    """A note in a session."""
    program.ledger.record(CLINIC, NOTE, NOTE_ID, create(therapist_session_id=SESSION_ID))


def sent(owner: Owner) -> list[int]:
    """How often each open job was sent."""
    rows = owner.execute("SELECT sends FROM ledger.open_jobs ORDER BY job").fetchall()
    return [row[0] for row in rows]


def test_a_save_sends_its_jobs_once(
    program: Program, queue: Queue, open_jobs: OpenJobs, owner: Owner
) -> None:
    save(program)
    follow(program, queue, open_jobs)
    follow(program, queue, open_jobs)
    assert queue.arrived == [DEIDENTIFY, SET_STATUS]
    assert sent(owner) == [1, 1]


def test_a_queue_that_is_away_is_waited_for(
    program: Program, queue: Queue, open_jobs: OpenJobs
) -> None:
    save(program)
    queue.is_away = True
    with pytest.raises(TryLater):
        follow(program, queue, open_jobs)
    queue.is_away = False
    follow(program, queue, open_jobs)
    assert queue.arrived == [DEIDENTIFY, SET_STATUS]


def test_a_crash_after_sending_sends_again(
    program: Program, queue: Queue, open_jobs: OpenJobs
) -> None:
    save(program)

    def send_and_die(jobs: Sequence[Job]) -> None:
        queue.send(jobs)
        raise KeyboardInterrupt

    relay = Relay(open_jobs, send_and_die)
    with (
        program.datastore.get_connection() as conn,
        pytest.raises(KeyboardInterrupt),
    ):
        Follower(program.datastore, FOLLOWER, relay.take).take_news(conn)
    follow(program, queue, open_jobs)
    assert queue.arrived == [DEIDENTIFY, SET_STATUS] * 2


class TestSweeper:
    """Sends again what was sent and never ended."""

    @pytest.fixture(autouse=True)
    def at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What was sent a moment ago is overdue."""
        monkeypatch.setattr(open_jobs_module, "SENT_AGAIN_SECONDS", 0)

    def test_a_queue_that_lost_its_memory_is_filled_again(
        self, program: Program, queue: Queue, open_jobs: OpenJobs
    ) -> None:
        save(program)
        follow(program, queue, open_jobs)
        queue.arrived.clear()
        assert Sweeper(program.datastore, open_jobs, queue.send, queue.length).sweep() == 2
        assert sorted(queue.arrived) == sorted([DEIDENTIFY, SET_STATUS])

    def test_what_only_waits_is_left_to_wait(
        self, program: Program, queue: Queue, open_jobs: OpenJobs
    ) -> None:
        save(program)
        follow(program, queue, open_jobs)
        assert Sweeper(program.datastore, open_jobs, queue.send, queue.length).sweep() == 0
        queue.arrived.pop()
        assert Sweeper(program.datastore, open_jobs, queue.send, queue.length).sweep() == 2

    def test_what_has_ended_is_left_alone(
        self, program: Program, queue: Queue, open_jobs: OpenJobs
    ) -> None:
        save(program)
        follow(program, queue, open_jobs)
        queue.arrived.clear()
        open_jobs.close(DEIDENTIFY)
        assert Sweeper(program.datastore, open_jobs, queue.send, queue.length).sweep() == 1
        assert queue.arrived == [SET_STATUS]

    def test_one_sweeps_at_a_time(
        self, program: Program, queue: Queue, open_jobs: OpenJobs
    ) -> None:
        open_jobs.ask([(DEIDENTIFY, 1)])
        sweeper = Sweeper(program.datastore, open_jobs, queue.send, queue.length)
        with try_lock(program.datastore, "sweeper"):
            assert sweeper.sweep() == 0
        assert sweeper.sweep() == 1

    def test_it_goes_on_whatever_happens(
        self, program: Program, queue: Queue, open_jobs: OpenJobs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("handlers.relay.SWEEP_SECONDS", 0.01)
        tries = [TryLater(), ValueError(), None]
        stop = Event()

        def send(jobs: Sequence[Job]) -> None:
            if error := tries.pop(0):
                raise error
            queue.send(jobs)
            stop.set()

        open_jobs.ask([(DEIDENTIFY, 1)])
        sweeper = Sweeper(program.datastore, open_jobs, send, queue.length)
        thread = Thread(target=sweeper.keep_sweeping, args=(stop,))
        thread.start()
        thread.join(30)
        assert queue.arrived == [DEIDENTIFY]
