"""What the background work says of a note: its results, its failures, and that it shall be tried again.

The worker's word counts for the newest save only: what was read in an older one is out of date,
and the newer one has started work of its own.
"""

from collections.abc import Mapping
from typing import assert_never

from domain.access import Action, NoteAccess, refusal
from domain.note_facts import (
    DeidentifiedWords,
    Note,
    NoteDeidentified,
    NoteProcessingAskedAgain,
    NoteProcessingFailed,
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
    """Whatever was given up on the newest save shall be tried again."""

    note_id: Id


WorkCommand = RecordDeidentified | GiveUp | AskAgain


def is_wanted(note: Note | None, job: JobName, version: int) -> bool:
    """Whether a job on this version still has something to find out."""
    if note is None or note.is_deleted or version != note.saved_version:
        return False
    if not starts_work(note.saved.record_type) or (job, version) in note.failed:
        return False
    is_done = note.deidentified is not None and note.deidentified.of_version == version
    return not (job is JobName.DEIDENTIFY and is_done)


def decide(note: Note, command: WorkCommand, kind: Kind) -> list[WorkFact]:
    """The facts that the work makes of the note, none where it comes too late or a second time."""
    if not starts_work(note.saved.record_type):
        raise PsychotherapyNotesStartNothing
    match command:
        case RecordDeidentified():
            return _deidentified(note, command)
        case GiveUp(job=job, of_version=of_version):
            _must_be_the_worker(command)
            if not is_wanted(note, job, of_version):
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


def _deidentified(note: Note, command: RecordDeidentified) -> list[WorkFact]:
    _must_be_the_worker(command)
    if not is_wanted(note, JobName.DEIDENTIFY, command.of_version):
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
    version = note.saved_version
    failed = [job for job, of_version in note.failed if of_version == version]
    if not failed:
        raise NothingHasFailed
    named = naming(note, command)
    return [NoteProcessingAskedAgain(job=job, of_version=version, **named) for job in failed]


def _must_be_the_worker(command: WorkCommand) -> None:
    if command.by != THE_WORKER:
        raise NotPermitted
