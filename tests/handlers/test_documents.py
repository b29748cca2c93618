"""The text of real files, made by other programs (`files/README.md`)."""

from collections.abc import Iterator
from io import BytesIO
from threading import active_count
from typing import Final

import pypdfium2
import pytest

from handlers.documents import Documents, FileIsUnreadable
from handlers.formats import docx, odt, outcome
from handlers.formats.outcome import Unreadable
from tests.handlers.bad_files import docx_of, package, pdf, pdf_page
from tests.handlers.documents import TESSERACT, file, readers, why_not

WORD: Final = docx.MEDIA_TYPE


@pytest.fixture(scope="module")
def documents() -> Iterator[Documents]:
    """Readers without OCR, whether or not it is installed."""
    with readers() as documents:
        yield documents


@pytest.fixture(scope="module")
def with_ocr() -> Iterator[Documents]:
    """Readers with the OCR that is installed."""
    assert TESSERACT
    with readers(TESSERACT) as documents:
        yield documents


class TestOneLetterInAllFormats:
    """LibreOffice wrote the same letter six times."""

    IN_ORDER = (
        "Referral letter",
        "First paragraph: Zoë sleeps",
        "badly — “six hours”, naïve café €20",
        "Second paragraph",
        "with an insertedword and a note",
        "Visible",
        "Scale",
        "Score",
        "PHQ-9",
        "14",
        "Before the box.",
        "Item one",
        "Item two",
        "Last paragraph, on page two.",
    )
    MEDIA_TYPES: Final = {
        "docx": WORD,
        "odt": odt.MEDIA_TYPE,
        "rtf": "application/rtf",
        "pdf": "application/pdf",
        "html": "text/html",
        "txt": "text/plain",
    }

    @pytest.mark.parametrize("kind", MEDIA_TYPES)
    def test_it_is_read_in_order(self, documents: Documents, kind: str) -> None:
        read = documents.read(file(f"letter.{kind}"))
        assert read.media_type == self.MEDIA_TYPES[kind]
        assert read.pages == (2 if kind == "pdf" else None)
        at = 0
        for words in self.IN_ORDER:
            at = read.text.index(words, at)

    @pytest.mark.parametrize("kind", ["docx", "odt", "rtf", "pdf", "html"])
    def test_so_is_what_stands_beside_the_body(self, documents: Documents, kind: str) -> None:
        text = documents.read(file(f"letter.{kind}")).text
        beside = ["Practice Harbour Street", "Confidential letter", "Footnote words."]
        for words in beside + (["Boxed words."] if kind != "html" else []):
            assert words in text

    @pytest.mark.parametrize("kind", ["docx", "odt", "rtf"])
    def test_what_was_deleted_hidden_or_remarked_is_not(
        self, documents: Documents, kind: str
    ) -> None:
        read = documents.read(file(f"letter.{kind}"))
        for word in ("struckword", "concealedword", "remarkword"):
            assert word not in read.text
        assert {outcome.TRACKED, outcome.HIDDEN} <= set(read.warnings)

    @pytest.mark.parametrize("kind", ["docx", "odt"])
    def test_that_remarks_are_left_out_is_said(self, documents: Documents, kind: str) -> None:
        assert outcome.COMMENTS in documents.read(file(f"letter.{kind}")).warnings


class TestWord:
    """Documents that Word itself wrote."""

    WRITTEN: Final = {
        "word-header-footer.docx": (
            "Header for section-1\nsection with header\n\nsection without header of its own.\n\n"
            "Footer for section 1"
        ),
        "word-footnotes.docx": "Ouch.\n\n A tachyon walks into a bar.\n Fin.",
        "word-text-box.docx": "Datum plane",
        "word-strict.docx": "Bullet1\nBullet2\nNumber1\nNumber2\nCellaa\tCellab\nCellba\tCellbb",
        "word-macro.docm": "This is a test document, with Forms in a macro",
        "pages.docx": (
            "This is a document for testing docx2python module.\n\nThis document contains"
            " paragraphs.\n\nThis document does not contain any bulleted lists."
        ),
    }

    @pytest.mark.parametrize("name", WRITTEN)
    def test_they_are_read(self, documents: Documents, name: str) -> None:
        assert documents.read(file(name)).text == self.WRITTEN[name]

    def test_tables_stand_between_paragraphs(self, documents: Documents) -> None:
        text = documents.read(file("word-tables.docx")).text
        assert "Text before\nTable\nBetween\nText after" in text

    def test_what_was_ticked_is_told_from_what_was_not(self, documents: Documents) -> None:
        text = documents.read(file("word-controls.docx")).text
        assert "[user unchecked]☐[user unchecked]" in text
        assert "[user checked]☒[user checked]" in text
        assert "Choose an item" not in text, "a placeholder is nobody's word"

    def test_macros_are_told_of(self, documents: Documents) -> None:
        read = documents.read(file("word-macro.docm"))
        assert read.media_type == docx.WITH_MACROS
        assert read.warnings == (outcome.MACROS,)
        assert documents.read(file("macro.odt")).warnings == (outcome.MACROS,)


