"""The jobs on a version of a note: de-identify its text, and advance its session's event status."""

from domain import note_work
from domain.aggregates import NOTE_AGGREGATES
from domain.note_facts import NoteVersion, whole_text
from domain.note_work import GiveUp, RecordDeidentified
from domain.session import SESSION, AdvanceStatus, EventStatus, NoteVersionRef
from domain.value import Kind
from domain.work import JobName, NoteJob, WhyFailed, starts_work
from handlers.deidentify import DeidentificationFailedError
from handlers.job_context import JobContext, PermanentFailure
from handlers.policies import Job


def _clear_version(context: JobContext, job: Job) -> NoteVersion | None:
    """The version without its words, or None where no work may be done on it. Decrypts nothing."""
    fact = context.ledger.read_clear(
        job.clinic_id, NOTE_AGGREGATES[job.kind], job.number, job.version
    )
    if not isinstance(fact, NoteVersion) or not starts_work(fact.record_type):
        return None
    return fact


def is_note_wanted(context: JobContext, job: Job) -> bool:
    """Whether the job on this version of the note is still to be done."""
    if _clear_version(context, job) is None:
        return False
    note = context.ledger.outline(job.clinic_id, NOTE_AGGREGATES[job.kind], job.number)
    return note_work.is_wanted(note, job.kind, _note_job(job), job.version)


def give_note_up(context: JobContext, job: Job, why: WhyFailed) -> None:
    """Record that the job on this version failed for good."""
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


def deidentify(context: JobContext, job: Job) -> None:
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


def set_event_status(context: JobContext, job: Job) -> None:
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
