"""Therapist notes, operations 1 to 5 and 11 to 15: saved, read, saved again, approved, deleted."""

import json
from typing import Any

import pytest

from domain.value import PSYCHOTHERAPY
from tests.api.clinic import Clinic, note, put
from tests.api.conftest import OpenClinic
from tests.samples import ALMA, ALMA_TREATS_CLARA, CLARA, NOON, PROGRESS, SESSION_ID

SIGNATURE = "QWxtYSBBcmVuZHM="


def test_a_new_note_is_answered_in_long_form_with_its_place_and_version(clinic: Clinic) -> None:
    answer = clinic.alma.post_form(note("slept well", therapist_session_id=SESSION_ID))

    assert answer.status_code == 201
    saved = answer.json()
    assert answer.headers["Location"] == f"/apis/therapistnotes/recordtype/{saved['id']}/"
    assert answer.headers["ETag"] == '"1"'
    created_at = saved["create_timestamp"]
    about = {
        "data": "slept well",
        "therapistnotes_notetype_id": PROGRESS,
        "created_user_id": ALMA.user_id,
        "updated_user_id": ALMA.user_id,
        "client_user_id": CLARA.user_id,
        "therapist_user_id": ALMA.user_id,
        "therapist_client_id": ALMA_TREATS_CLARA,
        "therapist_session_id": SESSION_ID,
    }
    entry = saved["history"]
    assert saved == about | {
        "id": saved["id"],
        "create_timestamp": created_at,
        "update_timestamp": created_at,
        "history": about | {"id": entry["id"], "therapist_notes_id": saved["id"], "attachment": ""},
        "file_content_json": None,
    }


def test_the_place_of_a_new_note_answers_with_it(clinic: Clinic) -> None:
    answer = clinic.alma.post_form(note())
    assert clinic.alma.get(answer.headers["Location"]).json() == answer.json()


def test_a_note_reads_the_same_by_every_path(clinic: Clinic) -> None:
    saved = clinic.alma.save_note(date=NOON.isoformat())
    note_id = saved["id"]
    short = clinic.alma.get(f"/data/{note_id}/").json()
    [by_type] = clinic.alma.look_up("/data/")

    assert clinic.alma.get("/data/").json() == [short]
    assert clinic.alma.get("/recordtype/").json() == [saved]
    assert clinic.alma.get(f"/recordtype/{note_id}/").json() == saved
    assert short["date"] == "2026-03-02T12:00:00Z"
    assert short["attachment"] == ""
    same = short.keys() - {"therapistnotes_notetype_id"}
    assert {name: by_type[name] for name in same} == {name: short[name] for name in same}
    assert by_type["record_type"] == short["therapistnotes_notetype_id"] == PROGRESS
    assert (by_type["is_approved"], by_type["signature"]) == (False, None)
    assert by_type["create_timestamp"] == by_type["update_timestamp"] == saved["create_timestamp"]


def test_a_save_with_an_id_is_a_new_version_of_that_note(clinic: Clinic) -> None:
    first = clinic.alma.save_note("slept well", therapist_session_id=SESSION_ID)
    answer = clinic.alma.post_form(note("slept badly", id=first["id"]))

    second = answer.json()
    assert answer.status_code == 201
    assert answer.headers["ETag"] == '"2"'
    assert (second["id"], second["data"]) == (first["id"], "slept badly")
    assert second["therapist_session_id"] == SESSION_ID, "what is not mentioned stays"
    assert second["create_timestamp"] == first["create_timestamp"] < second["update_timestamp"]
    assert second["history"]["id"] > first["history"]["id"]
    assert len(clinic.alma.get("/data/").json()) == 1


@pytest.mark.parametrize("path", ["/data/{}/", "/recordtype/{}/"])
def test_put_is_a_new_version(clinic: Clinic, path: str) -> None:
    saved = clinic.alma.save_note("slept well")
    own = path.format(saved["id"])
    read = clinic.alma.get(own).json()
    answer = clinic.alma.put(
        own, put() if path.startswith("/data") else read | {"data": "slept badly"}
    )
    if path.startswith("/recordtype"):
        assert answer.status_code == 422, "the id is the path's"
        del read["id"]
        answer = clinic.alma.put(own, read | {"data": "slept badly"})

    assert answer.status_code == 200, answer.text
    assert answer.headers["ETag"] == '"2"'
    assert answer.json()["data"] == "slept badly"
    assert clinic.alma.get(own).json() == answer.json()


