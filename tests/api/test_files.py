"""Files that come with a note: kept sealed, described in `file_content_json`, fetched again."""

from hashlib import sha256
from urllib.parse import unquote

import pytest

from domain.value import PSYCHOTHERAPY
from tests.api.clinic import Clinic, note, put

LETTER = b"Dear colleague, \xe9\r\n--boundary--"


def test_a_file_goes_up_and_comes_down_again(clinic: Clinic) -> None:
    saved = clinic.alma.save_note(files=[("letter.txt", LETTER)])
    [described] = saved["file_content_json"]

    assert described == {
        "name": "letter.txt",
        "media_type": "text/plain",
        "size": len(LETTER),
        "sha256": sha256(LETTER).hexdigest(),
        "pages": None,
        "text": "Dear colleague, é\n--boundary--",
        "warnings": [],
        "unread": None,
        "url": described["url"],
    }
    answer = clinic.alma.get(described["url"])
    assert answer.status_code == 200
    assert answer.content == LETTER


def test_a_file_is_kept_not_shown(clinic: Clinic) -> None:
    page = b"<p>words</p><script>alert(1)</script>"
    saved = clinic.alma.save_note(files=[("page.html", page)])
    answer = clinic.alma.get(saved["file_content_json"][0]["url"])

    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''page.html"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_attachment_is_the_address_of_the_first_file(clinic: Clinic) -> None:
    saved = clinic.alma.save_note(files=[("a.txt", b"a"), ("b.txt", b"b")])
    first, second = saved["file_content_json"]

    assert clinic.alma.get(f"/data/{saved['id']}/").json()["attachment"] == first["url"]
    assert saved["history"]["attachment"] == first["url"]
    assert [clinic.alma.get(file["url"]).content for file in (first, second)] == [b"a", b"b"]


def test_files_stay_with_the_note_and_new_ones_come_to_them(clinic: Clinic) -> None:
    saved = clinic.alma.save_note(files=[("a.txt", b"a")])
    clinic.alma.put(f"/data/{saved['id']}/", put("changed"))
    again = clinic.alma.save_note("changed", [("a.txt", b"a"), ("b.txt", b"b")], id=saved["id"])

    names = [file["name"] for file in again["file_content_json"]]
    assert names == ["a.txt", "b.txt"], "a file that is sent again is not kept twice"


def test_an_empty_file_that_shall_be_kept_is_a_file(clinic: Clinic) -> None:
    saved = clinic.alma.save_note(files=[("empty.txt", b"")], on_unreadable="keep")
    [described] = saved["file_content_json"]
    assert described["size"] == 0
    assert clinic.alma.get(described["url"]).content == b""


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "..\\..\\boot.ini",
        "/etc/passwd",
        "C:\\x.txt",
        "name\twith\ttabs",
        "Ω 漢字.txt",
        "a;b=c.txt",
        '"',
        "%00",
        "",
    ],
)
def test_a_name_is_kept_as_it_is_and_leads_nowhere(clinic: Clinic, name: str) -> None:
    answer = clinic.alma.post_form(note(), [(name, b"words")])
    if answer.status_code != 201:
        # Without a name it is no file of a form; with some it cannot be told where the name ends.
        assert answer.status_code in {400, 422}
        assert answer.headers["Content-Type"] == "application/problem+json"
        return
    [described] = answer.json()["file_content_json"]
    down = clinic.alma.get(described["url"])
    assert down.content == b"words"
    _, _, shown = down.headers["Content-Disposition"].partition("filename*=UTF-8''")
    assert shown.isascii()
    assert not set(unquote(shown)) & set("/\\"), "no path"
    assert not set(shown) & set('";, \r\n'), "no other header"


def test_only_who_may_read_the_note_may_fetch_its_files(clinic: Clinic) -> None:
    url = clinic.alma.save_note(files=[("a.txt", b"words")])["file_content_json"][0]["url"]

    assert clinic.colin.get(url).content == b"words"
    assert clinic.audra.get(url).content == b"words"
    for door, status in (
        (clinic.bruno, 404),
        (clinic.eva, 404),
        (clinic.adam, 403),
        (clinic.ml, 403),
        (clinic.nobody, 401),
    ):
        answer = door.get(url)
        assert answer.status_code == status
        assert b"words" not in answer.content


def test_a_file_is_fetched_through_its_own_note_only(clinic: Clinic) -> None:
    url = clinic.alma.save_note(files=[("a.txt", b"a")])["file_content_json"][0]["url"]
    digest = url.rstrip("/").rpartition("/")[2]
    other = clinic.alma.save_note("another")["id"]

    answer = clinic.alma.get(f"/recordtype/{other}/files/{digest}/")
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:noteledger:problem:attachment-is-unknown"
    assert clinic.alma.get(f"/recordtype/{other}/files/none/").status_code == 404


def test_the_file_of_a_psychotherapy_note_is_its_authors(clinic: Clinic) -> None:
    saved = clinic.alma.save_note(files=[("a.txt", b"words")], record_type=PSYCHOTHERAPY)
    url = saved["file_content_json"][0]["url"]

    assert clinic.alma.get(url).content == b"words"
    for door in (clinic.colin, clinic.audra):
        assert door.get(url).status_code == 404


def test_the_file_of_a_deleted_note_is_gone(clinic: Clinic) -> None:
    saved = clinic.alma.save_note(files=[("a.txt", b"a")])
    clinic.alma.delete(f"/data/{saved['id']}/")
    assert clinic.alma.get(saved["file_content_json"][0]["url"]).status_code == 404


def test_a_refused_save_keeps_no_file_and_makes_no_key(clinic: Clinic) -> None:
    before = clinic.stored()
    for said in ({"client_user_id": 999}, {"id": 999}, {"record_type": 999}, {"signature": "QQ=="}):
        assert clinic.alma.post_form(note(**said), [("a.txt", b"a")]).status_code in {404, 422}
    assert clinic.stored() == before


def test_an_old_version_keeps_its_file(clinic: Clinic) -> None:
    """The file's address names the note's newest version, which holds the files of the older ones."""
    first = clinic.alma.save_note("first", [("a.txt", b"a")])
    clinic.alma.save_note("second", [("b.txt", b"b")], id=first["id"])
    newest, oldest = clinic.alma.look_up("/data/history/")

    assert newest["attachment"] == oldest["attachment"]
    assert clinic.alma.get(oldest["attachment"]).content == b"a"
