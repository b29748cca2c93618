"""SOAP notes: operations 18 to 37 of the contract."""

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
from api.lean import json_body, lean, save_headers
from api.parts import Parts, TheParts
from api.problems import documented
from api.therapist_note_shapes import BASE, Because
from domain.note import CreateNote, Draft, SaveNote
from domain.value import Caller, Kind, Role
from projections.notes import CurrentNote
from projections.partial_history import partial_history

NEWEST: Final = 10
_NAME: Final = "apis_therapistnotes_soap"
_SOAP: Final = Kind.SOAP_NOTE


async def _look_up(request: Request, parts: Parts) -> dict[str, Any]:
    return {"which": await json_body(request, shapes.SoapLookUp)}


async def _save_body(request: Request, parts: Parts) -> dict[str, Any]:
    return {"body": await json_body(request, shapes.SoapSave), **await save_headers(request)}


_PREFIX: Final = f"{BASE}/soap"
router = APIRouter(prefix=_PREFIX, tags=["soap-notes"])
look_ups = APIRouter(prefix=_PREFIX, tags=["soap-notes"], route_class=lean(_look_up))
saves = APIRouter(prefix=_PREFIX, tags=["soap-notes"], route_class=lean(_save_body))
routers = (look_ups, saves, router)

_READ: Final = documented(401, 403, 404, 422, 429)
_LOOK_UP: Final = documented(400, 401, 403, 415, 422, 429) | {204: {"description": "None found"}}
_CHANGE: Final = documented(400, 401, 403, 404, 409, 412, 413, 415, 422, 429)

_shorts: Final = TypeAdapter(list[shapes.SoapShort])
_by_types: Final = TypeAdapter(list[shapes.SoapByType])
_longs: Final = TypeAdapter(list[shapes.SoapLong])
_histories: Final = TypeAdapter(list[shapes.TherapistSoapHistory])
_histories_by_type: Final = TypeAdapter(list[shapes.SoapHistoryByType])


# --- /soap/data/


@router.get(
    "/data/",
    operation_id=f"{_NAME}_data_list",
    response_model=list[shapes.SoapShort],
    responses=_READ,
)
def list_soap_notes(
    request: Request, parts: TheParts, caller: TheCaller, limit: TheLimit, cursor: Cursor = None
) -> Response:
    """SOAP notes that are not deleted and that the caller may see, by id."""
    notes, headers = saving.note_page(request, parts, caller, _SOAP, limit, cursor)
    body = _shorts.dump_json([shapes.short(note) for note in notes])
    return Response(body, headers=headers, media_type=saving.JSON)


@look_ups.post(
    "/data/",
    operation_id=f"{_NAME}_data_create",
    response_model=list[shapes.SoapByType],
    responses=_LOOK_UP,
)
def soap_notes_by_record_type(
    parts: TheParts, caller: TheCaller, which: shapes.SoapLookUp
) -> Response:
    """SOAP notes of one client and record type; 204 where there are none."""
    saving.must_read(caller)
    notes = parts.notes.of_client(caller, _SOAP, which.client_user_id, which.record_type_id)
    return saving.found(_by_types.dump_json([shapes.by_type(note) for note in notes]), notes)


@router.get(
    "/data/{id}/",
    operation_id=f"{_NAME}_data_retrieve",
    response_model=shapes.SoapShort,
    responses=_READ,
)
def retrieve_soap_note(parts: TheParts, caller: TheCaller, note_id: TheId) -> Response:
    """One SOAP note."""
    note = saving.find(parts, caller, _SOAP, note_id)
    return saving.answer(shapes.short(note).model_dump_json(), note.version)


@router.put(
    "/data/{id}/",
    operation_id=f"{_NAME}_data_update",
    response_model=shapes.SoapShort,
    responses=_CHANGE,
)
def update_soap_note(
    parts: TheParts, caller: TheCaller, note_id: TheId, body: shapes.SoapPut, if_version: IfVersion
) -> Response:
    """A new version of the therapist's text; with `is_approved`, an approved one."""
    draft = _therapists_draft(parts, caller, body, body.therapist_data)
    draft = draft.model_copy(update={"dated": body.date})
    note = _save(parts, caller, note_id, draft, body, if_version)
    return saving.answer(shapes.short(note).model_dump_json(), note.version)