class TestMarkupOfWord:
    """What a document may hold, piece by piece."""

    CASES: Final = {
        "a deleted row": (
            "<w:tbl><w:tr><w:trPr><w:del/></w:trPr><w:tc><w:p><w:r><w:t>out</w:t></w:r></w:p></w:tc>"
            "</w:tr><w:tr><w:tc><w:p><w:r><w:t>in</w:t></w:r></w:p></w:tc></w:tr></w:tbl>",
            "in",
        ),
        "a deleted end of a paragraph": (
            "<w:p><w:pPr><w:rPr><w:del/></w:rPr></w:pPr><w:r><w:t>one </w:t></w:r></w:p>"
            "<w:p><w:r><w:t>line</w:t></w:r></w:p>",
            "one line",
        ),
        "what was moved": (
            "<w:p><w:moveFrom><w:r><w:t>here</w:t></w:r></w:moveFrom></w:p>"
            "<w:p><w:moveTo><w:r><w:t>there</w:t></w:r></w:moveTo></w:p>",
            "there",
        ),
        "a field and its code": (
            '<w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>DATE</w:instrText>'
            '</w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>Monday</w:t></w:r></w:p>',
            "Monday",
        ),
        "hidden, and not hidden after all": (
            '<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>out</w:t></w:r><w:r><w:rPr><w:vanish w:val="0"/>'
            "</w:rPr><w:t>in</w:t></w:r></w:p>",
            "in",
        ),
        "tabs, breaks, hyphens": (
            "<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/>"
            "<w:t>d</w:t></w:r></w:p>",
            "a\tb\nc-d",
        ),
        "cells of several paragraphs": (
            "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p><w:p><w:r><w:t>b</w:t></w:r></w:p>"
            "</w:tc><w:tc><w:p><w:r><w:t>c</w:t></w:r></w:p></w:tc></w:tr></w:tbl>",
            "a\nb\nc",
        ),
        "a box of a form": (
            '<w:p><w:r><w:sym w:font="Wingdings" w:char="F0FE"/><w:t> yes</w:t></w:r></w:p>',
            "☒ yes",
        ),
    }

    @pytest.mark.parametrize("case", CASES)
    def test_it_reads_as_it_shows(self, documents: Documents, case: str) -> None:
        body, text = self.CASES[case]
        assert documents.read(docx_of(body)).text == text


class TestPlainText:
    ENCODINGS: Final = (
        "utf-8",
        "utf-8-sig",
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "cp1252",
    )
    WORDS: Final = "Zoë — “six hours” for €20,\r\nnot more.\r\n"

    @pytest.mark.parametrize("encoding", ENCODINGS)
    def test_it_is_read_in_its_encoding(self, documents: Documents, encoding: str) -> None:
        read = documents.read(self.WORDS.encode(encoding))
        assert read == ("text/plain", None, "Zoë — “six hours” for €20,\nnot more.", ())

    def test_what_cannot_be_decoded_is_told_of(self, documents: Documents) -> None:
        broken = "slept ".encode("utf-16") + b"\x00\xd8" + "well".encode("utf-16-le")
        read = documents.read(broken)
        assert read.text == "slept \ufffdwell"
        assert read.warnings == (outcome.REPLACED,)

    def test_what_is_too_long_is_cut_off_between_characters(self) -> None:
        with readers(text_bytes_max=9) as documents:
            read = documents.read("ééééé".encode())
            assert (read.text, read.warnings) == ("éééé", (outcome.CUT,))

    def test_other_marks_at_the_end_of_lines_are_taken_for_line_ends(
        self, documents: Documents
    ) -> None:
        assert documents.read(b"a \rb\t\r\n\r\n\r\n\r\nc\n").text == "a\nb\n\nc"


class TestHtml:
    def test_it_reads_as_it_shows(self, documents: Documents) -> None:
        page = (
            b"<!DOCTYPE html><title>t</title><script>alert(1)</script><style>p{}</style>"
            b"<p>Sleep: <b>six</b> hours <del>struck</del><p style='display:none'>hidden</p>"
            b"<!-- remark --><table><tr><td>PHQ-9<td>14</table>"
        )
        read = documents.read(page)
        assert read.text.split() == ["Sleep:", "six", "hours", "PHQ-9", "14"]
        assert read.warnings == (outcome.TRACKED,)

    def test_it_is_read_in_the_encoding_that_it_declares(self, documents: Documents) -> None:
        page = '<html><meta charset="iso-8859-2"><p>Łukasz śpi</p>'
        assert documents.read(page.encode("iso-8859-2")).text == "Łukasz śpi"
        assert documents.read(page.encode()).text == "Łukasz śpi", "what is UTF-8 is not another"


