"""Named sample data of the background work: what the worker says, and what people ask of it.

The people are those of `samples.py`.
"""

from datetime import datetime
from typing import Any, Final

from domain.generation import (
    CancelGeneration,
    FailRun,
    FinishRun,
    RecordDraft,
    RequestAgain,
    RequestGeneration,
    StartRun,
)
from domain.generation_facts import (
    Cite,
    DraftSource,
    DraftWords,
    GenerationCancelled,
    GenerationDrafted,
    GenerationFailed,
    GenerationFinished,
    GenerationRequested,
    GenerationStarted,
    GenerationWords,
    SourceKind,
    TracedSentence,
)
from domain.note_facts import (
    DeidentifiedWords,
    NoteDeidentified,
    NoteProcessingAskedAgain,
    NoteProcessingFailed,
)
from domain.note_work import AskAgain, GiveUp, RecordDeidentified
from domain.session import (
    AdvanceStatus,
    EventStatus,
    NoteVersionRef,
    PutTranscript,
    SessionStatusAdvanced,
    TranscriptStored,
    TranscriptWords,
)
from domain.value import THE_WORKER, By, Kind
from domain.work import JobName, NoteJob, WhyFailed
from tests.samples import (
    ALMA,
    ALMA_TREATS_CLARA,
    CLARA,
    NAMES,
    NOON,
    NOTE_ID,
    PROGRESS,
    SESSION_ID,
)

DEIDENTIFY: Final = JobName.DEIDENTIFY
SET_EVENT_STATUS: Final = JobName.SET_EVENT_STATUS

# --- of notes: commands

_TOOL: Final[dict[str, Any]] = {
    "tool": "noteledger-deidentify/1",
    "models": ("en_core_web_sm 3.8.0",),
}
_WITHOUT_NAMES: Final[dict[str, Any]] = {
    "text": "[CLIENT] slept well",
    "placeholders": (("[CLIENT]", "Clara Claes"),),
    "counts": {"NAME": 1},
}


def record_deidentified(
    of_version: int = 1, *, by: By = THE_WORKER, at: datetime = NOON, text: str | None = None
) -> RecordDeidentified:
    """The worker has de-identified a version."""
    words = _WITHOUT_NAMES | ({"text": text} if text is not None else {})
    return RecordDeidentified(by=by, at=at, of_version=of_version, **_TOOL, **words)


def give_up(
    of_version: int = 1,
    job: NoteJob = DEIDENTIFY,
    why: WhyFailed = WhyFailed.BROKE,
    *,
    by: By = THE_WORKER,
    at: datetime = NOON,
) -> GiveUp:
    """The worker gives a job up."""
    return GiveUp(by=by, at=at, of_version=of_version, job=job, why=why)


def ask_again(by: By = ALMA, at: datetime = NOON) -> AskAgain:
    """Alma wants it tried again."""
    return AskAgain(by=by, at=at)


# --- of notes: facts


def deidentified(of_version: int = 1, **fields: Any) -> NoteDeidentified:
    """A version of Alma's note about Clara was de-identified."""
    words = DeidentifiedWords(**_WITHOUT_NAMES)
    return NoteDeidentified(**_by_worker(fields), of_version=of_version, **_TOOL, words=words)


def processing_failed(
    of_version: int = 1,
    job: NoteJob = DEIDENTIFY,
    why: WhyFailed = WhyFailed.BROKE,
    **fields: Any,
) -> NoteProcessingFailed:
    """A job on a version of it was given up."""
    return NoteProcessingFailed(**_by_worker(fields), of_version=of_version, job=job, why=why)


def processing_asked_again(
    of_version: int = 1, job: NoteJob = DEIDENTIFY, **fields: Any
) -> NoteProcessingAskedAgain:
    """Alma has asked for it again."""
    about = {"by": ALMA} | fields
    return NoteProcessingAskedAgain(**_by_worker(about), of_version=of_version, job=job)


def _by_worker(fields: dict[str, Any]) -> dict[str, Any]:
    about = {
        "by": THE_WORKER,
        "at": NOON,
        "note_id": NOTE_ID,
        "client_user_id": CLARA.user_id,
        "record_type": PROGRESS,
    }
    return about | fields


# --- of sessions


def version_of_note(
    version: int = 1, note_id: int = NOTE_ID, kind: Any = Kind.NOTE
) -> NoteVersionRef:
    """A version of a note that was written of the session."""
    return NoteVersionRef(kind=kind, note_id=note_id, version=version)


def advance(
    event_status: EventStatus = EventStatus.SUMMARY_NOTES,
    *,
    note: NoteVersionRef | None = None,
    saved_at: datetime = NOON,
    by: By = THE_WORKER,
    at: datetime = NOON,
) -> AdvanceStatus:
    """The worker moves the session's status on."""
    return AdvanceStatus(
        by=by,
        at=at,
        event_status=event_status,
        note=note or version_of_note(),
        saved_at=saved_at,
    )


def put_transcript(
    text: str = "I slept well.", *, by: By = ALMA, at: datetime = NOON
) -> PutTranscript:
    """Alma stores what was fields."""
    return PutTranscript(by=by, at=at, text=text)