@router.delete(
    "/data/{id}/", status_code=204, operation_id=f"{_NAME}_data_destroy", responses=_CHANGE
)
def delete_soap_note(
    parts: TheParts,
    caller: TheCaller,
    note_id: TheId,
    if_version: IfVersion,
    because: Annotated[Because | None, Body()] = None,
) -> Response:
    """The SOAP note's soft deletion; its id comes in the header Note-Id."""
    reason = because.reason if because else None
    return saving.delete(parts, caller, _SOAP, note_id, reason, if_version)


def _therapists_draft(parts: Parts, caller: Caller, body: shapes.SoapSaid, text: str) -> Draft:
    return Draft(
        text=checked_text(parts, text, "therapist_data"),
        therapist_session_id=body.therapist_session_id,
        is_approved=bool(body.is_approved),
        is_override=body.is_override,
        signature=body.signature or None,
        signer_name=saving.signers_name(parts, caller, body.is_approved),
    )


def _save(
    parts: Parts,
    caller: Caller,
    note_id: int,
    draft: Draft,
    said: shapes.SoapSaid,
    if_version: int | None,
) -> CurrentNote:
    note = saving.find(parts, caller, _SOAP, note_id)
    saving.check_session(parts, caller, note, draft.therapist_session_id)
    command = SaveNote(
        by=saving.by(caller),
        at=parts.clock(),
        note_id=note_id,
        draft=draft,
        if_version=if_version,
        client_user_id=said.client_user_id,
        therapist_user_id=said.therapist_user_id,
        therapist_client_id=said.therapist_client_id,
        record_type=said.therapist_notes_notetypeid,
    )
    recorded = parts.ledger.record(caller.clinic_id, _SOAP, note_id, command)
    return saving.after(parts, caller, _SOAP, recorded)


# --- /soap/data/history/ and /soap/data/partialhistory/


@router.get(
    "/data/history/",
    operation_id=f"{_NAME}_data_history_list",
    response_model=list[shapes.TherapistSoapHistory],
    responses=_READ,
)
@router.get(
    "/data/partialhistory/",
    operation_id=f"{_NAME}_data_partialhistory_list",
    response_model=list[shapes.TherapistSoapHistory],
    responses=_READ,
)
def list_soap_history(
    request: Request, parts: TheParts, caller: TheCaller, limit: TheLimit, cursor: Cursor = None
) -> Response:
    """History entries that the caller may see, newest first."""
    entries, headers = saving.history_page(request, parts, caller, _SOAP, limit, cursor)
    body = _histories.dump_json([shapes.history(entry) for entry in entries])
    return Response(body, headers=headers, media_type=saving.JSON)


@look_ups.post(
    "/data/history/",
    operation_id=f"{_NAME}_data_history_create",
    response_model=list[shapes.SoapHistoryByType],
    responses=_LOOK_UP,
)
def soap_history_by_record_type(
    parts: TheParts, caller: TheCaller, which: shapes.SoapLookUp
) -> Response:
    """The 10 newest entries of one client and record type, by id descending; 204 where none."""
    saving.must_read(caller)
    entries = parts.history.newest(
        caller, _SOAP, which.client_user_id, which.record_type_id, NEWEST
    )
    body = _histories_by_type.dump_json([shapes.history_by_type(entry) for entry in entries])
    return saving.found(body, entries)


@look_ups.post(
    "/data/partialhistory/",
    operation_id=f"{_NAME}_data_partialhistory_create",
    response_model=list[shapes.SoapHistoryByType],
    responses=_LOOK_UP,
)
def partial_history_by_record_type(
    parts: TheParts, caller: TheCaller, which: shapes.SoapLookUp
) -> Response:
    """Of the 30 newest entries by update timestamp, the newest one and every approved one."""
    saving.must_read(caller)
    entries = partial_history(parts.note_rows, caller, which.client_user_id, which.record_type_id)
    body = _histories_by_type.dump_json([shapes.history_by_type(entry) for entry in entries])
    return saving.found(body, entries)


