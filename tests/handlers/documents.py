"""Real files to read, and what reads them in the tests."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from handlers.documents import DocumentLimits, Documents, Unread, find_tesseract
from handlers.formats.outcome import Unreadable

FILES: Final = Path(__file__).parent / "files"
WORD_NAMESPACE: Final = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
TESSERACT: Final = find_tesseract()


def file(name: str) -> bytes:
    """One of the files that other programs made."""
    return (FILES / name).read_bytes()


@contextmanager
def readers(tesseract: str | None = None, **limits: int) -> Iterator[Documents]:
    """Documents of the test's own, without OCR unless it is said, and with time enough."""
    with closing(
        Documents(DocumentLimits(**{"seconds_max": 60, **limits}), tesseract)
    ) as documents:
        yield documents


def why_not(documents: Documents, content: bytes) -> Unreadable:
    """The reason for which a file is not read."""
    [found] = documents.read_all([content])
    assert isinstance(found, Unread), f"it was read: {found.media_type}"
    return found.reason
