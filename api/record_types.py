"""The active record types: operations 16 and 17 of the contract."""

from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel

from api.auth import TheCaller
from api.given import TheId
from api.problems import BadRequest, documented
from api.services import TheServices
from api.therapist_note_shapes import BASE
from projections.record_types import RecordTypeRow

_NAME: Final = "apis_therapistnotes_recordtype_meta"
router = APIRouter(prefix=f"{BASE}/recordtype/meta", tags=["record-types"])


class RecordType(BaseModel):
    """A record type that notes can be written in."""

    id: int
    name: str
    description: str
    is_active: bool


def shape(row: RecordTypeRow) -> RecordType:
    """A record type as it is answered."""
    return RecordType(
        id=row.record_type, name=row.name, description=row.description, is_active=row.is_active
    )


@router.get("/", operation_id=f"{_NAME}_list", responses=documented(401, 429))
def list_record_types(services: TheServices, caller: TheCaller) -> list[RecordType]:
    """The active record types, by id ascending."""
    return [shape(row) for row in services.record_types.active(caller)]


@router.get("/{id}/", operation_id=f"{_NAME}_retrieve", responses=documented(401, 404, 429))
def retrieve_record_type(
    services: TheServices, caller: TheCaller, record_type: TheId
) -> RecordType:
    """One active record type."""
    found = services.record_types.active(caller, only=record_type)
    if not found:
        raise BadRequest(404, "There is no such record type, or it is no longer in use.")
    return shape(found[0])