def advanced(
    event_status: EventStatus = EventStatus.SUMMARY_NOTES,
    note: NoteVersionRef | None = None,
    at: datetime = NOON,
) -> SessionStatusAdvanced:
    """The session's status was moved on."""
    return SessionStatusAdvanced(
        by=THE_WORKER,
        at=at,
        session_id=SESSION_ID,
        client_user_id=CLARA.user_id,
        event_status=event_status,
        note=note or version_of_note(),
    )


def transcript_stored(text: str = "I slept well.", at: datetime = NOON) -> TranscriptStored:
    """The session has a transcript."""
    return TranscriptStored(
        by=ALMA,
        at=at,
        session_id=SESSION_ID,
        client_user_id=CLARA.user_id,
        words=TranscriptWords(text=text),
    )


# --- of generations: commands

GENERATION_ID: Final = 301
SOAP_NOTE_ID: Final = 401
"""What the first request is to draft."""
_MADE: Final[dict[str, Any]] = {
    "maker": "extractive",
    "model": "soap-sections/1",
    "prompt_digest": None,
    "sources": (
        DraftSource(kind=SourceKind.TRANSCRIPT, number=SESSION_ID, version=2),
        DraftSource(kind=SourceKind.NOTE, number=NOTE_ID, version=1),
    ),
}
_DRAFT: Final[dict[str, Any]] = {
    "text": "Subjective\nI slept well.",
    "sentences": (TracedSentence(section="Subjective", cites=(Cite(source=0, start=0, end=13),)),),
}


def request_generation(
    *,
    by: By = ALMA,
    at: datetime = NOON,
    record_type: int = PROGRESS,
    therapist_session_id: int | None = SESSION_ID,
) -> RequestGeneration:
    """Alma wants a SOAP note drafted from Clara's session."""
    return RequestGeneration(
        by=by,
        at=at,
        client_user_id=CLARA.user_id,
        therapist_user_id=ALMA.user_id,
        therapist_client_id=ALMA_TREATS_CLARA,
        record_type=record_type,
        therapist_session_id=therapist_session_id,
        soap_note_id=SOAP_NOTE_ID,
        client_name=NAMES[CLARA],
    )


def request_again(
    soap_note_id: int = SOAP_NOTE_ID + 1, *, by: By = ALMA, at: datetime = NOON
) -> RequestAgain:
    """Alma wants it drafted once more."""
    return RequestAgain(by=by, at=at, soap_note_id=soap_note_id)


def cancel(by: By = ALMA, at: datetime = NOON) -> CancelGeneration:
    """Alma does not want it any more."""
    return CancelGeneration(by=by, at=at)


def start(run: int = 1, *, by: By = THE_WORKER, at: datetime = NOON) -> StartRun:
    """The worker begins."""
    return StartRun(by=by, at=at, run=run)


def record_draft(
    run: int = 1, *, by: By = THE_WORKER, at: datetime = NOON, model: str = "soap-sections/1"
) -> RecordDraft:
    """The worker has made the draft."""
    return RecordDraft(by=by, at=at, run=run, **_MADE | {"model": model}, **_DRAFT)


def finish(run: int = 1, *, by: By = THE_WORKER, at: datetime = NOON) -> FinishRun:
    """The worker has saved the draft as a SOAP note."""
    return FinishRun(by=by, at=at, run=run)


def fail(
    run: int = 1,
    why: WhyFailed = WhyFailed.SERVICE_TOO_SLOW,
    *,
    by: By = THE_WORKER,
    at: datetime = NOON,
) -> FailRun:
    """The worker gives up."""
    return FailRun(by=by, at=at, run=run, why=why)


# --- of generations: facts


def requested(run: int = 1, **fields: Any) -> GenerationRequested:
    """Alma has asked for a SOAP note."""
    about = {
        "by": ALMA,
        "therapist_client_id": ALMA_TREATS_CLARA,
        "record_type": PROGRESS,
        "therapist_session_id": SESSION_ID,
        "soap_note_id": SOAP_NOTE_ID - 1 + run,
        "words": GenerationWords(client_name=NAMES[CLARA]),
    }
    return GenerationRequested(**_of_run(run, about | fields))


def started(run: int = 1, **fields: Any) -> GenerationStarted:
    """A worker has begun."""
    return GenerationStarted(**_of_run(run, fields))


def draft_made(run: int = 1, **fields: Any) -> GenerationDrafted:
    """The draft is there, and no SOAP note yet."""
    about = _MADE | {"words": DraftWords(**_DRAFT)}
    return GenerationDrafted(**_of_run(run, about | fields))


def finished(run: int = 1, **fields: Any) -> GenerationFinished:
    """The draft is saved as a SOAP note."""
    return GenerationFinished(**_of_run(run, {"soap_note_id": SOAP_NOTE_ID - 1 + run} | fields))


def failed(
    run: int = 1, why: WhyFailed = WhyFailed.SERVICE_TOO_SLOW, **fields: Any
) -> GenerationFailed:
    """A worker has given up."""
    return GenerationFailed(**_of_run(run, {"why": why} | fields))


def cancelled(run: int = 1, **fields: Any) -> GenerationCancelled:
    """Alma has cancelled it."""
    return GenerationCancelled(**_of_run(run, {"by": ALMA} | fields))


def _of_run(run: int, fields: dict[str, Any]) -> dict[str, Any]:
    about = {
        "by": THE_WORKER,
        "at": NOON,
        "generation_id": GENERATION_ID,
        "client_user_id": CLARA.user_id,
        "therapist_user_id": ALMA.user_id,
        "run": run,
    }
    return about | fields
