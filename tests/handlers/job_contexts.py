"""A job context on a real ledger, and the notes, drafts and jobs that the tests of jobs begin with."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from domain.generation import GENERATION
from domain.generation_facts import GenerationState
from domain.note import NOTE
from domain.session import SESSION
from domain.value import Kind
from domain.work import JobName
from handlers.deidentify import Deidentifier, Names
from handlers.job_context import JobContext
from handlers.policies import Job
from handlers.soap_writer import Section, Sentence, SoapDraft, Source, Span
from ledger.key_encryption import LocalKeyFile
from ledger.keys import Keys
from ledger.ledger import Ledger
from projections.transcripts import DraftSources
from tests.databases import Program
from tests.samples import CLINIC, NOON, NOTE_ID, SESSION_ID, create, enter_directory, present
from tests.work_samples import GENERATION_ID, request_generation

MakeDraft = Callable[[Sequence[Source], Names], SoapDraft]

STATUS_JOB: Final = Job(CLINIC, JobName.SET_EVENT_STATUS, Kind.NOTE, NOTE_ID, 1)
DRAFT_JOB: Final = Job(CLINIC, JobName.WRITE_SOAP_NOTE, Kind.GENERATION, GENERATION_ID, 1)
DEIDENTIFY_JOB: Final = Job(CLINIC, JobName.DEIDENTIFY, Kind.NOTE, NOTE_ID, 1)


def first_words(sources: Sequence[Source], names: Names) -> SoapDraft:
    """A draft that holds the first nine characters of each source."""
    sentences = [
        Sentence(Section.SUBJECTIVE, source.text[:9], (Span(number, 0, len(source.text[:9])),))
        for number, source in enumerate(sources)
    ]
    how = "Made of first words."
    return SoapDraft(tuple(sentences), tuple(sources), "first-words/1", "none", how)


def no_names(clinic_id: int, client_user_id: int, therapist_user_id: int) -> Names:
    """A directory that knows none of the people of a note."""
    return Names((), (), ())


def without_models() -> Deidentifier:
    """For tests of jobs that de-identify nothing."""
    raise AssertionError("nothing is de-identified here")


def job_context(program: Program, draft: MakeDraft = first_words, **replaced: Any) -> JobContext:
    """A job context that loads no models; `replaced` takes the place of its fields."""
    context = JobContext(
        ledger=program.ledger,
        deidentifier=without_models,
        names=no_names,
        note_ids_to_draft_from=DraftSources(program.datastore).note_ids,
        draft=draft,
        clock=lambda: NOON,
    )
    return replace(context, **replaced)


def ledger_with_scopes(program: Program, key_file: LocalKeyFile, scopes: Any) -> Ledger:
    """The program's ledger, with keys of the named scopes only."""
    return Ledger(program.datastore, Keys(program.datastore, key_file, scopes), program.appender)


def with_session(program: Program, **fields: Any) -> None:
    """Record a directory and a note of its session."""
    enter_directory(program.ledger)
    program.ledger.record(CLINIC, NOTE, NOTE_ID, create(therapist_session_id=SESSION_ID, **fields))


def with_generation(program: Program, **fields: Any) -> None:
    """Record the same, and a request for a draft."""
    with_session(program, **fields)
    program.ledger.record(CLINIC, GENERATION, GENERATION_ID, request_generation())


def state_of_draft(program: Program) -> GenerationState:
    """The state of the generation."""
    return present(program.ledger.state(CLINIC, GENERATION, GENERATION_ID)).state


def status_of_session(program: Program) -> str:
    """The session's event status."""
    return str(present(program.ledger.state(CLINIC, SESSION, SESSION_ID)).event_status)
