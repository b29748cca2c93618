"""Who asks: session cookie, Basic, or nobody.

What was found is kept for two seconds in the process, so that a busy caller costs no look-up;
a disabled account or an ended session stops working within that time in every process.
"""

import asyncio
import base64
import binascii
import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Final

from cachetools import TTLCache
from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from api.problems import BadRequest
from api.request_guards import REQUEST_ID_IN_SCOPE
from api.services import Services
from domain.value import Caller

SECONDS_KEPT: Final = 2
_COOKIE: Final = "noteledger_session"
_HOST_COOKIE: Final = "__Host-noteledger_session"


class CallerCache:
    """Credentials (as digests) and whom they were found to belong to, for two seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        """Owns `_callers`: log-outs come from threads."""
        self._callers: TTLCache[bytes, Caller] = TTLCache(10_000, SECONDS_KEPT)
        self._asked: dict[bytes, asyncio.Future[Caller | None]] = {}
        """Owned by the event loop."""

    def get(self, digest: bytes) -> Caller | None:
        """The caller, if looked up a moment ago."""
        with self._lock:
            return self._callers.get(digest)

    def put(self, digest: bytes, caller: Caller) -> None:
        """Keep for a moment."""
        with self._lock:
            self._callers[digest] = caller

    async def look_up(self, digest: bytes, find: Callable[[], Caller | None]) -> Caller | None:
        """Find out in a thread; who comes with the same credential meanwhile waits for the same answer.

        So many requests of one caller at once are one log-in, and are not throttled as many.
        """
        asked = self._asked.get(digest)
        if asked is None:
            asked = asyncio.ensure_future(run_in_threadpool(find))
            self._asked[digest] = asked
            asked.add_done_callback(lambda _: self._asked.pop(digest, None))
        caller = await asyncio.shield(asked)
        if caller is not None:
            self.put(digest, caller)
        return caller

    def forget(self, digest: bytes) -> None:
        """Look up again next time."""
        with self._lock:
            self._callers.pop(digest, None)


def cookie_name(services: Services) -> str:
    """Browsers take a `__Host-` cookie by https only, for this host and path alone."""
    return _HOST_COOKIE if services.is_https else _COOKIE


async def the_caller(request: Request) -> Caller:
    """Who asks. Raises 401, and LoginIsThrottled."""
    services: Services = request.app.state.services
    return await _the_caller(request, services.browser_sessions.caller)


async def the_listener(request: Request) -> Caller:
    """Who listens: that a page is open somewhere is no use of a session. Raises as `the_caller`."""
    services: Services = request.app.state.services
    return await _the_caller(request, services.browser_sessions.listener)


BySession = Callable[[str, datetime], Caller | None]
"""The caller behind a session cookie at a time; None where the session has ended."""


async def _the_caller(request: Request, by_session: BySession) -> Caller:
    services: Services = request.app.state.services
    cache: CallerCache = request.app.state.caller_cache
    request_id: str = request.scope[REQUEST_ID_IN_SCOPE]
    authorization = request.headers.get("authorization")
    credential = authorization or request.cookies.get(cookie_name(services))
    if not credential:
        if services.anonymous:
            return services.anonymous._replace(request_id=request_id)
        raise BadRequest(401, "Log in, or send HTTP Basic credentials.")
    digest = sha256(credential.encode("utf-8", "surrogateescape")).digest()
    caller = cache.get(digest)
    if caller is None:
        find = partial(_find, services, authorization, credential, by_session)
        caller = await cache.look_up(digest, find)
        if caller is None:
            raise BadRequest(401, "These credentials do not open anything, or no longer.")
    return caller._replace(request_id=request_id)


def _find(
    services: Services, authorization: str | None, credential: str, by_session: BySession
) -> Caller | None:
    if authorization:
        return _by_basic(services, authorization)
    return by_session(credential, services.clock())


def _by_basic(services: Services, authorization: str) -> Caller | None:
    """RFC 7617, in UTF-8."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    login, colon, password = decoded.partition(":")
    account = services.accounts.signed_in(login, password) if colon else None
    return account.caller if account else None
