"""What stands between the socket and the operations, as plain ASGI.

Request ids, slashes, sizes, other sites, headers.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import FieldProblem, problem
from ledger.request_ids import new_request_id, under_way

_WITH_SLASH: Final = ("/apis/", "/directory/", "/auth/", "/events/")
_WITHOUT_SLASH: Final = frozenset({"/healthz/", "/readyz/", "/docs/", "/metrics/"})
REQUEST_ID: Final = "X-Request-Id"
REQUEST_ID_IN_SCOPE: Final = "noteledger.request_id"
"""Where the request's id stands in its ASGI scope."""
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._~+/=:@-]{1,128}")
_BAD_REQUEST_ID: Final = (
    "A request id has 1 to 128 characters, each a letter, a digit or one of . _ ~ + / = : @ -"
)
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS: Final = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


class RequestGuards:
    """Wraps the application.

    - A request has an id: that of its X-Request-Id, or else a new one. It comes back with the
      answer, and stands in log lines and in the facts that the request makes. A header that is no id
      is refused (400).
    - A path answers with and without its trailing slash, and never by a redirect.
    - A body larger than `body_bytes_max`, or than `form_bytes_max` where the path takes files, is
      refused (413) as soon as it is known to be.
    - An unsafe request that a browser says came from another site is refused (403): Fetch
      Metadata, and for browsers without it, Origin. Basic credentials are guarded as well, since
      browsers keep and send them like cookies.
    - Nothing is stored by caches on the way.
    """

    def __init__(
        self, app: ASGIApp, body_bytes_max: int, form_bytes_max: Mapping[str, int]
    ) -> None:
        self._app = app
        self._body_bytes_max = body_bytes_max
        self._form_bytes_max = form_bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = _given_request_id(scope)
        is_id = given is None or _REQUEST_ID.fullmatch(given) is not None
        request_id = given if given and is_id else new_request_id()
        scope[REQUEST_ID_IN_SCOPE] = request_id
        headers = [*_HEADERS, (b"x-request-id", request_id.encode())]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        with under_way(request_id):
            if is_id:
                await self._serve(scope, receive, send_with_headers)
                return
            errors = [FieldProblem(field=REQUEST_ID, detail=_BAD_REQUEST_ID)]
            await problem(400, _BAD_REQUEST_ID, errors)(scope, receive, send_with_headers)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if not path.endswith("/") and f"{path}/".startswith(_WITH_SLASH):
            _go_to(scope, path + "/")
        elif path in _WITHOUT_SLASH:
            _go_to(scope, path.removesuffix("/"))

        if scope["method"] not in _SAFE:
            headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
            bytes_max = self._form_bytes_max.get(scope["path"], self._body_bytes_max)
            refused = _other_site(headers) or _too_large(headers, bytes_max)
            if refused:
                status, detail = refused
                await problem(status, detail)(scope, receive, send)
                return
            receive = _counted(receive, bytes_max)
        await self._app(scope, receive, send)


def _given_request_id(scope: Scope) -> str | None:
    """The header's value; None where it is absent or empty. Two of them are no id."""
    values = [value for name, value in scope["headers"] if name == b"x-request-id"]
    return b",".join(values).decode("latin-1") or None


def _go_to(scope: Scope, path: str) -> None:
    scope["path"] = path
    scope["raw_path"] = path.encode()


def _too_large(headers: Mapping[bytes, str], bytes_max: int) -> tuple[int, str] | None:
    length = headers.get(b"content-length", "0")
    if length.isdigit() and int(length) > bytes_max:
        return 413, _at_most(bytes_max)
    return None


def _counted(receive: Receive, bytes_max: int) -> Receive:
    """For a body whose length was not said beforehand."""
    left = bytes_max

    async def counted() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            # Of all exceptions the framework lets only this one through while it reads a body.
            raise HTTPException(413, _at_most(bytes_max))
        return message

    return counted


def _at_most(bytes_max: int) -> str:
    return f"A request to this path is at most {bytes_max} bytes long."


def _other_site(headers: Mapping[bytes, str]) -> tuple[int, str] | None:
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        ours = site in {"same-origin", "none"}
    else:
        origin = headers.get(b"origin")
        ours = origin is None or urlsplit(origin).netloc == headers.get(b"host")
    return None if ours else (403, "This request came from another site.")
