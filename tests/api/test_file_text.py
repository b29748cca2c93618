"""What is read of the files that come with a note, and what becomes of those that cannot be read."""

import logging

import pytest

from domain.note import NOTE
from domain.note_facts import NoteWords, whole_text
from domain.value import PSYCHOTHERAPY
from handlers.formats.docx import MEDIA_TYPE
from handlers.formats.outcome import Unreadable
from tests.api.clinic import Clinic, note, put
from tests.handlers.bad_files import docx_of, pdf_bomb, pdf_of_pages
from tests.handlers.documents import file, readers

TEXT_OF_PICTURE = "The patient slept well.\nSeen on Monday at nine."
ENCRYPTED = Unreadable.ENCRYPTED.value


def words_of(clinic: Clinic, note_id: int) -> NoteWords:
    """What the ledger holds of the note."""
    state = clinic.services.ledger.state(clinic.number, NOTE, note_id)
    assert state is not None
    assert state.saved.words is not None
    return state.saved.words


def test_a_note_shows_the_text_of_its_files(clinic: Clinic) -> None:
    files = [("letter.docx", file("letter.docx")), ("letter.pdf", file("letter.pdf"))]
    saved = clinic.alma.save_note("see the letters", files)
    docx, pdf = saved["file_content_json"]

    assert (docx["media_type"], docx["pages"]) == (MEDIA_TYPE, None)
    assert (pdf["media_type"], pdf["pages"]) == ("application/pdf", 2)
    for described in (docx, pdf):
        assert "First paragraph: Zoë sleeps" in described["text"]
        assert described["unread"] is None
    assert any("tracked changes" in warning for warning in docx["warnings"])
    assert clinic.alma.get(f"/recordtype/{saved['id']}/").json()["file_content_json"] == [docx, pdf]


def test_the_worker_reads_the_note_and_then_its_files(clinic: Clinic) -> None:
    saved = clinic.alma.save_note("slept well", [("a.txt", b"six hours"), ("b.txt", b"seven")])
    assert saved["data"] == "slept well"
    assert whole_text(words_of(clinic, saved["id"])) == "slept well\n\nsix hours\n\nseven"


def test_a_file_is_what_its_content_shows(clinic: Clinic) -> None:
    saved = clinic.alma.save_note(files=[("holiday.jpg", file("letter.pdf"))])
    [described] = saved["file_content_json"]
    assert (described["name"], described["media_type"]) == ("holiday.jpg", "application/pdf")
    assert "Referral letter" in described["text"]


def test_a_file_that_cannot_be_read_is_refused_with_its_name_and_reason(clinic: Clinic) -> None:
    before = clinic.stored()
    files = [("a.txt", b"words"), ("lab.pdf", file("encrypted.pdf")), ("b.txt", b"")]
    answer = clinic.alma.post_form(note(), files)

    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"] == "urn:noteledger:problem:files-are-unreadable"
    assert problem["errors"] == [
        {"field": "files.1", "detail": f"lab.pdf: {ENCRYPTED}"},
        {"field": "files.2", "detail": f"b.txt: {Unreadable.EMPTY.value}"},
    ]
    assert clinic.stored() == before, "nothing of the save remains, and no key was made"


def test_the_name_of_a_refused_file_comes_into_no_log(
    clinic: Clinic, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        clinic.alma.post_form(note(), [("canary.pdf", file("encrypted.pdf"))])
    assert "canary" not in caplog.text


@pytest.mark.parametrize("content", [pdf_bomb(1024), pdf_of_pages(20_000), docx_of("<w:p")])
def test_a_file_made_to_do_harm_does_none(clinic: Clinic, content: bytes) -> None:
    before = clinic.stored()
    assert clinic.alma.post_form(note(), [("a", content)]).status_code == 422
    assert clinic.stored() == before
    assert clinic.alma.save_note(files=[("a.txt", b"slept well")])


def test_it_is_kept_unread_where_the_caller_says_so(clinic: Clinic) -> None:
    files = [("a.txt", b"words"), ("lab.pdf", file("encrypted.pdf"))]
    saved = clinic.alma.save_note(files=files, on_unreadable="keep")
    read, unread = saved["file_content_json"]

    assert (read["text"], read["unread"]) == ("words", None)
    assert (unread["text"], unread["unread"]) == (None, ENCRYPTED)
    assert unread["media_type"] == "application/pdf"
    assert clinic.alma.get(unread["url"]).content == file("encrypted.pdf")


@pytest.mark.parametrize("choice", ["", "KEEP", "perhaps"])
def test_there_are_two_choices(clinic: Clinic, choice: str) -> None:
    answer = clinic.alma.post_form(note(), [("a.txt", b"words")], on_unreadable=choice)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "on_unreadable"


@pytest.mark.with_ocr
def test_what_was_kept_unread_and_can_be_read_now_takes_its_place(clinic: Clinic) -> None:
    """A scan is sent again when OCR has come to the machine."""
    scan = ("scan.png", file("picture.png"))
    with readers() as without_ocr, clinic.like(documents=without_ocr) as before:
        kept = before.alma.save_note(files=[scan], on_unreadable="keep")
    [unread] = kept["file_content_json"]
    assert unread["unread"] == Unreadable.NEEDS_OCR.value

    again = clinic.alma.save_note(files=[scan], id=kept["id"])
    [read] = again["file_content_json"]
    assert (read["text"], read["unread"]) == (TEXT_OF_PICTURE, None)
    assert read["url"] == unread["url"], "the bytes are the same"
    third = clinic.alma.save_note(files=[scan], id=kept["id"])
    assert third["history"]["id"] == again["history"]["id"], "sent once more, it is nothing new"


def test_texts_stay_with_the_note(clinic: Clinic) -> None:
    saved = clinic.alma.save_note(files=[("a.txt", b"words")])
    clinic.alma.put(f"/data/{saved['id']}/", put("changed"))
    [described] = clinic.alma.get(f"/recordtype/{saved['id']}/").json()["file_content_json"]
    assert described["text"] == "words"


def test_a_psychotherapy_note_shows_its_files_text_to_its_author(clinic: Clinic) -> None:
    saved = clinic.alma.save_note(files=[("a.txt", b"words")], record_type=PSYCHOTHERAPY)
    assert saved["file_content_json"][0]["text"] == "words"
    assert clinic.colin.get(f"/recordtype/{saved['id']}/").status_code == 404


def test_references_are_checked_before_a_file_is_read(clinic: Clinic) -> None:
    """A wrong id is what is told, whatever the file is."""
    answer = clinic.alma.post_form(note(client_user_id=999), [("a.pdf", file("encrypted.pdf"))])
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "client_user_id"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "\u202efdp.exe", "a" * 255, "name\twith\ttabs", "Ω 漢字.txt"]
)
def test_a_name_is_a_name(clinic: Clinic, name: str) -> None:
    saved = clinic.alma.save_note(files=[(name, b"words")])
    assert saved["file_content_json"][0]["text"] == "words"
    answer = clinic.alma.post_form(note(), [(name, b"")])
    [error] = answer.json()["errors"]
    assert error["field"] == "files.0"
    assert error["detail"].endswith(Unreadable.EMPTY.value)


def test_the_health_page_says_how_readers_are_confined(clinic: Clinic) -> None:
    isolation = clinic.services.documents.isolation
    health = clinic.http.get("/healthz").json()
    assert health["status"] == "ok"
    assert health["isolation"] == isolation.sentence
    assert health["has_ocr"] is clinic.services.documents.has_ocr
