"""Files that were made to do harm, or came to harm: refused or read, and nothing of them stays."""

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.documents import Documents, Read, ReadersAreBusy, Unread, understood
from handlers.formats.outcome import Unreadable
from tests.handlers import bad_files
from tests.handlers.bad_files import MIB, docx, docx_of, pdf_bomb, pdf_of_pages
from tests.handlers.documents import FILES, file, readers, why_not
from tests.handlers.test_sandbox import children

LAUGHS: Final = "".join(
    f'<!ENTITY {name} "{f"&{former};" * 20}">'
    for former, name in zip("abcdefg", "bcdefgh", strict=True)
)

REFUSED: Final[dict[str, tuple[Callable[[], bytes], set[Unreadable]]]] = {
    "nothing": (lambda: b"", {Unreadable.EMPTY}),
    "blanks": (lambda: b" \r\n\t\n", {Unreadable.NO_TEXT}),
    "bytes of a program": (lambda: b"\x7fELF" + bytes(range(256)), {Unreadable.NOT_RECOGNISED}),
    "a text with a NUL": (lambda: b"Dear \0 colleague", {Unreadable.NOT_RECOGNISED}),
    "other markup": (lambda: b"<?xml version='1.0'?><a>words</a>", {Unreadable.NOT_RECOGNISED}),
    "a PDF that inflates to 1 GiB": (lambda: pdf_bomb(1024), {Unreadable.BROKE_ITS_READER}),
    "a DOCX that inflates to 128 MiB": (
        lambda: docx(b" " * 128 * MIB),
        {Unreadable.TOO_LARGE_UNPACKED},
    ),
    "a PDF of 20,000 pages": (lambda: pdf_of_pages(20_000), {Unreadable.TOO_MANY_PAGES}),
    "an encrypted PDF": (lambda: file("encrypted.pdf"), {Unreadable.ENCRYPTED}),
    "an encrypted ODT": (lambda: file("encrypted.odt"), {Unreadable.ENCRYPTED}),
    "a DOCX encrypted by Word": (lambda: file("word-encrypted.docx"), {Unreadable.ENCRYPTED}),
    "half a PDF's head": (lambda: file("letter.pdf")[:100], {Unreadable.DAMAGED}),
    "half a DOCX": (lambda: file("letter.docx")[:4_000], {Unreadable.DAMAGED}),
    "half an ODT": (lambda: file("letter.odt")[:7_000], {Unreadable.DAMAGED}),
    "half an RTF": (lambda: file("letter.rtf")[:5_000], {Unreadable.DAMAGED}),
    "a picture without OCR": (lambda: file("picture.png"), {Unreadable.NEEDS_OCR}),
    "an external entity": (
        lambda: docx_of(
            "<w:p><w:r><w:t>&x;</w:t></w:r></w:p>",
            '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        ),
        {Unreadable.DAMAGED},
    ),
    "a billion laughs": (
        lambda: docx_of(
            "<w:p><w:r><w:t>&h;</w:t></w:r></w:p>",
            f'<!DOCTYPE d [<!ENTITY a "ha">{LAUGHS}]>',
        ),
        {Unreadable.DAMAGED},
    ),
    "a deep DOCX": (
        lambda: docx_of("<w:tbl><w:tr><w:tc>" * 30_000 + "</w:tc></w:tr></w:tbl>" * 30_000),
        {Unreadable.TOO_DEEP},
    ),
    "a deep HTML": (lambda: b"<html>" + b"<div>" * 200_000 + b"words", {Unreadable.TOO_DEEP}),
    "a deep RTF": (
        lambda: b"{\\rtf1 " + b"{" * 200_000 + b"words" + b"}" * 200_001,
        {Unreadable.TOO_DEEP},
    ),
    "a deep PDF": (
        lambda: b"%PDF-1.7\n1 0 obj\n" + b"[" * 1_000_000,
        {Unreadable.DAMAGED, Unreadable.BROKE_ITS_READER},
    ),
    "a PDF whose pages go round in a ring": (
        lambda: bad_files.pdf([
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[2 0 R]/Count 1>>",
        ]),
        {Unreadable.DAMAGED, Unreadable.NO_TEXT},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def documents() -> Iterator[Documents]:
    """Readers without OCR."""
    with readers() as documents:
        yield documents


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No child and no temporary file stays, and no memory of the children's size."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = children()
    yield
    assert children() == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_for_its_reason(documents: Documents, name: str) -> None:
    make, reasons = REFUSED[name]
    assert why_not(documents, make()) in reasons
    assert documents.read(b"slept well").text == "slept well", "the next one is read"


def test_memory_comes_back(documents: Documents) -> None:
    """A child's gigabyte is not ours."""
    bomb = pdf_bomb(1024)
    documents.read(b"slept well")
    before = resident_mib()
    for _ in range(3):
        why_not(documents, bomb)
    assert resident_mib() < before + 16


def resident_mib() -> int:
    """What this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // MIB


def test_what_takes_too_long_is_refused() -> None:
    endless = b"{\\rtf1 " + b"slept well\\par " * 1_500_000 + b"}"
    with readers(seconds_max=1) as documents:
        assert why_not(documents, endless) is Unreadable.TOO_LONG


def test_a_large_file_of_each_kind_is_read_up_to_the_bound() -> None:
    """What inflates within the bound is read, and cut off."""
    paragraph = "<w:p><w:r><w:t>slept well</w:t></w:r></w:p>"
    with readers(text_bytes_max=1_000) as documents:
        for content in (
            docx_of(paragraph * 50_000),
            b"<html>" + b"<p>slept well" * 20_000,
            b"{\\rtf1 " + b"slept well\\par " * 20_000 + b"}",
            b"slept well\n" * 900_000,
        ):
            read = documents.read(content)
            assert read.text.startswith("slept well")
            assert len(read.text) <= 1_000
            assert any("cut off" in warning for warning in read.warnings)


def test_a_long_run_of_blanks_takes_no_time_of_its_own() -> None:
    with readers() as documents:
        assert documents.read(b"slept" + b" " * 900_000 + b"well").text.split() == ["slept", "well"]


def test_many_at_once_wait_for_their_turn() -> None:
    """However many come, a few children run; each file is answered."""
    with readers(at_once=2) as documents, ThreadPoolExecutor(20) as crowd:
        found = list(crowd.map(documents.read, [b"slept %d hours" % n for n in range(100)]))
    assert [read.text for read in found] == [f"slept {n} hours" for n in range(100)]


def test_who_would_wait_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.documents.WAIT_SECONDS_MAX", 0.2)
    endless = b"{\\rtf1 " + b"slept well\\par " * 1_500_000 + b"}"
    with readers(at_once=1) as documents, ThreadPoolExecutor(1) as other:
        first = other.submit(documents.read_all, [endless])
        while not documents.is_busy:
            pass
        with pytest.raises(ReadersAreBusy):
            documents.read(b"slept well")
        documents.close()
        assert first.result() == [Unread("application/octet-stream", Unreadable.BROKE_ITS_READER)]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"words",
        b"[]",
        b'{"media_type": "text/plain", "unreadable": "BECAUSE"}',
        b'{"media_type": "text/plain", "text": 1}',
        b'{"media_type": "text/plain", "text": "\\ud800"}',
        b'{"media_type": "text/plain", "text": "\xff"}',
        b'{"media_type": "text/plain", "text": "words", "pages": -1}',
        b'{"media_type": "%b", "text": "words"}' % (b"x" * 1_000),
        b'{"media_type": "text/plain", "text": "words", "warnings": ["%b"]}' % (b"x" * 1_000),
    ],
)
def test_a_child_that_was_taken_over_is_not_believed(answer: bytes) -> None:
    broken = Unread("application/octet-stream", Unreadable.BROKE_ITS_READER)
    assert understood(answer) == broken


# --- real files, damaged at random: an answer, whatever it is

SOUND: Final = sorted(
    path.name
    for path in FILES.iterdir()
    if path.suffix in {".docx", ".odt", ".rtf", ".pdf", ".html"} and path.stat().st_size < 50_000
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real file with bytes changed, parts gone, or parts doubled."""
    content = bytearray(file(draw(st.sampled_from(SOUND))))
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, len(content) - 1))
        length = draw(st.integers(1, 200))
        match draw(st.sampled_from(["change", "cut", "double"])):
            case "change":
                content[at : at + length] = draw(st.binary(min_size=1, max_size=length))
            case "cut":
                del content[at : at + length]
            case _:
                content[at:at] = content[at : at + length]
        if not content:
            return b"x"
    return bytes(content)


@settings(max_examples=40)
@given(content=damaged())
def test_a_damaged_file_has_an_answer(content: bytes, documents: Documents) -> None:
    [found] = documents.read_all([content])
    assert isinstance(found, Read | Unread)
    if isinstance(found, Read):
        found.text.encode()
        assert found.text
