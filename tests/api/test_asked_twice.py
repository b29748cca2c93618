"""Asked twice is answered once (Idempotency-Key); decided on sight is checked on sight (If-Match)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
from httpx2 import Response

from tests.api.clinic import Clinic, Door, note, put, put_soap, soap
from tests.api.conftest import OpenClinic

KEY = {"Idempotency-Key": "3f6c-1"}

Save = Callable[[Door, dict[str, Any], dict[str, str]], Response]


def _save_note(door: Door, said: dict[str, Any], headers: dict[str, str]) -> Response:
    return door.post_form(note(**said), [("a.txt", b"a")], headers=headers)


def _save_soap(door: Door, said: dict[str, Any], headers: dict[str, str]) -> Response:
    return door.post("/soap/recordtype/", soap(**said), headers=headers)


BOTH = pytest.mark.parametrize(
    ("save", "path"), [(_save_note, "/recordtype/"), (_save_soap, "/soap/recordtype/")]
)


@BOTH
def test_the_same_key_with_the_same_request_answers_the_same_note(
    clinic: Clinic, save: Save, path: str
) -> None:
    first = save(clinic.alma, {"text": "a"}, KEY)
    before = clinic.stored()
    again = save(clinic.alma, {"text": "a"}, KEY)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    for name in ("Location", "ETag"):
        assert again.headers[name] == first.headers[name]
    assert clinic.stored() == before
    assert len(clinic.alma.get(path).json()) == 1


@BOTH
def test_the_same_key_with_another_request_is_refused(
    clinic: Clinic, save: Save, path: str
) -> None:
    save(clinic.alma, {"text": "a"}, KEY)
    before = clinic.stored()
    other = save(clinic.alma, {"text": "b"}, KEY)

    assert other.status_code == 422
    assert other.json()["type"] == "urn:noteledger:problem:idempotency-key-was-used"
    assert other.json()["errors"][0]["field"] == "Idempotency-Key"
    assert clinic.stored() == before
    assert len(clinic.alma.get(path).json()) == 1


def test_other_files_are_another_request(clinic: Clinic) -> None:
    for content, status in ((b"a", 201), (b"a", 201), (b"b", 422)):
        answer = clinic.alma.post_form(note(), [("a.txt", content)], headers=KEY)
        assert answer.status_code == status


def test_a_note_and_a_soap_note_do_not_share_a_key(clinic: Clinic) -> None:
    assert _save_note(clinic.alma, {}, KEY).status_code == 201
    assert _save_soap(clinic.alma, {}, KEY).status_code == 422


def test_a_key_is_its_callers_own(clinic: Clinic) -> None:
    by_alma = _save_soap(clinic.alma, {}, KEY)
    by_ml = _save_soap(clinic.ml, {"sender_role": "ml"}, KEY)
    assert (by_alma.status_code, by_ml.status_code) == (201, 201)
    assert by_alma.json()["id"] != by_ml.json()["id"]


def test_a_refused_save_does_not_use_its_key_up(clinic: Clinic) -> None:
    assert _save_soap(clinic.alma, {"client_user_id": 999}, KEY).status_code == 422
    assert _save_soap(clinic.alma, {}, KEY).status_code == 201


def test_without_a_key_each_save_is_a_new_note(clinic: Clinic) -> None:
    ids = {_save_soap(clinic.alma, {}, {}).json()["id"] for _ in range(2)}
    assert len(ids) == 2


@BOTH
def test_many_at_once_with_one_key_make_one_note(
    clinic: Clinic, open_again: OpenClinic, save: Save, path: str
) -> None:
    with open_again() as there, ThreadPoolExecutor(8) as pool:
        doors = [clinic.alma, there.alma] * 4
        answers = list(pool.map(lambda door: save(door, {"text": "a"}, KEY), doors))

    assert [answer.status_code for answer in answers] == [201] * 8
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(clinic.alma.get(path).json()) == 1
    assert (
        len(
            clinic.alma.get("/data/history/").json()
            or clinic.alma.get("/soap/data/history/").json()
        )
        == 1
    )


# --- If-Match


Change = Callable[[Door, int, dict[str, str]], Response]
CHANGES: Final[dict[str, Change]] = {
    "PUT /data/": lambda door, n, h: door.put(f"/data/{n}/", put("changed"), headers=h),
    "PUT /recordtype/": lambda door, n, h: door.put(
        f"/recordtype/{n}/", {"data": "changed"}, headers=h
    ),
    "POST /recordtype/": lambda door, n, h: door.post_form(note("changed", id=n), headers=h),
    "DELETE /data/": lambda door, n, h: door.delete(f"/data/{n}/", headers=h),
    "DELETE /recordtype/": lambda door, n, h: door.delete(f"/recordtype/{n}/", headers=h),
}
SOAP_CHANGES: Final[dict[str, Change]] = {
    "PUT /soap/data/": lambda door, n, h: door.put(f"/soap/data/{n}/", put_soap(), headers=h),
    "PUT /soap/recordtype/": lambda door, n, h: door.put(
        f"/soap/recordtype/{n}/",
        {"ml_data": "", "therapist_data": "changed", "signature": None},
        headers=h,
    ),
    "POST /soap/recordtype/": lambda door, n, h: door.post(
        "/soap/recordtype/", soap("changed", id=n), headers=h
    ),
    "DELETE /soap/data/": lambda door, n, h: door.delete(f"/soap/data/{n}/", headers=h),
    "DELETE /soap/recordtype/": lambda door, n, h: door.delete(f"/soap/recordtype/{n}/", headers=h),
}


@pytest.mark.parametrize("name", [*CHANGES, *SOAP_CHANGES])
@pytest.mark.parametrize("stale", ['"1"', '"3"', '"x"', 'W/"2"', "", '"1", "3"'])
def test_a_stale_version_is_refused(shared_clinic: Clinic, name: str, stale: str) -> None:
    is_soap = name in SOAP_CHANGES
    save = shared_clinic.alma.save_soap if is_soap else shared_clinic.alma.save_note
    saved = save("a")
    save("b", id=saved["id"])
    before = shared_clinic.stored()
    change = (SOAP_CHANGES if is_soap else CHANGES)[name]
    answer = change(shared_clinic.alma, saved["id"], {"If-Match": stale})

    assert answer.status_code == 412, answer.text
    assert answer.json()["type"] == "urn:noteledger:problem:version-is-stale"
    assert answer.json()["errors"][0]["field"] == "If-Match"
    assert shared_clinic.stored() == before


@pytest.mark.parametrize("name", [*CHANGES, *SOAP_CHANGES])
@pytest.mark.parametrize("fresh", ['"2"', "*", None])
def test_the_version_that_was_read_is_changed(
    shared_clinic: Clinic, name: str, fresh: str | None
) -> None:
    is_soap = name in SOAP_CHANGES
    save = shared_clinic.alma.save_soap if is_soap else shared_clinic.alma.save_note
    saved = save("a")
    save("b", id=saved["id"])
    read = shared_clinic.alma.get(f"{'/soap' * is_soap}/data/{saved['id']}/")
    assert read.headers["ETag"] == '"2"'
    change = (SOAP_CHANGES if is_soap else CHANGES)[name]
    answer = change(shared_clinic.alma, saved["id"], {"If-Match": fresh} if fresh else {})

    assert answer.status_code in {200, 201, 204}, answer.text
    if answer.status_code != 204:
        assert answer.headers["ETag"] == '"3"'


def test_the_same_save_again_is_answered_though_its_version_is_stale_by_its_first_arrival(
    clinic: Clinic,
) -> None:
    saved = clinic.alma.save_note("a")
    sent = {"If-Match": '"1"'}
    first = clinic.alma.put(f"/data/{saved['id']}/", put("b"), headers=sent)
    again = clinic.alma.put(f"/data/{saved['id']}/", put("b"), headers=sent)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert again.headers["ETag"] == first.headers["ETag"] == '"2"'


def test_of_many_changes_on_sight_of_one_version_one_is_made(
    clinic: Clinic, open_again: OpenClinic
) -> None:
    saved = clinic.alma.save_note("a")
    with open_again() as there, ThreadPoolExecutor(6) as pool:
        doors = [clinic.alma, there.alma] * 3
        answers = list(
            pool.map(
                lambda n: doors[n].put(
                    f"/data/{saved['id']}/", put(f"by {n}"), headers={"If-Match": '"1"'}
                ),
                range(6),
            )
        )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412, 412]
    [won] = [answer.json() for answer in answers if answer.status_code == 200]
    assert clinic.alma.get(f"/data/{saved['id']}/").json() == won


def test_of_many_changes_without_sight_all_are_made_in_turn(
    clinic: Clinic, open_again: OpenClinic
) -> None:
    saved = clinic.alma.save_note("a")
    with open_again() as there, ThreadPoolExecutor(6) as pool:
        doors = [clinic.alma, there.alma] * 3
        answers = list(
            pool.map(lambda n: doors[n].put(f"/data/{saved['id']}/", put(f"by {n}")), range(6))
        )
    assert [answer.status_code for answer in answers] == [200] * 6
    assert sorted(answer.headers["ETag"] for answer in answers) == [f'"{n}"' for n in range(2, 8)]
    assert len(clinic.alma.look_up("/data/history/")) == 7
