"""What stands between the socket and the operations, as plain ASGI: slashes, sizes, other sites, headers."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem

_WITH_SLASH: Final = ("/apis/", "/directory/", "/auth/", "/events/")
_WITHOUT_SLASH: Final = frozenset({"/healthz/", "/readyz/", "/docs/", "/metrics/"})
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS: Final = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


class RequestGuards:
    """Wraps the application.

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
        path: str = scope["path"]
        if not path.endswith("/") and f"{path}/".startswith(_WITH_SLASH):
            _go_to(scope, path + "/")
        elif path in _WITHOUT_SLASH:
            _go_to(scope, path.removesuffix("/"))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        if scope["method"] not in _SAFE:
            headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
            bytes_max = self._form_bytes_max.get(scope["path"], self._body_bytes_max)
            refused = _other_site(headers) or _too_large(headers, bytes_max)
            if refused:
                status, detail = refused
                await problem(status, detail)(scope, receive, send_with_headers)
                return
            receive = _counted(receive, bytes_max)
        await self._app(scope, receive, send_with_headers)


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
