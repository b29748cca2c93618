"""Files that were made to do harm, or that came to harm; each is made where it is asked for."""

import zlib
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from tests.handlers.documents import WORD_NAMESPACE

MIB: Final = 1024 * 1024


def deflated_spaces(mib: int) -> bytes:
    """So many MiB of spaces as a zlib stream of a thousandth: one block, again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(b" " * MIB) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x78\xda" + block * mib + packer.flush()


def pdf(objects: Iterable[bytes]) -> bytes:
    """Objects numbered from 1, the first of them the catalog; with a table of where they stand."""
    file, places = BytesIO(), []
    file.write(b"%PDF-1.7\n")
    for number, content in enumerate(objects, 1):
        places.append(file.tell())
        file.write(b"%d 0 obj\n%b\nendobj\n" % (number, content))
    table = file.tell()
    file.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1))
    file.write(b"".join(b"%010d 00000 n \n" % place for place in places))
    file.write(
        b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(places) + 1, table)
    )
    return file.getvalue()


def pdf_page(content: bytes, filters: bytes = b"") -> bytes:
    """A page with this content stream."""
    return pdf([
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R"
        b"/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>",
        b"<</Length %d%b>>stream\n%b\nendstream" % (len(content), filters, content),
    ])  # fmt: skip


def pdf_bomb(mib: int) -> bytes:
    """A page whose content inflates to so many MiB."""
    return pdf_page(deflated_spaces(mib), b"/Filter/FlateDecode")


def pdf_of_pages(count: int) -> bytes:
    """A PDF of so many empty pages."""
    kids = b" ".join(b"%d 0 R" % number for number in range(3, count + 3))
    return pdf([
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%b]/Count %d/MediaBox[0 0 612 792]>>" % (kids, count),
        *([b"<</Type/Page/Parent 2 0 R>>"] * count),
    ])  # fmt: skip


def package(parts: Mapping[str, bytes | str]) -> bytes:
    """A zip file of these parts."""
    file = BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as zipped:
        for name, content in parts.items():
            zipped.writestr(ZipInfo(name), content, ZIP_DEFLATED)
    return file.getvalue()


def docx(document: str | bytes, **parts: bytes | str) -> bytes:
    """A DOCX whose document is this XML."""
    content_types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Override PartName="/word/document.xml" ContentType="application/'
        'vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
    )
    return package({"[Content_Types].xml": content_types, "word/document.xml": document, **parts})


def docx_of(body: str, before: str = "") -> bytes:
    """A DOCX with this in its body."""
    return docx(
        f'{before}<w:document xmlns:w="{WORD_NAMESPACE}"><w:body>{body}</w:body></w:document>'
    )
