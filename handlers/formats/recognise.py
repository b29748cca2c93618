"""The media type of a file, by its content only: its name and declared type are not used."""

import re
from typing import Final

from handlers.formats.outcome import CannotRead, Unreadable

PDF: Final = "application/pdf"
RTF: Final = "application/rtf"
HTML: Final = "text/html"
PLAIN: Final = "text/plain"
ZIP: Final = "application/zip"
"""DOCX or ODT; what is inside says which (`package.py`)."""

_PDF_HEADER_WITHIN: Final = 1024
"""Where readers of PDF look for the header (PDF 1.7, implementation note 13)."""
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_PACKAGE: Final = "EncryptedPackage".encode("utf-16-le")
"""The stream that an encrypted DOCX is kept in ([MS-OFFCRYPTO], 1.3.3)."""

_IMAGES: Final = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"II\*\0|MM\0\*"), "image/tiff"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"BM....\0\0\0\0", re.DOTALL), "image/bmp"),
)
_HTML_START: Final = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,10000}?-->\s*)*"
    r"<(?:!doctype\s+html|(?:html|head|title|meta|body|div|p|h[1-6]|table|ul|ol|span|font|style|script)\b)",
    re.IGNORECASE | re.DOTALL,
)
_XML_START: Final = re.compile(r"\s*<\?xml\b")


def recognise(content: bytes) -> str:
    """The media type; `text/plain` for what no other type fits. Raises CannotRead."""
    if not content:
        raise CannotRead(Unreadable.EMPTY)
    if b"%PDF-" in content[:_PDF_HEADER_WITHIN]:
        return PDF
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return ZIP
    if content.lstrip()[:5] == b"{\\rtf":
        return RTF
    if content.startswith(_OLE):
        is_encrypted = _ENCRYPTED_PACKAGE in content
        raise CannotRead(Unreadable.ENCRYPTED if is_encrypted else Unreadable.OLD_OFFICE)
    for start, media_type in _IMAGES:
        if start.match(content):
            return media_type
    return PLAIN


def kind_of_text(text: str) -> str:
    """HTML or plain text. Raises CannotRead for other markup."""
    if _HTML_START.match(text):
        return HTML
    if _XML_START.match(text):
        raise CannotRead(Unreadable.NOT_RECOGNISED)
    return PLAIN
