"""The active record types: operations 16 and 17 of the contract."""

from typing import Final

from fastapi import Response
from pydantic import BaseModel

from api.operations import AnyOperation, Operation, json_answer, list_of
from api.problems import BadRequest
from api.requests import CallerRequest, IdRequest
from api.services import Services
from api.therapist_note_shapes import BASE
from projections.record_types import RecordTypeRow

_PATH: Final = f"{BASE}/recordtype/meta/"
_NAME: Final = "apis_therapistnotes_recordtype_meta"
_TAG: Final = "record-types"


class RecordType(BaseModel):
    """A record type that notes can be written in."""

    id: int
    name: str
    description: str
    is_active: bool


def _shape(row: RecordTypeRow) -> RecordType:
    return RecordType(
        id=row.record_type, name=row.name, description=row.description, is_active=row.is_active
    )


def list_record_types(services: Services, asked: CallerRequest) -> Response:
    """The active record types, by id ascending."""
    return json_answer([_shape(row) for row in services.record_types.active(asked.caller)])


def retrieve_record_type(services: Services, asked: IdRequest) -> Response:
    """One active record type."""
    found = services.record_types.active(asked.caller, only=asked.id)
    if not found:
        raise BadRequest(404, "There is no such record type, or it is no longer in use.")
    return json_answer(_shape(found[0]))


OPERATIONS: Final[tuple[AnyOperation, ...]] = (
    Operation(
        "GET",
        _PATH,
        f"{_NAME}_list",
        _TAG,
        "List Record Types",
        CallerRequest,
        list_record_types,
        answer=list_of(RecordType),
        problems=(401, 429),
    ),
    Operation(
        "GET",
        f"{_PATH}{{id}}/",
        f"{_NAME}_retrieve",
        _TAG,
        "Retrieve Record Type",
        IdRequest,
        retrieve_record_type,
        answer=RecordType,
        problems=(401, 404, 429),
    ),
)
