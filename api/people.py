"""The people of the directory: users, who work here, and clients."""

from typing import Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from api import saving
from api.auth import TheCaller
from api.directory import PUT, READ, Name, permit, put
from api.given import Cursor, TheId, TheLimit, link_next, read_cursor
from api.services import Services, TheServices
from api.therapist_note_shapes import Given
from domain.access import DirectoryAction
from domain.person import PERSON, PutPerson
from domain.refusals import PersonIsUnknown
from domain.value import Caller, Role
from projections.people import PersonRow

router = APIRouter(prefix="/directory", tags=["directory"])
_STAFF: Final = tuple(role for role in Role if role is not Role.CLIENT)

StaffRole = Literal["therapist", "auditor", "administrator", "ml"]


class User(BaseModel):
    """A person who works here, or the ML service."""

    id: int
    role: str
    full_name: str | None


class Client(BaseModel):
    """A client."""

    id: int
    full_name: str | None


class UserPut(Given):
    """How a user shall be known. The role stays as it was first said."""

    role: StaffRole
    full_name: Name


class ClientPut(Given):
    """How a client shall be known."""

    full_name: Name


def _people(
    request: Request,
    response: Response,
    services: Services,
    caller: Caller,
    roles: tuple[Role, ...],
    limit: int,
    cursor: str | None,
) -> list[PersonRow]:
    permit(caller, DirectoryAction.READ_PEOPLE)
    rows = services.people.page(caller, roles, read_cursor(services, caller, cursor) or 0, limit)
    more = rows[-1].user_id if len(rows) == limit else None
    response.headers.update(link_next(request, services, caller, more, limit))
    return rows


def _person(services: Services, caller: Caller, user_id: int, *, is_client: bool) -> PersonRow:
    permit(caller, DirectoryAction.READ_PEOPLE)
    person = services.people.find(caller, user_id)
    if person is None or (person.role is Role.CLIENT) is not is_client:
        raise PersonIsUnknown
    return person


def _put_person(
    services: Services, caller: Caller, user_id: int, role: Role, full_name: str
) -> int:
    command = PutPerson(by=saving.by(caller), at=services.clock(), role=role, full_name=full_name)
    return put(services, caller, PERSON, user_id, command)


@router.get("/users/", operation_id="directory_users_list", responses=READ)
def list_users(
    request: Request,
    response: Response,
    services: TheServices,
    caller: TheCaller,
    limit: TheLimit,
    cursor: Cursor = None,
) -> list[User]:
    """Therapists, auditors, administrators and ML services, by id."""
    rows = _people(request, response, services, caller, _STAFF, limit, cursor)
    return [User(id=row.user_id, role=row.role.value, full_name=row.full_name) for row in rows]


@router.get("/users/{id}/", operation_id="directory_users_retrieve", responses=READ)
def retrieve_user(services: TheServices, caller: TheCaller, user_id: TheId) -> User:
    """One user."""
    row = _person(services, caller, user_id, is_client=False)
    return User(id=row.user_id, role=row.role.value, full_name=row.full_name)


@router.put(
    "/users/{id}/",
    operation_id="directory_users_update",
    responses=PUT | {201: {"model": User, "description": "Registered"}},
)
def put_user(
    response: Response, services: TheServices, caller: TheCaller, user_id: TheId, body: UserPut
) -> User:
    """Register a user, or rename them."""
    response.status_code = _put_person(services, caller, user_id, Role(body.role), body.full_name)
    return User(id=user_id, role=body.role, full_name=body.full_name)


@router.get("/clients/", operation_id="directory_clients_list", responses=READ)
def list_clients(
    request: Request,
    response: Response,
    services: TheServices,
    caller: TheCaller,
    limit: TheLimit,
    cursor: Cursor = None,
) -> list[Client]:
    """Clients by id; a therapist finds their own."""
    rows = _people(request, response, services, caller, (Role.CLIENT,), limit, cursor)
    return [Client(id=row.user_id, full_name=row.full_name) for row in rows]


@router.get("/clients/{id}/", operation_id="directory_clients_retrieve", responses=READ)
def retrieve_client(services: TheServices, caller: TheCaller, user_id: TheId) -> Client:
    """One client."""
    row = _person(services, caller, user_id, is_client=True)
    return Client(id=row.user_id, full_name=row.full_name)


@router.put(
    "/clients/{id}/",
    operation_id="directory_clients_update",
    responses=PUT | {201: {"model": Client, "description": "Registered"}},
)
def put_client(
    response: Response, services: TheServices, caller: TheCaller, user_id: TheId, body: ClientPut
) -> Client:
    """Register a client, or rename them."""
    response.status_code = _put_person(services, caller, user_id, Role.CLIENT, body.full_name)
    return Client(id=user_id, full_name=body.full_name)
