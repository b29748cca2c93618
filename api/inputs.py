"""The values that a request may bring, each with its bounds: ids, texts, dates, signatures, cursors, keys."""

import base64
import binascii
import hmac
import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from api.problems import BadRequest
from domain.value import MAX_ID
from ledger.entry import IdempotencyClaim

SIGNATURE_CHARS_MAX: Final = 1_000_000
CURSOR_TAG_BYTES: Final = 16
IDEMPOTENCY_KEY_CHARS_MAX: Final = 255
_EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
_WRITTEN_OUT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d")


class RequestBody(BaseModel):
    """A request's body: a field that nobody would read is refused rather than lost.

    Types are those of JSON: `true` is not the id 1, and `"yes"` approves nothing.
    """

    model_config = ConfigDict(
        extra="forbid", hide_input_in_errors=True, populate_by_name=True, strict=True
    )


# --- fields of a body

InputId = Annotated[int, Field(ge=1, le=MAX_ID)]


def _is_text(text: str) -> str:
    if "\0" in text:
        raise ValueError("NUL characters are not text")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("lone surrogates are not text") from None
    return text


def _written_out(value: object) -> object:
    # The validator behind this would take a bare number for seconds since 1970.
    if isinstance(value, str) and _WRITTEN_OUT.match(value):
        return value
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


InputText = Annotated[str, AfterValidator(_is_text)]
InputDate = Annotated[
    AwareDatetime, Field(strict=False), BeforeValidator(_written_out), AfterValidator(_in_range)
]
InputSignature = Annotated[
    str, Field(max_length=SIGNATURE_CHARS_MAX), AfterValidator(_is_text), AfterValidator(_base64)
]


# --- texts


def as_text(value: str | dict[str, Any]) -> str:
    """Text as it is; an object as its JSON text."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        raise BadRequest(422, "Numbers are finite.", "data") from None


def checked_text(bytes_max: int, value: str | dict[str, Any], field: str = "data") -> str:
    """The words of a note: at most `bytes_max` bytes of UTF-8, no NUL. Raises BadRequest for `field`."""
    text = as_text(value)
    if isinstance(value, dict) and "\\u0000" in text and _holds_nul(value):
        raise BadRequest(422, "NUL characters are not text.", field)
    try:
        length = len(text.encode())
    except UnicodeEncodeError:
        raise BadRequest(422, "Lone surrogates are not text.", field) from None
    if length > bytes_max:
        raise BadRequest(422, f"A text is at most {bytes_max} bytes of UTF-8 long.", field)
    return text


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(key) or _holds_nul(one) for key, one in value.items())
    return isinstance(value, list) and any(map(_holds_nul, value))


# --- cursors: an id, with a tag that only the clinic's own secret makes


def cursor_for(secret: bytes, last_id: int) -> str:
    """A cursor that names the page behind `last_id`, in Base64 for URLs."""
    position = last_id.to_bytes(8, "big")
    return base64.urlsafe_b64encode(position + _cursor_tag(secret, position)).decode()


def read_cursor(secret: bytes, cursor: str) -> int:
    """The id that a cursor of ours names. Raises BadRequest for any other text."""
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
        position, tag = raw[:8], raw[8:]
    except ValueError:  # binascii.Error is one, and so is what is not ASCII
        position = tag = b""
    if not tag or not hmac.compare_digest(tag, _cursor_tag(secret, position)):
        raise BadRequest(422, "This cursor did not come from a Link header.", "cursor")
    return int.from_bytes(position, "big")


def _cursor_tag(secret: bytes, position: bytes) -> bytes:
    return hmac.digest(secret, position, "sha256")[:CURSOR_TAG_BYTES]


# --- versions


def etag(version: int) -> str:
    """A note's version as an entity tag (RFC 9110, section 8.8.3)."""
    return f'"{version}"'


def if_version(if_match: str | None) -> int | None:
    """The version that an `If-Match` asks for; None where any will do, -1 where it names none of ours."""
    if if_match is None or if_match.strip() == "*":
        return None
    bare = if_match.strip().removeprefix('"').removesuffix('"')
    if bare.isascii() and bare.isdigit() and len(bare) <= 16:
        return int(bare)
    return -1


# --- Idempotency-Key


def idempotency_claim(
    secret: bytes, user_id: int, key: str, route: str, request: bytes
) -> IdempotencyClaim:
    """The caller's claim, by this key, on what this request makes: digests made with the clinic's secret."""
    return IdempotencyClaim(
        user_id,
        hmac.digest(secret, b"key\0" + key.encode("utf-8", "surrogateescape"), "sha256"),
        hmac.digest(secret, b"request\0" + route.encode() + b"\0" + request, "sha256"),
    )
