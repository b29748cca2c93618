"""Three erased people in the directory, a client, a therapist and an auditor: no operation breaks.

What can be read is read without its words and says so; what would be recorded about an erased person
is refused by name.
"""

import re
from typing import Any, Final, NamedTuple

import pytest
from httpx2 import Response

from tests.api.clinic import BASE, COLIN, Clinic, note, put, put_soap, soap, trigger
from tests.api.document_checks import check_answers
from tests.api.test_bad_input import TARGETS, assert_refused
from tests.samples import (
    ADAM,
    ALMA,
    ALMA_TREATS_CLARA,
    AUDRA,
    CLARA,
    DAVID,
    ML,
    NOON,
    PROGRESS,
    SESSION_ID,
)

ERASED: Final = (CLARA, ALMA, AUDRA)
ROLES: Final = (ALMA, COLIN, AUDRA, ADAM, ML)
Ids = dict[str, int | str]


class Erased(NamedTuple):
    """A clinic in which three people were erased, and what stood in it about the client."""

    clinic: Clinic
    ids: Ids


@pytest.fixture(scope="module")
def erased(shared_clinic: Clinic) -> Erased:
    """Alma wrote about Clara all that can be written; then Clara, Alma and Audra were erased."""
    clinic, alma = shared_clinic, shared_clinic.alma
    saved = alma.save_note(files=[("a.txt", b"a")])
    alma.put(f"/data/history/{saved['history']['id']}/", {"data": "slept badly", "reason": "why"})
    saved_soap = alma.save_soap(is_approved=True, signature="c2ln")
    transcript = f"/directory/sessions/{SESSION_ID}/transcript/"
    assert alma.put(transcript, {"text": "I slept."}).status_code == 201
    generation = alma.post("/soap/trigger/", trigger()).headers["Location"]
    [file] = alma.get(f"/recordtype/{saved['id']}/").json()["file_content_json"]
    ids: Ids = {
        "note": saved["id"],
        "entry": saved["history"]["id"],
        "soap": saved_soap["id"],
        "soap_entry": saved_soap["history"]["id"],
        "generation": int(generation.rstrip("/").rpartition("/")[2]),
        "digest": file["url"].rstrip("/").rpartition("/")[2],
    }
    for who in ERASED:
        clinic.services.keys.destroy(clinic.number, who.user_id, ADAM, NOON)
    return Erased(clinic, ids)


def _id_of(path: str, ids: Ids) -> int | str:
    """What the operation's `{id}` is filled with: whatever is about an erased person."""
    if path.startswith("/directory/"):
        kind = path.split("/")[2]
        return {
            "clients": CLARA.user_id,
            "users": ALMA.user_id,
            "relationships": ALMA_TREATS_CLARA,
            "sessions": SESSION_ID,
        }.get(kind, PROGRESS)
    if "/trigger/" in path:
        return ids["generation"]
    kind = "entry" if "history" in path else "note"
    if "/soap/" in path:
        kind = "soap_entry" if kind == "entry" else "soap"
    return ids[kind]


BODIES: Final[dict[str, Any]] = {
    **{f"apis_therapistnotes_{name}": target.body for name, target in TARGETS.items()},
    **{name: target.body for name, target in TARGETS.items()},
    "apis_therapistnotes_soap_trigger_create": trigger(),
    "directory_clients_update": {"full_name": "Clara Cools"},
    "directory_users_update": {"role": "therapist", "full_name": "Alma Aerts"},
    "directory_sessions_transcript_update": {"text": "I slept badly."},
}


def _ask(erased: Erased, who: Any, method: str, path: str, operation_id: str) -> Response:
    filled = path.replace("{id}", str(_id_of(path, erased.ids)))
    filled = filled.replace("{digest}", str(erased.ids["digest"]))
    door = erased.clinic.door(who)
    if (method, path) == ("POST", f"{BASE}/recordtype/"):
        return door.post_form(note())
    said = {"json": BODIES[operation_id]} if operation_id in BODIES else {}
    return door.ask(method, filled, **said)


@pytest.mark.parametrize("who", ROLES, ids=lambda who: f"{who.user_id}-{who.role}")
def test_no_operation_breaks_for_any_role(erased: Erased, who: Any) -> None:
    document = erased.clinic.http.get("/openapi.json").json()
    broken = []
    asked = 0
    for path, operations in document["paths"].items():
        if path in {"/events/", "/auth/login/", "/healthz", "/readyz"}:
            continue
        for method, operation in operations.items():
            if method == "delete":  # nothing would be left for the next role
                continue
            answer = _ask(erased, who, method.upper(), path, operation["operationId"])
            asked += 1
            if answer.status_code >= 500 or str(answer.status_code) not in operation["responses"]:
                broken.append((method, path, answer.status_code, answer.text))
    assert broken == []
    assert asked > 50


