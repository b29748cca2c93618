"""Background work on a note: its results, its failures, and requests to try it again.

A job works on one version of the note. Its result is recorded only while that version is the newest
of those whose save started work; a newer such save has started a job of its own. Some saves start no
work: a draft that follows an approved SOAP note does not, so the job on the approval still counts.
The job that sets a session's event status is an exception: it is done for each save that starts work.
"""

from collections.abc import Mapping
from typing import ClassVar, assert_never

from domain import access
from domain.access import Action, CommandOnNote, NoteAccess
from domain.note_facts import (
    DeidentifiedWords,
    Note,
    NoteApproved,
    NoteDeidentified,
    NoteProcessingAskedAgain,
    NoteProcessingFailed,
    NoteVersion,
)
from domain.refusals import NothingHasFailed, PsychotherapyNotesStartNothing
from domain.value import Kind
from domain.work import JobName, NoteJob, WhyFailed, starts_work

# --- commands


class RecordDeidentified(CommandOnNote):
    """The version's text was de-identified."""

    action: ClassVar[Action] = Action.RECORD_WORK
    of_version: int
    tool: str
    models: tuple[str, ...]
    text: str
    placeholders: tuple[tuple[str, str], ...]
    counts: Mapping[str, int]


class GiveUp(CommandOnNote):
    """A job on the version has failed and is not tried any more."""

    action: ClassVar[Action] = Action.RECORD_WORK
    of_version: int
    job: NoteJob
    why: WhyFailed


class AskAgain(CommandOnNote):
    """The jobs that were given up, and whose version still counts, shall be done again."""

    action: ClassVar[Action] = Action.ASK_AGAIN


WorkersCommand = RecordDeidentified | GiveUp


# --- what there is to do


def save_starts_work(kind: Kind, save: type[NoteVersion], record_type: int) -> bool:
    """Whether such a save starts work (contract, 12 and 34): of a SOAP note, only an approval."""
    return starts_work(record_type) and (kind is Kind.NOTE or issubclass(save, NoteApproved))


def is_wanted(note: Note | None, kind: Kind, job: NoteJob, version: int) -> bool:
    """Whether a worker should still do the job on this version."""
    if note is None or (job, version) in note.failed:
        return False
    return _is_open(note, kind, job, version)


def _is_open(note: Note, kind: Kind, job: NoteJob, version: int) -> bool:
    """Whether the job, given up or not, still has something to do."""
    save, record_type = note.entries.get(version), note.saved.record_type
    if note.is_deleted or save is None or not save_starts_work(kind, save, record_type):
        return False
    if job is JobName.SET_EVENT_STATUS:  # a newer save may belong to another session
        return True
    is_done = note.deidentified is not None and note.deidentified.of_version == version
    return version == _worked_version(note, kind) and not is_done


def _worked_version(note: Note, kind: Kind) -> int | None:
    """The newest version whose save started work."""
    record_type = note.saved.record_type
    newest_first = note.entries.items()
    return next((n for n, save in newest_first if save_starts_work(kind, save, record_type)), None)


# --- the facts


WorkersFact = NoteDeidentified | NoteProcessingFailed


def decide(note: Note, command: WorkersCommand, kind: Kind) -> list[WorkersFact]:
    """The facts of the worker's command, none where it is too late or was carried out before."""
    access.check(command, NoteAccess(kind, note.saved.record_type, note.saved.therapist_user_id))
    if not starts_work(note.saved.record_type):
        raise PsychotherapyNotesStartNothing
    match command:
        case RecordDeidentified():
            return _record(note, command, kind)
        case GiveUp(job=job, of_version=of_version, why=why):
            if not is_wanted(note, kind, job, of_version):
                return []
            about = note.common_fields(command.by, command.at)
            return [NoteProcessingFailed(job=job, why=why, of_version=of_version, **about)]
        case _:
            assert_never(command)


def _record(note: Note, command: RecordDeidentified, kind: Kind) -> list[WorkersFact]:
    # The job may have been given up meanwhile: if another worker has done it all the same, it is done.
    if not _is_open(note, kind, JobName.DEIDENTIFY, command.of_version):
        return []
    words = DeidentifiedWords(
        text=command.text, placeholders=command.placeholders, counts=command.counts
    )
    return [
        NoteDeidentified(
            of_version=command.of_version,
            tool=command.tool,
            models=command.models,
            words=words,
            **note.common_fields(command.by, command.at),
        )
    ]


def ask_again(note: Note, command: AskAgain, kind: Kind) -> list[NoteProcessingAskedAgain]:
    """One fact for each job to do again. `note.py` has checked that the caller may ask."""
    if not starts_work(note.saved.record_type):
        raise PsychotherapyNotesStartNothing
    failed = [key for key in note.failed if _is_open(note, kind, *key)]
    if not failed:
        raise NothingHasFailed
    about = note.common_fields(command.by, command.at)
    return [
        NoteProcessingAskedAgain(job=job, of_version=version, **about) for job, version in failed
    ]
