"""The directory: relationships, sessions and record types (and `people.py`), named by id elsewhere.

PUT says how an entry shall be, and makes it where it is not there yet; saying it again changes
nothing. In a larger product these come from elsewhere; here they are kept as facts like the notes.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

from fastapi import Response
from pydantic import BaseModel, Field

from api import record_types
from api.inputs import InputDate, InputId, InputText, RequestBody
from api.note_saves import by
from api.operations import AnyOperation, Operation, Threads, json_answer, list_of
from api.pages import PageRequest
from api.problems import READ, BadRequest
from api.requests import IdRequest, PutRequest, RequestT
from api.services import Services
from domain.access import DirectoryAction, may_use_directory
from domain.aggregate import State
from domain.record_type import RECORD_TYPE, PutRecordType
from domain.refusals import NotPermitted, SessionEndsBeforeItStarts
from domain.relationship import RELATIONSHIP, PutRelationship
from domain.session import SESSION, EventStatus, PutSession
from domain.value import PSYCHOTHERAPY, Caller
from ledger.ledger import Recorded
from projections.relationships import RelationshipRow
from projections.sessions import SessionRow

PUT: Final = (400, 401, 403, 404, 409, 410, 413, 415, 422, 429)
TAG: Final = "directory"

Name = Annotated[InputText, Field(min_length=1, max_length=200)]
RowT = TypeVar("RowT")
StateT = TypeVar("StateT", bound=State)
Handler = Callable[[Services, RequestT], Response]


def permit(caller: Caller, action: DirectoryAction) -> None:
    """Refuse a role that may not."""
    if not may_use_directory(caller.role, action):
        raise NotPermitted


def made_or_changed(recorded: Recorded[StateT]) -> int:
    """The status of an answer: 201 where the first fact of the entry was made by this request."""
    is_new = recorded.position is not None and recorded.state.version == 1
    return 201 if is_new else 200


def reading(
    path: str,
    name: str,
    summary: str,
    request: type[RequestT],
    handle: Handler[RequestT],
    answer: Any,
) -> AnyOperation:
    """Something of the directory to be read."""
    return Operation(
        "GET", path, f"{TAG}_{name}", TAG, summary, request, handle, answer=answer, problems=READ
    )


def putting(
    path: str,
    name: str,
    summary: str,
    request: type[RequestT],
    handle: Handler[RequestT],
    answer: type[BaseModel],
    made: str,
) -> AnyOperation:
    """Something of the directory to be made or changed; `made` says what a 201 tells."""
    return Operation(
        "PUT",
        path,
        f"{TAG}_{name}",
        TAG,
        summary,
        request,
        handle,
        answer=answer,
        problems=PUT,
        threads=Threads.SAVES,
        responses={201: {"model": answer, "description": made}},
    )


def _one(rows: Sequence[RowT], what: str) -> RowT:
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


class RelationshipPut(RequestBody):
    """How a relationship shall be. Therapist and client stay as they were first said."""

    therapist_user_id: InputId
    client_user_id: InputId
    is_active: bool = True


def _relationship(row: RelationshipRow) -> Relationship:
    return Relationship(
        id=row.therapist_client_id,
        therapist_user_id=row.therapist_user_id,
        client_user_id=row.client_user_id,
        is_active=row.is_active,
    )


def list_relationships(services: Services, asked: PageRequest) -> Response:
    """Relationships by id; a therapist finds their own."""
    permit(asked.caller, DirectoryAction.READ_PEOPLE)
    after, size = asked.start(services) or 0, asked.size(services)
    rows = services.relationships.page(asked.caller, after, size)
    headers = asked.link_next(services, [row.therapist_client_id for row in rows])
    return json_answer([_relationship(row) for row in rows], headers=headers)


def retrieve_relationship(services: Services, asked: IdRequest) -> Response:
    """One relationship."""
    permit(asked.caller, DirectoryAction.READ_PEOPLE)
    rows = services.relationships.page(asked.caller, 0, 1, only=asked.id)
    return json_answer(_relationship(_one(rows, "relationship")))


def put_relationship(services: Services, asked: PutRequest[RelationshipPut]) -> Response:
    """Make a relationship, end it or take it up again."""
    caller, body = asked.caller, asked.body
    permit(caller, DirectoryAction.MANAGE_PEOPLE)
    services.references.check(caller, body.client_user_id, body.therapist_user_id)
    command = PutRelationship(by=by(caller), at=services.clock(), **body.model_dump())
    recorded = services.ledger.record(caller.clinic_id, RELATIONSHIP, asked.id, command)
    answer = Relationship(id=asked.id, **body.model_dump())
    return json_answer(answer, made_or_changed(recorded))


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


class SessionPut(RequestBody):
    """How a session shall be. Whose it is stays as it was first said."""

    client_user_id: InputId
    therapist_user_id: InputId
    therapist_client_id: InputId
    session_start_time: InputDate
    session_end_time: InputDate
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


def list_sessions(services: Services, asked: PageRequest) -> Response:
    """Sessions by id; a therapist finds their own and their clients'."""
    permit(asked.caller, DirectoryAction.READ_PEOPLE)
    after, size = asked.start(services) or 0, asked.size(services)
    rows = services.sessions.page(asked.caller, after, size)
    headers = asked.link_next(services, [row.session_id for row in rows])
    return json_answer([_session(row) for row in rows], headers=headers)


