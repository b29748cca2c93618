"""The table of operations: nothing is left out of it, and each request is read as it is documented."""

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request

import api
from api.app import OPERATIONS
from api.inputs import InputId, RequestBody
from api.operations import Operation, asks_caller
from api.problems import BadRequest
from api.requests import JSON, OPTIONAL_REASON, PageCursor, PageLimit, PutRequest, RequestReader
from api.therapist_note_shapes import Reason
from tests.api.clinic import Clinic


def _operations_in(value: object) -> Iterator[Operation[Any]]:
    match value:
        case Operation():
            yield value
        case tuple() | list():
            for one in value:
                yield from _operations_in(one)


def test_no_module_declares_an_operation_that_the_application_leaves_out() -> None:
    modules = [
        importlib.import_module(f"api.{name}") for _, name, _ in pkgutil.iter_modules(api.__path__)
    ]
    declared = {
        operation.id
        for module in modules
        for value in vars(module).values()
        for operation in _operations_in(value)
    }
    assert declared == {operation.id for operation in OPERATIONS}


def test_ids_and_places_are_given_once() -> None:
    ids = Counter(operation.id for operation in OPERATIONS)
    places = Counter((operation.method, operation.path) for operation in OPERATIONS)
    assert set(ids.values()) == set(places.values()) == {1}


def test_what_is_documented_is_what_is_declared(shared_clinic: Clinic) -> None:
    document = shared_clinic.http.get("/openapi.json").json()
    served = {
        (method.upper(), path, operation["operationId"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert served == {(one.method, one.path, one.id) for one in OPERATIONS}


def test_whoever_does_not_say_who_they_are_is_refused(shared_clinic: Clinic) -> None:
    for operation in OPERATIONS:
        path = operation.path.replace("{id}", "1").replace("{digest}", "none")
        answer = shared_clinic.http.request(operation.method, path)
        assert (answer.status_code == 401) is asks_caller(operation), operation.id


class Body(RequestBody):
    """A body."""

    id: InputId


class Asked(NamedTuple):
    """A request with a source of each way to be wrong."""

    cursor: PageCursor
    limit: PageLimit
    body: Annotated[Body, JSON]


class Deleted(NamedTuple):
    """A request that may come without a body."""

    reason: Annotated[Reason | None, OPTIONAL_REASON]


def request(body: bytes = b"", query: str = "", media_type: str = "application/json") -> Request:
    """A request as it comes from a socket."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", media_type.encode())]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": query.encode()}
    return Request({**scope, "headers": headers}, receive)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
class TestReading:
    async def test_each_field_from_its_source(self) -> None:
        asked = await RequestReader(Asked).read(request(b'{"id": 7}', "limit=3&cursor=x"))
        assert asked == Asked("x", 3, Body(id=7))

    async def test_what_is_absent_is_none(self) -> None:
        assert await RequestReader(Asked).read(request(b'{"id": 7}')) == Asked(
            None, None, Body(id=7)
        )
        assert await RequestReader(Deleted).read(request()) == Deleted(None)
        assert await RequestReader(Deleted).read(request(b"null")) == Deleted(None)

    async def test_all_that_is_wrong_is_named(self) -> None:
        with pytest.raises(RequestValidationError) as caught:
            await RequestReader(Asked).read(request(b'{"id": 0}', f"limit=0&cursor={'x' * 201}"))
        wrong = [error["loc"] for error in caught.value.errors()]
        assert wrong == [("query", "cursor"), ("query", "limit"), ("body", "id")]

    @pytest.mark.parametrize("body", [b"", b"null"])
    async def test_a_body_that_is_needed_is_missing(self, body: bytes) -> None:
        with pytest.raises(RequestValidationError) as caught:
            await RequestReader(Asked).read(request(body))
        assert [(e["type"], e["loc"]) for e in caught.value.errors()] == [("missing", ("body",))]

    @pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000])
    async def test_what_is_no_json(self, body: bytes) -> None:
        with pytest.raises(BadRequest) as caught:
            await RequestReader(Asked).read(request(body))
        assert (caught.value.status, caught.value.field) == (400, "body")

    async def test_what_does_not_say_that_it_is_json(self) -> None:
        with pytest.raises(BadRequest) as caught:
            await RequestReader(Asked).read(request(b'{"id": 7}', media_type="text/plain"))
        assert caught.value.status == 415

    async def test_a_generic_request_names_its_body(self) -> None:
        source = RequestReader(PutRequest[Body]).signature.parameters["body"]
        assert source.annotation.__origin__ is Body

    def test_a_field_without_a_source_is_refused(self) -> None:
        class Forgotten(NamedTuple):
            """Nobody says where it comes from."""

            text: Annotated[str, "anywhere"]

        with pytest.raises(AssertionError, match=r"Forgotten\.text"):
            RequestReader(Forgotten)
