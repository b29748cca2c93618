"""The outcome of reading a file: its text, or why there is none. Shared by the child and its parent."""

from collections.abc import Iterable
from enum import Enum
from typing import Final, NamedTuple

UNKNOWN: Final = "application/octet-stream"


class Unreadable(Enum):
    """Why a file could not be read: all reasons, each with the sentence that the user reads."""

    EMPTY = "The file is empty."
    NOT_RECOGNISED = (
        "The file is of no kind that is read: PDF, DOCX, ODT, RTF, HTML, plain text, or an image."
    )
    OLD_OFFICE = "The file is of an old Office format: save it as DOCX or PDF."
    ENCRYPTED = "The file is encrypted: remove its password."
    DAMAGED = "The file is damaged or incomplete."
    NO_TEXT = "The file holds no text."
    NEEDS_OCR = "The file is a picture or a scan, and text recognition (OCR) is not installed here."
    TOO_LARGE_UNPACKED = "The file is too large when unpacked."
    TOO_MANY_PAGES = "The file has too many pages."
    TOO_DEEP = "The file's parts are nested too deeply."
    TOO_MUCH_MEMORY = "Reading the file takes more memory than is allowed."
    TOO_LONG = "Reading the file takes longer than is allowed."
    BROKE_ITS_READER = (
        "Reading the file broke its reader: it is damaged, or takes more memory than is allowed."
    )


class CannotRead(Exception):
    """Raised by the formats' readers; carries the reason and no words."""

    def __init__(self, reason: Unreadable) -> None:
        self.reason = reason
        super().__init__(reason.name)


class Bounds(NamedTuple):
    """The limits of a reader. `tesseract` is the path of that program, None where it is not installed."""

    text_bytes_max: int
    pages_max: int
    unpacked_bytes_max: int
    tesseract: str | None


class Found(NamedTuple):
    """What a reader found: the number of pages if the format has pages, and text in reading order.

    `warnings` may still grow while the pieces are taken.
    """

    pages: int | None
    pieces: Iterable[str]
    warnings: list[str]


# What a reader of the text should know; none of these sentences quotes it.
TRACKED: Final = "The document has tracked changes: it is read as if all were accepted."
HIDDEN: Final = "The document has hidden text, which is left out."
COMMENTS: Final = "The document has comments, which are left out."
MACROS: Final = "The document holds macros; they were not run."
OBJECTS: Final = "The document has embedded objects, which are not read."
SOME_ENCRYPTED: Final = "Some parts of the document are encrypted, and were not read."
BY_OCR: Final = "Some or all of the text was recognised in pictures (OCR): it may hold mistakes."
CUT: Final = "The text is longer than is kept, and was cut off."
REPLACED: Final = "Some characters could not be read, and stand as \ufffd."


def pages_missing(count: int, pages: int, why: str) -> str:
    """The warning that some pages of a document were not read."""
    return f"{count} of {pages} pages were not read: {why}."