def test_the_same_save_again_makes_no_second_version(clinic: Clinic) -> None:
    first = clinic.alma.post_form(note("slept well"))
    before = clinic.position()
    again = clinic.alma.post_form(note("slept well", id=first.json()["id"]))

    assert again.status_code == 201
    assert again.json() == first.json()
    assert again.headers["ETag"] == first.headers["ETag"]
    assert clinic.position() == before


def test_an_approval_is_signed_with_the_therapists_name_and_stays_in_the_history(
    clinic: Clinic,
) -> None:
    saved = clinic.alma.save_note("slept well")
    approved = clinic.alma.put(
        f"/data/{saved['id']}/", put("slept well", is_approved=True, signature=SIGNATURE)
    )
    [by_type] = clinic.alma.look_up("/data/")
    assert approved.status_code == 200
    assert (by_type["is_approved"], by_type["signature"]) == (True, SIGNATURE)

    clinic.alma.put(f"/data/{saved['id']}/", put("slept badly"))
    [by_type] = clinic.alma.look_up("/data/")
    assert (by_type["is_approved"], by_type["signature"]) == (False, None)
    entries = clinic.alma.look_up("/data/history/")
    assert [entry["data"] for entry in entries] == ["slept badly", "slept well", "slept well"]


def test_a_note_may_be_approved_as_it_is_created(clinic: Clinic) -> None:
    clinic.alma.save_note("slept well", is_approved=True, signature=SIGNATURE)
    [by_type] = clinic.alma.look_up("/data/")
    assert (by_type["is_approved"], by_type["signature"]) == (True, SIGNATURE)


def test_nobody_approves_without_a_name_to_print(clinic: Clinic) -> None:
    saved = clinic.alma.save_note("slept well")
    name = {"role": "therapist", "full_name": " "}
    assert clinic.adam.put(f"/directory/users/{ALMA.user_id}/", name).status_code == 200
    answer = clinic.alma.put(
        f"/data/{saved['id']}/", put("slept well", is_approved=True, signature=SIGNATURE)
    )
    assert answer.status_code == 422
    assert "signer_name" in answer.text
    assert clinic.alma.get(f"/data/{saved['id']}/").headers["ETag"] == '"1"'


def test_a_signature_without_an_approval_is_refused(clinic: Clinic) -> None:
    answer = clinic.alma.post_form(note(signature=SIGNATURE))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "signature"


def test_an_object_is_kept_and_comes_out_as_its_json_text(clinic: Clinic) -> None:
    data = {"mood": "calm", "Größe": [1, 2.5, None, {"deep": True}], "quote": '"\\\n'}
    saved = clinic.alma.save_note(data)

    assert json.loads(saved["data"]) == data
    assert clinic.alma.get(f"/data/{saved['id']}/").json()["data"] == saved["data"]


@pytest.mark.parametrize(
    "text", ["", "Über Ω 漢字 😀 \u200f \x01\t\r\n", "<script>alert(1)</script>"]
)
def test_text_comes_out_as_it_went_in(clinic: Clinic, text: str) -> None:
    saved = clinic.alma.save_note(text)
    assert clinic.alma.get(f"/data/{saved['id']}/").json()["data"] == text


@pytest.mark.parametrize("path", ["/data/{}/", "/recordtype/{}/"])
def test_a_deleted_note_is_gone_from_every_path(clinic: Clinic, path: str) -> None:
    saved = clinic.alma.save_note()
    note_id = saved["id"]
    answer = clinic.alma.delete(path.format(note_id), {"reason": "of another client"})

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Note-Id"] == str(note_id)
    for gone in (f"/data/{note_id}/", f"/recordtype/{note_id}/"):
        assert clinic.alma.get(gone).status_code == 404
        assert clinic.alma.delete(gone).status_code == 404
    assert clinic.alma.put(f"/data/{note_id}/", put()).status_code == 404
    assert clinic.alma.post_form(note(id=note_id)).status_code == 404
    assert clinic.alma.get(f"/data/history/{saved['history']['id']}/").status_code == 404
    assert clinic.alma.get("/data/").json() == clinic.alma.get("/recordtype/").json() == []
    assert clinic.alma.get("/data/history/").json() == []
    assert clinic.alma.look_up("/data/") == clinic.alma.look_up("/data/history/") == []


