"""What the service offers, one `Operation` each, and the one way in which all of them are registered.

FastAPI documents an operation and finds it by its path. Its solver of dependencies would cost a
request more than the database does (tests/benchmarks), so each request is read by its own type
(`requests.py`), on the event loop; then its handler runs in a thread.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from inspect import getdoc, iscoroutinefunction
from typing import Any, Final, Generic, Literal, cast

from anyio import CapacityLimiter, fail_after
from anyio.to_thread import run_sync
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel

from api.problems import documented
from api.requests import RequestReader, RequestT
from api.services import Services
from handlers.documents import ReadersAreBusy

JSON: Final = "application/json"
TURN_SECONDS_MAX: Final = 60


class Threads(Enum):
    """In which threads a handler runs; the value is how many of them there are."""

    READS = 8
    """They all want the one interpreter: more at a time only take it from each other."""
    SAVES = 64
    """They mostly wait for their transaction; the more wait together, the less each costs."""
    SAVES_WITH_FILES = 16
    """A few wait for their files to be read, the others before that, apart from all else."""
    OTHERS = 40
    """What must be answered while readers wait for a database, or takes its time by itself."""


@dataclass(frozen=True)
class Operation(Generic[RequestT]):
    """One thing that the service does.

    `request` is the type that reads the request and documents it, `answer` the shape of what comes
    back, `problems` the statuses of its problem documents, `responses` other answers than the usual
    one. The document shows `summary` and `text`; `text` is the handler's docstring where none is given.
    `is_slow` tells of a request whether it takes a turn among the saves with files.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    id: str
    tag: str
    summary: str
    request: type[RequestT]
    handle: (
        Callable[[Services, RequestT], Response]
        | Callable[[Services, RequestT], Awaitable[Response]]
    )
    answer: Any = None
    problems: Sequence[int] = ()
    status: int = 200
    text: str | None = None
    threads: Threads = Threads.READS
    is_slow: Callable[[RequestT], bool] | None = None
    responses: Mapping[int | str, dict[str, Any]] = field(default_factory=dict)
    response_class: type[Response] = JSONResponse


AnyOperation = Operation[Any]
_InAThread = Callable[[Services, Any], Response]
_OnTheLoop = Callable[[Services, Any], Awaitable[Response]]


def json_answer(
    body: BaseModel | Sequence[BaseModel],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """One shape, or a list of them."""
    if isinstance(body, BaseModel):
        text = body.model_dump_json()
    else:
        text = f"[{','.join([one.model_dump_json() for one in body])}]"
    return Response(text, status, headers, JSON)


def asks_caller(operation: AnyOperation) -> bool:
    """Whether it is for those only who say who they are."""
    return RequestReader[Any](operation.request).asks_caller


def list_of(shape: type[BaseModel]) -> Any:
    """A list of such shapes, as an answer."""
    return list[shape]  # type: ignore[valid-type]


def mount(app: FastAPI, services: Services, operations: Sequence[AnyOperation]) -> None:
    """Register the operations. Paths without an id are asked first: `/data/history/` is no note's id."""
    limiters = {threads: CapacityLimiter(threads.value) for threads in Threads}
    routes = [_Route(operation, services, limiters) for operation in operations]
    routes.sort(key=lambda route: route.path.count("{"))
    app.router.routes += routes


class _Route(APIRoute):
    """FastAPI's route for the path and the document, with a way of our own from request to answer."""

    def __init__(
        self,
        operation: AnyOperation,
        services: Services,
        limiters: Mapping[Threads, CapacityLimiter],
    ) -> None:
        self._operation = operation
        self._services = services
        self._limiters = limiters
        self.reader = RequestReader[Any](operation.request)
        super().__init__(
            operation.path,
            _declaration(self.reader),
            methods=[operation.method],
            operation_id=operation.id,
            tags=[operation.tag],
            summary=operation.summary,
            description=operation.text
            or getdoc(getattr(operation.handle, "func", operation.handle)),
            status_code=operation.status,
            response_model=operation.answer,
            responses={**documented(*operation.problems), **operation.responses},
            response_class=operation.response_class,
            openapi_extra=self.reader.openapi,
        )

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        operation, services, read = self._operation, self._services, self.reader.read
        if iscoroutinefunction(operation.handle):
            answer_on_the_loop: _OnTheLoop = operation.handle

            async def on_the_loop(request: Request) -> Response:
                return await answer_on_the_loop(services, await read(request))

            return on_the_loop

        answer: _InAThread = cast(_InAThread, operation.handle)
        limiter, slow = self._limiters[operation.threads], self._limiters[Threads.SAVES_WITH_FILES]

        async def in_a_thread(request: Request) -> Response:
            asked = await read(request)
            if operation.is_slow and operation.is_slow(asked):
                return await _in_turn(partial(answer, services, asked), slow)
            return await run_sync(answer, services, asked, limiter=limiter)

        return in_a_thread


def _declaration(reader: RequestReader[Any]) -> Callable[[], None]:
    """A function with the signature that FastAPI documents; nobody calls it."""

    def declaration() -> None:
        raise NotImplementedError

    declaration.__signature__ = reader.signature  # type: ignore[attr-defined]
    return declaration


async def _in_turn(answer: Callable[[], Response], slow: CapacityLimiter) -> Response:
    """Raises ReadersAreBusy where it has waited too long."""
    turn = object()
    try:
        with fail_after(TURN_SECONDS_MAX):
            await slow.acquire_on_behalf_of(turn)
    except TimeoutError:
        raise ReadersAreBusy from None
    try:
        return await run_sync(answer, limiter=CapacityLimiter(1))
    finally:
        slow.release_on_behalf_of(turn)
