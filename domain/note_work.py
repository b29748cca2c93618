"""What the background work says of a note: its results, its failures, and that it shall be tried again.

A save that started work makes what older ones started out of date: only its own text is read. Its
session's event status moves on all the same.
"""

from collections.abc import Mapping
from typing import assert_never

from domain.access import Action, NoteAccess, refusal
from domain.note_facts import (
    DeidentifiedWords,
    Note,
    NoteApproved,
    NoteDeidentified,
    NoteProcessingAskedAgain,
    NoteProcessingFailed,
    NoteVersion,
    naming,
)
from domain.refusals import (
    NothingHasFailed,
    NotPermitted,
    PsychotherapyNotesStartNothing,
)
from domain.value import THE_WORKER, Command, Id, Kind, Role
from domain.work import JobName, WhyFailed, starts_work

WorkFact = NoteDeidentified | NoteProcessingFailed | NoteProcessingAskedAgain


class RecordDeidentified(Command):
    """The version's text was de-identified."""

    note_id: Id
    of_version: int
    tool: str
    models: tuple[str, ...]
    text: str
    placeholders: tuple[tuple[str, str], ...]
    counts: Mapping[str, int]


class GiveUp(Command):
    """A job on the version is not tried any more."""

    note_id: Id
    of_version: int
    job: JobName
    why: WhyFailed


class AskAgain(Command):
    """Whatever was given up, and is not out of date, shall be tried again."""

    note_id: Id


WorkCommand = RecordDeidentified | GiveUp | AskAgain


def starts_jobs(kind: Kind, save: type[NoteVersion], record_type: int) -> bool:
    """Every save of a therapist note starts work, and a SOAP note's approval; no psychotherapy note."""
    return starts_work(record_type) and (kind is Kind.NOTE or save is NoteApproved)


def is_wanted(kind: Kind, note: Note | None, job: JobName, version: int) -> bool:
    """Whether a job on this version still has something to do."""
    if note is None or note.is_deleted or version not in note.entries:
        return False
    if not starts_jobs(kind, note.entries[version], note.saved.record_type):
        return False
    if (job, version) in note.failed:
        return False
    return job is not JobName.DEIDENTIFY or not _is_out_of_date(kind, note, version)


def _is_out_of_date(kind: Kind, note: Note, version: int) -> bool:
    """Whether the version, or a newer one that started work of its own, was de-identified or will be."""
    if note.deidentified and note.deidentified.of_version >= version:
        return True
    record_type = note.saved.record_type
    return any(
        newer > version and starts_jobs(kind, save, record_type)
        for newer, save in note.entries.items()
    )


def decide(note: Note, command: WorkCommand, kind: Kind) -> list[WorkFact]:
    """The facts that the work makes of the note, none where it comes too late or a second time."""
    if not starts_work(note.saved.record_type):
        raise PsychotherapyNotesStartNothing
    match command:
        case RecordDeidentified():
            return _deidentified(note, command, kind)
        case GiveUp(job=job, of_version=of_version):
            _must_be_the_worker(command)
            if not is_wanted(kind, note, job, of_version):
                return []
            return [
                NoteProcessingFailed(
                    job=job, why=command.why, of_version=of_version, **naming(note, command)
                )
            ]
        case AskAgain():
            return _asked_again(note, command, kind)
        case _:
            assert_never(command)


def _deidentified(note: Note, command: RecordDeidentified, kind: Kind) -> list[WorkFact]:
    _must_be_the_worker(command)
    if not is_wanted(kind, note, JobName.DEIDENTIFY, command.of_version):
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
            **naming(note, command),
        )
    ]


def _asked_again(note: Note, command: AskAgain, kind: Kind) -> list[WorkFact]:
    whose = NoteAccess(kind, note.saved.record_type, note.saved.therapist_user_id)
    refused = refusal(command.by, Action.SAVE, whose)
    if refused and command.by.role is not Role.ADMINISTRATOR:
        raise refused
    failed = [
        (job, version)
        for job, version in note.failed
        if job is not JobName.DEIDENTIFY or not _is_out_of_date(kind, note, version)
    ]
    if not failed:
        raise NothingHasFailed
    named = naming(note, command)
    return [
        NoteProcessingAskedAgain(job=job, of_version=version, **named) for job, version in failed
    ]


def _must_be_the_worker(command: WorkCommand) -> None:
    if command.by != THE_WORKER:
        raise NotPermitted
