"""The histories of SOAP notes: operations 23 to 32 of the contract."""

from typing import Annotated, Final

from fastapi import APIRouter, Body, Request, Response
from pydantic import TypeAdapter

from api import saving
from api import soap_note_shapes as shapes
from api.auth import TheCaller
from api.given import Cursor, TheId, TheLimit, checked_text
from api.lean import LOOK_UPS_AT_ONCE, lean
from api.problems import CHANGE, LOOK_UP, READ, BadRequest
from api.services import TheServices
from api.soap_notes import look_up
from api.therapist_note_shapes import BASE, Because
from domain.note_facts import NoteApproved
from domain.value import Kind
from projections.partial_history import partial_history

NEWEST: Final = 10
_NAME: Final = "apis_therapistnotes_soap"
_SOAP: Final = Kind.SOAP_NOTE
_PREFIX: Final = f"{BASE}/soap"

router = APIRouter(prefix=_PREFIX, tags=["soap-notes"])
look_ups = APIRouter(
    prefix=_PREFIX, tags=["soap-notes"], route_class=lean(look_up, LOOK_UPS_AT_ONCE)
)
routers = (look_ups, router)

_histories: Final = TypeAdapter(list[shapes.TherapistSoapHistory])
_histories_by_type: Final = TypeAdapter(list[shapes.SoapHistoryByType])


# --- /soap/data/history/ and /soap/data/partialhistory/


@router.get(
    "/data/history/",
    operation_id=f"{_NAME}_data_history_list",
    response_model=list[shapes.TherapistSoapHistory],
    responses=READ,
)
@router.get(
    "/data/partialhistory/",
    operation_id=f"{_NAME}_data_partialhistory_list",
    response_model=list[shapes.TherapistSoapHistory],
    responses=READ,
)
def list_soap_history(
    request: Request,
    services: TheServices,
    caller: TheCaller,
    limit: TheLimit,
    cursor: Cursor = None,
) -> Response:
    """History entries that the caller may see, newest first."""
    entries, headers = saving.history_page(request, services, caller, _SOAP, limit, cursor)
    body = _histories.dump_json([shapes.history(entry) for entry in entries])
    return Response(body, headers=headers, media_type=saving.JSON)


@look_ups.post(
    "/data/history/",
    operation_id=f"{_NAME}_data_history_create",
    response_model=list[shapes.SoapHistoryByType],
    responses=LOOK_UP,
)
def soap_history_by_record_type(
    services: TheServices, caller: TheCaller, which: shapes.SoapLookUp
) -> Response:
    """The 10 newest entries of one client and record type, by id descending; 204 where none."""
    saving.must_read(caller)
    entries = services.history.newest(
        caller, _SOAP, which.client_user_id, which.record_type_id, NEWEST
    )
    body = _histories_by_type.dump_json([shapes.history_by_type(entry) for entry in entries])
    return saving.found(body, entries)


@look_ups.post(
    "/data/partialhistory/",
    operation_id=f"{_NAME}_data_partialhistory_create",
    response_model=list[shapes.SoapHistoryByType],
    responses=LOOK_UP,
)
def partial_history_by_record_type(
    services: TheServices, caller: TheCaller, which: shapes.SoapLookUp
) -> Response:
    """Of the 30 newest entries by update timestamp, the newest one and every approved one."""
    saving.must_read(caller)
    entries = partial_history(
        services.note_rows, caller, which.client_user_id, which.record_type_id
    )
    body = _histories_by_type.dump_json([shapes.history_by_type(entry) for entry in entries])
    return saving.found(body, entries)


@router.get(
    "/data/history/{id}/",
    operation_id=f"{_NAME}_data_history_retrieve",
    response_model=shapes.TherapistSoapHistory,
    responses=READ,
)
@router.get(
    "/data/partialhistory/{id}/",
    operation_id=f"{_NAME}_data_partialhistory_retrieve",
    response_model=shapes.TherapistSoapHistory,
    responses=READ,
)
def retrieve_soap_history(services: TheServices, caller: TheCaller, position: TheId) -> Response:
    """One history entry."""
    entry = saving.find_entry(services, caller, _SOAP, position)
    return Response(shapes.history(entry).model_dump_json(), media_type=saving.JSON)


@router.put(
    "/data/history/{id}/",
    operation_id=f"{_NAME}_data_history_update",
    response_model=shapes.TherapistSoapHistory,
    responses=CHANGE,
)
@router.put(
    "/data/partialhistory/{id}/",
    operation_id=f"{_NAME}_data_partialhistory_update",
    response_model=shapes.TherapistSoapHistory,
    responses=CHANGE,
)
def amend_soap_history(
    services: TheServices, caller: TheCaller, position: TheId, body: shapes.SoapHistoryPut
) -> Response:
    """The amendment of an entry; the ledger keeps the original, with who, when and why."""
    said = {
        "record_type": body.therapist_notes_notetypeid,
        "client_user_id": body.client_user_id,
        "therapist_user_id": body.therapist_user_id,
        "therapist_client_id": body.therapist_client_id,
        "therapist_session_id": body.therapist_session_id,
    }
    before = saving.find_entry(services, caller, _SOAP, position)
    if (body.is_approved or body.signature) and not isinstance(before.saved, NoteApproved):
        detail = "An amendment changes the text alone: to approve, save a version of the note."
        raise BadRequest(422, detail, "is_approved" if body.is_approved else "signature")
    text = checked_text(services, body.data)
    entry = saving.amend(services, caller, _SOAP, position, said, text, body.reason)
    return Response(shapes.history(entry).model_dump_json(), media_type=saving.JSON)


@router.delete(
    "/data/history/{id}/",
    status_code=204,
    operation_id=f"{_NAME}_data_history_destroy",
    responses=CHANGE,
)
@router.delete(
    "/data/partialhistory/{id}/",
    status_code=204,
    operation_id=f"{_NAME}_data_partialhistory_destroy",
    responses=CHANGE,
)
def withdraw_soap_history(
    services: TheServices,
    caller: TheCaller,
    position: TheId,
    because: Annotated[Because | None, Body()] = None,
) -> Response:
    """The withdrawal of an entry from view; the ledger keeps it."""
    reason = because.reason if because else None
    return saving.withdraw(services, caller, _SOAP, position, reason)
