"""The directory: people, relationships, sessions and record types, put in place by id."""

from typing import Any, Final

import pytest

from domain.person import PERSON
from domain.value import PSYCHOTHERAPY
from tests.api.clinic import (
    COLIN,
    EVA_TREATS_FINN,
    FINN,
    RETIRED,
    SESSION_ELSEWHERE,
    TYPE_ELSEWHERE,
    Clinic,
    note,
)
from tests.api.conftest import OpenClinic
from tests.samples import (
    ALMA,
    ALMA_TREATS_CLARA,
    BRUNO,
    CLARA,
    DAVID,
    PROGRESS,
    SESSION_ID,
    present,
)

TREATS: Final = {"therapist_user_id": ALMA.user_id, "client_user_id": CLARA.user_id}
MEETS: Final = TREATS | {
    "therapist_client_id": ALMA_TREATS_CLARA,
    "session_start_time": "2026-03-04T09:00:00Z",
    "session_end_time": "2026-03-04T09:50:00Z",
}
ENTRIES: Final[dict[str, dict[str, Any]]] = {
    "/directory/users/71/": {"role": "therapist", "full_name": "Greta Groot"},
    "/directory/clients/72/": {"full_name": "Hanna Haas"},
    "/directory/relationships/171/": TREATS | {"is_active": True},
    "/directory/sessions/271/": MEETS | {"event_status": "Scheduled"},
    "/directory/record-types/71/": {
        "name": "Letter",
        "description": "A letter.",
        "is_active": True,
    },
}


def _read(clinic: Clinic, path: str) -> dict[str, Any]:
    where = path.replace("/directory/record-types", "/recordtype/meta")
    found: dict[str, Any] = clinic.adam.get(where).json()
    return found


@pytest.mark.parametrize(("path", "body"), ENTRIES.items())
def test_put_makes_an_entry_once_and_says_how_it_is(
    clinic: Clinic, path: str, body: dict[str, Any]
) -> None:
    made = clinic.adam.put(path, body)
    assert made.status_code == 201, made.text
    number = int(path.rstrip("/").rpartition("/")[2])
    assert made.json() == {"id": number} | body
    assert _read(clinic, path) == made.json()

    before = clinic.position()
    again = clinic.adam.put(path, body)
    assert (again.status_code, again.json()) == (200, made.json())
    assert clinic.position() == before, "saying it again changes nothing"


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("/directory/users/71/", {"full_name": "Greta Groen"}),
        ("/directory/clients/72/", {"full_name": "Hanna Haan"}),
        ("/directory/relationships/171/", {"is_active": False}),
        ("/directory/sessions/271/", {"session_end_time": "2026-03-04T10:00:00Z"}),
        ("/directory/sessions/271/", {"event_status": "Reviewed"}),
        ("/directory/record-types/71/", {"name": "Mail", "description": ""}),
    ],
)
def test_put_again_changes_the_entry(clinic: Clinic, path: str, change: dict[str, Any]) -> None:
    clinic.adam.put(path, ENTRIES[path])
    changed = clinic.adam.put(path, ENTRIES[path] | change)
    assert changed.status_code == 200, changed.text
    assert {name: changed.json()[name] for name in change} == change
    assert _read(clinic, path) == changed.json()


@pytest.mark.parametrize(
    ("path", "change", "field"),
    [
        ("/directory/users/71/", {"role": "auditor"}, "role"),
        ("/directory/relationships/171/", {"client_user_id": DAVID.user_id}, "client_user_id"),
        (
            "/directory/relationships/171/",
            {"therapist_user_id": BRUNO.user_id},
            "therapist_user_id",
        ),
        (
            "/directory/sessions/271/",
            {"therapist_user_id": COLIN.user_id, "therapist_client_id": 103},
            "therapist_user_id",
        ),
    ],
)
def test_whose_an_entry_is_stays_as_it_was_first_said(
    clinic: Clinic, path: str, change: dict[str, Any], field: str
) -> None:
    clinic.adam.put(path, ENTRIES[path])
    before = clinic.stored()
    refused = clinic.adam.put(path, ENTRIES[path] | change)
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == [field]
    assert clinic.stored() == before


