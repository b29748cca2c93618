"""The directory: relationships, sessions and record types (and `people.py`), named by id elsewhere.

PUT says how an entry shall be, and makes it where it is not there yet; saying it again changes
nothing. In a larger product these come from elsewhere; here they are kept as facts like the notes.
"""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from api import record_types, saving
from api.auth import TheCaller
from api.given import Cursor, GivenDate, GivenId, GivenText, TheId, TheLimit, link_next, read_cursor
from api.problems import BadRequest, documented
from api.services import Services, TheServices
from api.therapist_note_shapes import Given
from domain.access import DirectoryAction, may_use_directory
from domain.aggregate import Aggregate, CommandT, FactT, StateT
from domain.record_type import RECORD_TYPE, PutRecordType
from domain.refusals import NotPermitted, SessionEndsBeforeItStarts
from domain.relationship import RELATIONSHIP, PutRelationship
from domain.session import SESSION, EventStatus, PutSession
from domain.value import PSYCHOTHERAPY, Caller
from projections.relationships import RelationshipRow
from projections.sessions import SessionRow

router = APIRouter(prefix="/directory", tags=["directory"])
READ: Final = documented(401, 403, 404, 422, 429)
PUT: Final = documented(400, 401, 403, 404, 409, 413, 415, 422, 429)

Name = Annotated[GivenText, Field(min_length=1, max_length=200)]


def permit(caller: Caller, action: DirectoryAction) -> None:
    """Refuse a role that may not."""
    if not may_use_directory(caller.role, action):
        raise NotPermitted


def put(
    services: Services,
    caller: Caller,
    aggregate: Aggregate[StateT, CommandT, FactT],
    number: int,
    command: CommandT,
) -> int:
    """Record; 201 where the first fact of the entry was made by it."""
    recorded = services.ledger.record(caller.clinic_id, aggregate, number, command)
    is_new = recorded.position is not None and recorded.state.version == 1
    return 201 if is_new else 200


def _one(rows: list[Any], what: str) -> Any:
    if not rows:
        raise BadRequest(404, f"There is no such {what}.")
    return rows[0]


# --- relationships


class Relationship(BaseModel):
    """A therapist–client relationship; while active it opens the client's notes to the therapist."""

    id: int
    therapist_user_id: int
    client_user_id: int
    is_active: bool


class RelationshipPut(Given):
    """How a relationship shall be. Therapist and client stay as they were first said."""

    therapist_user_id: GivenId
    client_user_id: GivenId
    is_active: bool = True


def _relationship(row: RelationshipRow) -> Relationship:
    return Relationship(
        id=row.therapist_client_id,
        therapist_user_id=row.therapist_user_id,
        client_user_id=row.client_user_id,
        is_active=row.is_active,
    )


@router.get("/relationships/", operation_id="directory_relationships_list", responses=READ)
def list_relationships(
    request: Request,
    response: Response,
    services: TheServices,
    caller: TheCaller,
    limit: TheLimit,
    cursor: Cursor = None,
) -> list[Relationship]:
    """Relationships by id; a therapist finds their own."""
    permit(caller, DirectoryAction.READ_PEOPLE)
    rows = services.relationships.page(caller, read_cursor(services, caller, cursor) or 0, limit)
    more = rows[-1].therapist_client_id if len(rows) == limit else None
    response.headers.update(link_next(request, services, caller, more, limit))
    return [_relationship(row) for row in rows]


@router.get("/relationships/{id}/", operation_id="directory_relationships_retrieve", responses=READ)
def retrieve_relationship(
    services: TheServices, caller: TheCaller, therapist_client_id: TheId
) -> Relationship:
    """One relationship."""
    permit(caller, DirectoryAction.READ_PEOPLE)
    rows = services.relationships.page(caller, 0, 1, only=therapist_client_id)
    return _relationship(_one(rows, "relationship"))


@router.put(
    "/relationships/{id}/",
    operation_id="directory_relationships_update",
    responses=PUT | {201: {"model": Relationship, "description": "Made"}},
)
def put_relationship(
    response: Response,
    services: TheServices,
    caller: TheCaller,
    therapist_client_id: TheId,
    body: RelationshipPut,
) -> Relationship:
    """Make a relationship, end it or take it up again."""
    permit(caller, DirectoryAction.MANAGE_PEOPLE)
    services.references.check(caller, body.client_user_id, body.therapist_user_id)
    command = PutRelationship(
        by=saving.by(caller),
        at=services.clock(),
        **body.model_dump(),
    )
    response.status_code = put(services, caller, RELATIONSHIP, therapist_client_id, command)
    return Relationship(id=therapist_client_id, **body.model_dump())


