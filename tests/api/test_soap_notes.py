"""SOAP notes, operations 18 to 22 and 33 to 37: drafted by the ML service, reviewed by the therapist."""

import json
from typing import Any

import pytest

from domain.value import PSYCHOTHERAPY
from tests.api.clinic import Clinic, put_soap, soap
from tests.samples import ALMA, CLARA, ML, NOON, PROGRESS, SESSION_ID

SIGNATURE = "QWxtYSBBcmVuZHM="
AS_ML: dict[str, Any] = {"sender_role": "ml"}


def test_the_ml_service_writes_both_texts(clinic: Clinic) -> None:
    answer = clinic.ml.post(
        "/soap/recordtype/", soap("S: a", therapist_session_id=SESSION_ID, **AS_ML)
    )

    assert answer.status_code == 201, answer.text
    saved = answer.json()
    assert answer.headers["Location"] == f"/apis/therapistnotes/soap/recordtype/{saved['id']}/"
    assert answer.headers["ETag"] == '"1"'
    assert (saved["ml_data"], saved["therapist_data"]) == ("S: a", "S: a")
    assert (saved["is_override"], saved["is_approved"], saved["signature"]) == (False, False, None)
    assert saved["created_user_id"] == saved["updated_user_id"] == ML.user_id
    assert saved["history"]["therapist_soapnotes_id"] == saved["id"]
    assert clinic.alma.get(answer.headers["Location"]).json()["history"] == saved["history"] | {
        "session_start_time": "2026-03-02T12:00:00Z",
        "session_end_time": "2026-03-02T12:50:00Z",
    }


def test_the_therapist_writes_only_their_own_text(clinic: Clinic) -> None:
    drafted = clinic.ml.save_soap("S: drafted", **AS_ML)
    reviewed = clinic.alma.save_soap("S: reviewed", id=drafted["id"])

    assert (reviewed["ml_data"], reviewed["therapist_data"]) == ("S: drafted", "S: reviewed")
    assert (reviewed["created_user_id"], reviewed["updated_user_id"]) == (ML.user_id, ALMA.user_id)
    redrafted = clinic.ml.save_soap("S: drafted anew", id=drafted["id"], **AS_ML)
    assert redrafted["ml_data"] == redrafted["therapist_data"] == "S: drafted anew"


def test_a_therapist_may_begin_without_the_ml_service(clinic: Clinic) -> None:
    saved = clinic.alma.save_soap("S: a")
    assert (saved["ml_data"], saved["therapist_data"]) == ("", "S: a")
    assert saved["is_override"] is False


@pytest.mark.parametrize(
    ("text", "said", "is_override"),
    [
        ("S: drafted", {}, False),
        ("S: reviewed", {}, True),
        ("S: drafted", {"is_override": True}, True),
        ("S: reviewed", {"is_override": False}, False),
        ("S: reviewed", {"is_override": None}, True),
    ],
)
def test_is_override_is_derived_where_the_caller_is_silent(
    clinic: Clinic, text: str, said: dict[str, Any], is_override: bool
) -> None:
    drafted = clinic.ml.save_soap("S: drafted", **AS_ML)
    reviewed = clinic.alma.save_soap(text, id=drafted["id"], is_approved=True, **said)
    assert reviewed["is_override"] is is_override


def test_an_approval_is_signed_and_stays_in_the_history(clinic: Clinic) -> None:
    drafted = clinic.ml.save_soap("S: a", **AS_ML)
    approved = clinic.alma.save_soap(
        "S: a", id=drafted["id"], is_approved=True, signature=SIGNATURE
    )
    assert (approved["is_approved"], approved["signature"]) == (True, SIGNATURE)
    assert (approved["history"]["is_approved"], approved["history"]["signature"]) == (
        True,
        SIGNATURE,
    )

    on_top = clinic.alma.save_soap("S: b", id=drafted["id"])
    assert (on_top["is_approved"], on_top["signature"]) == (False, None)
    entries = clinic.alma.look_up("/soap/data/history/")
    assert [(entry["data"], entry["is_approved"]) for entry in entries] == [
        ("S: b", False),
        ("S: a", True),
        ("S: a", False),
    ]


def test_the_ml_service_may_not_approve(clinic: Clinic) -> None:
    answer = clinic.ml.post("/soap/recordtype/", soap(is_approved=True, **AS_ML))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "is_approved"


def test_nobody_sends_in_anothers_role(clinic: Clinic) -> None:
    before = clinic.position()
    for answer in (
        clinic.ml.post("/soap/recordtype/", soap()),
        clinic.alma.post("/soap/recordtype/", soap(**AS_ML)),
    ):
        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:noteledger:problem:sender-role-is-not-yours"
        assert answer.json()["errors"][0]["field"] == "sender_role"
    assert clinic.position() == before


def test_the_ml_service_drafts_no_psychotherapy_note(clinic: Clinic) -> None:
    answer = clinic.ml.post("/soap/recordtype/", soap(record_type=PSYCHOTHERAPY, **AS_ML))
    assert answer.status_code == 403
    own = clinic.alma.save_soap("S: mine", record_type=PSYCHOTHERAPY)
    answer = clinic.ml.post(
        "/soap/recordtype/", soap(record_type=PSYCHOTHERAPY, id=own["id"], **AS_ML)
    )
    assert answer.status_code == 403


