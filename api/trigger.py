"""Drafting a SOAP note on request: operations 38 to 42 of the contract."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from api import saving
from api.auth import TheCaller
from api.given import Cursor, GivenId, TheId, TheLimit, link_next, read_cursor
from api.problems import BadRequest, documented
from api.services import Services, TheServices
from api.therapist_note_shapes import BASE, Given
from domain.access import reads_notes
from domain.generation import GENERATION, CancelGeneration, RequestAgain, RequestGeneration
from domain.generation_facts import Generation, GenerationState
from domain.refusals import (
    GenerationIsUnderWay,
    GenerationIsUnknown,
    NothingToDraftFrom,
    NotPermitted,
    NotTheAuthor,
    PsychotherapyNotesStartNothing,
)
from domain.value import Caller, Kind, Role
from domain.work import SENTENCES, WhyFailed, starts_work
from projections.generations import GenerationRow

PATH: Final = f"{BASE}/soap/trigger/"
_NAME: Final = "apis_therapistnotes_soap_trigger"
_READ: Final = documented(401, 403, 404, 422, 429)
_CHANGE: Final = documented(400, 401, 403, 404, 409, 415, 422, 429)

router = APIRouter(prefix=f"{BASE}/soap/trigger", tags=["soap-trigger"])


class Trigger(Given):
    """What a SOAP note shall be drafted for; without a session, the newest that there are words of."""

    client_user_id: GivenId
    therapist_user_id: GivenId
    therapist_client_id: GivenId
    record_type: GivenId
    therapist_session_id: GivenId | None = None


class Processing(BaseModel):
    """The work goes on in the background."""

    detail: str = "Processing"


class GenerationOut(BaseModel):
    """Where a draft stands. `soap_note_id` is there once it is done, `reason` where it failed."""

    id: int
    state: GenerationState
    client_user_id: int
    therapist_user_id: int
    therapist_client_id: int
    record_type: int
    therapist_session_id: int | None
    soap_note_id: int | None
    reason: WhyFailed | None
    detail: str | None
    requested_at: datetime
    changed_at: datetime


class Source(BaseModel):
    """A version of a transcript (`id` is its session's) or of a note that was read."""

    kind: str
    id: int
    version: int


class Cite(BaseModel):
    """Characters `start` to `end` (excluded) of the text of `sources[source]`."""

    source: int
    start: int
    end: int


class Sentence(BaseModel):
    """A sentence of the draft, in its order: where it stands, and what it rests on."""

    section: str
    cites: list[Cite]


class MadeBy(BaseModel):
    """What made a draft, and from what."""

    maker: str
    model: str
    prompt_digest: str | None
    sources: list[Source]
    sentences: list[Sentence]


class GenerationDetail(GenerationOut):
    """The same with what made the draft, for those who read notes."""

    made_by: MadeBy | None


@router.get("/", operation_id=f"{_NAME}_retrieve", responses=_READ)
def list_generations(
    request: Request,
    response: Response,
    services: TheServices,
    caller: TheCaller,
    limit: TheLimit,
    cursor: Cursor = None,
) -> list[GenerationOut]:
    """The drafts that were asked for and that the caller may see, newest first."""
    _must_see(caller)
    rows = services.generations.page(caller, read_cursor(services, caller, cursor), limit)
    more = rows[-1].generation_id if len(rows) == limit else None
    response.headers.update(link_next(request, services, caller, more, limit))
    return [GenerationOut(**_out(row)) for row in rows]


@router.post("/", operation_id=f"{_NAME}_create", responses=_CHANGE)
def trigger_generation(
    response: Response, services: TheServices, caller: TheCaller, body: Trigger
) -> Processing:
    """Draft a SOAP note in the background; `Location` names where its state is told."""
    name = _client_name(services, caller, body)
    services.references.check(caller, **body.model_dump())
    session_id = _session(services, caller, body)
    with _alone(services, caller, body.therapist_client_id, session_id):
        generation_id = services.ledger.ids.next(Kind.GENERATION)
        command = RequestGeneration(
            by=saving.by(caller),
            at=services.clock(),
            client_user_id=body.client_user_id,
            therapist_user_id=body.therapist_user_id,
            therapist_client_id=body.therapist_client_id,
            record_type=body.record_type,
            therapist_session_id=session_id,
            soap_note_id=services.ledger.ids.next(Kind.SOAP_NOTE),
            client_name=name,
        )
        services.ledger.record(caller.clinic_id, GENERATION, generation_id, command)
    response.headers["Location"] = f"{PATH}{generation_id}/"
    return Processing()


@router.get("/{id}/", operation_id=f"{_NAME}_retrieve_2", responses=_READ)
def retrieve_generation(
    services: TheServices, caller: TheCaller, generation_id: TheId
) -> GenerationDetail:
    """Where one draft stands, and once it is made, by what and from what."""
    row = _find(services, caller, generation_id)
    made_by = None
    if reads_notes(caller.role):
        made_by = _made_by(services.ledger.state(caller.clinic_id, GENERATION, generation_id))
    return GenerationDetail(**_out(row), made_by=made_by)


@router.put("/{id}/", operation_id=f"{_NAME}_update", responses=_CHANGE)
def generate_again(
    response: Response, services: TheServices, caller: TheCaller, generation_id: TheId
) -> Processing:
    """Draft once more, as a new SOAP note; the former one stays."""
    row = _find(services, caller, generation_id)
    with _alone(services, caller, row.therapist_client_id, row.therapist_session_id):
        command = RequestAgain(
            by=saving.by(caller),
            at=services.clock(),
            soap_note_id=services.ledger.ids.next(Kind.SOAP_NOTE),
        )
        services.ledger.record(caller.clinic_id, GENERATION, generation_id, command)
    response.headers["Location"] = f"{PATH}{generation_id}/"
    return Processing()


@router.delete("/{id}/", status_code=204, operation_id=f"{_NAME}_destroy", responses=_CHANGE)
def cancel_generation(services: TheServices, caller: TheCaller, generation_id: TheId) -> Response:
    """Cancel a draft that is not made yet."""
    _find(services, caller, generation_id)
    command = CancelGeneration(by=saving.by(caller), at=services.clock())
    services.ledger.record(caller.clinic_id, GENERATION, generation_id, command)
    return Response(status_code=204)


def _must_see(caller: Caller) -> None:
    if caller.role not in {Role.THERAPIST, Role.AUDITOR, Role.ADMINISTRATOR}:
        raise NotPermitted


def _find(services: Services, caller: Caller, generation_id: int) -> GenerationRow:
    _must_see(caller)
    row = services.generations.find(caller, generation_id)
    if row is None:
        raise GenerationIsUnknown
    return row


def _client_name(services: Services, caller: Caller, body: Trigger) -> str:
    """Of a client of the caller's; what the caller may not do is refused before names are looked up."""
    if caller.role is not Role.THERAPIST:
        raise NotPermitted
    if body.therapist_user_id != caller.user_id:
        raise NotTheAuthor("therapist_user_id")
    if not starts_work(body.record_type):
        raise PsychotherapyNotesStartNothing("record_type")
    person = services.people.find(caller, body.client_user_id)
    if person is None or person.role is not Role.CLIENT or person.full_name is None:
        raise BadRequest(404, "There is no such client of yours.", "client_user_id")
    return person.full_name


def _session(services: Services, caller: Caller, body: Trigger) -> int | None:
    """The session to draft from. Raises NothingToDraftFrom."""
    whose = (caller.clinic_id, body.client_user_id, body.therapist_user_id)
    session_id = body.therapist_session_id
    if session_id is None:
        session_id = services.draft_sources.newest_session(*whose)
    if not services.draft_sources.is_there_any(*whose, session_id):
        raise NothingToDraftFrom("therapist_session_id")
    return session_id


@contextmanager
def _alone(
    services: Services, caller: Caller, therapist_client_id: int, session_id: int | None
) -> Iterator[None]:
    """One draft at a time for a relationship and session, whoever asks in whichever process."""
    which = (therapist_client_id, session_id)
    with services.ledger.try_lock(caller.clinic_id, "generation", *which) as is_alone:
        if not is_alone or services.generations.is_under_way(caller, *which):
            raise GenerationIsUnderWay
        yield


def _out(row: GenerationRow) -> dict[str, Any]:
    state = GenerationState(row.state)
    why = WhyFailed(row.why) if row.why else None
    return {
        "id": row.generation_id,
        "state": state,
        "client_user_id": row.client_user_id,
        "therapist_user_id": row.therapist_user_id,
        "therapist_client_id": row.therapist_client_id,
        "record_type": row.record_type,
        "therapist_session_id": row.therapist_session_id,
        "soap_note_id": row.soap_note_id if state is GenerationState.DONE else None,
        "reason": why,
        "detail": SENTENCES[why] if why else None,
        "requested_at": row.requested_at,
        "changed_at": row.changed_at,
    }


def _made_by(generation: Generation | None) -> MadeBy | None:
    drafted = generation.drafted if generation else None
    if drafted is None:
        return None
    sentences = drafted.words.sentences if drafted.words else ()
    return MadeBy(
        maker=drafted.maker,
        model=drafted.model,
        prompt_digest=drafted.prompt_digest,
        sources=[
            Source(kind=source.kind, id=source.number, version=source.version)
            for source in drafted.sources
        ],
        sentences=[
            Sentence(section=said.section, cites=[Cite(**c.model_dump()) for c in said.cites])
            for said in sentences
        ],
    )
