"""The history of therapist notes: operations 6 to 10 of the contract."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Request, Response
from pydantic import TypeAdapter

from api import saving
from api import therapist_note_shapes as shapes
from api.auth import TheCaller
from api.given import Cursor, TheId, TheLimit, checked_text
from api.lean import LOOK_UPS_AT_ONCE, lean
from api.problems import CHANGE, LOOK_UP, READ
from api.services import TheServices
from api.therapist_note_shapes import BASE, Because
from api.therapist_notes import look_up
from domain.value import Kind

NEWEST: Final = 10
_NAME: Final = "apis_therapistnotes"

router = APIRouter(prefix=BASE, tags=["therapist-notes"])
look_ups = APIRouter(
    prefix=BASE, tags=["therapist-notes"], route_class=lean(look_up, LOOK_UPS_AT_ONCE)
)
routers = (look_ups, router)

_histories: Final = TypeAdapter(list[shapes.TherapistNotesHistory])
_histories_by_type: Final = TypeAdapter(list[shapes.HistoryByType])


# --- /data/history/


@router.get(
    "/data/history/",
    operation_id=f"{_NAME}_data_history_list",
    response_model=list[shapes.TherapistNotesHistory],
    responses=READ,
)
def list_history(
    request: Request,
    services: TheServices,
    caller: TheCaller,
    limit: TheLimit,
    cursor: Cursor = None,
) -> Response:
    """History entries that the caller may see, newest first."""
    entries, headers = saving.history_page(request, services, caller, Kind.NOTE, limit, cursor)
    body = _histories.dump_json([shapes.history(entry) for entry in entries])
    return Response(body, headers=headers, media_type=saving.JSON)


@look_ups.post(
    "/data/history/",
    operation_id=f"{_NAME}_data_history_create",
    response_model=list[shapes.HistoryByType],
    responses=LOOK_UP,
)
def history_by_record_type(
    services: TheServices, caller: TheCaller, which: shapes.LookUp
) -> Response:
    """The 10 newest entries of one client and record type, by id descending; 204 where none."""
    saving.must_read(caller)
    entries = services.history.newest(
        caller, Kind.NOTE, which.client_user_id, which.record_type_id, NEWEST
    )
    body = _histories_by_type.dump_json([shapes.history_by_type(entry) for entry in entries])
    return saving.found(body, entries)


@router.get(
    "/data/history/{id}/",
    operation_id=f"{_NAME}_data_history_retrieve",
    response_model=shapes.TherapistNotesHistory,
    responses=READ,
)
def retrieve_history(services: TheServices, caller: TheCaller, position: TheId) -> Response:
    """One history entry."""
    entry = saving.find_entry(services, caller, Kind.NOTE, position)
    return Response(shapes.history(entry).model_dump_json(), media_type=saving.JSON)


@router.put(
    "/data/history/{id}/",
    operation_id=f"{_NAME}_data_history_update",
    response_model=shapes.TherapistNotesHistory,
    responses=CHANGE,
)
def amend_history(
    services: TheServices, caller: TheCaller, position: TheId, body: shapes.HistoryPut
) -> Response:
    """The amendment of an entry; the ledger keeps the original, with who, when and why."""
    text = checked_text(services, body.data)
    entry = saving.amend(services, caller, Kind.NOTE, position, _ids(body), text, body.reason)
    return Response(shapes.history(entry).model_dump_json(), media_type=saving.JSON)


@router.delete(
    "/data/history/{id}/",
    status_code=204,
    operation_id=f"{_NAME}_data_history_destroy",
    responses=CHANGE,
)
def withdraw_history(
    services: TheServices,
    caller: TheCaller,
    position: TheId,
    because: Annotated[Because | None, Body()] = None,
) -> Response:
    """The withdrawal of an entry from view; the ledger keeps it."""
    reason = because.reason if because else None
    return saving.withdraw(services, caller, Kind.NOTE, position, reason)


def _ids(said: shapes.Said) -> dict[str, Any]:
    return {
        "record_type": said.therapistnotes_notetype_id,
        "client_user_id": said.client_user_id,
        "therapist_user_id": said.therapist_user_id,
        "therapist_client_id": said.therapist_client_id,
        "therapist_session_id": said.therapist_session_id,
    }
