"""What starts what, fact by fact."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from domain.aggregates import aggregate_id
from domain.generation_facts import AnyGenerationFact
from domain.note_facts import AnyNoteFact
from domain.value import PSYCHOTHERAPY, Fact, Kind, Role
from domain.work import JobName
from handlers.policies import FACTS_WITHOUT_JOBS, Job, NoPolicyError, jobs_for
from ledger.entry import Entry
from tests import work_samples as work
from tests.ledger.frozen import SAMPLES, Sample
from tests.samples import (
    ALMA,
    CLINIC,
    ML,
    NOON,
    NOTE_ID,
    SESSION_ID,
    amended,
    approved,
    drafted,
    soft_deleted,
    withdrawn,
)

DEIDENTIFY: Final = JobName.DEIDENTIFY
SET_EVENT_STATUS: Final = JobName.SET_EVENT_STATUS


def started(fact: Fact, kind: Kind, number: int = NOTE_ID, version: int = 3) -> list[Job]:
    """The jobs of one entry."""
    return list(jobs_for(Entry(CLINIC, 7, aggregate_id(kind, number), version, fact)))


def names(fact: Fact, kind: Kind) -> list[JobName]:
    """Their names."""
    return [job.name for job in started(fact, kind)]


IN_SESSION: Final[dict[str, Any]] = {"therapist_session_id": SESSION_ID}
BY_ML: Final[dict[str, Any]] = {"by": ML, "sender_role": Role.ML}
OF_PSYCHOTHERAPY: Final[dict[str, Any]] = {"record_type": PSYCHOTHERAPY, **IN_SESSION}
BOTH: Final = [DEIDENTIFY, SET_EVENT_STATUS]


@pytest.mark.parametrize(
    ("kind", "fact", "expected"),
    [
        (Kind.NOTE, drafted(**IN_SESSION), BOTH),
        (Kind.NOTE, approved(**IN_SESSION), BOTH),
        (Kind.NOTE, drafted(), [DEIDENTIFY]),
        (Kind.NOTE, drafted(**OF_PSYCHOTHERAPY), []),
        (Kind.NOTE, approved(**OF_PSYCHOTHERAPY), []),
        (Kind.SOAP_NOTE, drafted(**IN_SESSION), []),
        (Kind.SOAP_NOTE, drafted(**IN_SESSION, **BY_ML), []),
        (Kind.SOAP_NOTE, approved(**IN_SESSION), BOTH),
        (Kind.SOAP_NOTE, approved(), [DEIDENTIFY]),
        (Kind.SOAP_NOTE, approved(**OF_PSYCHOTHERAPY), []),
        (Kind.NOTE, soft_deleted(), []),
        (Kind.NOTE, amended(1), []),
        (Kind.NOTE, withdrawn(1), []),
        (Kind.NOTE, work.deidentified(), []),
        (Kind.NOTE, work.processing_failed(), []),
        (Kind.GENERATION, work.requested(), [JobName.WRITE_SOAP_NOTE]),
        (Kind.GENERATION, work.failed(), []),
        (Kind.GENERATION, work.cancelled(), []),
    ],
)
def test_what_a_fact_starts(kind: Kind, fact: AnyNoteFact, expected: list[JobName]) -> None:
    assert names(fact, kind) == expected


def test_a_job_names_the_version_that_was_saved() -> None:
    [job] = started(drafted(), Kind.NOTE, number=5, version=4)
    assert job == Job(CLINIC, DEIDENTIFY, Kind.NOTE, 5, 4)


def test_what_is_asked_again_is_of_the_version_that_failed() -> None:
    fact = work.processing_asked_again(of_version=2)
    [job] = started(fact, Kind.NOTE, version=9)
    assert (job.name, job.version) == (fact.job, 2)


def test_a_draft_names_its_run() -> None:
    [job] = started(work.requested(run=3), Kind.GENERATION, number=work.GENERATION_ID, version=8)
    assert (job.number, job.version) == (work.GENERATION_ID, 3)


def stored_types(parent: type[Fact] = Fact) -> Iterator[type[Fact]]:
    """Every fact class that has a stored name of its own, found by reflection."""
    for fact_type in parent.__subclasses__():
        if "fact_type" in vars(fact_type):
            yield fact_type
        yield from stored_types(fact_type)


@pytest.mark.parametrize("fact_type", sorted(set(stored_types()), key=str))
def test_every_fact_is_one_that_the_policies_know(fact_type: type[Fact]) -> None:
    """Of notes and generations mypy sees each fact (`assert_never`); the others start nothing."""
    assert issubclass(fact_type, AnyNoteFact | AnyGenerationFact | FACTS_WITHOUT_JOBS)


def test_a_fact_that_the_policies_do_not_know_is_not_passed_over_in_silence() -> None:
    with pytest.raises(NoPolicyError):
        started(Fact(by=ALMA, at=NOON), Kind.NOTE)


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_a_job_carries_no_words(sample: Sample) -> None:
    """Every shape that was ever stored: what it starts is made of ids, names and numbers."""
    for job in jobs_for(Entry(CLINIC, 7, sample.aggregate, 1, sample.fact)):
        assert isinstance(job.name, JobName)
        assert isinstance(job.kind, Kind)
        assert all(type(number) is int for number in (job.clinic_id, job.number, job.version))