def retrieve_session(services: Services, asked: IdRequest) -> Response:
    """One session."""
    permit(asked.caller, DirectoryAction.READ_PEOPLE)
    rows = services.sessions.page(asked.caller, 0, 1, only=asked.id)
    return json_answer(_session(_one(rows, "session")))


def put_session(services: Services, asked: PutRequest[SessionPut]) -> Response:
    """Schedule a session, reschedule it, or set its event status."""
    caller, body = asked.caller, asked.body
    permit(caller, DirectoryAction.MANAGE_SESSIONS)
    services.references.check(
        caller, body.client_user_id, body.therapist_user_id, body.therapist_client_id
    )
    command = PutSession(
        by=by(caller),
        at=services.clock(),
        starts_at=body.session_start_time,
        ends_at=body.session_end_time,
        **body.model_dump(exclude={"session_start_time", "session_end_time"}),
    )
    try:
        recorded = services.ledger.record(caller.clinic_id, SESSION, asked.id, command)
    except SessionEndsBeforeItStarts:
        raise SessionEndsBeforeItStarts("session_end_time") from None  # as the field is named here
    rows = services.sessions.page(caller, 0, 1, only=asked.id)
    return json_answer(_session(_one(rows, "session")), made_or_changed(recorded))


# --- record types


class RecordTypePut(RequestBody):
    """How a record type shall be."""

    name: Name
    description: Annotated[InputText, Field(max_length=2000)] = ""
    is_active: bool = True


def put_record_type(services: Services, asked: PutRequest[RecordTypePut]) -> Response:
    """Define a record type, rename it, retire it or take it up again. Type 1 stays in use."""
    caller, body = asked.caller, asked.body
    if asked.id == PSYCHOTHERAPY and not body.is_active:
        raise BadRequest(422, "Record type 1 is psychotherapy notes, for good.", "is_active")
    command = PutRecordType(by=by(caller), at=services.clock(), **body.model_dump())
    recorded = services.ledger.record(caller.clinic_id, RECORD_TYPE, asked.id, command)
    answer = record_types.RecordType(id=asked.id, **body.model_dump())
    return json_answer(answer, made_or_changed(recorded))


OPERATIONS: Final[tuple[AnyOperation, ...]] = (
    reading(
        "/directory/relationships/",
        "relationships_list",
        "List Relationships",
        PageRequest,
        list_relationships,
        list_of(Relationship),
    ),
    reading(
        "/directory/relationships/{id}/",
        "relationships_retrieve",
        "Retrieve Relationship",
        IdRequest,
        retrieve_relationship,
        Relationship,
    ),
    putting(
        "/directory/relationships/{id}/",
        "relationships_update",
        "Put Relationship",
        PutRequest[RelationshipPut],
        put_relationship,
        Relationship,
        "Made",
    ),
    reading(
        "/directory/sessions/",
        "sessions_list",
        "List Sessions",
        PageRequest,
        list_sessions,
        list_of(Session),
    ),
    reading(
        "/directory/sessions/{id}/",
        "sessions_retrieve",
        "Retrieve Session",
        IdRequest,
        retrieve_session,
        Session,
    ),
    putting(
        "/directory/sessions/{id}/",
        "sessions_update",
        "Put Session",
        PutRequest[SessionPut],
        put_session,
        Session,
        "Scheduled",
    ),
    putting(
        "/directory/record-types/{id}/",
        "record_types_update",
        "Put Record Type",
        PutRequest[RecordTypePut],
        put_record_type,
        record_types.RecordType,
        "Defined",
    ),
)