@router.get(
    "/data/history/{id}/",
    operation_id=f"{_NAME}_data_history_retrieve",
    response_model=shapes.TherapistSoapHistory,
    responses=_READ,
)
@router.get(
    "/data/partialhistory/{id}/",
    operation_id=f"{_NAME}_data_partialhistory_retrieve",
    response_model=shapes.TherapistSoapHistory,
    responses=_READ,
)
def retrieve_soap_history(parts: TheParts, caller: TheCaller, position: TheId) -> Response:
    """One history entry."""
    entry = saving.find_entry(parts, caller, _SOAP, position)
    return Response(shapes.history(entry).model_dump_json(), media_type=saving.JSON)


@router.put(
    "/data/history/{id}/",
    operation_id=f"{_NAME}_data_history_update",
    response_model=shapes.TherapistSoapHistory,
    responses=_CHANGE,
)
@router.put(
    "/data/partialhistory/{id}/",
    operation_id=f"{_NAME}_data_partialhistory_update",
    response_model=shapes.TherapistSoapHistory,
    responses=_CHANGE,
)
def amend_soap_history(
    parts: TheParts, caller: TheCaller, position: TheId, body: shapes.SoapHistoryPut
) -> Response:
    """The amendment of an entry; the ledger keeps the original, with who, when and why."""
    said = {
        "record_type": body.therapist_notes_notetypeid,
        "client_user_id": body.client_user_id,
        "therapist_user_id": body.therapist_user_id,
        "therapist_client_id": body.therapist_client_id,
        "therapist_session_id": body.therapist_session_id,
    }
    text = checked_text(parts, body.data)
    entry = saving.amend(parts, caller, _SOAP, position, said, text, body.reason)
    return Response(shapes.history(entry).model_dump_json(), media_type=saving.JSON)


@router.delete(
    "/data/history/{id}/",
    status_code=204,
    operation_id=f"{_NAME}_data_history_destroy",
    responses=_CHANGE,
)
@router.delete(
    "/data/partialhistory/{id}/",
    status_code=204,
    operation_id=f"{_NAME}_data_partialhistory_destroy",
    responses=_CHANGE,
)
def withdraw_soap_history(
    parts: TheParts,
    caller: TheCaller,
    position: TheId,
    because: Annotated[Because | None, Body()] = None,
) -> Response:
    """The withdrawal of an entry from view; the ledger keeps it."""
    reason = because.reason if because else None
    return saving.withdraw(parts, caller, _SOAP, position, reason)


# --- /soap/recordtype/


def _long(note: CurrentNote) -> shapes.SoapLong:
    return shapes.long(note, saving.current_entry(note))


@router.get(
    "/recordtype/",
    operation_id=f"{_NAME}_recordtype_list",
    response_model=list[shapes.SoapLong],
    responses=_READ,
)
def list_long(
    request: Request, parts: TheParts, caller: TheCaller, limit: TheLimit, cursor: Cursor = None
) -> Response:
    """SOAP notes in their long form."""
    notes, headers = saving.note_page(request, parts, caller, _SOAP, limit, cursor)
    body = _longs.dump_json([_long(note) for note in notes])
    return Response(body, headers=headers, media_type=saving.JSON)


