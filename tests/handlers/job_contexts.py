"""A job_context on a real ledger, with makers of drafts that do what a test needs of them."""

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
from handlers.jobs import JobContext
from handlers.policies import Job
from handlers.soap_writer import Section, Sentence, SoapDraft, Source, Span
from ledger.key_encryption import LocalKeyFile
from ledger.keys import Keys
from ledger.ledger import Ledger
from projections.transcripts import DraftSources
from tests.databases import Program
from tests.samples import CLINIC, NOON, NOTE_ID, SESSION_ID, create, enter_directory, present
from tests.work_samples import GENERATION_ID, request_generation

Draft = Callable[[Sequence[Source], Names], SoapDraft]

STATUS_JOB: Final = Job(CLINIC, JobName.SET_EVENT_STATUS, Kind.NOTE, NOTE_ID, 1)
DRAFT_JOB: Final = Job(CLINIC, JobName.WRITE_SOAP_NOTE, Kind.GENERATION, GENERATION_ID, 1)
DEIDENTIFY_JOB: Final = Job(CLINIC, JobName.DEIDENTIFY, Kind.NOTE, NOTE_ID, 1)


def first_words(sources: Sequence[Source], names: Names) -> SoapDraft:
    """A draft of the first words of each source."""
    sentences = [
        Sentence(Section.SUBJECTIVE, source.text[:9], (Span(number, 0, len(source.text[:9])),))
        for number, source in enumerate(sources)
    ]
    how = "Made of first words."
    return SoapDraft(tuple(sentences), tuple(sources), "first-words/1", "none", how)


def nobody(clinic_id: int, client_user_id: int, therapist_user_id: int) -> Names:
    """No names."""
    return Names((), (), ())


def without_models() -> Deidentifier:
    """For jobs that de-identify nothing."""
    raise AssertionError("nothing is de-identified here")


def job_context(program: Program, draft: Draft = first_words, **parts: Any) -> JobContext:
    """What jobs work with; nothing in it is loaded."""
    context = JobContext(
        ledger=program.ledger,
        deidentifier=without_models,
        names=nobody,
        sources=DraftSources(program.datastore),
        draft=draft,
        clock=lambda: NOON,
    )
    return replace(context, **parts)


def general_ledger(program: Program, key_file: LocalKeyFile, scopes: Any) -> Ledger:
    """The program's ledger by keys of some scopes only."""
    return Ledger(program.datastore, Keys(program.datastore, key_file, scopes), program.appender)


def with_session(program: Program, **said: Any) -> None:
    """A directory, and a note of its session."""
    enter_directory(program.ledger)
    program.ledger.record(CLINIC, NOTE, NOTE_ID, create(therapist_session_id=SESSION_ID, **said))


def with_generation(program: Program, **said: Any) -> None:
    """The same, and a draft that was asked for."""
    with_session(program, **said)
    program.ledger.record(CLINIC, GENERATION, GENERATION_ID, request_generation())


def state_of_draft(program: Program) -> GenerationState:
    """Where it stands."""
    return present(program.ledger.state(CLINIC, GENERATION, GENERATION_ID)).state


def status_of_session(program: Program) -> str:
    """Where the work on the session stands."""
    return str(present(program.ledger.state(CLINIC, SESSION, SESSION_ID)).event_status)
