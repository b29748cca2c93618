"""The change stream: what changed, as it happens, as server-sent events (WHATWG HTML, section 9.2).

`docs/events.md` says what a consumer needs. Events hold no words, and only what their caller may
read; an event's id is its position, and whoever sends it back misses nothing and gets nothing twice.
"""

from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Final, Literal, NamedTuple

import anyio
from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from fastapi.sse import format_sse_event
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from api.auth import the_listener
from api.change_stream import ChangeStream, TooManyOfYourStreams, TooManyStreams
from api.operations import AnyOperation, Operation
from api.problems import BadRequest, problem
from api.requests import AfterPosition, LastEventId, TheListener, TheRequest
from api.services import Services
from domain.access import reads_changes
from domain.refusals import NotPermitted
from domain.session import EventStatus
from domain.value import Caller, Kind
from domain.work import JobName, WhyFailed
from ledger.accounts import LoginIsThrottled
from ledger.database import UNREACHABLE
from projections.changes import Change

MEDIA_TYPE: Final = "text/event-stream"
RECONNECT_MS: Final = 2_000
RETRY_AFTER_SECONDS: Final = 30
LAST_WORD_SECONDS: Final = 1.0


class NoteEvent(BaseModel):
    """`event: note` or `soap-note`. `version` is the one that it is about; `job` and `why` tell of failures."""

    id: int
    what: Literal[
        "drafted",
        "approved",
        "deleted",
        "entry-amended",
        "entry-withdrawn",
        "deidentified",
        "failed",
        "asked-again",
    ]
    version: int | None = None
    client_user_id: int
    record_type: int
    job: JobName | None = None
    why: WhyFailed | None = None


class SessionEvent(BaseModel):
    """`event: session`: its event status was set, by somebody or by the work on it."""

    id: int
    what: Literal["event-status"]
    event_status: EventStatus
    client_user_id: int


class GenerationEvent(BaseModel):
    """`event: generation`. `soap_note_id` comes with `finished`, to who reads notes; `why` with `failed`."""

    id: int
    what: Literal["requested", "started", "finished", "failed", "cancelled"]
    client_user_id: int
    soap_note_id: int | None = None
    why: WhyFailed | None = None


SHAPES: Final[tuple[type[BaseModel], ...]] = (NoteEvent, SessionEvent, GenerationEvent)
_SHAPE_OF: Final[dict[Kind, type[BaseModel]]] = {
    Kind.NOTE: NoteEvent,
    Kind.SOAP_NOTE: NoteEvent,
    Kind.SESSION: SessionEvent,
    Kind.GENERATION: GenerationEvent,
}


@lru_cache(maxsize=2_048)
def as_event(change: Change) -> bytes:
    """The change as an event on the wire. Many streams tell of the same one."""
    shape = _SHAPE_OF[change.about]
    fields = {**change._asdict(), "id": change.number}
    event = shape.model_validate({name: fields[name] for name in shape.model_fields})
    return format_sse_event(
        id=str(change.position),
        event=change.about.value,
        data_str=event.model_dump_json(exclude_none=True),
    )


class EventStream(StreamingResponse):
    """An answer that goes on until its reader leaves, its time is over, or the caller may no longer."""

    def __init__(self, request: Request, caller: Caller, after: int) -> None:
        super().__init__(self._events(), headers={"X-Accel-Buffering": "no"}, media_type=MEDIA_TYPE)
        self._request = request
        self._stream: ChangeStream = request.app.state.change_stream
        self._caller = caller
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it, or say that there are too many."""
        try:
            with self._stream.listening(self._caller) as listening:
                await super().__call__(scope, receive, send)
        except TooManyStreams:
            await _too_many(503, "Too many event streams are open here.")(scope, receive, send)
        except TooManyOfYourStreams:
            await _too_many(429, "You have too many event streams open.")(scope, receive, send)
        else:
            if listening.cancelled_caught:
                # Whoever has stopped to read must not keep us from ending.
                with anyio.move_on_after(LAST_WORD_SECONDS):
                    await send({"type": "http.response.body", "body": b""})

    async def _events(self) -> AsyncIterator[bytes]:
        """What goes over the wire. The next change is fetched when the last one was taken."""
        services: Services = self._request.app.state.services
        times = services.stream_limits
        # An id without data is no event: it says where to come back to, should none follow.
        yield format_sse_event(retry=RECONNECT_MS, id=str(self._after))
        check_at = anyio.current_time() + times.check_seconds
        while True:
            changes: list[Change] = []
            until_check = max(0.0, check_at - anyio.current_time())
            with anyio.move_on_after(min(times.keep_alive_seconds, until_check)):
                while not changes:
                    changes, self._after = await self._stream.changes(self._caller, self._after)
            if anyio.current_time() >= check_at:
                if not await self._may_go_on():
                    return
                check_at = anyio.current_time() + times.check_seconds
            yield b"".join(map(as_event, changes)) or format_sse_event(id=str(self._after))

    async def _may_go_on(self) -> bool:
        """Whether the log-in still is what it was; where nobody can tell, it is asked again later."""
        try:
            return await the_listener(self._request) == self._caller
        except BadRequest:
            return False
        except (LoginIsThrottled, *UNREACHABLE):
            return True


def _too_many(status: int, sentence: str) -> Response:
    return problem(status, sentence, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


# --- the operation


class ListenRequest(NamedTuple):
    """A stream, and where it begins."""

    caller: TheListener
    request: TheRequest
    after: AfterPosition
    last_event_id: LastEventId


async def listen(services: Services, asked: ListenRequest) -> Response:
    """What changed among the notes, sessions and drafts that the caller may read, as it happens.

    It begins after the position that is named, or else with what happens next.
    """
    caller = asked.caller
    if not reads_changes(caller.role):
        raise NotPermitted
    stream: ChangeStream = asked.request.app.state.change_stream
    head = await stream.head(caller)
    begin = asked.after if asked.last_event_id is None else asked.last_event_id
    if begin is not None and begin > head:
        field = "after" if asked.last_event_id is None else "Last-Event-ID"
        raise BadRequest(422, "The ledger has not come so far: listen without a position.", field)
    return EventStream(asked.request, caller, head if begin is None else begin)


OPERATIONS: Final[tuple[AnyOperation, ...]] = (
    Operation(
        "GET",
        "/events/",
        "events_listen",
        "events",
        "Listen",
        ListenRequest,
        listen,
        problems=(401, 403, 422, 429, 503),
        responses={
            200: {
                "description": "Events as they happen. `data` of `note` and `soap-note` is a NoteEvent,"
                " of `session` a SessionEvent, of `generation` a GenerationEvent, each on one line.",
                "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
            }
        },
        response_class=StreamingResponse,
    ),
)