@saves.post(
    "/recordtype/",
    operation_id=f"{_NAME}_recordtype_create",
    status_code=201,
    response_model=shapes.SoapLong,
    responses=_CHANGE,
)
def create_or_update(
    parts: TheParts,
    caller: TheCaller,
    body: shapes.SoapSave,
    if_version: IfVersion,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Create a SOAP note, or with `id` save a new version of it; the ML service drafts so, too."""
    draft = Draft(
        text=checked_text(parts, body.data),
        dated=body.date,
        therapist_session_id=body.therapist_session_id,
        sender_role=shapes.sender(body.sender_role),
        is_approved=body.is_approved,
        is_override=body.is_override,
        signature=body.signature or None,
        signer_name=saving.signers_name(parts, caller, body.is_approved),
    )
    if body.id is None:
        note = _create(parts, caller, body, draft, idempotency_key)
    else:
        note = _save_again(parts, caller, body.id, body, draft, if_version)
    location = f"{BASE}/soap/recordtype/{note.note_id}/"
    return saving.answer(_long(note).model_dump_json(), note.version, 201, location)


def _create(
    parts: Parts, caller: Caller, body: shapes.SoapSave, draft: Draft, key: str | None
) -> CurrentNote:
    whose = _whose(body)
    parts.references.check(caller, therapist_session_id=body.therapist_session_id, **whose)
    note_id = parts.ledger.ids.next(_SOAP)
    command = CreateNote(
        by=saving.by(caller), at=parts.clock(), note_id=note_id, draft=draft, **whose
    )
    whole = body.model_dump_json().encode() if key else b""
    claimed = claim(parts, caller, key, f"{BASE}/soap/recordtype/", whole)
    recorded = parts.ledger.record(caller.clinic_id, _SOAP, note_id, command, claim=claimed)
    return saving.after(parts, caller, _SOAP, recorded)


def _save_again(
    parts: Parts,
    caller: Caller,
    note_id: int,
    body: shapes.SoapSave,
    draft: Draft,
    if_version: int | None,
) -> CurrentNote:
    if caller.role is not Role.ML:
        saving.find(parts, caller, _SOAP, note_id)
    whose = _whose(body)
    parts.references.check(
        caller,
        body.client_user_id,
        body.therapist_user_id,
        therapist_session_id=body.therapist_session_id,
    )
    command = SaveNote(
        by=saving.by(caller),
        at=parts.clock(),
        note_id=note_id,
        draft=draft,
        if_version=if_version,
        **whose,
    )
    recorded = parts.ledger.record(caller.clinic_id, _SOAP, note_id, command)
    return saving.after(parts, caller, _SOAP, recorded)


def _whose(body: shapes.SoapSave) -> dict[str, Any]:
    return body.model_dump(
        include={"client_user_id", "therapist_user_id", "therapist_client_id", "record_type"}
    )


@router.get(
    "/recordtype/{id}/",
    operation_id=f"{_NAME}_recordtype_retrieve",
    response_model=shapes.SoapLong,
    responses=_READ,
)
def retrieve_long(parts: TheParts, caller: TheCaller, note_id: TheId) -> Response:
    """One SOAP note in its long form."""
    note = saving.find(parts, caller, _SOAP, note_id)
    return saving.answer(_long(note).model_dump_json(), note.version)


@router.put(
    "/recordtype/{id}/",
    operation_id=f"{_NAME}_recordtype_update",
    response_model=shapes.SoapLong,
    responses=_CHANGE,
)
def update_long(
    parts: TheParts,
    caller: TheCaller,
    note_id: TheId,
    body: shapes.SoapLongPut,
    if_version: IfVersion,
) -> Response:
    """A new version of the therapist's text. The ML text is the ML service's: it stays."""
    draft = _therapists_draft(parts, caller, body, body.therapist_data)
    note = _save(parts, caller, note_id, draft, body, if_version)
    return saving.answer(_long(note).model_dump_json(), note.version)


@router.delete(
    "/recordtype/{id}/",
    status_code=204,
    operation_id=f"{_NAME}_recordtype_destroy",
    responses=_CHANGE,
)
def soft_delete(
    parts: TheParts,
    caller: TheCaller,
    note_id: TheId,
    if_version: IfVersion,
    because: Annotated[Because | None, Body()] = None,
) -> Response:
    """Soft-delete a SOAP note; its id comes in the header Note-Id."""
    reason = because.reason if because else None
    return saving.delete(parts, caller, _SOAP, note_id, reason, if_version)
