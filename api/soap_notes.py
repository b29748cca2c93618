"""SOAP notes: operations 18 to 22 and 33 to 37 of the contract."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Request, Response
from pydantic import TypeAdapter

from api import saving
from api import soap_note_shapes as shapes
from api.auth import TheCaller
from api.given import (
    Cursor,
    IdempotencyKey,
    IfVersion,
    TheId,
    TheLimit,
    checked_text,
    claim,
)
from api.lean import LOOK_UPS_AT_ONCE, SAVES_AT_ONCE, json_body, lean, save_headers
from api.problems import CHANGE, LOOK_UP, READ
from api.services import Services, TheServices
from api.therapist_note_shapes import BASE, Because
from domain.note import CreateNote, Draft, SaveNote
from domain.soap_note import SOAP_NOTE
from domain.value import Caller, Kind, Role
from projections.notes import CurrentNote

_NAME: Final = "apis_therapistnotes_soap"
_SOAP: Final = Kind.SOAP_NOTE


async def look_up(request: Request, services: Services) -> dict[str, Any]:
    """Which client and record type."""
    return {"which": await json_body(request, shapes.SoapLookUp)}


async def _save_body(request: Request, services: Services) -> dict[str, Any]:
    return {"body": await json_body(request, shapes.SoapSave), **await save_headers(request)}


_PREFIX: Final = f"{BASE}/soap"
router = APIRouter(prefix=_PREFIX, tags=["soap-notes"])
look_ups = APIRouter(
    prefix=_PREFIX, tags=["soap-notes"], route_class=lean(look_up, LOOK_UPS_AT_ONCE)
)
saves = APIRouter(prefix=_PREFIX, tags=["soap-notes"], route_class=lean(_save_body, SAVES_AT_ONCE))
routers = (look_ups, saves, router)


_shorts: Final = TypeAdapter(list[shapes.SoapShort])
_by_types: Final = TypeAdapter(list[shapes.SoapByType])
_longs: Final = TypeAdapter(list[shapes.SoapLong])


# --- /soap/data/


@router.get(
    "/data/",
    operation_id=f"{_NAME}_data_list",
    response_model=list[shapes.SoapShort],
    responses=READ,
)
def list_soap_notes(
    request: Request,
    services: TheServices,
    caller: TheCaller,
    limit: TheLimit,
    cursor: Cursor = None,
) -> Response:
    """SOAP notes that are not deleted and that the caller may see, by id."""
    notes, headers = saving.note_page(request, services, caller, _SOAP, limit, cursor)
    body = _shorts.dump_json([shapes.short(note) for note in notes])
    return Response(body, headers=headers, media_type=saving.JSON)


@look_ups.post(
    "/data/",
    operation_id=f"{_NAME}_data_create",
    response_model=list[shapes.SoapByType],
    responses=LOOK_UP,
)
def soap_notes_by_record_type(
    services: TheServices, caller: TheCaller, which: shapes.SoapLookUp
) -> Response:
    """SOAP notes of one client and record type; 204 where there are none."""
    saving.must_read(caller)
    notes = services.notes.of_client(caller, _SOAP, which.client_user_id, which.record_type_id)
    return saving.found(_by_types.dump_json([shapes.by_type(note) for note in notes]), notes)


@router.get(
    "/data/{id}/",
    operation_id=f"{_NAME}_data_retrieve",
    response_model=shapes.SoapShort,
    responses=READ,
)
def retrieve_soap_note(services: TheServices, caller: TheCaller, note_id: TheId) -> Response:
    """One SOAP note."""
    note = saving.find(services, caller, _SOAP, note_id)
    return saving.answer(shapes.short(note).model_dump_json(), note.version)


@router.put(
    "/data/{id}/",
    operation_id=f"{_NAME}_data_update",
    response_model=shapes.SoapShort,
    responses=CHANGE,
)
def update_soap_note(
    services: TheServices,
    caller: TheCaller,
    note_id: TheId,
    body: shapes.SoapPut,
    if_version: IfVersion,
) -> Response:
    """A new version of the therapist's text; with `is_approved`, an approved one."""
    draft = _therapists_draft(services, caller, body, body.therapist_data)
    draft = draft.model_copy(update={"dated": body.date})
    note = _save(services, caller, note_id, draft, body, if_version)
    return saving.answer(shapes.short(note).model_dump_json(), note.version)


@router.delete(
    "/data/{id}/", status_code=204, operation_id=f"{_NAME}_data_destroy", responses=CHANGE
)
def delete_soap_note(
    services: TheServices,
    caller: TheCaller,
    note_id: TheId,
    if_version: IfVersion,
    because: Annotated[Because | None, Body()] = None,
) -> Response:
    """The SOAP note's soft deletion; its id comes in the header Note-Id."""
    reason = because.reason if because else None
    return saving.delete(services, caller, _SOAP, note_id, reason, if_version)


def _therapists_draft(
    services: Services, caller: Caller, body: shapes.SoapSaid, text: str
) -> Draft:
    return Draft(
        text=checked_text(services, text, "therapist_data"),
        therapist_session_id=body.therapist_session_id,
        is_approved=bool(body.is_approved),
        is_override=body.is_override,
        signature=body.signature or None,
        signer_name=saving.signers_name(services, caller, body.is_approved),
    )


