"""Bytes to text: by a byte order mark, by the pattern of UTF-16, as UTF-8, as cp1252; or not text."""

import re
from typing import Final

from handlers.formats.outcome import CannotRead, Unreadable

_MARKS: Final = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_SAMPLE_BYTES: Final = 4096
_NULS_OF_UTF_16: Final = 0.3
"""Share of NULs in one of each two bytes: a Latin text in UTF-16 has nearly 1, one of bytes none."""
_NO_TEXT_HAS: Final = re.compile("[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_META_CHARSET: Final = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE
)
_META_WITHIN: Final = 1024
"""Where a page declares its encoding (HTML, section 4.2.5.4)."""


def decoded(content: bytes) -> str:
    """The text. Raises CannotRead where the bytes are no text."""
    text = _decoded(content)
    if _NO_TEXT_HAS.search(text):
        raise CannotRead(Unreadable.NOT_RECOGNISED)
    return text


def _decoded(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    if utf_16 := _utf_16(content[:_SAMPLE_BYTES]):
        return content.decode(utf_16, "replace")
    try:
        return content.decode()
    except UnicodeDecodeError:
        pass
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        raise CannotRead(Unreadable.NOT_RECOGNISED) from None


def _utf_16(sample: bytes) -> str | None:
    """The encoding, if the bytes look like UTF-16 without a byte order mark; else None."""
    pairs = len(sample) // 2
    if not pairs or len(sample) % 2:
        return None
    even, odd = (sample[start::2].count(0) / pairs for start in (0, 1))
    if odd > _NULS_OF_UTF_16 and not even:
        return "utf-16-le"
    if even > _NULS_OF_UTF_16 and not odd:
        return "utf-16-be"
    return None


def redecoded_as_declared(content: bytes, text: str) -> str:
    """A page's text in the encoding that it declares; `text` where it declares none or is UTF-8."""
    declared = _META_CHARSET.search(content[:_META_WITHIN])
    if declared is None or any(content.startswith(mark) for mark, _ in _MARKS):
        return text
    try:
        content.decode()
    except UnicodeDecodeError:
        pass
    else:
        return text
    try:
        return content.decode(declared[1].decode("ascii"), "replace")
    except LookupError:
        return text
