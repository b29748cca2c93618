"""What was asked for and is not done: remembered, counted, due again, closed."""

from typing import Final

import psycopg
import pytest
from psycopg.rows import TupleRow

from domain.value import Kind
from domain.work import JobName, WhyFailed
from handlers.open_jobs import SENT_AGAIN_SECONDS, OpenJobs
from handlers.policies import Job
from ledger.database import Datastore
from tests.samples import CLINIC

Owner = psycopg.Connection[TupleRow]
JOB: Final = Job(CLINIC, JobName.DEIDENTIFY, Kind.NOTE, 1, 1)
OTHERS: Final = (
    JOB._replace(version=2),
    JOB._replace(number=2),
    JOB._replace(kind=Kind.SOAP_NOTE),
    JOB._replace(name=JobName.SET_EVENT_STATUS),
    JOB._replace(clinic_id=2),
)


@pytest.fixture
def open_jobs(datastore: Datastore) -> OpenJobs:
    """None are open yet."""
    return OpenJobs(datastore)


def ask(open_jobs: OpenJobs, *jobs: Job, position: int = 7) -> None:
    """By the fact at that position."""
    open_jobs.ask((job, position) for job in jobs)


def age(owner: Owner, seconds: float) -> None:
    """Let all of it have happened so much earlier."""
    owner.execute(
        "UPDATE ledger.open_jobs SET asked_at = asked_at - %(s)s * interval '1 second',"
        " sent_at = sent_at - %(s)s * interval '1 second'",
        {"s": seconds},
    )


def test_each_job_is_remembered_once(open_jobs: OpenJobs, owner: Owner) -> None:
    ask(open_jobs, JOB, *OTHERS)
    ask(open_jobs, JOB)
    age(owner, SENT_AGAIN_SECONDS + 1)
    assert sorted(open_jobs.overdue()) == sorted([JOB, *OTHERS])
    open_jobs.close(JOB)
    assert sorted(open_jobs.overdue()) == sorted(OTHERS)


def test_what_was_sent_is_due_again_after_ever_longer(open_jobs: OpenJobs, owner: Owner) -> None:
    ask(open_jobs, JOB)
    assert open_jobs.overdue() == []
    for wait in (1, 1, 2, 4, 8):
        age(owner, wait * SENT_AGAIN_SECONDS - 5)
        assert open_jobs.overdue() == []
        age(owner, 6)
        assert open_jobs.overdue() == [JOB]
        open_jobs.sent([JOB])


def test_it_is_due_within_hours_however_often_it_was_sent(
    open_jobs: OpenJobs, owner: Owner
) -> None:
    ask(open_jobs, JOB)
    for _ in range(40):
        open_jobs.sent([JOB])
    age(owner, 2 * 3_600)
    assert open_jobs.overdue() == [JOB]


def test_starts_are_counted_even_of_what_nobody_remembers(open_jobs: OpenJobs) -> None:
    assert [open_jobs.start(JOB) for _ in range(3)] == [1, 2, 3]
    assert open_jobs.start(OTHERS[0]) == 1
    open_jobs.take_back_start(JOB)
    assert open_jobs.start(JOB) == 3
    open_jobs.close(JOB)
    assert open_jobs.start(JOB) == 1


def test_what_is_asked_for_again_begins_anew(open_jobs: OpenJobs) -> None:
    """By a later fact only: the relay may ask for the same one twice."""
    ask(open_jobs, JOB)
    open_jobs.start(JOB)
    open_jobs.broke(JOB, WhyFailed.BROKE)
    ask(open_jobs, JOB)
    assert (open_jobs.start(JOB), open_jobs.why(JOB)) == (2, WhyFailed.BROKE)
    ask(open_jobs, JOB, position=8)
    assert open_jobs.why(JOB) is None
    assert open_jobs.start(JOB) == 1


def test_what_a_start_came_to_is_kept(open_jobs: OpenJobs) -> None:
    open_jobs.start(JOB)
    assert open_jobs.why(JOB) is None
    open_jobs.broke(JOB, WhyFailed.SERVICE_TOO_SLOW)
    assert open_jobs.why(JOB) is WhyFailed.SERVICE_TOO_SLOW
    assert open_jobs.why(OTHERS[0]) is None


def test_the_age_of_the_oldest(open_jobs: OpenJobs, owner: Owner) -> None:
    assert open_jobs.oldest_seconds() is None
    ask(open_jobs, JOB)
    age(owner, 100)
    ask(open_jobs, *OTHERS)
    oldest = open_jobs.oldest_seconds()
    assert oldest is not None
    assert oldest >= 100


def test_nothing_to_remember_is_nothing_done(open_jobs: OpenJobs) -> None:
    open_jobs.ask([])
    open_jobs.sent([])
    assert open_jobs.oldest_seconds() is None