def _save(
    services: Services,
    caller: Caller,
    note_id: int,
    draft: Draft,
    said: shapes.SoapSaid,
    if_version: int | None,
) -> CurrentNote:
    note = saving.find(services, caller, _SOAP, note_id)
    saving.check_session(services, caller, note, draft.therapist_session_id)
    command = SaveNote(
        by=saving.by(caller),
        at=services.clock(),
        draft=draft,
        if_version=if_version,
        client_user_id=said.client_user_id,
        therapist_user_id=said.therapist_user_id,
        therapist_client_id=said.therapist_client_id,
        record_type=said.therapist_notes_notetypeid,
    )
    recorded = services.ledger.record(caller.clinic_id, SOAP_NOTE, note_id, command)
    return saving.after(services, caller, _SOAP, recorded)


# --- /soap/recordtype/


def _long(note: CurrentNote) -> shapes.SoapLong:
    return shapes.long(note, saving.current_entry(note))


@router.get(
    "/recordtype/",
    operation_id=f"{_NAME}_recordtype_list",
    response_model=list[shapes.SoapLong],
    responses=READ,
)
def list_long(
    request: Request,
    services: TheServices,
    caller: TheCaller,
    limit: TheLimit,
    cursor: Cursor = None,
) -> Response:
    """SOAP notes in their long form."""
    notes, headers = saving.note_page(request, services, caller, _SOAP, limit, cursor)
    body = _longs.dump_json([_long(note) for note in notes])
    return Response(body, headers=headers, media_type=saving.JSON)


@saves.post(
    "/recordtype/",
    operation_id=f"{_NAME}_recordtype_create",
    status_code=201,
    response_model=shapes.SoapLong,
    responses=CHANGE,
)
def create_or_update(
    services: TheServices,
    caller: TheCaller,
    body: shapes.SoapSave,
    if_version: IfVersion,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Create a SOAP note, or with `id` save a new version of it; the ML service drafts so, too."""
    draft = Draft(
        text=checked_text(services, body.data),
        dated=body.date,
        therapist_session_id=body.therapist_session_id,
        sender_role=shapes.sender(body.sender_role),
        is_approved=body.is_approved,
        is_override=body.is_override,
        signature=body.signature or None,
        signer_name=saving.signers_name(services, caller, body.is_approved),
    )
    if body.id is None:
        note = _create(services, caller, body, draft, idempotency_key)
    else:
        note = _save_again(services, caller, body.id, body, draft, if_version)
    location = f"{BASE}/soap/recordtype/{note.note_id}/"
    return saving.answer(_long(note).model_dump_json(), note.version, 201, location)


def _create(
    services: Services, caller: Caller, body: shapes.SoapSave, draft: Draft, key: str | None
) -> CurrentNote:
    whose = _whose(body)
    services.references.check(caller, therapist_session_id=body.therapist_session_id, **whose)
    note_id = services.ledger.ids.next(_SOAP)
    command = CreateNote(by=saving.by(caller), at=services.clock(), draft=draft, **whose)
    whole = body.model_dump_json().encode() if key else b""
    claimed = claim(services, caller, key, f"{BASE}/soap/recordtype/", whole)
    recorded = services.ledger.record(caller.clinic_id, SOAP_NOTE, note_id, command, claim=claimed)
    return saving.after(services, caller, _SOAP, recorded)


def _save_again(
    services: Services,
    caller: Caller,
    note_id: int,
    body: shapes.SoapSave,
    draft: Draft,
    if_version: int | None,
) -> CurrentNote:
    if caller.role is not Role.ML:
        saving.find(services, caller, _SOAP, note_id)
    whose = _whose(body)
    services.references.check(
        caller,
        body.client_user_id,
        body.therapist_user_id,
        therapist_session_id=body.therapist_session_id,
    )
    command = SaveNote(
        by=saving.by(caller),
        at=services.clock(),
        draft=draft,
        if_version=if_version,
        **whose,
    )
    recorded = services.ledger.record(caller.clinic_id, SOAP_NOTE, note_id, command)
    return saving.after(services, caller, _SOAP, recorded)


def _whose(body: shapes.SoapSave) -> dict[str, Any]:
    return body.model_dump(
        include={"client_user_id", "therapist_user_id", "therapist_client_id", "record_type"}
    )


@router.get(
    "/recordtype/{id}/",
    operation_id=f"{_NAME}_recordtype_retrieve",
    response_model=shapes.SoapLong,
    responses=READ,
)
def retrieve_long(services: TheServices, caller: TheCaller, note_id: TheId) -> Response:
    """One SOAP note in its long form."""
    note = saving.find(services, caller, _SOAP, note_id)
    return saving.answer(_long(note).model_dump_json(), note.version)


@router.put(
    "/recordtype/{id}/",
    operation_id=f"{_NAME}_recordtype_update",
    response_model=shapes.SoapLong,
    responses=CHANGE,
)
def update_long(
    services: TheServices,
    caller: TheCaller,
    note_id: TheId,
    body: shapes.SoapLongPut,
    if_version: IfVersion,
) -> Response:
    """A new version of the therapist's text. The ML text is the ML service's: it stays."""
    draft = _therapists_draft(services, caller, body, body.therapist_data)
    note = _save(services, caller, note_id, draft, body, if_version)
    return saving.answer(_long(note).model_dump_json(), note.version)


@router.delete(
    "/recordtype/{id}/",
    status_code=204,
    operation_id=f"{_NAME}_recordtype_destroy",
    responses=CHANGE,
)
def soft_delete(
    services: TheServices,
    caller: TheCaller,
    note_id: TheId,
    if_version: IfVersion,
    because: Annotated[Because | None, Body()] = None,
) -> Response:
    """Soft-delete a SOAP note; its id comes in the header Note-Id."""
    reason = because.reason if because else None
    return saving.delete(services, caller, _SOAP, note_id, reason, if_version)
