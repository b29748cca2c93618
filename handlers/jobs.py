"""The jobs: plain functions that may run twice and that record their result as a fact.

A job reads the current state from the ledger, not from its message: the note may have been saved
again, deleted or cancelled since the message was sent. No job opens a psychotherapy note. Three
things see to that: the domain starts no work on one, each job checks the clear record type before
it decrypts anything, and the worker's keys refuse to decrypt one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from domain import generation, note_work
from domain.aggregates import NOTE_AGGREGATES
from domain.generation import GENERATION, FailRun, FinishRun, RecordDraft, StartRun
from domain.generation_facts import (
    Cite,
    DraftSource,
    Generation,
    GenerationRequested,
    SourceKind,
    TracedSentence,
)
from domain.note import NOTE, CreateNote, Draft
from domain.note_facts import NoteVersion, whole_text
from domain.note_work import GiveUp, RecordDeidentified
from domain.refusals import Refused, SomebodyWasFaster
from domain.session import SESSION, AdvanceStatus, EventStatus, NoteVersionRef
from domain.soap_note import SOAP_NOTE
from domain.value import THE_WORKER, Kind, Role
from domain.work import JobName, NoteJob, WhyFailed, starts_work
from handlers.deidentify import DeidentificationFailedError, Deidentifier, Names
from handlers.policies import Job
from handlers.soap_writer import DraftFailed, DraftFailure, SoapDraft, Source
from ledger.ledger import Ledger


class PermanentFailure(Exception):
    """The job would fail each time; it ends now, with this reason."""

    def __init__(self, why: WhyFailed) -> None:
        self.why = why
        super().__init__(why)


class RetryableFailure(Exception):
    """The job failed this time, and may succeed when it runs again."""

    def __init__(self, why: WhyFailed) -> None:
        self.why = why
        super().__init__(why)


@dataclass(frozen=True)
class JobContext:
    """What the jobs use, built by `runtime/background.py`.

    `ledger` decrypts no psychotherapy note. `deidentifier` loads its models on the first call.
    `names` takes clinic, client and therapist, and returns the people that a note about them may
    name. `note_ids_to_draft_from` takes clinic, client, therapist and session: it returns the
    therapist's notes of that session, or without a session the newest note that has none; never
    psychotherapy notes.
    """

    ledger: Ledger
    deidentifier: Callable[[], Deidentifier]
    names: Callable[[int, int, int], Names]
    note_ids_to_draft_from: Callable[[int, int, int, int | None], list[int]]
    draft: Callable[[Sequence[Source], Names], SoapDraft]
    clock: Callable[[], datetime]

    def who_and_when(self) -> dict[str, Any]:
        """The fields `by` and `at` of a command: the worker, now."""
        return {"by": THE_WORKER, "at": self.clock()}


class JobHandler(NamedTuple):
    """One job: whether it is still wanted, how to run it, and how to record that it failed for good.

    The time limit is that of one run; beyond it the queue interrupts the run.
    """

    is_wanted: Callable[[JobContext, Job], bool]
    run: Callable[[JobContext, Job], None]
    give_up: Callable[[JobContext, Job, WhyFailed], None]
    time_limit_ms: int


# --- on a version of a note


def _clear_version(context: JobContext, job: Job) -> NoteVersion | None:
    """The version without its words, or None where no work may be done on it. Decrypts nothing."""
    fact = context.ledger.read_clear(
        job.clinic_id, NOTE_AGGREGATES[job.kind], job.number, job.version
    )
    if not isinstance(fact, NoteVersion) or not starts_work(fact.record_type):
        return None
    return fact


def _is_note_wanted(context: JobContext, job: Job) -> bool:
    if _clear_version(context, job) is None:
        return False
    note = context.ledger.state(job.clinic_id, NOTE_AGGREGATES[job.kind], job.number)
    return note_work.is_wanted(note, job.kind, _note_job(job), job.version)


def _give_note_up(context: JobContext, job: Job, why: WhyFailed) -> None:
    command = GiveUp(
        of_version=job.version,
        job=_note_job(job),
        why=why,
        **context.who_and_when(),
    )
    context.ledger.record(job.clinic_id, NOTE_AGGREGATES[job.kind], job.number, command)


def _note_job(job: Job) -> NoteJob:
    assert job.name is not JobName.WRITE_SOAP_NOTE
    return job.name


def _deidentify(context: JobContext, job: Job) -> None:
    """De-identify the version's text and the texts of its files."""
    save = context.ledger.read(job.clinic_id, NOTE_AGGREGATES[job.kind], job.number, job.version)
    assert isinstance(save, NoteVersion), "`is_wanted` has found a save"
    if save.words is None:  # erased: there is nothing left to de-identify
        return
    names = context.names(job.clinic_id, save.client_user_id, save.therapist_user_id)
    deidentifier = context.deidentifier()
    try:
        found = deidentifier.deidentify(whole_text(save.words), names)
    except DeidentificationFailedError:
        raise PermanentFailure(WhyFailed.DEIDENTIFICATION_FAILED) from None
    command = RecordDeidentified(
        of_version=job.version,
        tool=deidentifier.tool,
        models=deidentifier.models,
        text=found.text,
        placeholders=found.placeholders,
        counts={category.value: count for category, count in found.counts.items()},
        **context.who_and_when(),
    )
    context.ledger.record(job.clinic_id, NOTE_AGGREGATES[job.kind], job.number, command)