READS: Final = {
    "/data/": "data",
    "/data/{note}/": "data",
    "/recordtype/": "data",
    "/recordtype/{note}/": "data",
    "/data/history/": "data",
    "/data/history/{entry}/": "data",
    "/soap/data/": "therapist_data",
    "/soap/data/{soap}/": "therapist_data",
    "/soap/recordtype/{soap}/": "therapist_data",
    "/soap/data/history/{soap_entry}/": "data",
    "/directory/clients/": "full_name",
    f"/directory/clients/{CLARA.user_id}/": "full_name",
    "/directory/users/": "full_name",
    f"/directory/users/{ALMA.user_id}/": "full_name",
    f"/directory/sessions/{SESSION_ID}/transcript/": "text",
}


@pytest.mark.parametrize("path", READS)
def test_words_that_are_gone_are_empty_and_it_is_said(erased: Erased, path: str) -> None:
    answer = erased.clinic.alma.get(path.format(**erased.ids))
    assert answer.status_code == 200, answer.text
    found = answer.json() if isinstance(answer.json(), list) else [answer.json()]
    gone = [one for one in found if one.get("erased")]
    assert gone
    assert not any(one[READS[path]] for one in gone)
    assert all("erased" not in one or one["erased"] is True for one in found)
    assert all(one["history"]["erased"] for one in gone if "history" in one)


def test_those_who_were_not_erased_are_answered_as_ever(erased: Erased) -> None:
    answer = erased.clinic.adam.get(f"/directory/clients/{DAVID.user_id}/")
    assert answer.json() == {"id": DAVID.user_id, "full_name": "David Dekker"}


@pytest.mark.parametrize("path", ["/data/", "/data/history/", "/soap/data/", "/soap/data/history/"])
def test_look_ups_find_the_rows_without_their_words(erased: Erased, path: str) -> None:
    found = erased.clinic.alma.look_up(path)
    assert found
    assert all(one["erased"] and not one["data"] for one in found)


SAVES: Final = {
    ("PUT", "/data/{note}/"): put(),
    ("PUT", "/recordtype/{note}/"): {"data": "slept badly"},
    ("PUT", "/data/history/{entry}/"): {"data": "slept"},
    ("PUT", "/soap/data/{soap}/"): put_soap(),
    ("POST", "/soap/recordtype/"): soap(),
    ("DELETE", "/data/{note}/"): {"reason": "why"},
    ("DELETE", "/data/history/{entry}/"): {"reason": "why"},
    ("DELETE", "/soap/recordtype/{soap}/"): None,
    ("POST", "/soap/trigger/"): trigger(),
    ("PUT", f"/directory/sessions/{SESSION_ID}/transcript/"): {"text": "I slept badly."},
    ("GET", "/recordtype/{note}/files/{digest}/"): None,
}


@pytest.mark.parametrize(("method", "path"), SAVES)
def test_what_would_be_recorded_is_refused_by_name(erased: Erased, method: str, path: str) -> None:
    before = erased.clinic.stored()
    body = SAVES[method, path]
    said = {} if body is None else {"json": body}
    answer = erased.clinic.alma.ask(method, path.format(**erased.ids), **said)
    assert_refused(answer, 410)
    assert answer.json()["type"] == "urn:noteledger:problem:person-is-erased"
    assert erased.clinic.stored() == before


def test_so_is_a_new_note_and_one_with_a_file(erased: Erased) -> None:
    before = erased.clinic.stored()
    for files in ([], [("b.txt", b"b")]):
        assert_refused(erased.clinic.alma.post_form(note(), files), 410)
    assert erased.clinic.stored() == before


def test_nobody_erased_is_named_anew(erased: Erased) -> None:
    for path, body in (
        (f"/directory/clients/{CLARA.user_id}/", {"full_name": "Clara Cools"}),
        (f"/directory/users/{ALMA.user_id}/", {"role": "therapist", "full_name": "Alma Aerts"}),
        (f"/directory/users/{AUDRA.user_id}/", {"role": "auditor", "full_name": "Audra Aerts"}),
    ):
        assert_refused(erased.clinic.adam.put(path, body), 410)


def test_an_erased_person_still_logs_in(erased: Erased) -> None:
    login, token = erased.clinic.tokens[ALMA]
    answer = erased.clinic.http.post("/auth/login/", json={"login": login, "password": token})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["user_id"], answer.json()["full_name"]) == (ALMA.user_id, None)
    erased.clinic.http.cookies.clear()


def test_the_service_answers_as_its_document_says(erased: Erased) -> None:
    """schemathesis aims at what is about the erased people."""

    def aim(path: str) -> dict[str, str]:
        values = {"id": str(_id_of(path, erased.ids)), "digest": str(erased.ids["digest"])}
        return {name: values[name] for name in re.findall(r"{(\w+)}", path)}

    for who in (ALMA, ADAM, ML):
        check_answers(erased.clinic, who, aim)