def test_an_id_that_was_never_given_is_not_found(clinic: Clinic) -> None:
    for path in ("/data/999/", "/recordtype/999/"):
        assert clinic.alma.get(path).status_code == 404
        assert clinic.alma.delete(path).status_code == 404
    assert clinic.alma.put("/data/999/", put()).status_code == 404
    assert clinic.alma.post_form(note(id=999)).status_code == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("client_user_id", 22),
        ("therapist_user_id", 12),
        ("therapist_client_id", 102),
        ("record_type", PSYCHOTHERAPY),
    ],
)
def test_a_note_stays_with_its_client_therapist_relationship_and_type(
    clinic: Clinic, field: str, value: int
) -> None:
    saved = clinic.alma.save_note()
    before = clinic.stored()
    answers = [clinic.alma.post_form(note("other", **{"id": saved["id"], field: value}))]
    name = field.replace("record_type", "therapistnotes_notetype_id")
    answers.append(clinic.alma.put(f"/data/{saved['id']}/", put() | {name: value}))

    for answer in answers:
        assert answer.status_code == 422, answer.text
        assert answer.json()["type"] == "urn:noteledger:problem:subject-is-fixed"
        assert answer.json()["errors"][0]["field"] == field
    assert clinic.stored() == before


@pytest.mark.parametrize(
    "alias", ["record_type_id", "therapistnotes_notetype_id", "therapist_notes_notetypeid"]
)
@pytest.mark.parametrize("path", ["/data/", "/data/history/", "/soap/data/", "/soap/data/history/"])
def test_a_look_up_takes_the_record_type_by_each_of_its_names(
    shared_clinic: Clinic, path: str, alias: str
) -> None:
    answer = shared_clinic.alma.post(path, {alias: PROGRESS, "client_user_id": CLARA.user_id})
    assert answer.status_code == 204, answer.text


@pytest.mark.parametrize(
    "alias", ["record_type", "therapistnotes_notetype_id", "therapist_notes_notetypeid"]
)
def test_a_save_takes_the_record_type_by_each_of_its_names(clinic: Clinic, alias: str) -> None:
    metadata = note()
    metadata[alias] = metadata.pop("record_type")
    assert clinic.alma.post_form(metadata).json()["therapistnotes_notetype_id"] == PROGRESS


def test_a_look_up_takes_the_printed_serializer_whole(clinic: Clinic) -> None:
    clinic.alma.save_note()
    printed: dict[str, Any] = {
        "data": "string",
        "therapistnotes_notetype_id": PROGRESS,
        "created_user_id": 0,
        "updated_user_id": 0,
        "client_user_id": CLARA.user_id,
        "therapist_user_id": 0,
        "therapist_client_id": 0,
        "date": "2019-08-24T14:15:22Z",
        "therapist_session_id": 0,
    }
    assert len(clinic.alma.post("/data/", printed).json()) == 1


def test_a_look_up_finds_one_client_and_one_type_by_id(clinic: Clinic) -> None:
    first = clinic.alma.save_note("first")
    clinic.alma.save_note("psychotherapy", record_type=PSYCHOTHERAPY)
    third = clinic.alma.save_note("third")

    found = clinic.alma.look_up("/data/")
    assert [(one["id"], one["data"]) for one in found] == [
        (first["id"], "first"),
        (third["id"], "third"),
    ]
    assert [one["data"] for one in clinic.alma.look_up("/data/", PSYCHOTHERAPY)] == [
        "psychotherapy"
    ]


def test_what_was_saved_is_read_by_another_process_at_once(
    clinic: Clinic, open_again: OpenClinic
) -> None:
    here = clinic
    with open_again() as there:
        for text in ("first", "second", "third"):
            note_id = here.alma.save_note(text)["id"]
            assert there.alma.get(f"/data/{note_id}/").json()["data"] == text
            changed = there.alma.put(f"/data/{note_id}/", put(f"{text} again"))
            assert changed.status_code == 200
            assert here.alma.get(f"/recordtype/{note_id}/").json()["data"] == f"{text} again"
        assert len(here.alma.look_up("/data/history/")) == 6
        assert here.alma.look_up("/data/history/") == there.alma.look_up("/data/history/")
