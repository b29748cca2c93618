"""PDF by PDFium; a page without text is a scan, and is read by OCR where that is installed."""

import re
from collections.abc import Iterator
from typing import Any, Final

import pypdfium2 as pdfium
import pypdfium2.raw as c

from handlers.formats.ocr import read_page
from handlers.formats.outcome import (
    BY_OCR,
    MACROS,
    Bounds,
    CannotRead,
    Found,
    Unreadable,
    pages_missing,
)

_HYPHEN_AT_LINE_END: Final = re.compile(r"[\x02\ufffe](?=\s|$)")
"""How PDFium gives back a hyphen that ends a line."""
_DOTS_PER_INCH: Final = 300
_POINTS_PER_INCH: Final = 72
_PIXELS_MAX: Final = 20_000_000
"""Of one rendered page: A3 at 300 dots per inch has 17 million."""


def read_pdf(content: bytes, bounds: Bounds) -> Found:
    """Page by page, the fields of forms included. Raises CannotRead."""
    try:
        document = pdfium.PdfDocument(content)
        document.init_forms()  # draws the fields whose values stand there undrawn
    except pdfium.PdfiumError as error:
        is_encrypted = error.err_code in {c.FPDF_ERR_PASSWORD, c.FPDF_ERR_SECURITY}
        raise CannotRead(Unreadable.ENCRYPTED if is_encrypted else Unreadable.DAMAGED) from None
    pages = len(document)
    if pages > bounds.pages_max:
        raise CannotRead(Unreadable.TOO_MANY_PAGES)
    if not pages:
        raise CannotRead(Unreadable.DAMAGED)
    warnings = [MACROS] if c.FPDFDoc_GetJavaScriptActionCount(document) > 0 else []
    return Found(pages, _pages(document, bounds, warnings), warnings)


def _pages(document: Any, bounds: Bounds, warnings: list[str]) -> Iterator[str]:
    """The text of each page. At the end, adds a warning for the pages that could not be read."""
    unread, broken, with_text = 0, 0, 0
    for number in range(len(document)):
        try:
            page = _flat_page(document, number)
        except pdfium.PdfiumError:
            broken += 1
            continue
        text = _text(page)
        if text.strip():
            with_text += 1
        elif not c.FPDFPage_CountObjects(page):
            pass  # a blank page
        elif bounds.tesseract is None:
            unread += 1
        elif (text := read_page(bounds.tesseract, *_picture(page), _DOTS_PER_INCH)).strip():
            with_text += 1
            if BY_OCR not in warnings:
                warnings.append(BY_OCR)
        page.close()
        yield text + "\n"
    if broken and not with_text:
        raise CannotRead(Unreadable.DAMAGED)
    if unread and not with_text:
        raise CannotRead(Unreadable.NEEDS_OCR)
    if broken:
        warnings.append(pages_missing(broken, len(document), "they are damaged"))
    if unread:
        why = "they have no text, and no text recognition (OCR) is installed here"
        warnings.append(pages_missing(unread, len(document), why))


def _flat_page(document: Any, number: int) -> Any:
    """The page, with form fields and annotations made part of it."""
    page = document[number]
    if c.FPDFPage_GetAnnotCount(page):
        c.FPDFPage_Flatten(page, c.FLAT_NORMALDISPLAY)
        page.close()
        page = document[number]
    return page


def _text(page: Any) -> str:
    text_page = page.get_textpage()
    text: str = text_page.get_text_bounded(errors="replace")
    text_page.close()
    return _HYPHEN_AT_LINE_END.sub("-", text)


def _picture(page: Any) -> tuple[int, int, int, bytes]:
    """The page as grey pixels: width, height, bytes of a row, and the rows."""
    width, height = page.get_size()
    scale = _DOTS_PER_INCH / _POINTS_PER_INCH
    if width * height * scale * scale > _PIXELS_MAX:
        scale = (_PIXELS_MAX / (width * height)) ** 0.5
    bitmap = page.render(scale=scale, grayscale=True, rev_byteorder=False)
    return bitmap.width, bitmap.height, bitmap.stride, bytes(bitmap.buffer)
