"""The busiest routes, read by hand: look-ups and saves.

FastAPI declares and documents them like all others. At run time its solver of dependencies would
cost such a request more than the database does (tests/benchmarks), so these routes fill their
parameters themselves: services and caller, and what `given` reads of the request.
"""

import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Final, TypeVar

from anyio import CapacityLimiter, fail_after
from anyio.to_thread import run_sync
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from api.auth import the_caller
from api.given import idempotency_key, if_version
from api.problems import BadRequest
from api.services import Services
from handlers.documents import ReadersAreBusy

LOOK_UPS_AT_ONCE: Final = 8
"""They all want the one interpreter: more of them at a time only take it from each other."""
SAVES_AT_ONCE: Final = 64
"""They mostly wait for their transaction; the more wait together, the less each costs."""

SLOW_AT_ONCE: Final = 16
"""Saves with files: a few wait for their files to be read, the others before that."""
TURN_SECONDS_MAX: Final = 60

IsSlow = Callable[[Mapping[str, Any]], bool]
Given = Callable[[Request, Services], Awaitable[Mapping[str, Any]]]


def lean(given: Given, at_once: int, is_slow: IsSlow | None = None) -> type[APIRoute]:
    """A class of routes whose endpoints take `services`, `caller` and what `given` reads.

    `at_once` of them run at a time, each in a thread; the others wait. Slow ones wait apart, so that
    they hold nobody else up. Raises ReadersAreBusy where one of them has waited too long.
    """
    threads, slow = CapacityLimiter(at_once), CapacityLimiter(SLOW_AT_ONCE)

    class LeanRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            endpoint = self.endpoint

            async def handle(request: Request) -> Response:
                services: Services = request.app.state.services
                caller = await the_caller(request)
                arguments = await given(request, services)
                call = partial(endpoint, services=services, caller=caller, **arguments)
                if is_slow and is_slow(arguments):
                    return await _in_turn(call, slow)
                answer: Response = await run_sync(call, limiter=threads)
                return answer

            return handle

    return LeanRoute


async def _in_turn(call: Callable[[], Response], slow: CapacityLimiter) -> Response:
    turn = object()
    try:
        with fail_after(TURN_SECONDS_MAX):
            await slow.acquire_on_behalf_of(turn)
    except TimeoutError:
        raise ReadersAreBusy from None
    try:
        return await run_sync(call, limiter=CapacityLimiter(1))
    finally:
        slow.release_on_behalf_of(turn)


Body = TypeVar("Body", bound=BaseModel)


async def json_body(request: Request, model: type[Body]) -> Body:
    """The body as the model has it; refused as FastAPI refuses it."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise BadRequest(415, "The body of this request is application/json.")
    try:
        value = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise BadRequest(400, "The body is not JSON.", "body") from None
    try:
        return model.model_validate(value)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_input=False, include_context=False)
        located = [{**error, "loc": ("body", *error["loc"])} for error in errors]
        raise RequestValidationError(located) from None


async def save_headers(request: Request) -> dict[str, Any]:
    """What a save may bring besides its body."""
    headers = request.headers
    return {
        "if_version": await if_version(headers.get("if-match")),
        "idempotency_key": idempotency_key(headers.get("idempotency-key")),
    }
