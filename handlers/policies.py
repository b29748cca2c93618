"""What starts what: the whole list.

Contract: "Saving a therapist note", "Saving a SOAP note", "Triggering".
"""

from collections.abc import Iterator
from typing import Final, NamedTuple, assert_never

from domain.aggregates import kind_and_number
from domain.data_keys import AnyDataKeysFact
from domain.generation_facts import (
    AnyGenerationFact,
    GenerationCancelled,
    GenerationDrafted,
    GenerationFailed,
    GenerationFinished,
    GenerationRequested,
    GenerationStarted,
)
from domain.note_facts import (
    AnyNoteFact,
    HistoryEntryAmended,
    HistoryEntryWithdrawn,
    NoteApproved,
    NoteDeidentified,
    NoteDrafted,
    NoteProcessingAskedAgain,
    NoteProcessingFailed,
    NoteSoftDeleted,
)
from domain.note_work import save_starts_work
from domain.person import AnyPersonFact
from domain.record_type import AnyRecordTypeFact
from domain.relationship import AnyRelationshipFact
from domain.session import AnySessionFact
from domain.value import Kind
from domain.work import JobName
from ledger.entry import Entry


class Job(NamedTuple):
    """A job's message: ids and a version, never words. `version` of a generation is its run."""

    clinic_id: int
    name: JobName
    kind: Kind
    number: int
    version: int


class NoPolicyError(Exception):
    """No policy names facts of this type: a new aggregate was added, and this module was not."""


FACTS_WITHOUT_JOBS: Final = (
    AnySessionFact | AnyPersonFact | AnyRelationshipFact | AnyRecordTypeFact | AnyDataKeysFact
)
"""What is recorded about people, sessions, record types and data keys starts no job."""


def jobs_for(entry: Entry) -> Iterator[Job]:
    """The jobs that the fact starts. Raises NoPolicyError; the relay then sets the entry aside."""
    fact = entry.fact
    if isinstance(fact, AnyNoteFact):
        yield from _jobs_of_note(entry, fact)
    elif isinstance(fact, AnyGenerationFact):
        yield from _jobs_of_generation(entry, fact)
    elif not isinstance(fact, FACTS_WITHOUT_JOBS):
        raise NoPolicyError(type(fact).__name__)


def _jobs_of_note(entry: Entry, fact: AnyNoteFact) -> Iterator[Job]:
    kind, number = kind_and_number(entry.aggregate_id)
    match fact:
        case NoteDrafted() | NoteApproved():
            if save_starts_work(kind, type(fact), fact.record_type):
                yield Job(entry.clinic_id, JobName.DEIDENTIFY, kind, number, entry.version)
                if fact.therapist_session_id is not None:
                    status = JobName.SET_EVENT_STATUS
                    yield Job(entry.clinic_id, status, kind, number, entry.version)
        case NoteProcessingAskedAgain(job=name, of_version=version):
            yield Job(entry.clinic_id, name, kind, number, version)
        case (
            NoteSoftDeleted()
            | HistoryEntryAmended()
            | HistoryEntryWithdrawn()
            | NoteDeidentified()
            | NoteProcessingFailed()
        ):
            return
        case _:
            assert_never(fact)


def _jobs_of_generation(entry: Entry, fact: AnyGenerationFact) -> Iterator[Job]:
    kind, number = kind_and_number(entry.aggregate_id)
    match fact:
        case GenerationRequested(run=run):
            yield Job(entry.clinic_id, JobName.WRITE_SOAP_NOTE, kind, number, run)
        case (
            GenerationStarted()
            | GenerationDrafted()
            | GenerationFinished()
            | GenerationFailed()
            | GenerationCancelled()
        ):
            return
        case _:
            assert_never(fact)