# --- sessions


class Session(BaseModel):
    """A therapy session and how far the work on it is."""

    id: int
    client_user_id: int
    therapist_user_id: int
    therapist_client_id: int
    session_start_time: datetime
    session_end_time: datetime
    event_status: str


class SessionPut(Given):
    """How a session shall be. Whose it is stays as it was first said."""

    client_user_id: GivenId
    therapist_user_id: GivenId
    therapist_client_id: GivenId
    session_start_time: GivenDate
    session_end_time: GivenDate
    event_status: Annotated[EventStatus, Field(strict=False)] | None = None


def _session(row: SessionRow) -> Session:
    return Session(
        id=row.session_id,
        client_user_id=row.client_user_id,
        therapist_user_id=row.therapist_user_id,
        therapist_client_id=row.therapist_client_id,
        session_start_time=row.starts_at,
        session_end_time=row.ends_at,
        event_status=row.event_status,
    )


@router.get("/sessions/", operation_id="directory_sessions_list", responses=READ)
def list_sessions(
    request: Request,
    response: Response,
    services: TheServices,
    caller: TheCaller,
    limit: TheLimit,
    cursor: Cursor = None,
) -> list[Session]:
    """Sessions by id; a therapist finds their own and their clients'."""
    permit(caller, DirectoryAction.READ_PEOPLE)
    rows = services.sessions.page(caller, read_cursor(services, caller, cursor) or 0, limit)
    more = rows[-1].session_id if len(rows) == limit else None
    response.headers.update(link_next(request, services, caller, more, limit))
    return [_session(row) for row in rows]


@router.get("/sessions/{id}/", operation_id="directory_sessions_retrieve", responses=READ)
def retrieve_session(services: TheServices, caller: TheCaller, session_id: TheId) -> Session:
    """One session."""
    permit(caller, DirectoryAction.READ_PEOPLE)
    return _session(_one(services.sessions.page(caller, 0, 1, only=session_id), "session"))


@router.put(
    "/sessions/{id}/",
    operation_id="directory_sessions_update",
    responses=PUT | {201: {"model": Session, "description": "Scheduled"}},
)
def put_session(
    response: Response,
    services: TheServices,
    caller: TheCaller,
    session_id: TheId,
    body: SessionPut,
) -> Session:
    """Schedule a session, reschedule it, or set its event status."""
    permit(caller, DirectoryAction.MANAGE_SESSIONS)
    services.references.check(
        caller, body.client_user_id, body.therapist_user_id, body.therapist_client_id
    )
    command = PutSession(
        by=saving.by(caller),
        at=services.clock(),
        starts_at=body.session_start_time,
        ends_at=body.session_end_time,
        **body.model_dump(exclude={"session_start_time", "session_end_time"}),
    )
    try:
        response.status_code = put(services, caller, SESSION, session_id, command)
    except SessionEndsBeforeItStarts:
        raise SessionEndsBeforeItStarts("session_end_time") from None  # as the field is named here
    return _session(_one(services.sessions.page(caller, 0, 1, only=session_id), "session"))


# --- record types


class RecordTypePut(Given):
    """How a record type shall be."""

    name: Name
    description: Annotated[GivenText, Field(max_length=2000)] = ""
    is_active: bool = True


@router.put(
    "/record-types/{id}/",
    operation_id="directory_record_types_update",
    responses=PUT | {201: {"model": record_types.RecordType, "description": "Defined"}},
)
def put_record_type(
    response: Response,
    services: TheServices,
    caller: TheCaller,
    record_type: TheId,
    body: RecordTypePut,
) -> record_types.RecordType:
    """Define a record type, rename it, retire it or take it up again. Type 1 stays in use."""
    if record_type == PSYCHOTHERAPY and not body.is_active:
        raise BadRequest(422, "Record type 1 is psychotherapy notes, for good.", "is_active")
    command = PutRecordType(by=saving.by(caller), at=services.clock(), **body.model_dump())
    response.status_code = put(services, caller, RECORD_TYPE, record_type, command)
    return record_types.RecordType(id=record_type, **body.model_dump())
