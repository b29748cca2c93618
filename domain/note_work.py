"""What the background work says of a note: its results, its failures, and that it shall be tried again.

The worker's word counts for the newest save that started work: what was read in an older one is
out of date, and the newer one has started work of its own. A draft on top of an approved SOAP
note starts none, so the work on the approval goes on. Event status is set for each save.
"""

from collections.abc import Mapping
from typing import assert_never

from domain.note_facts import (
    DeidentifiedWords,
    Note,
    NoteApproved,
    NoteDeidentified,
    NoteProcessingAskedAgain,
    NoteProcessingFailed,
    NoteVersion,
    common_fields,
)
from domain.refusals import NothingHasFailed, NotPermitted, PsychotherapyNotesStartNothing
from domain.value import THE_WORKER, Command, Kind
from domain.work import JobName, NoteJob, WhyFailed, starts_work

# --- commands


class RecordDeidentified(Command):
    """The version's text was de-identified."""

    of_version: int
    tool: str
    models: tuple[str, ...]
    text: str
    placeholders: tuple[tuple[str, str], ...]
    counts: Mapping[str, int]


class GiveUp(Command):
    """A job on the version is not tried any more."""

    of_version: int
    job: NoteJob
    why: WhyFailed


class AskAgain(Command):
    """Whatever was given up, and is not out of date, shall be tried again."""


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
    """Whether the job, given up or not, could still find something to do."""
    save, record_type = note.entries.get(version), note.saved.record_type
    if note.is_deleted or save is None or not save_starts_work(kind, save, record_type):
        return False
    if job is JobName.SET_EVENT_STATUS:  # a newer save may be of another session
        return True
    is_done = note.deidentified is not None and note.deidentified.of_version == version
    return version == _worked_version(note, kind) and not is_done


def _worked_version(note: Note, kind: Kind) -> int | None:
    """The newest version whose save started work."""
    record_type = note.saved.record_type
    started = [n for n, save in note.entries.items() if save_starts_work(kind, save, record_type)]
    return max(started, default=None)


# --- the facts


WorkersFact = NoteDeidentified | NoteProcessingFailed


def decide(note: Note, command: WorkersCommand, kind: Kind) -> list[WorkersFact]:
    """The facts that the worker makes of the note, none where it comes too late or a second time."""
    if command.by != THE_WORKER:
        raise NotPermitted
    if not starts_work(note.saved.record_type):
        raise PsychotherapyNotesStartNothing
    match command:
        case RecordDeidentified():
            return _record(note, command, kind)
        case GiveUp(job=job, of_version=of_version, why=why):
            if not is_wanted(note, kind, job, of_version):
                return []
            about = common_fields(note, command)
            return [NoteProcessingFailed(job=job, why=why, of_version=of_version, **about)]
        case _:
            assert_never(command)


def _record(note: Note, command: RecordDeidentified, kind: Kind) -> list[WorkersFact]:
    # A job that was given up, and that another worker has done after all, is done.
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
            **common_fields(note, command),
        )
    ]


def ask_again(note: Note, command: AskAgain, kind: Kind) -> list[NoteProcessingAskedAgain]:
    """The jobs that shall be tried again. Who may ask, and of what, `note.py` has checked."""
    if not starts_work(note.saved.record_type):
        raise PsychotherapyNotesStartNothing
    failed = [key for key in note.failed if _is_open(note, kind, *key)]
    if not failed:
        raise NothingHasFailed
    about = common_fields(note, command)
    return [
        NoteProcessingAskedAgain(job=job, of_version=version, **about) for job, version in failed
    ]