@pytest.mark.parametrize("send", [{"S": "a", "O": "b", "A": None, "P": []}, {}])
def test_an_object_is_kept_and_comes_out_as_its_json_text(
    clinic: Clinic, send: dict[str, object]
) -> None:
    saved = clinic.ml.save_soap(send, **AS_ML)
    assert json.loads(saved["ml_data"]) == json.loads(saved["therapist_data"]) == send


def test_a_soap_note_reads_the_same_by_every_path(clinic: Clinic) -> None:
    saved = clinic.alma.save_soap(
        is_approved=True,
        signature=SIGNATURE,
        date=NOON.isoformat(),
        therapist_session_id=SESSION_ID,
    )
    short = clinic.alma.get(f"/soap/data/{saved['id']}/").json()
    [by_type] = clinic.alma.look_up("/soap/data/")

    assert clinic.alma.get("/soap/recordtype/").json() == [saved]
    assert clinic.alma.get("/soap/data/").json() == [short]
    assert short == {
        "id": saved["id"],
        "therapist_data": "S: slept well",
        "is_override": False,
        "therapist_notes_notetypeid": PROGRESS,
        "created_user_id": ALMA.user_id,
        "updated_user_id": ALMA.user_id,
        "client_user_id": CLARA.user_id,
        "therapist_user_id": ALMA.user_id,
        "therapist_client_id": 101,
        "is_approved": True,
        "signature": SIGNATURE,
        "date": "2026-03-02T12:00:00Z",
        "therapist_session_id": SESSION_ID,
    }
    renamed = {"therapist_data": "data", "therapist_notes_notetypeid": "record_type"}
    expected = {renamed.get(name, name): value for name, value in short.items()}
    timestamps = {name: saved[name] for name in ("create_timestamp", "update_timestamp")}
    assert by_type == expected | timestamps


def test_put_in_the_short_form_is_a_new_version(clinic: Clinic) -> None:
    saved = clinic.ml.save_soap("S: drafted", **AS_ML)
    path = f"/soap/data/{saved['id']}/"
    answer = clinic.alma.put(path, put_soap("S: reviewed", is_approved=True, signature=SIGNATURE))

    assert answer.status_code == 200, answer.text
    assert answer.headers["ETag"] == '"2"'
    assert answer.json() == clinic.alma.get(path).json()
    assert (answer.json()["is_override"], answer.json()["is_approved"]) == (True, True)


def test_put_in_the_long_form_leaves_the_ml_text_alone(clinic: Clinic) -> None:
    saved = clinic.ml.save_soap("S: drafted", **AS_ML)
    path = f"/soap/recordtype/{saved['id']}/"
    sent_back = clinic.alma.get(path).json()
    del sent_back["id"]
    sent_back |= {"therapist_data": "S: reviewed", "ml_data": "S: forged", "is_override": None}
    answer = clinic.alma.put(path, sent_back)

    assert answer.status_code == 200, answer.text
    assert (answer.json()["ml_data"], answer.json()["therapist_data"]) == (
        "S: drafted",
        "S: reviewed",
    )
    assert answer.json()["is_override"] is True


@pytest.mark.parametrize("path", ["/soap/data/{}/", "/soap/recordtype/{}/"])
def test_a_deleted_soap_note_is_gone_from_every_path(clinic: Clinic, path: str) -> None:
    saved = clinic.alma.save_soap()
    answer = clinic.alma.delete(path.format(saved["id"]))

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Note-Id"] == str(saved["id"])
    for gone in ("/soap/data/{}/", "/soap/recordtype/{}/"):
        assert clinic.alma.get(gone.format(saved["id"])).status_code == 404
    for door, role in ((clinic.alma, {}), (clinic.ml, AS_ML)):
        again = door.post("/soap/recordtype/", soap(id=saved["id"], **role))
        assert again.status_code == 404
    for empty in ("/soap/data/", "/soap/data/history/", "/soap/data/partialhistory/"):
        assert clinic.alma.get(empty).json() == []
        assert clinic.alma.look_up(empty) == []


def test_a_therapist_note_and_a_soap_note_of_one_id_are_two_notes(clinic: Clinic) -> None:
    of_note, of_soap = clinic.alma.save_note("a note"), clinic.alma.save_soap("a SOAP note")
    for saved, path in ((of_note, "/soap/data/{}/"), (of_soap, "/data/{}/")):
        answer = clinic.alma.get(path.format(saved["id"]))
        assert answer.status_code == 404 or saved["id"] == answer.json()["id"]
    assert len(clinic.alma.get("/data/").json()) == len(clinic.alma.get("/soap/data/").json()) == 1


def test_the_ml_service_reads_nothing_but_the_answers_to_its_saves(clinic: Clinic) -> None:
    saved = clinic.ml.save_soap(**AS_ML)
    again = clinic.ml.save_soap(id=saved["id"], **AS_ML)
    assert again == saved
    for path in ("/soap/data/", f"/soap/data/{saved['id']}/", "/soap/recordtype/"):
        assert clinic.ml.get(path).status_code == 403
    assert clinic.ml.put(f"/soap/data/{saved['id']}/", put_soap()).status_code == 403
    assert clinic.ml.delete(f"/soap/data/{saved['id']}/").status_code == 403
