"""What a request gives, taken apart with care: ids, texts, signatures, versions, cursors, keys."""

import base64
import binascii
import hmac
import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Path, Query, Request
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field
from starlette.exceptions import HTTPException

from api.problems import BadRequest, methods_at
from api.services import Services, TheServices
from domain.refusals import NoteIsUnknown
from domain.value import MAX_ID, Caller
from ledger.entry import IdempotencyClaim

SIGNATURE_CHARS_MAX: Final = 1_000_000
CURSOR_TAG_BYTES: Final = 16
IDEMPOTENCY_KEY_CHARS_MAX: Final = 255
_EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
_WRITTEN_OUT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d")

GivenId = Annotated[int, Field(ge=1, le=MAX_ID)]


def _is_text(given: str) -> str:
    if "\0" in given:
        raise ValueError("NUL characters are not text")
    try:
        given.encode()
    except UnicodeEncodeError:
        raise ValueError("lone surrogates are not text") from None
    return given


def _written_out(given: object) -> object:
    # The validator behind this would take a bare number for seconds since 1970.
    if isinstance(given, str) and _WRITTEN_OUT.match(given):
        return given
    raise ValueError("a date and time with its zone (RFC 3339), such as 2026-01-31T09:30:00Z")


def _in_range(moment: datetime) -> datetime:
    if not _EARLIEST <= moment < _LATEST:
        raise ValueError("a date between 1900 and 2200")
    return moment


def _base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a signature is Base64 (RFC 4648, section 4)") from None
    return text


GivenText = Annotated[str, AfterValidator(_is_text)]
GivenDate = Annotated[
    AwareDatetime, Field(strict=False), BeforeValidator(_written_out), AfterValidator(_in_range)
]
GivenSignature = Annotated[
    str, Field(max_length=SIGNATURE_CHARS_MAX), AfterValidator(_is_text), AfterValidator(_base64)
]


def as_text(given: str | dict[str, Any]) -> str:
    """Text as it is; an object as its JSON text."""
    if isinstance(given, str):
        return given
    try:
        return json.dumps(given, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        raise BadRequest(422, "Numbers are finite.", "data") from None


def checked_text(services: Services, given: str | dict[str, Any], field: str = "data") -> str:
    """The words of a note: not too long, no NUL, all of it Unicode."""
    text = as_text(given)
    if isinstance(given, dict) and "\\u0000" in text and _holds_nul(given):
        raise BadRequest(422, "NUL characters are not text.", field)
    try:
        length = len(text.encode())
    except UnicodeEncodeError:
        raise BadRequest(422, "Lone surrogates are not text.", field) from None
    if length > services.limits.text_bytes_max:
        limit = services.limits.text_bytes_max
        raise BadRequest(422, f"A text is at most {limit} bytes of UTF-8 long.", field)
    return text


def _holds_nul(given: object) -> bool:
    if isinstance(given, str):
        return "\0" in given
    if isinstance(given, dict):
        return any(_holds_nul(key) or _holds_nul(value) for key, value in given.items())
    return isinstance(given, list) and any(map(_holds_nul, given))


# --- ids in the path


async def _the_id(
    request: Request,
    id: Annotated[str, Path(json_schema_extra={"pattern": "^[1-9][0-9]{0,15}$"})],
) -> int:
    """The contract prints ids as strings; one that is no id names nothing."""
    if id.isascii() and id.isdigit() and len(id) <= 16 and 1 <= int(id) <= MAX_ID:
        return int(id)
    if methods_at(request, request.scope["path"]):
        raise HTTPException(
            405
        )  # `/data/history/` is a path of its own, and this is not done there
    raise NoteIsUnknown


TheId = Annotated[int, Depends(_the_id)]

# --- pages of lists


async def _the_limit(
    services: TheServices, limit: Annotated[int | None, Query(ge=1, le=1000)] = None
) -> int:
    return limit or services.limits.page_entries


TheLimit = Annotated[int, Depends(_the_limit)]
Cursor = Annotated[str | None, Query(max_length=200, description="From the Link header.")]


def read_cursor(services: Services, caller: Caller, cursor: str | None) -> int | None:
    """The id after which the page begins. A cursor opens only for the clinic that it was made for."""
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
        position, tag = raw[:8], raw[8:]
    except ValueError:  # binascii.Error is one, and so is what is not ASCII
        position = tag = b""
    if not tag or not hmac.compare_digest(tag, _cursor_tag(services, caller, position)):
        raise BadRequest(422, "This cursor did not come from a Link header.", "cursor")
    return int.from_bytes(position, "big")


def link_next(
    request: Request, services: Services, caller: Caller, last: int | None, limit: int
) -> dict[str, str]:
    """The header that names the next page (RFC 8288), where `last` says that there may be one."""
    if last is None:
        return {}
    position = last.to_bytes(8, "big")
    raw = position + _cursor_tag(services, caller, position)
    cursor = base64.urlsafe_b64encode(raw).decode()
    return {"Link": f'<{request.url.path}?limit={limit}&cursor={cursor}>; rel="next"'}


def _cursor_tag(services: Services, caller: Caller, position: bytes) -> bytes:
    secret = services.keys.clinic_secret(caller.clinic_id, "cursor")
    return hmac.digest(secret, position, "sha256")[:CURSOR_TAG_BYTES]


# --- versions


def etag(version: int) -> str:
    """A note's version as an entity tag (RFC 9110, section 8.8.3)."""
    return f'"{version}"'


async def if_version(if_match: Annotated[str | None, Header()] = None) -> int | None:
    """The version that the caller had before them; None where any will do."""
    if if_match is None or if_match.strip() == "*":
        return None
    bare = if_match.strip().removeprefix('"').removesuffix('"')
    if bare.isascii() and bare.isdigit() and len(bare) <= 16:
        return int(bare)
    return -1


IfVersion = Annotated[int | None, Depends(if_version)]

# --- Idempotency-Key


IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=IDEMPOTENCY_KEY_CHARS_MAX)]


def idempotency_key(key: str | None) -> str | None:
    """The header as it came; refused where it is none, whether it will be needed or not."""
    if key is not None and not 1 <= len(key) <= IDEMPOTENCY_KEY_CHARS_MAX:
        limit = f"An Idempotency-Key has 1 to {IDEMPOTENCY_KEY_CHARS_MAX} characters."
        raise BadRequest(422, limit, "Idempotency-Key")
    return key


def claim(
    services: Services, caller: Caller, key: str | None, route: str, request: bytes
) -> IdempotencyClaim | None:
    """The key as the caller's claim on what this request makes; digests, no words."""
    if key is None:
        return None
    secret = services.keys.clinic_secret(caller.clinic_id, "idempotency")
    return IdempotencyClaim(
        caller.user_id,
        hmac.digest(secret, b"key\0" + key.encode("utf-8", "surrogateescape"), "sha256"),
        hmac.digest(secret, b"request\0" + route.encode() + b"\0" + request, "sha256"),
    )
