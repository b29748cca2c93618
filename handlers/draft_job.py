"""The job on a generation: draft a SOAP note, and save it."""

from collections.abc import Mapping
from typing import Final

from domain import generation
from domain.generation import (
    GENERATION,
    FailRun,
    FinishRun,
    GenerationCommand,
    RecordDraft,
    StartRun,
)
from domain.generation_facts import (
    Cite,
    DraftSource,
    Generation,
    GenerationRequested,
    SourceKind,
    TracedSentence,
)
from domain.note import NOTE, CreateNote, Draft
from domain.note_facts import Note, NoteVersion, whole_text
from domain.refusals import Refused, SomebodyWasFaster
from domain.session import SESSION
from domain.soap_note import SOAP_NOTE
from domain.value import Fact, Role
from domain.work import WhyFailed, starts_work
from handlers.deidentify import DeidentificationFailedError
from handlers.job_context import JobContext, PermanentFailure, RetryableFailure
from handlers.policies import Job
from handlers.soap_writer import DraftFailed, DraftFailure, Source


def is_draft_wanted(context: JobContext, job: Job) -> bool:
    """Whether the newest run of the generation is this one, and is not done, failed or cancelled."""
    state = context.ledger.outline(job.clinic_id, GENERATION, job.number)
    return generation.is_wanted(state, job.version)


def give_draft_up(context: JobContext, job: Job, why: WhyFailed) -> None:
    """Record that the run failed for good."""
    command = FailRun(run=job.version, why=why, **context.who_and_when())
    context.ledger.record(job.clinic_id, GENERATION, job.number, command)


def write_soap_note(context: JobContext, job: Job) -> None:
    """Draft, record the draft, save it as a SOAP note, finish.

    After a crash between two steps, the next run finds the recorded draft and the saved note, and
    goes on from there.
    """

    def record(command: GenerationCommand) -> Generation:
        return context.ledger.record(job.clinic_id, GENERATION, job.number, command).state

    state = record(StartRun(run=job.version, **context.who_and_when()))
    if state.drafted is None:
        state = record(_new_draft(context, job, state.requested))
    if not generation.is_wanted(state, job.version):
        return
    _save_soap_note(context, job)
    record(FinishRun(run=job.version, **context.who_and_when()))


def _new_draft(context: JobContext, job: Job, requested: GenerationRequested) -> RecordDraft:
    sources = _sources(context, job.clinic_id, requested)
    if not sources:
        raise PermanentFailure(WhyFailed.NOTHING_TO_DRAFT_FROM)
    names = context.names(job.clinic_id, requested.client_user_id, requested.therapist_user_id)
    try:
        draft = context.draft(sources, names)
    except DeidentificationFailedError:
        raise PermanentFailure(WhyFailed.DEIDENTIFICATION_FAILED) from None
    except DraftFailed as failed:
        why = REASONS[failed.reason]
        raise (PermanentFailure(why) if failed.is_final else RetryableFailure(why)) from None
    return RecordDraft(
        run=job.version,
        maker=draft.maker,
        model=f"{draft.model} sha256:{draft.model_digest}" if draft.model_digest else draft.model,
        prompt_digest=draft.prompt_digest,
        sources=tuple(
            DraftSource(kind=source.kind, number=source.number, version=source.version)
            for source in draft.sources
        ),
        text=draft.text,
        sentences=tuple(
            TracedSentence(
                section=sentence.section,
                cites=tuple(Cite(**span._asdict()) for span in sentence.cites),
            )
            for sentence in draft.sentences
        ),
        **context.who_and_when(),
    )


def _sources(context: JobContext, clinic_id: int, requested: GenerationRequested) -> list[Source]:
    """The session's transcript, or without one the therapist's notes of the session."""
    session_id = requested.therapist_session_id
    if session_id is not None:
        session = context.ledger.state(
            clinic_id, SESSION, session_id, lambda session: [session.transcript]
        )
        if session and session.transcript and session.transcript.words:
            text = session.transcript.words.text
            version = session.transcript_version
            assert version is not None, "a transcript has the version that stored it"
            return [Source(SourceKind.TRANSCRIPT, session_id, version, text)]
    note_ids = context.note_ids_to_draft_from(
        clinic_id, requested.client_user_id, requested.therapist_user_id, session_id
    )
    found = [_note_source(context, clinic_id, note_id) for note_id in note_ids]
    return [source for source in found if source is not None]


def _newest_as_read(note: Note) -> list[Fact | None]:
    return [] if note.is_deleted else [note.saved, note.amended.get(note.saved_version)]


def _note_source(context: JobContext, clinic_id: int, note_id: int) -> Source | None:
    first = context.ledger.read_clear(clinic_id, NOTE, note_id, 1)
    if not isinstance(first, NoteVersion) or not starts_work(first.record_type):
        return None
    note = context.ledger.state(clinic_id, NOTE, note_id, _newest_as_read)
    assert note is not None, "its first fact was just read"
    words = note.words_as_read  # an amendment takes out what must not be read any more
    if note.is_deleted or words is None:
        return None
    return Source(SourceKind.NOTE, note_id, note.saved_version, whole_text(words))


def _save_soap_note(context: JobContext, job: Job) -> None:
    """Save the draft under the id that the request gave.

    A note that is already there under this id was saved by this run, before a crash.
    """
    state = context.ledger.state(
        job.clinic_id, GENERATION, job.number, lambda generation: [generation.drafted]
    )
    assert state is not None and state.drafted is not None, "the draft was kept"
    requested, drafted = state.requested, state.drafted
    note_id = requested.soap_note_id
    if drafted.words is None or context.ledger.outline(job.clinic_id, SOAP_NOTE, note_id):
        return
    create = CreateNote(
        client_user_id=requested.client_user_id,
        therapist_user_id=requested.therapist_user_id,
        therapist_client_id=requested.therapist_client_id,
        record_type=requested.record_type,
        draft=Draft(
            text=drafted.words.text,
            sender_role=Role.ML,
            therapist_session_id=requested.therapist_session_id,
        ),
        **context.who_and_when(),
    )
    try:
        context.ledger.record(job.clinic_id, SOAP_NOTE, note_id, create)
    except SomebodyWasFaster:
        return
    except Refused:
        raise PermanentFailure(WhyFailed.DRAFT_WAS_REFUSED) from None


REASONS: Final[Mapping[DraftFailure, WhyFailed]] = {
    DraftFailure.NOTHING_TO_READ: WhyFailed.NOTHING_TO_DRAFT_FROM,
    DraftFailure.NOTHING_TO_FILE: WhyFailed.NOTHING_TO_FILE,
    DraftFailure.LLM_UNREACHABLE: WhyFailed.SERVICE_UNREACHABLE,
    DraftFailure.LLM_TOO_SLOW: WhyFailed.SERVICE_TOO_SLOW,
    DraftFailure.LLM_BUSY: WhyFailed.SERVICE_UNREACHABLE,
    DraftFailure.LLM_REFUSED: WhyFailed.SERVICE_REFUSED,
    DraftFailure.LLM_TOO_LONG: WhyFailed.SERVICE_REFUSED,
    DraftFailure.LLM_ANSWER_TOO_LARGE: WhyFailed.ANSWER_IS_NOT_VALID,
    DraftFailure.LLM_ANSWER_INVALID: WhyFailed.ANSWER_IS_NOT_VALID,
    DraftFailure.LLM_UNSUPPORTED: WhyFailed.ANSWER_IS_NOT_SUPPORTED,
}
"""The reason that is recorded for each way in which a draft fails."""
