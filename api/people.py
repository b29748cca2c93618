"""The people of the directory: users, who work here, and clients."""

from typing import Final, Literal

from fastapi import Response

from api.directory import Name, made_or_changed, permit, putting, reading
from api.erased import Erasable
from api.inputs import RequestBody
from api.note_saves import by
from api.operations import AnyOperation, json_answer, list_of
from api.pages import PageRequest
from api.requests import IdRequest, PutRequest
from api.services import Services
from domain.access import DirectoryAction
from domain.person import PERSON, PutPerson
from domain.refusals import PersonIsUnknown
from domain.value import Caller, Role
from projections.people import PersonRow

_STAFF: Final = tuple(role for role in Role if role is not Role.CLIENT)

StaffRole = Literal["therapist", "auditor", "administrator", "ml", "compliance"]


class User(Erasable):
    """A person who works here, or the ML service."""

    id: int
    role: str
    full_name: str | None


class Client(Erasable):
    """A client."""

    id: int
    full_name: str | None


class UserPut(RequestBody):
    """How a user shall be known. The role stays as it was first said."""

    role: StaffRole
    full_name: Name


class ClientPut(RequestBody):
    """How a client shall be known."""

    full_name: Name


def _page(
    services: Services, asked: PageRequest, roles: tuple[Role, ...]
) -> tuple[list[PersonRow], dict[str, str]]:
    permit(asked.caller, DirectoryAction.READ_PEOPLE)
    after, size = asked.start(services) or 0, asked.size(services)
    rows = services.people.page(asked.caller, roles, after, size)
    return rows, asked.link_next(services, [row.user_id for row in rows])


def _person(services: Services, asked: IdRequest, *, is_client: bool) -> PersonRow:
    permit(asked.caller, DirectoryAction.READ_PEOPLE)
    person = services.people.find(asked.caller, asked.id)
    if person is None or (person.role is Role.CLIENT) is not is_client:
        raise PersonIsUnknown
    return person


def _put(services: Services, caller: Caller, user_id: int, role: Role, full_name: str) -> int:
    command = PutPerson(by=by(caller), at=services.clock(), role=role, full_name=full_name)
    return made_or_changed(services.ledger.record(caller.clinic_id, PERSON, user_id, command))


def _user(row: PersonRow) -> User:
    return User(
        id=row.user_id,
        role=row.role.value,
        full_name=row.full_name,
        erased=row.full_name is None,
    )


def _client(row: PersonRow) -> Client:
    return Client(id=row.user_id, full_name=row.full_name, erased=row.full_name is None)


def list_users(services: Services, asked: PageRequest) -> Response:
    """Therapists, auditors, administrators, compliance officers and ML services, by id."""
    rows, headers = _page(services, asked, _STAFF)
    return json_answer([_user(row) for row in rows], headers=headers)


def retrieve_user(services: Services, asked: IdRequest) -> Response:
    """One user."""
    return json_answer(_user(_person(services, asked, is_client=False)))


def put_user(services: Services, asked: PutRequest[UserPut]) -> Response:
    """Register a user, or rename them."""
    body = asked.body
    status = _put(services, asked.caller, asked.id, Role(body.role), body.full_name)
    return json_answer(User(id=asked.id, role=body.role, full_name=body.full_name), status)


def list_clients(services: Services, asked: PageRequest) -> Response:
    """Clients by id; a therapist finds their own."""
    rows, headers = _page(services, asked, (Role.CLIENT,))
    return json_answer([_client(row) for row in rows], headers=headers)


def retrieve_client(services: Services, asked: IdRequest) -> Response:
    """One client."""
    return json_answer(_client(_person(services, asked, is_client=True)))


def put_client(services: Services, asked: PutRequest[ClientPut]) -> Response:
    """Register a client, or rename them."""
    full_name = asked.body.full_name
    status = _put(services, asked.caller, asked.id, Role.CLIENT, full_name)
    return json_answer(Client(id=asked.id, full_name=full_name), status)


OPERATIONS: Final[tuple[AnyOperation, ...]] = (
    reading(
        "/directory/users/", "users_list", "List Users", PageRequest, list_users, list_of(User)
    ),
    reading(
        "/directory/users/{id}/", "users_retrieve", "Retrieve User", IdRequest, retrieve_user, User
    ),
    putting(
        "/directory/users/{id}/",
        "users_update",
        "Put User",
        PutRequest[UserPut],
        put_user,
        User,
        "Registered",
    ),
    reading(
        "/directory/clients/",
        "clients_list",
        "List Clients",
        PageRequest,
        list_clients,
        list_of(Client),
    ),
    reading(
        "/directory/clients/{id}/",
        "clients_retrieve",
        "Retrieve Client",
        IdRequest,
        retrieve_client,
        Client,
    ),
    putting(
        "/directory/clients/{id}/",
        "clients_update",
        "Put Client",
        PutRequest[ClientPut],
        put_client,
        Client,
        "Registered",
    ),
)
