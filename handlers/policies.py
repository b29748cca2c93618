"""What starts what: the whole list.

Contract: "Saving a therapist note", "Saving a SOAP note", "Triggering".
"""

from collections.abc import Iterator
from typing import NamedTuple

from domain.aggregates import kind_and_number
from domain.generation_facts import GenerationRequested
from domain.note_facts import NoteApproved, NoteDrafted, NoteProcessingAskedAgain
from domain.note_work import save_starts_work
from domain.value import Kind
from domain.work import JobName
from ledger.entry import Entry


class Job(NamedTuple):
    """What is to be done: ids and a version, never words. `version` of a generation is its run."""

    clinic_id: int
    name: JobName
    kind: Kind
    number: int
    version: int


def jobs_for(entry: Entry) -> Iterator[Job]:
    """The jobs that the fact starts."""
    kind, number = kind_and_number(entry.aggregate_id)
    match entry.fact:
        case NoteDrafted() | NoteApproved() as save if save_starts_work(
            kind, type(save), save.record_type
        ):
            yield Job(entry.clinic_id, JobName.DEIDENTIFY, kind, number, entry.version)
            if save.therapist_session_id is not None:
                yield Job(entry.clinic_id, JobName.SET_EVENT_STATUS, kind, number, entry.version)
        case NoteProcessingAskedAgain(job=name, of_version=version):
            yield Job(entry.clinic_id, name, kind, number, version)
        case GenerationRequested(run=run):
            yield Job(entry.clinic_id, JobName.WRITE_SOAP_NOTE, kind, number, run)
        case _:
            pass
