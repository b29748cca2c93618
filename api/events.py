"""What changed, as it happens: server-sent events (WHATWG HTML, section 9.2), without words.

`docs/events.md` says what a consumer needs. A stream tells only of what its caller may read; an
event's id is its position, and whoever sends it back misses nothing and hears nothing twice.
"""

from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

import anyio
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response, StreamingResponse
from fastapi.sse import format_sse_event
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from api.auth import TheListener, the_listener
from api.feed import Feed, TooManyOfYourStreams, TooManyStreams
from api.problems import BadRequest, documented, problem
from api.services import Services
from domain.refusals import NotPermitted
from domain.session import EventStatus
from domain.value import MAX_ID, Caller, Kind, Role
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
def written(change: Change) -> bytes:
    """The change as an event on the wire. Many streams tell of the same one."""
    shape = _SHAPE_OF[change.about]
    said = {**change._asdict(), "id": change.number}
    told = shape.model_validate({name: said[name] for name in shape.model_fields})
    return format_sse_event(
        id=str(change.position),
        event=change.about.value,
        data_str=told.model_dump_json(exclude_none=True),
    )


class EventStream(StreamingResponse):
    """An answer that goes on until its reader leaves, its time is over, or the caller may no longer."""

    def __init__(self, request: Request, caller: Caller, after: int) -> None:
        super().__init__(self._told(), headers={"X-Accel-Buffering": "no"}, media_type=MEDIA_TYPE)
        self._request = request
        self._feed: Feed = request.app.state.feed
        self._caller = caller
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it, or say that there are too many."""
        try:
            with self._feed.listening(self._caller) as listening:
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

    async def _told(self) -> AsyncIterator[bytes]:
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
                    changes, self._after = await self._feed.changes(self._caller, self._after)
            if anyio.current_time() >= check_at:
                if not await self._may_go_on():
                    return
                check_at = anyio.current_time() + times.check_seconds
            yield b"".join(map(written, changes)) or format_sse_event(id=str(self._after))

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


# --- the route


Position = Annotated[int | None, Query(ge=0, le=MAX_ID, description="Where to begin, at first.")]
LastEventId = Annotated[
    int | None,
    Header(
        alias="Last-Event-ID",
        ge=0,
        le=MAX_ID,
        description="The id that the last event came with; wins over `after`.",
    ),
]
router = APIRouter(prefix="/events", tags=["events"])
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Events as they happen. `data` of `note` and `soap-note` is a NoteEvent, of"
        " `session` a SessionEvent, of `generation` a GenerationEvent, each on one line.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}


@router.get(
    "/",
    operation_id="events_listen",
    response_class=StreamingResponse,
    responses=_STREAM | documented(401, 403, 422, 429, 503),
)
async def listen(
    request: Request,
    caller: TheListener,
    after: Position = None,
    last_event_id: LastEventId = None,
) -> EventStream:
    """What changed among the notes, sessions and drafts that the caller may read, as it happens.

    It begins after the position that is named, or else with what happens next.
    """
    if caller.role is Role.CLIENT:
        raise NotPermitted
    feed: Feed = request.app.state.feed
    head = await feed.head(caller)
    begin = after if last_event_id is None else last_event_id
    if begin is not None and begin > head:
        field = "after" if last_event_id is None else "Last-Event-ID"
        raise BadRequest(422, "The ledger has not come so far: listen without a position.", field)
    return EventStream(request, caller, head if begin is None else begin)