class TestRtf:
    def test_characters_beyond_the_first_plane(self, documents: Documents) -> None:
        assert documents.read(rb"{\rtf1 slept \u-10179?\u-8704? well}").text == "slept 😀 well"

    def test_pictures_are_not_read(self, documents: Documents) -> None:
        picture = rb"{\rtf1 before {\pict\pngblip 89504e47} after}"
        assert documents.read(picture).text == "before  after"


class TestPdf:
    def test_a_page_without_text_is_told_of(self, documents: Documents) -> None:
        read = documents.read(letter_and_scan())
        assert read.pages == 3
        assert "Referral letter" in read.text
        [warning] = read.warnings
        assert warning.startswith("1 of 3 pages were not read")

    def test_what_was_filled_into_a_form_is_read(self, documents: Documents) -> None:
        text = documents.read(filled_in_form()).text
        assert "six hours" in text

    def test_an_empty_page_is_no_scan(self, documents: Documents) -> None:
        assert why_not(documents, pdf_page(b"")) is Unreadable.NO_TEXT


class TestPictures:
    NAMES: Final = ("picture.png", "picture.jpg", "picture.tif", "scan.pdf")

    @pytest.mark.parametrize("name", NAMES)
    def test_without_ocr_they_are_refused_for_that_reason(
        self, documents: Documents, name: str
    ) -> None:
        with pytest.raises(FileIsUnreadable) as refused:
            documents.read(file(name))
        assert refused.value.reason is Unreadable.NEEDS_OCR

    @pytest.mark.with_ocr
    @pytest.mark.parametrize("name", NAMES[:3])
    def test_with_ocr_they_are_read(self, with_ocr: Documents, name: str) -> None:
        read = with_ocr.read(file(name))
        assert read.text == "The patient slept well.\nSeen on Monday at nine."
        assert read.warnings == (outcome.BY_OCR,)
        assert read.pages == 1

    @pytest.mark.with_ocr
    def test_so_is_a_scan(self, with_ocr: Documents) -> None:
        read = with_ocr.read(file("scan.pdf"))
        assert "whatever I asked for I would" in read.text
        assert (read.pages, read.warnings) == (1, (outcome.BY_OCR,))

    @pytest.mark.with_ocr
    def test_so_is_a_scanned_page_among_others(self, with_ocr: Documents) -> None:
        read = with_ocr.read(letter_and_scan())
        assert "Referral letter" in read.text
        assert "whatever I asked for I would" in read.text

    @pytest.mark.with_ocr
    def test_a_broken_picture_is_damaged(self, with_ocr: Documents) -> None:
        assert why_not(with_ocr, file("picture.png")[:300]) is Unreadable.DAMAGED


def test_files_that_come_together_are_read_side_by_side(documents: Documents) -> None:
    names = [f"letter.{kind}" for kind in TestOneLetterInAllFormats.MEDIA_TYPES]
    found = documents.read_all([file(name) for name in names] + [b""])
    assert [read.media_type for read in found[:-1]] == [
        *TestOneLetterInAllFormats.MEDIA_TYPES.values()
    ]
    assert found[-1] == ("application/octet-stream", Unreadable.EMPTY)


def test_no_thread_stays() -> None:
    before = active_count()
    with readers() as documents:
        documents.read(b"slept well")
        assert active_count() > before
    assert active_count() == before


def test_a_package_of_another_kind_is_not_recognised(documents: Documents) -> None:
    sheet = "application/vnd.oasis.opendocument.spreadsheet"
    assert why_not(documents, package({"mimetype": sheet})) is Unreadable.NOT_RECOGNISED
    assert why_not(documents, package({"a.txt": "words"})) is Unreadable.NOT_RECOGNISED


def letter_and_scan() -> bytes:
    """The letter's two pages and the scan, in one PDF."""
    whole = pypdfium2.PdfDocument.new()
    parts = [pypdfium2.PdfDocument(file(name)) for name in ("letter.pdf", "scan.pdf")]
    for part in parts:
        whole.import_pages(part)
    written = BytesIO()
    whole.save(written)
    for document in (whole, *parts):
        document.close()
    return written.getvalue()


def filled_in_form() -> bytes:
    """A field with a value that nothing draws: the viewer is asked to."""
    return pdf([
        b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[4 0 R]/NeedAppearances true"
        b"/DA(/Helv 0 Tf 0 g)/DR<</Font<</Helv 6 0 R>>>>>>>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 5 0 R/Annots[4 0 R]"
        b"/Resources<</Font<</F 6 0 R>>>>>>",
        b"<</Type/Annot/Subtype/Widget/FT/Tx/T(sleep)/V(six hours)/Rect[200 690 400 720]"
        b"/DA(/Helv 12 Tf 0 g)/P 3 0 R/F 4>>",
        b"<</Length 43>>stream\nBT /F 12 Tf 72 700 Td (Hours of sleep:) Tj ET\nendstream",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ])  # fmt: skip
