"""What the background work made of a note: its de-identified text, what failed, and trying again."""

from datetime import datetime
from typing import Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel

from api import saving
from api.auth import TheCaller
from api.given import TheId
from api.problems import READ, documented
from api.services import Services, TheServices
from api.therapist_note_shapes import BASE
from api.trigger import Processing
from domain import access
from domain.access import Action, NoteAccess
from domain.aggregates import NOTE_AGGREGATES
from domain.note_facts import NoteVersion
from domain.note_work import AskAgain
from domain.refusals import NotDeidentifiedYet, NoteIsUnknown
from domain.value import Caller, Kind, Role
from domain.work import SENTENCES, JobName, WhyFailed

METHOD: Final = (
    "de-identified by patterns and models; docs/deidentification.md tells the recall measured"
)

router = APIRouter(prefix=BASE)


class DeidentifiedNote(BaseModel):
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


def _deidentified(services: Services, caller: Caller, kind: Kind, note_id: int) -> DeidentifiedNote:
    """Refuses before anything is opened: the record type and whose note it is stand in the clear."""
    first = services.ledger.read_clear(caller.clinic_id, NOTE_AGGREGATES[kind], note_id, 1)
    if caller.role is not Role.ML:
        saving.find(services, caller, kind, note_id)
    if not isinstance(first, NoteVersion):
        raise NoteIsUnknown
    whose = NoteAccess(kind, first.record_type, first.therapist_user_id, is_callers_client=True)
    if refused := access.refusal(caller, Action.READ_DEIDENTIFIED, whose):
        raise refused
    note = services.ledger.state(caller.clinic_id, NOTE_AGGREGATES[kind], note_id)
    if note is None or note.is_deleted:
        raise NoteIsUnknown
    found = note.deidentified
    # What an amendment took out of the text must not be read here still.
    if found is None or found.words is None or found.of_version in note.amended:
        raise NotDeidentifiedYet
    return DeidentifiedNote(
        id=note_id,
        version=found.of_version,
        is_newest=found.of_version == note.saved_version,
        data=found.words.text,
        counts=dict(found.words.counts),
        method=METHOD,
        tool=found.tool,
        models=list(found.models),
        deidentified_at=found.at,
    )


def _processing(services: Services, caller: Caller, kind: Kind, note_id: int) -> NoteProcessing:
    _must_be_there(services, caller, kind, note_id)
    note = services.ledger.state(caller.clinic_id, NOTE_AGGREGATES[kind], note_id)
    assert note is not None, "it was just found"
    return NoteProcessing(
        id=note_id,
        version=note.saved_version,
        deidentified_version=note.deidentified.of_version if note.deidentified else None,
        failed=[
            FailedJob(job=job, version=version, reason=why, detail=SENTENCES[why])
            for (job, version), why in note.failed.items()
        ],
    )


def _must_be_there(services: Services, caller: Caller, kind: Kind, note_id: int) -> None:
    """An administrator reads no note, but learns whether the work on one went wrong."""
    if caller.role is not Role.ADMINISTRATOR:
        saving.find(services, caller, kind, note_id)
    elif services.ledger.read_clear(caller.clinic_id, NOTE_AGGREGATES[kind], note_id, 1) is None:
        raise NoteIsUnknown


def _ask_again(services: Services, caller: Caller, kind: Kind, note_id: int) -> Processing:
    _must_be_there(services, caller, kind, note_id)
    command = AskAgain(by=saving.by(caller), at=services.clock())
    services.ledger.record(caller.clinic_id, NOTE_AGGREGATES[kind], note_id, command)
    return Processing()


def _add(kind: Literal[Kind.NOTE, Kind.SOAP_NOTE], path: str, name: str, tag: str) -> None:
    """The three operations of one kind of notes."""

    @router.get(
        f"{path}/{{id}}/deidentified/",
        operation_id=f"{name}_deidentified",
        responses=READ,
        tags=[tag],
    )
    def deidentified(services: TheServices, caller: TheCaller, note_id: TheId) -> DeidentifiedNote:
        """The de-identified text of a note; for the ML service, too."""
        return _deidentified(services, caller, kind, note_id)

    @router.get(
        f"{path}/{{id}}/processing/",
        operation_id=f"{name}_processing",
        responses=READ,
        tags=[tag],
    )
    def processing(services: TheServices, caller: TheCaller, note_id: TheId) -> NoteProcessing:
        """How far the background work on a note is, and what failed."""
        return _processing(services, caller, kind, note_id)

    @router.put(
        f"{path}/{{id}}/processing/",
        operation_id=f"{name}_process_again",
        responses=documented(401, 403, 404, 409, 422, 429),
        tags=[tag],
    )
    def process_again(services: TheServices, caller: TheCaller, note_id: TheId) -> Processing:
        """Try again what failed."""
        return _ask_again(services, caller, kind, note_id)


_add(Kind.NOTE, "/recordtype", "apis_therapistnotes_recordtype", "therapist-notes")
_add(Kind.SOAP_NOTE, "/soap/recordtype", "apis_therapistnotes_soap_recordtype", "soap-notes")
