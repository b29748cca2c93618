"""Lists come in pages: `limit`, `cursor`, and a Link header that names the next one."""

import re
from dataclasses import replace
from typing import Any

import pytest

from tests.api.clinic import Clinic, Door

LISTS = {
    "/data/": "id",
    "/recordtype/": "id",
    "/data/history/": "-id",
    "/soap/data/": "id",
    "/soap/recordtype/": "id",
    "/soap/data/history/": "-id",
    "/soap/data/partialhistory/": "-id",
}
DIRECTORY = ("/directory/users/", "/directory/clients/", "/directory/relationships/")


def _walk(door: Door, path: str, limit: int) -> list[list[dict[str, Any]]]:
    """Every page of a list, by nothing but its Link headers."""
    pages, next_path = [], f"{path}?limit={limit}"
    while next_path:
        answer = door.get(next_path)
        assert answer.status_code == 200, answer.text
        pages.append(answer.json())
        link = answer.headers.get("Link")
        found = re.fullmatch(r'<([^<>]+)>; rel="next"', link) if link else None
        assert bool(found) is bool(link)
        next_path = found[1] if found else ""
        assert len(pages) < 20
    return pages


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", [1, 2, 7, 1000])
def test_pages_hold_the_whole_list_once_and_in_order(clinic: Clinic, path: str, limit: int) -> None:
    save = clinic.alma.save_soap if path.startswith("/soap") else clinic.alma.save_note
    for n in range(7):
        save(f"{n}")
    whole = clinic.alma.get(path).json()
    pages = _walk(clinic.alma, path, limit)

    assert len(whole) == 7
    assert [one for page in pages for one in page] == whole
    assert all(len(page) <= limit for page in pages)
    ids = [one["id"] for one in whole]
    assert ids == sorted(ids, reverse=LISTS[path].startswith("-"))


@pytest.mark.parametrize("path", DIRECTORY)
def test_the_directory_comes_in_pages_too(clinic: Clinic, path: str) -> None:
    whole = clinic.adam.get(path).json()
    assert len(whole) > 1
    assert [one for page in _walk(clinic.adam, path, 1) for one in page] == whole


def test_a_list_that_is_all_there_names_no_next_page(clinic: Clinic) -> None:
    clinic.alma.save_note()
    assert "Link" not in clinic.alma.get("/data/").headers
    assert "Link" not in clinic.alma.get("/data/?limit=2").headers


def test_a_page_is_as_long_as_the_settings_say_where_the_caller_is_silent(clinic: Clinic) -> None:
    for _ in range(3):
        clinic.alma.save_note()
    with clinic.like(limits=replace(clinic.services.limits, page_entries=2)) as changed:
        answer = changed.alma.get("/data/")
        assert len(answer.json()) == 2
        assert len(changed.alma.get(answer.links["next"]["url"]).json()) == 1


def test_a_page_holds_as_many_as_it_may_whatever_is_hidden_from_the_caller(clinic: Clinic) -> None:
    for n in range(6):
        clinic.alma.save_note(f"{n}", record_type=1 + n % 2)
    pages = _walk(clinic.colin, "/data/", 2)
    assert [[one["data"] for one in page] for page in pages] == [["1", "3"], ["5"]]


def test_what_comes_while_somebody_pages_is_neither_doubled_nor_missed(clinic: Clinic) -> None:
    ids = [clinic.alma.save_note(f"{n}")["id"] for n in range(3)]
    first = clinic.alma.get("/data/?limit=2")
    ids.append(clinic.alma.save_note("new")["id"])
    rest = clinic.alma.get(first.links["next"]["url"]).json()
    assert [one["id"] for one in first.json() + rest] == ids


def test_a_cursor_opens_for_its_clinic_only(clinic: Clinic) -> None:
    for n in range(2):
        clinic.alma.save_note(f"{n}")
    next_path = clinic.alma.get("/data/?limit=1").links["next"]["url"]
    assert clinic.colin.get(next_path).status_code == 200
    answer = clinic.eva.get(next_path)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "cursor"


def test_a_link_leads_back_to_the_path_that_was_asked(clinic: Clinic) -> None:
    for n in range(2):
        clinic.alma.save_note(f"{n}")
    for path in ("/data", "/data/"):
        link = clinic.alma.get(f"{path}?limit=1").links["next"]["url"]
        assert link.startswith("/apis/therapistnotes/data/?limit=1&cursor=")
