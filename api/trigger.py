"""Drafting a SOAP note on request: operations 38 to 42 of the contract."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Final, NamedTuple

from fastapi import Response
from pydantic import BaseModel

from api.erased import Erasable
from api.inputs import InputId, RequestBody
from api.note_saves import by
from api.operations import AnyOperation, Operation, Threads, json_answer, list_of
from api.pages import PageRequest
from api.problems import READ, BadRequest
from api.requests import JSON, IdRequest, TheCaller
from api.services import Services
from api.therapist_note_shapes import BASE
from domain.access import reads_notes
from domain.generation import GENERATION, CancelGeneration, RequestAgain, RequestGeneration
from domain.generation_facts import Generation, GenerationState
from domain.refusals import (
    GenerationIsUnderWay,
    GenerationIsUnknown,
    NothingToDraftFrom,
    NotPermitted,
    NotTheAuthor,
    PersonIsErased,
    PsychotherapyNotesStartNothing,
)
from domain.value import Caller, Kind, Role
from domain.work import SENTENCES, WhyFailed, starts_work
from projections.generations import GenerationRow

PATH: Final = f"{BASE}/soap/trigger/"
_NAME: Final = "apis_therapistnotes_soap_trigger"
_TAG: Final = "soap-trigger"
_CHANGE: Final = (400, 401, 403, 404, 409, 410, 415, 422, 429)


class Trigger(RequestBody):
    """What a SOAP note shall be drafted for; without a session, the newest that there are words of."""

    client_user_id: InputId
    therapist_user_id: InputId
    therapist_client_id: InputId
    record_type: InputId
    therapist_session_id: InputId | None = None


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


class MadeBy(Erasable):
    """What made a draft, and from what."""

    maker: str
    model: str
    prompt_digest: str | None
    sources: list[Source]
    sentences: list[Sentence]


class GenerationDetail(GenerationOut):
    """The same with what made the draft, for those who read notes."""

    made_by: MadeBy | None


class TriggerRequest(NamedTuple):
    """A SOAP note that shall be drafted."""

    caller: TheCaller
    body: Annotated[Trigger, JSON]


def list_generations(services: Services, asked: PageRequest) -> Response:
    """The drafts that were asked for and that the caller may see, newest first."""
    _must_see(asked.caller)
    below, size = asked.start(services), asked.size(services)
    rows = services.generations.page(asked.caller, below, size)
    headers = asked.link_next(services, [row.generation_id for row in rows])
    return json_answer([GenerationOut(**_out(row)) for row in rows], headers=headers)


def trigger_generation(services: Services, asked: TriggerRequest) -> Response:
    """Draft a SOAP note in the background; `Location` names where its state is told."""
    caller, body, ids = asked.caller, asked.body, services.ledger.ids
    name = _client_name(services, caller, body)
    services.references.check(caller, **body.model_dump())
    session_id = _session(services, caller, body)
    with _alone(services, caller, body.therapist_client_id, session_id):
        generation_id = ids.next(caller.clinic_id, Kind.GENERATION)
        command = RequestGeneration(
            by=by(caller),
            at=services.clock(),
            client_user_id=body.client_user_id,
            therapist_user_id=body.therapist_user_id,
            therapist_client_id=body.therapist_client_id,
            record_type=body.record_type,
            therapist_session_id=session_id,
            soap_note_id=ids.next(caller.clinic_id, Kind.SOAP_NOTE),
            client_name=name,
        )
        services.ledger.record(caller.clinic_id, GENERATION, generation_id, command)
    return _under_way(generation_id)


def retrieve_generation(services: Services, asked: IdRequest) -> Response:
    """Where one draft stands, and once it is made, by what and from what."""
    caller = asked.caller
    row = _find(services, caller, asked.id)
    made_by = None
    if reads_notes(caller.role):
        made_by = _made_by(
            services.ledger.state(
                caller.clinic_id, GENERATION, asked.id, lambda generation: [generation.drafted]
            )
        )
    return json_answer(GenerationDetail(**_out(row), made_by=made_by))


def generate_again(services: Services, asked: IdRequest) -> Response:
    """Draft once more, as a new SOAP note; the former one stays."""
    caller = asked.caller
    row = _find(services, caller, asked.id)
    with _alone(services, caller, row.therapist_client_id, row.therapist_session_id):
        soap_note_id = services.ledger.ids.next(caller.clinic_id, Kind.SOAP_NOTE)
        command = RequestAgain(by=by(caller), at=services.clock(), soap_note_id=soap_note_id)
        services.ledger.record(caller.clinic_id, GENERATION, asked.id, command)
    return _under_way(asked.id)


def cancel_generation(services: Services, asked: IdRequest) -> Response:
    """Cancel a draft that is not made yet."""
    caller = asked.caller
    _find(services, caller, asked.id)
    command = CancelGeneration(by=by(caller), at=services.clock())
    services.ledger.record(caller.clinic_id, GENERATION, asked.id, command)
    return Response(status_code=204)


def _under_way(generation_id: int) -> Response:
    return json_answer(Processing(), headers={"Location": f"{PATH}{generation_id}/"})


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
    if person is None or person.role is not Role.CLIENT:
        raise BadRequest(404, "There is no such client of yours.", "client_user_id")
    if person.full_name is None:
        raise PersonIsErased("client_user_id")
    return person.full_name


def _session(services: Services, caller: Caller, body: Trigger) -> int | None:
    """The session to draft from. Raises NothingToDraftFrom."""
    ids = (caller.clinic_id, body.client_user_id, body.therapist_user_id)
    session_id = body.therapist_session_id
    if session_id is None:
        session_id = services.draft_sources.newest_session(*ids)
    if not services.draft_sources.is_there_any(*ids, session_id):
        raise NothingToDraftFrom("therapist_session_id")
    return session_id


@contextmanager
def _alone(
    services: Services, caller: Caller, therapist_client_id: int, session_id: int | None
) -> Iterator[None]:
    """One draft at a time for a relationship and session, whoever asks in whichever process."""
    draft_of = (therapist_client_id, session_id)
    with services.ledger.try_lock(caller.clinic_id, "generation", *draft_of) as is_alone:
        if not is_alone or services.generations.is_under_way(caller, *draft_of):
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
            Sentence(section=one.section, cites=[Cite(**c.model_dump()) for c in one.cites])
            for one in sentences
        ],
        erased=drafted.words is None,
    )


OPERATIONS: Final[tuple[AnyOperation, ...]] = (
    Operation(
        "GET",
        PATH,
        f"{_NAME}_retrieve",
        _TAG,
        "List Generations",
        PageRequest,
        list_generations,
        answer=list_of(GenerationOut),
        problems=READ,
    ),
    Operation(
        "POST",
        PATH,
        f"{_NAME}_create",
        _TAG,
        "Trigger Generation",
        TriggerRequest,
        trigger_generation,
        answer=Processing,
        problems=_CHANGE,
        threads=Threads.SAVES,
    ),
    Operation(
        "GET",
        f"{PATH}{{id}}/",
        f"{_NAME}_retrieve_2",
        _TAG,
        "Retrieve Generation",
        IdRequest,
        retrieve_generation,
        answer=GenerationDetail,
        problems=READ,
    ),
    Operation(
        "PUT",
        f"{PATH}{{id}}/",
        f"{_NAME}_update",
        _TAG,
        "Generate Again",
        IdRequest,
        generate_again,
        answer=Processing,
        problems=_CHANGE,
        threads=Threads.SAVES,
    ),
    Operation(
        "DELETE",
        f"{PATH}{{id}}/",
        f"{_NAME}_destroy",
        _TAG,
        "Cancel Generation",
        IdRequest,
        cancel_generation,
        problems=_CHANGE,
        status=204,
        threads=Threads.SAVES,
    ),
)