@pytest.mark.parametrize(
    ("path", "change", "field"),
    [
        ("/directory/relationships/171/", {"client_user_id": 999}, "client_user_id"),
        ("/directory/relationships/171/", {"client_user_id": ALMA.user_id}, "client_user_id"),
        ("/directory/relationships/171/", {"client_user_id": FINN.user_id}, "client_user_id"),
        ("/directory/relationships/171/", {"therapist_user_id": 31}, "therapist_user_id"),
        ("/directory/sessions/271/", {"therapist_client_id": 102}, "therapist_client_id"),
        (
            "/directory/sessions/271/",
            {"therapist_client_id": EVA_TREATS_FINN},
            "therapist_client_id",
        ),
        (
            "/directory/sessions/271/",
            {"session_end_time": "2026-03-04T08:00:00Z"},
            "session_end_time",
        ),
        (
            "/directory/sessions/271/",
            {"session_end_time": "2026-03-04T09:00:00Z"},
            "session_end_time",
        ),
        ("/directory/sessions/271/", {"event_status": "Done"}, "event_status"),
        ("/directory/users/71/", {"role": "client"}, "role"),
        ("/directory/users/71/", {"full_name": ""}, "full_name"),
        ("/directory/users/71/", {"full_name": "x" * 201}, "full_name"),
        ("/directory/record-types/71/", {"description": "x" * 2001}, "description"),
        ("/directory/record-types/1/", {"is_active": False}, "is_active"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    shared_clinic: Clinic, path: str, change: dict[str, Any], field: str
) -> None:
    body = ENTRIES.get(path, ENTRIES["/directory/record-types/71/"])
    before = shared_clinic.stored()
    refused = shared_clinic.adam.put(path, body | change)
    assert refused.status_code == 422, refused.text
    assert [error["field"] for error in refused.json()["errors"]] == [field]
    assert shared_clinic.stored() == before


MANAGERS: Final = {
    "/directory/users/71/": {"adam"},
    "/directory/clients/72/": {"adam"},
    "/directory/relationships/171/": {"adam"},
    "/directory/sessions/271/": {"adam", "alma"},
    "/directory/record-types/71/": {"adam"},
}


@pytest.mark.parametrize(("path", "body"), ENTRIES.items())
def test_only_who_may_manages(clinic: Clinic, path: str, body: dict[str, Any]) -> None:
    for who in ("nobody", "eva", "ml", "audra", "bruno", "colin", "alma", "adam"):
        answer = getattr(clinic, who).put(path, body)
        if who in MANAGERS[path]:
            assert answer.status_code in {200, 201}, (who, answer.text)
        elif who == "nobody":
            assert answer.status_code == 401
        elif who == "eva" and path.startswith("/directory/sessions"):
            assert answer.status_code == 422, "the people that it names are not of her clinic"
        else:
            assert answer.status_code == 403, (who, answer.text)


def test_a_therapist_finds_their_own(clinic: Clinic) -> None:
    for path, own in (
        ("/directory/clients/", [CLARA.user_id]),
        ("/directory/relationships/", [ALMA_TREATS_CLARA]),
        ("/directory/sessions/", [SESSION_ID]),
    ):
        assert [one["id"] for one in clinic.alma.get(path).json()] == own, path
        assert clinic.alma.get(f"{path}{own[0]}/").status_code == 200
    assert clinic.alma.get(f"/directory/clients/{DAVID.user_id}/").status_code == 404
    assert clinic.alma.get("/directory/relationships/102/").status_code == 404
    assert clinic.bruno.get("/directory/sessions/").json() == []
    assert [one["id"] for one in clinic.colin.get("/directory/sessions/").json()] == [SESSION_ID]


def test_auditor_and_administrator_find_everybody(clinic: Clinic) -> None:
    for door in (clinic.audra, clinic.adam):
        clients = door.get("/directory/clients/").json()
        assert [one["full_name"] for one in clients] == ["Clara Claes", "David Dekker"]
        users = door.get("/directory/users/").json()
        assert [one["role"] for one in users] == [
            "therapist",
            "therapist",
            "therapist",
            "auditor",
            "administrator",
            "ml",
            "compliance",
        ]


def test_the_ml_service_finds_nobody(clinic: Clinic) -> None:
    for path in ("users", "clients", "relationships", "sessions"):
        assert clinic.ml.get(f"/directory/{path}/").status_code == 403


def test_another_clinics_entries_are_not_there(clinic: Clinic) -> None:
    for path in (
        f"/directory/clients/{FINN.user_id}/",
        f"/directory/relationships/{EVA_TREATS_FINN}/",
        f"/directory/sessions/{SESSION_ELSEWHERE}/",
        f"/recordtype/meta/{TYPE_ELSEWHERE}/",
    ):
        assert clinic.adam.get(path).status_code == 404, path
        assert clinic.eva.get(path).status_code == 200, path
    assert clinic.adam.get("/directory/users/61/").status_code == 404


def test_the_same_id_elsewhere_is_another_entry(clinic: Clinic) -> None:
    made = clinic.adam.put(f"/directory/clients/{FINN.user_id}/", {"full_name": "Fritz Fuchs"})
    assert made.status_code == 201
    assert clinic.eva.get(f"/directory/clients/{FINN.user_id}/").json()["full_name"] == "Finn Faber"


def test_a_user_is_no_client_and_a_client_no_user(shared_clinic: Clinic) -> None:
    assert shared_clinic.adam.get(f"/directory/users/{CLARA.user_id}/").status_code == 404
    assert shared_clinic.adam.get(f"/directory/clients/{ALMA.user_id}/").status_code == 404
    for path, body in (
        (f"/directory/clients/{ALMA.user_id}/", {"full_name": "Alma Arends"}),
        (f"/directory/users/{CLARA.user_id}/", {"role": "therapist", "full_name": "Clara Claes"}),
    ):
        assert shared_clinic.adam.put(path, body).status_code == 422


# --- record types


def test_the_active_types_are_listed_by_id(clinic: Clinic) -> None:
    listed = clinic.alma.get("/recordtype/meta/").json()
    assert [one["id"] for one in listed] == [PSYCHOTHERAPY, PROGRESS]
    assert listed[0] == {
        "id": PSYCHOTHERAPY,
        "name": "Psychotherapy notes",
        "description": "Their author's alone.",
        "is_active": True,
    }
    for one in listed:
        assert clinic.alma.get(f"/recordtype/meta/{one['id']}/").json() == one
    assert clinic.alma.get(f"/recordtype/meta/{RETIRED}/").status_code == 404


def test_a_retired_type_takes_no_new_note_and_keeps_its_old_ones(
    clinic: Clinic, open_again: OpenClinic
) -> None:
    saved = clinic.alma.save_note()
    letter = ENTRIES["/directory/record-types/71/"]
    clinic.adam.put(f"/directory/record-types/{PROGRESS}/", letter | {"is_active": False})

    # By another process, or this one a second later: that a type is in use is kept for a moment.
    with open_again() as there:
        refused = there.alma.post_form(note())
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "record_type"
    assert clinic.alma.save_note("still there", id=saved["id"])["data"] == "still there"
    assert len(clinic.alma.look_up("/data/")) == 1

    clinic.adam.put(f"/directory/record-types/{PROGRESS}/", letter)
    clinic.alma.save_note("in use again")


def test_what_the_directory_keeps_is_kept_as_facts(clinic: Clinic) -> None:
    clinic.adam.put("/directory/clients/72/", {"full_name": "Hanna Haas"})
    clinic.adam.put("/directory/clients/72/", {"full_name": "Hanna Haan"})
    person = present(clinic.services.ledger.state(clinic.number, PERSON, 72))
    assert person.version == 2
