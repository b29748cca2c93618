"""What the background work made of a note: its de-identified text, what failed, and trying again."""

from datetime import datetime
from functools import partial
from typing import Final

from fastapi import Response
from pydantic import BaseModel

from api.erased import Erasable
from api.note_kinds import SOAP_NOTES, THERAPIST_NOTES, NoteKind
from api.note_reads import find_note_outline
from api.note_saves import by
from api.operations import AnyOperation, Operation, Threads, json_answer
from api.problems import READ
from api.requests import IdRequest
from api.services import Services
from api.trigger import Processing
from domain import access
from domain.access import Action, NoteAccess
from domain.note_facts import NoteVersion
from domain.note_work import AskAgain
from domain.refusals import NotDeidentifiedYet, NoteIsUnknown
from domain.value import Role
from domain.work import SENTENCES, JobName, WhyFailed

METHOD: Final = (
    "de-identified by patterns and models; docs/deidentification.md tells the recall measured"
)


class DeidentifiedNote(Erasable):
    """The newest text of a note, its files' included, that was de-identified.

    `version` is the version that was read, and `is_newest` whether the note has no newer save.
    Placeholders (`[CLIENT]`, `[DATE_1]`) stand for the same words throughout; `counts` tells how
    many there are of each category.
    """

    id: int
    version: int
    is_newest: bool
    data: str
    counts: dict[str, int]
    method: str
    tool: str
    models: list[str]
    deidentified_at: datetime


class FailedJob(BaseModel):
    """A job on a version of the note that was given up."""

    job: JobName
    version: int
    reason: WhyFailed
    detail: str


class NoteProcessing(BaseModel):
    """How far the background work on a note is."""

    id: int
    version: int
    deidentified_version: int | None
    failed: list[FailedJob]


def deidentified(kind: NoteKind, services: Services, asked: IdRequest) -> Response:
    """The de-identified text of a note; for the ML service, too."""
    _must_be_open(kind, services, asked)
    note = services.ledger.state(
        asked.caller.clinic_id, kind.aggregate, asked.id, lambda note: [note.deidentified]
    )
    assert note is not None, "a note that was found has facts"
    if note.is_deleted:
        raise NoteIsUnknown
    found = note.deidentified
    # What an amendment took out of the text must not be read here still.
    if found is None or found.of_version in note.amended:
        raise NotDeidentifiedYet
    return json_answer(
        DeidentifiedNote(
            id=asked.id,
            version=found.of_version,
            is_newest=found.of_version == note.saved_version,
            data=found.words.text if found.words else "",
            counts=dict(found.words.counts) if found.words else {},
            method=METHOD,
            tool=found.tool,
            models=list(found.models),
            deidentified_at=found.at,
            erased=found.words is None,
        )
    )


def processing(kind: NoteKind, services: Services, asked: IdRequest) -> Response:
    """How far the background work on a note is, and what failed."""
    _must_be_there(kind, services, asked)
    note = services.ledger.outline(asked.caller.clinic_id, kind.aggregate, asked.id)
    assert note is not None, "a note that was found has facts"
    return json_answer(
        NoteProcessing(
            id=asked.id,
            version=note.saved_version,
            deidentified_version=note.deidentified.of_version if note.deidentified else None,
            failed=[
                FailedJob(job=job, version=version, reason=why, detail=SENTENCES[why])
                for (job, version), why in note.failed.items()
            ],
        )
    )


def process_again(kind: NoteKind, services: Services, asked: IdRequest) -> Response:
    """Try again what failed."""
    _must_be_there(kind, services, asked)
    command = AskAgain(by=by(asked.caller), at=services.clock())
    services.ledger.record(asked.caller.clinic_id, kind.aggregate, asked.id, command)
    return json_answer(Processing())


def _must_be_open(kind: NoteKind, services: Services, asked: IdRequest) -> None:
    """Refuses before anything is opened: record type and therapist of a note stand in the clear."""
    caller = asked.caller
    first = services.ledger.read_clear(caller.clinic_id, kind.aggregate, asked.id, 1)
    if caller.role is not Role.ML:
        find_note_outline(services, caller, kind.aggregate.kind, asked.id)
    if not isinstance(first, NoteVersion):
        raise NoteIsUnknown
    note = NoteAccess(
        kind.aggregate.kind, first.record_type, first.therapist_user_id, is_callers_client=True
    )
    if refused := access.refusal(caller, Action.READ_DEIDENTIFIED, note):
        raise refused


def _must_be_there(kind: NoteKind, services: Services, asked: IdRequest) -> None:
    """An administrator reads no note, but learns whether the work on one went wrong."""
    caller, note_id = asked.caller, asked.id
    if caller.role is not Role.ADMINISTRATOR:
        find_note_outline(services, caller, kind.aggregate.kind, note_id)
    elif services.ledger.read_clear(caller.clinic_id, kind.aggregate, note_id, 1) is None:
        raise NoteIsUnknown


def _operations(kind: NoteKind) -> list[AnyOperation]:
    path, name = f"{kind.path}/recordtype/{{id}}", f"{kind.name}_recordtype"
    return [
        Operation(
            "GET",
            f"{path}/deidentified/",
            f"{name}_deidentified",
            kind.tag,
            "Deidentified",
            IdRequest,
            partial(deidentified, kind),
            answer=DeidentifiedNote,
            problems=READ,
        ),
        Operation(
            "GET",
            f"{path}/processing/",
            f"{name}_processing",
            kind.tag,
            "Processing",
            IdRequest,
            partial(processing, kind),
            answer=NoteProcessing,
            problems=READ,
        ),
        Operation(
            "PUT",
            f"{path}/processing/",
            f"{name}_process_again",
            kind.tag,
            "Process Again",
            IdRequest,
            partial(process_again, kind),
            answer=Processing,
            problems=(401, 403, 404, 409, 410, 422, 429),
            threads=Threads.SAVES,
        ),
    ]


OPERATIONS: Final[tuple[AnyOperation, ...]] = (
    *_operations(THERAPIST_NOTES),
    *_operations(SOAP_NOTES),
)