def _set_event_status(context: JobContext, job: Job) -> None:
    """Advance the event status of the note's session. Decrypts nothing."""
    save = _clear_version(context, job)
    assert save is not None, "`is_wanted` has found a save"
    if save.therapist_session_id is None:
        return
    assert job.kind in {Kind.NOTE, Kind.SOAP_NOTE}
    status = EventStatus.SUMMARY_NOTES if job.kind is Kind.NOTE else EventStatus.REVIEWED
    command = AdvanceStatus(
        event_status=status,
        note=NoteVersionRef(kind=job.kind, note_id=job.number, version=job.version),
        saved_at=save.at,
        **context.who_and_when(),
    )
    context.ledger.record(job.clinic_id, SESSION, save.therapist_session_id, command)


# --- on a generation


def _generation(context: JobContext, job: Job) -> Generation | None:
    found: Generation | None = context.ledger.state(job.clinic_id, GENERATION, job.number)
    return found


def _is_draft_wanted(context: JobContext, job: Job) -> bool:
    return generation.is_wanted(_generation(context, job), job.version)


def _give_draft_up(context: JobContext, job: Job, why: WhyFailed) -> None:
    command = FailRun(run=job.version, why=why, **context.who_and_when())
    context.ledger.record(job.clinic_id, GENERATION, job.number, command)


def _write_soap_note(context: JobContext, job: Job) -> None:
    """Draft, record the draft, save it as a SOAP note, finish.

    After a crash between two steps, the next run finds the recorded draft and the saved note, and
    goes on from there.
    """

    def record(command: Any) -> Generation:
        recorded = context.ledger.record(job.clinic_id, GENERATION, job.number, command)
        state: Generation = recorded.state
        return state

    state = record(StartRun(run=job.version, **context.who_and_when()))
    if state.drafted is None:
        state = record(_new_draft(context, job, state.requested))
    if not generation.is_wanted(state, job.version):
        return
    _save_soap_note(context, job, state)
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
        session = context.ledger.state(clinic_id, SESSION, session_id)
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


def _note_source(context: JobContext, clinic_id: int, note_id: int) -> Source | None:
    first = context.ledger.read_clear(clinic_id, NOTE, note_id, 1)
    if not isinstance(first, NoteVersion) or not starts_work(first.record_type):
        return None
    note = context.ledger.state(clinic_id, NOTE, note_id)
    assert note is not None, "its first fact was just read"
    words = note.words_as_read  # an amendment takes out what must not be read any more
    if note.is_deleted or words is None:
        return None
    return Source(SourceKind.NOTE, note_id, note.saved_version, whole_text(words))


def _save_soap_note(context: JobContext, job: Job, state: Generation) -> None:
    """Save the draft under the id that the request gave.

    A note that is already there under this id was saved by this run, before a crash.
    """
    requested, drafted = state.requested, state.drafted
    note_id = requested.soap_note_id
    assert drafted is not None, "the draft was kept"
    if drafted.words is None or context.ledger.state(job.clinic_id, SOAP_NOTE, note_id):
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

JOB_HANDLERS: Final[Mapping[JobName, JobHandler]] = {
    JobName.DEIDENTIFY: JobHandler(_is_note_wanted, _deidentify, _give_note_up, 30 * 60_000),
    JobName.SET_EVENT_STATUS: JobHandler(_is_note_wanted, _set_event_status, _give_note_up, 60_000),
    JobName.WRITE_SOAP_NOTE: JobHandler(
        _is_draft_wanted, _write_soap_note, _give_draft_up, 10 * 60_000
    ),
}
