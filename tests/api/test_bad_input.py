"""What bad input gets: a problem document that names the field, and nothing stored.

No answer repeats what was sent: every bad value here holds the word `canary`, where it can hold one.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final, NamedTuple

import pytest
from httpx2 import Response

from api.problems import STATUS
from domain import refusals
from domain.refusals import Refused
from tests.api.clinic import (
    EVA_TREATS_FINN,
    FINN,
    RETIRED,
    SESSION_ELSEWHERE,
    TYPE_ELSEWHERE,
    Clinic,
    Door,
    amend_soap,
    look_up,
    note,
    put,
    put_soap,
    soap,
)
from tests.samples import ALMA, BRUNO_TREATS_DAVID, DAVID, SESSION_ID

CANARY: Final = "canary"
JSON: Final = {"Content-Type": "application/json"}
LONE: Final = "canary \ud800"
NUL: Final = "canary \0"
LONG: Final = "canary" * 200_000
HUGE: Final = 2**53


def assert_refused(answer: Response, status: int, *fields: str) -> None:
    """The answer is a problem document (RFC 9457) that names the field and quotes nothing."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem.keys() == {"type", "title", "status", "detail", "errors"}
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["type"] == "about:blank" or problem["type"].startswith("urn:noteledger:problem:")
    named = {error["field"] for error in problem["errors"]}
    assert named >= set(fields), problem
    assert all(error["detail"] for error in problem["errors"])
    assert CANARY not in answer.text, "no problem quotes what was sent"


# --- bodies of every kind, sent to every operation that takes one


class Target(NamedTuple):
    """An operation that takes JSON, and a body that it would take."""

    method: str
    path: str
    body: dict[str, Any]


LONG_SOAP: Final = {"ml_data": "", "therapist_data": "S: slept badly", "signature": None}
MEETS: Final = {
    "client_user_id": 21,
    "therapist_user_id": 11,
    "therapist_client_id": 101,
    "session_start_time": "2026-03-04T09:00:00Z",
    "session_end_time": "2026-03-04T09:50:00Z",
}
TARGETS: Final = {
    "data_create": Target("POST", "/data/", look_up()),
    "data_update": Target("PUT", "/data/{note}/", put()),
    "data_destroy": Target("DELETE", "/data/{note}/", {"reason": "why"}),
    "data_history_create": Target("POST", "/data/history/", look_up()),
    "data_history_update": Target("PUT", "/data/history/{entry}/", {"data": "slept badly"}),
    "data_history_destroy": Target("DELETE", "/data/history/{entry}/", {"reason": "why"}),
    "recordtype_update": Target("PUT", "/recordtype/{note}/", {"data": "slept badly"}),
    "recordtype_destroy": Target("DELETE", "/recordtype/{note}/", {"reason": "why"}),
    "soap_data_create": Target("POST", "/soap/data/", look_up()),
    "soap_data_update": Target("PUT", "/soap/data/{soap}/", put_soap()),
    "soap_data_destroy": Target("DELETE", "/soap/data/{soap}/", {"reason": "why"}),
    "soap_data_history_create": Target("POST", "/soap/data/history/", look_up()),
    "soap_data_history_update": Target("PUT", "/soap/data/history/{soap_entry}/", amend_soap()),
    "soap_data_history_destroy": Target(
        "DELETE", "/soap/data/history/{soap_entry}/", {"reason": "why"}
    ),
    "soap_data_partialhistory_create": Target("POST", "/soap/data/partialhistory/", look_up()),
    "soap_data_partialhistory_update": Target(
        "PUT", "/soap/data/partialhistory/{soap_entry}/", amend_soap()
    ),
    "soap_data_partialhistory_destroy": Target(
        "DELETE", "/soap/data/partialhistory/{soap_entry}/", {"reason": "why"}
    ),
    "soap_recordtype_create": Target("POST", "/soap/recordtype/", soap()),
    "soap_recordtype_update": Target("PUT", "/soap/recordtype/{soap}/", LONG_SOAP),
    "soap_recordtype_destroy": Target("DELETE", "/soap/recordtype/{soap}/", {"reason": "why"}),
    "directory_users_update": Target(
        "PUT", "/directory/users/71/", {"role": "auditor", "full_name": "Greta Groot"}
    ),
    "directory_clients_update": Target(
        "PUT", "/directory/clients/72/", {"full_name": "Hanna Haas"}
    ),
    "directory_relationships_update": Target(
        "PUT", "/directory/relationships/171/", {"therapist_user_id": 11, "client_user_id": 21}
    ),
    "directory_sessions_update": Target("PUT", "/directory/sessions/271/", MEETS),
    "directory_record_types_update": Target(
        "PUT", "/directory/record-types/71/", {"name": "Letter", "description": ""}
    ),
    "auth_login": Target("POST", "/auth/login/", {"login": "nobody", "password": "a password"}),
}
EVERY: Final = pytest.mark.parametrize("name", TARGETS)


@pytest.fixture
def unchanged(shared_clinic: Clinic, ids: dict[str, int]) -> Iterator[Clinic]:
    """The clinic, in which a test stores nothing."""
    before = shared_clinic.stored()
    yield shared_clinic
    assert shared_clinic.stored() == before


def _door(clinic: Clinic, target: Target) -> Door:
    return clinic.adam if target.path.startswith("/directory") else clinic.alma


def _send(clinic: Clinic, ids: dict[str, int], name: str, **said: Any) -> Response:
    target = TARGETS[name]
    door = _door(clinic, target)
    return door.ask(target.method, target.path.format(**ids), **said)


NOT_JSON: Final = {
    "half": b'{"canary": ',
    "not quoted": b"{canary: 1}",
    "two": b'{} {"canary": 1}',
    "words": b"canary",
    "not UTF-8": b'{"data": "canary \xff"}',
    "too deep a nest": b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number without end": b'{"client_user_id": ' + b"9" * 10_000 + b"}",
}


@EVERY
@pytest.mark.parametrize("sent", NOT_JSON)
def test_what_is_not_json_is_400(
    unchanged: Clinic, ids: dict[str, int], name: str, sent: str
) -> None:
    answer = _send(unchanged, ids, name, content=NOT_JSON[sent], headers=JSON)
    assert_refused(answer, 400, "body")


@EVERY
@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "x"],
)
def test_another_content_type_is_415(
    unchanged: Clinic, ids: dict[str, int], name: str, media_type: str
) -> None:
    body = json.dumps(TARGETS[name].body).encode()
    answer = _send(unchanged, ids, name, content=body, headers={"Content-Type": media_type})
    assert_refused(answer, 415)


@EVERY
@pytest.mark.parametrize("sent", [b"[]", b'"canary"', b"1", b"true", b'["canary"]', b"1e999"])
def test_what_is_no_object_is_422(
    unchanged: Clinic, ids: dict[str, int], name: str, sent: bytes
) -> None:
    assert_refused(_send(unchanged, ids, name, content=sent, headers=JSON), 422, "body")


@EVERY
def test_a_field_that_nobody_would_read_is_422(
    unchanged: Clinic, ids: dict[str, int], name: str
) -> None:
    sent = TARGETS[name].body | {"no_such_field": "canary"}
    assert_refused(_send(unchanged, ids, name, json=sent), 422, "no_such_field")


@EVERY
@pytest.mark.parametrize(
    "field", ["Clara said: canary", "canary\ud800", "canary\0", "", "canary[0]", "canary" * 100]
)
def test_a_fields_name_that_is_no_name_is_not_repeated(
    unchanged: Clinic, ids: dict[str, int], name: str, field: str
) -> None:
    sent = json.dumps(TARGETS[name].body | {field: 1}).encode()
    assert_refused(_send(unchanged, ids, name, content=sent, headers=JSON), 422, "body")


@EVERY
def test_each_required_field_is_asked_for_by_name(
    unchanged: Clinic, ids: dict[str, int], name: str
) -> None:
    required = TARGETS[name].body.keys() - {"description", "reason"}
    for field in required:
        sent = {key: value for key, value in TARGETS[name].body.items() if key != field}
        assert_refused(_send(unchanged, ids, name, json=sent), 422, field)


def _wrong_types(value: object) -> list[object]:
    match value:
        case bool():
            return ["true", 1, 0, "yes", [], {}]
        case int():
            return ["2", 2.5, True, [2], {}, 0, -1, HUGE, "canary"]
        case str() if value.startswith("2026"):
            return [1_772_000_000, True, [], {}, *BAD_DATES]
        case str():
            return [1, 2.5, True, ["canary"]]
        case _:
            return [1, True, ["canary"], {"canary": 1}]


BAD_DATES: Final = [
    "canary",
    "",
    "2026-03-02",
    "2026-03-02T12:00:00",
    "12:00:00Z",
    "1772452800",
    "20260302T120000Z",
    "2026-13-02T12:00:00Z",
    "2026-02-30T12:00:00Z",
    "2026-03-02T25:00:00Z",
    "1899-12-31T23:59:59Z",
    "2200-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "+12026-03-02T12:00:00Z",
    "2026-03-02T12:00:00Z canary",
]


@EVERY
def test_each_field_is_of_its_type(unchanged: Clinic, ids: dict[str, int], name: str) -> None:
    for field, value in TARGETS[name].body.items():
        wrong = _wrong_types(value)
        if name == "soap_recordtype_create" and field == "data":
            wrong = [1, True, ["canary"], None]
        for sent in wrong:
            answer = _send(unchanged, ids, name, json=TARGETS[name].body | {field: sent})
            assert_refused(answer, 422, field)


TEXTS: Final = {
    "data_update": "data",
    "data_destroy": "reason",
    "data_history_update": "data",
    "data_history_destroy": "reason",
    "recordtype_update": "data",
    "recordtype_destroy": "reason",
    "soap_data_update": "therapist_data",
    "soap_data_history_update": "data",
    "soap_data_partialhistory_update": "data",
    "soap_recordtype_create": "data",
    "soap_recordtype_update": "therapist_data",
    "directory_users_update": "full_name",
    "directory_clients_update": "full_name",
    "directory_record_types_update": "name",
    "auth_login": "login",
}


@pytest.mark.parametrize(("name", "field"), TEXTS.items())
@pytest.mark.parametrize("text", [NUL, LONE, "canary \udfff\ud800", LONG])
def test_text_is_unicode_without_nul_and_not_too_long(
    unchanged: Clinic, ids: dict[str, int], name: str, field: str, text: str
) -> None:
    body = json.dumps(TARGETS[name].body | {field: text})
    answer = _send(unchanged, ids, name, content=body.encode(), headers=JSON)
    if (name, len(text)) == ("auth_login", len(LONG)):
        assert_refused(answer, 401)  # nobody has such a name
    else:
        assert_refused(answer, 422, field)


@pytest.mark.parametrize(("name", "field"), TEXTS.items())
def test_a_lone_surrogate_is_no_text_as_bytes_either(
    unchanged: Clinic, ids: dict[str, int], name: str, field: str
) -> None:
    body = json.dumps(TARGETS[name].body | {field: "canary ?"}).encode()
    sent = body.replace(b"?", b"\xed\xa0\x80")
    assert_refused(_send(unchanged, ids, name, content=sent, headers=JSON), 422, field)


REASONS: Final = ["data_history_update", "soap_data_history_update"]


@pytest.mark.parametrize("name", REASONS)
@pytest.mark.parametrize("text", [NUL, LONE, LONG])
def test_a_reason_is_text_like_any_other(
    unchanged: Clinic, ids: dict[str, int], name: str, text: str
) -> None:
    sent = json.dumps(TARGETS[name].body | {"reason": text}).encode()
    assert_refused(_send(unchanged, ids, name, content=sent, headers=JSON), 422, "reason")


@pytest.mark.parametrize(
    "data",
    [
        {"a": NUL},
        {NUL: 1},
        {"a": [{"b": NUL}]},
        {"a": LONE},
        {LONE: 1},
        {"a": ["canary"] * 200_000},
    ],
)
def test_text_within_an_object_is_text_like_any_other(
    unchanged: Clinic, data: dict[str, object]
) -> None:
    sent = json.dumps(soap(data)).encode()
    answer = unchanged.alma.ask("POST", "/soap/recordtype/", content=sent, headers=JSON)
    assert_refused(answer, 422, "data")
    answer = unchanged.alma.post_form(json.dumps(note(data)))
    if "ud800" in str(data):  # in the form's part it is no JSON (RFC 8259, section 8.2)
        assert_refused(answer, 400, "metadata")
    else:
        assert_refused(answer, 422, "data")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_are_finite(unchanged: Clinic, number: str) -> None:
    sent = json.dumps(soap({"a": [0]})).replace("[0]", f"[{number}]")
    answer = unchanged.alma.ask("POST", "/soap/recordtype/", content=sent, headers=JSON)
    assert_refused(answer, 422, "data")
    form = unchanged.alma.post_form(json.dumps(note({"a": [0]})).replace("[0]", f"[{number}]"))
    assert form.status_code in {400, 422}


def test_a_text_of_exactly_the_limit_is_saved(clinic: Clinic) -> None:
    limit = clinic.services.limits.text_bytes_max
    clinic.alma.save_note("ö" * (limit // 2))
    assert_refused(clinic.alma.post_form(note("ö" * (limit // 2) + "x")), 422, "data")


# --- ids


OTHERS: Final = {
    "client_user_id": [999, DAVID.user_id, FINN.user_id, ALMA.user_id],
    "therapist_user_id": [999, 21, 31, 61],
    "therapist_client_id": [999, BRUNO_TREATS_DAVID, EVA_TREATS_FINN, 103],
    "therapist_session_id": [999, SESSION_ELSEWHERE],
    "record_type": [999, RETIRED, TYPE_ELSEWHERE],
}


@pytest.mark.parametrize("field", OTHERS)
def test_ids_that_are_not_there_are_refused_by_name(unchanged: Clinic, field: str) -> None:
    for value in OTHERS[field]:
        named = "therapist_client_id" if field == "client_user_id" and value == 22 else field
        for answer in (
            unchanged.alma.post_form(note(**{field: value})),
            unchanged.alma.post("/soap/recordtype/", soap(**{field: value})),
        ):
            assert_refused(answer, 422, named)


def test_an_id_of_another_clinic_is_answered_like_one_that_nobody_has(unchanged: Clinic) -> None:
    for field, values in OTHERS.items():
        nobodys, *_, elsewhere = values
        if field in {"client_user_id", "therapist_client_id"}:
            elsewhere = {"client_user_id": FINN.user_id}.get(field, EVA_TREATS_FINN)
        for save in (note, soap):
            path = "/soap/recordtype/"
            answers = [
                unchanged.alma.post_form(save(**{field: value}))
                if save is note
                else unchanged.alma.post(path, save(**{field: value}))
                for value in (nobodys, elsewhere)
            ]
            assert answers[0].content == answers[1].content, field


def test_a_session_of_another_client_is_refused(unchanged: Clinic) -> None:
    bruno = {"client_user_id": 22, "therapist_user_id": 12, "therapist_client_id": 102}
    said = bruno | {"therapist_session_id": SESSION_ID}
    assert_refused(unchanged.bruno.post_form(note(**said)), 422, "therapist_session_id")
    answer = unchanged.bruno.post("/soap/recordtype/", soap(**said))
    assert_refused(answer, 422, "therapist_session_id")


@pytest.mark.parametrize("name", ["data_update", "recordtype_update", "soap_data_update"])
def test_a_save_brings_no_session_that_is_not_there(
    unchanged: Clinic, ids: dict[str, int], name: str
) -> None:
    for session in (999, SESSION_ELSEWHERE):
        sent = TARGETS[name].body | {"therapist_session_id": session}
        assert_refused(_send(unchanged, ids, name, json=sent), 422, "therapist_session_id")


@pytest.mark.parametrize(
    "id_",
    [
        "0",
        "-1",
        "+1",
        "1.0",
        "01e0",
        "abc",
        "%00",
        "%F0%9F%98%80",
        "٣",
        "9" * 400,
        str(HUGE),
        " 1",
        "null",
    ],
)
def test_what_is_no_id_names_nothing(unchanged: Clinic, id_: str) -> None:
    for path in (
        f"/data/{id_}/",
        f"/data/history/{id_}/",
        f"/recordtype/{id_}/",
        f"/recordtype/meta/{id_}/",
        f"/soap/data/{id_}/",
        f"/soap/data/partialhistory/{id_}/",
        f"/soap/recordtype/{id_}/",
        f"/directory/clients/{id_}/",
        f"/directory/sessions/{id_}/",
    ):
        assert_refused(unchanged.alma.get(path), 404)
    assert_refused(unchanged.alma.put(f"/data/{id_}/", put()), 404)
    assert_refused(unchanged.alma.delete(f"/soap/data/{id_}/"), 404)
    assert_refused(unchanged.adam.put(f"/directory/clients/{id_}/", {"full_name": "x"}), 404)


def test_an_id_of_another_clinics_note_names_nothing(clinic: Clinic) -> None:
    saved, saved_soap = clinic.alma.save_note(), clinic.alma.save_soap()
    before = clinic.stored()
    eva = clinic.eva
    for answer in (
        eva.get(f"/data/{saved['id']}/"),
        eva.get(f"/data/history/{saved['history']['id']}/"),
        eva.put(f"/data/{saved['id']}/", put()),
        eva.delete(f"/recordtype/{saved['id']}/"),
        eva.post_form(note(id=saved["id"])),
        eva.get(f"/soap/recordtype/{saved_soap['id']}/"),
        eva.post("/soap/recordtype/", soap(id=saved_soap["id"])),
    ):
        unknown = eva.get("/data/999999/").json()
        assert_refused(answer, 404)
        assert answer.json()["detail"] in {unknown["detail"], "There is no such history entry."}
    assert clinic.stored() == before


# --- queries and headers


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "1e3", "canary", "1.5", "", "9" * 5000, "٣"])
@pytest.mark.parametrize("path", ["/data/", "/soap/data/history/", "/directory/clients/"])
def test_a_limit_is_from_1_to_1000(unchanged: Clinic, path: str, limit: str) -> None:
    answer = unchanged.adam.get if path.startswith("/directory") else unchanged.alma.get
    assert_refused(answer(path, params={"limit": limit}), 422, "limit")


@pytest.mark.parametrize(
    "path",
    [
        "/data/",
        "/data/history/",
        "/recordtype/",
        "/soap/data/",
        "/soap/data/history/",
        "/soap/data/partialhistory/",
        "/soap/recordtype/",
        "/directory/users/",
        "/directory/clients/",
        "/directory/relationships/",
        "/directory/sessions/",
    ],
)
def test_a_cursor_that_was_tampered_with_is_refused(clinic: Clinic, path: str) -> None:
    for n in range(2):
        clinic.alma.save_note(f"{n}")
    genuine = clinic.alma.get("/data/?limit=1").links["next"]["url"].partition("cursor=")[2]
    genuine = genuine.replace("%3D", "=")
    last = genuine.rstrip("=")[-1]
    tampered = [
        "",
        "canary",
        "AAAAAAAAAAE=",
        genuine[:-4],
        genuine[4:],
        "B" + genuine[1:],
        genuine[:8] + ("A" if genuine[8] != "A" else "B") + genuine[9:],
        genuine.rstrip("=")[:-1] + ("A" if last != "A" else "Q"),
        genuine + "AAAA",
        genuine + "!",
        genuine[:4] + "*" + genuine[4:],
        genuine.swapcase(),
        "é" * 30,
        "A" * 201,
        "\0",
    ]
    door = clinic.adam if path.startswith("/directory") else clinic.alma
    assert door.get(path, params={"cursor": genuine}).status_code == 200
    for cursor in tampered:
        assert_refused(door.get(path, params={"cursor": cursor}), 422, "cursor")


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_an_idempotency_key_has_1_to_255_characters(unchanged: Clinic, key: str) -> None:
    headers = {"Idempotency-Key": key}
    assert_refused(unchanged.alma.post_form(note(), headers=headers), 422, "Idempotency-Key")
    answer = unchanged.alma.post("/soap/recordtype/", soap(), headers=headers)
    assert_refused(answer, 422, "Idempotency-Key")


# --- signatures


@pytest.mark.parametrize(
    "signature",
    ["canary!", "QQ", "Q===", "====", "QQ==QQ==", "Q Q=", "QQ==\n", "-_-_", "ö", "A" * 1_000_004],
)
def test_a_signature_is_base64(unchanged: Clinic, ids: dict[str, int], signature: str) -> None:
    signed = {"is_approved": True, "signature": signature}
    assert_refused(unchanged.alma.post_form(note(**signed)), 422, "signature")
    for name in (
        "data_update",
        "recordtype_update",
        "soap_data_update",
        "soap_recordtype_create",
        "soap_recordtype_update",
        "soap_data_history_update",
    ):
        if "history" in name:
            answer = _send(unchanged, ids, name, json=amend_soap(signature=signature))
        else:
            answer = _send(unchanged, ids, name, json=TARGETS[name].body | signed)
        assert_refused(answer, 422, "signature")


# --- the form of a save


class Form(NamedTuple):
    """A form that is refused."""

    parts: list[tuple[str, Any]]
    status: int
    field: str


METADATA: Final = ("metadata", (None, json.dumps(note())))
FORMS: Final = {
    "nothing": Form([("files", ("a.txt", b"canary"))], 422, "metadata"),
    "metadata twice": Form([METADATA, METADATA], 422, "metadata"),
    "metadata as a file": Form([("metadata", ("m.json", b"{}"))], 422, "metadata"),
    "half metadata": Form([("metadata", (None, '{"canary": '))], 400, "metadata"),
    "metadata that is no object": Form([("metadata", (None, '["canary"]'))], 422, "metadata"),
    "metadata not in UTF-8": Form(
        [("metadata", (None, b'{"data": "canary \xff"}'))], 400, "metadata"
    ),
    "surrogates in UTF-8": Form(
        [("metadata", (None, b'{"data": "canary \xed\xa0\x80"}'))], 400, "metadata"
    ),
    "surrogates as escapes": Form([("metadata", (None, json.dumps(note(LONE))))], 400, "metadata"),
    "a NUL": Form([("metadata", (None, json.dumps(note(NUL))))], 422, "data"),
    "another text part": Form([METADATA, ("canary part", (None, "x"))], 422, "body"),
    "another file part": Form([METADATA, ("file", ("a.txt", b"canary"))], 422, "file"),
    "files as text": Form([METADATA, ("files", (None, "canary"))], 422, "files"),
    "too many text parts": Form([METADATA, *((name, (None, "x")) for name in "abc")], 400, "body"),
    "another choice": Form([METADATA, ("on_unreadable", (None, "canary"))], 422, "on_unreadable"),
    "two choices": Form([METADATA, *[("on_unreadable", (None, "keep"))] * 2], 422, "on_unreadable"),
    "too long a name": Form([METADATA, ("files", ("canary" * 50, b"x"))], 422, "files"),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_that_is_not_ours_is_refused(unchanged: Clinic, name: str) -> None:
    parts, status, field = FORMS[name]
    answer = unchanged.alma.ask("POST", "/recordtype/", files=parts)
    assert_refused(answer, status, field)


SAID: Final[dict[str, list[object]]] = {
    "no_such_field": ["canary"],
    "data": [1, None, ["canary"], True],
    "record_type": ["2", None, True, 0, 2.5, HUGE],
    "client_user_id": ["21", None, "canary"],
    "therapist_user_id": ["11", None],
    "therapist_client_id": ["101", None],
    "therapist_session_id": ["201", 0, HUGE],
    "id": ["1", 0, -1, HUGE, 1.5],
    "date": [1_772_000_000, *BAD_DATES],
    "is_approved": ["yes", 1, "true"],
    "signature": [1, NUL],
}


@pytest.mark.parametrize("field", SAID)
def test_each_field_of_the_metadata_is_of_its_type(unchanged: Clinic, field: str) -> None:
    for value in SAID[field]:
        answer = unchanged.alma.post_form(note(**{field: value}), [("a.txt", b"a")])
        assert_refused(answer, 422, field)


def test_each_required_field_of_the_metadata_is_asked_for_by_name(unchanged: Clinic) -> None:
    for field in note():
        sent = {name: value for name, value in note().items() if name != field}
        assert_refused(unchanged.alma.post_form(sent), 422, field)


def _form(*parts: bytes, boundary: bytes = b"x") -> bytes:
    opened = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    return opened + b"--" + boundary + b"--\r\n"


HEADED: Final = b'Content-Disposition: form-data; name="metadata"\r\n\r\n'
BROKEN: Final = {
    "nothing": b"",
    "no part": b"--x--\r\n",
    "no end": _form(HEADED + json.dumps(note()).encode())[:-6],
    "no headers": _form(b"canary"),
    "no name": _form(b"Content-Disposition: form-data\r\n\r\ncanary"),
    "another boundary": _form(HEADED + b"{}", boundary=b"y"),
    "words": b"canary",
    "bytes": bytes(range(256)),
    "a file's name not in UTF-8": _form(
        HEADED + json.dumps(note()).encode(),
        b'Content-Disposition: form-data; name="files"; filename="canary\xff.txt"\r\n\r\nx',
    ),
    "a header without end": b"--x\r\nContent-Disposition: " + b"canary" * 20_000,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_form_that_cannot_be_read_is_refused(unchanged: Clinic, name: str) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = unchanged.alma.ask("POST", "/recordtype/", content=BROKEN[name], headers=headers)
    assert answer.status_code in {400, 422}
    assert_refused(answer, answer.status_code)
    assert answer.json()["errors"]


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "application/x-www-form-urlencoded",
        "text/plain",
        "",
        "multipart/mixed; boundary=x",
    ],
)
def test_a_save_is_a_form(unchanged: Clinic, media_type: str) -> None:
    answer = unchanged.alma.ask(
        "POST", "/recordtype/", content=_form(HEADED + b"{}"), headers={"Content-Type": media_type}
    )
    assert_refused(answer, 415)


@pytest.mark.parametrize("boundary", ["", "; boundary=", "; boundary=" + "x" * 10_000])
def test_a_form_needs_its_boundary(unchanged: Clinic, boundary: str) -> None:
    headers = {"Content-Type": f"multipart/form-data{boundary}"}
    answer = unchanged.alma.ask("POST", "/recordtype/", content=_form(b""), headers=headers)
    assert_refused(answer, 400, "body")


@pytest.mark.parametrize(
    "charset", ["latin-1", "utf-16", "unicode_escape", "undefined", "idna", "hex", "x"]
)
def test_the_form_is_utf8_whatever_it_claims(clinic: Clinic, charset: str) -> None:
    text = "Größe \\ud800 Ω"
    body = _form(HEADED + json.dumps(note(text), ensure_ascii=False).encode())
    headers = {"Content-Type": f"multipart/form-data; charset={charset}; boundary=x"}
    answer = clinic.alma.ask("POST", "/recordtype/", content=body, headers=headers)
    assert answer.status_code == 201, answer.text
    assert answer.json()["data"] == text


# --- sizes


@pytest.fixture
def small(unchanged: Clinic) -> Iterator[Clinic]:
    """The clinic, with little room."""
    limits = replace(
        unchanged.services.limits, text_bytes_max=1_000, file_bytes_max=1_000, files_max=2
    )
    with unchanged.like(limits=limits) as small:
        yield small


def test_files_too_large_or_too_many_are_413(small: Clinic) -> None:
    just = [("a.txt", b"x" * 1_000)]
    assert_refused(small.alma.post_form(note(), [("a.txt", b"canary" * 200)]), 413, "files")
    assert_refused(small.alma.post_form(note(), [*just, ("b.txt", b"x" * 1_001)]), 413, "files")
    assert_refused(small.alma.post_form(note(), just * 3), 413, "files")


def test_metadata_too_long_is_413(small: Clinic) -> None:
    assert_refused(small.alma.post_form(note("canary" * 3_000)), 413, "metadata")


def _chunks(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 65_536):
        yield body[start : start + 65_536]


def test_a_body_too_large_is_413_whether_it_says_so_or_not(small: Clinic) -> None:
    body = json.dumps(soap("canary" * 500_000)).encode()
    for content in (body, _chunks(body)):
        answer = small.alma.ask("POST", "/soap/recordtype/", content=content, headers=JSON)
        assert_refused(answer, 413)
    for method, path in (("PUT", "/data/1/"), ("DELETE", "/data/1/"), ("POST", "/auth/login/")):
        for content in (body, _chunks(body)):
            assert_refused(small.alma.ask(method, path, content=content, headers=JSON), 413)


def test_a_form_too_large_is_413_whether_it_says_so_or_not(small: Clinic) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    body = _form(HEADED + b"{}", b"canary" * 500_000)
    for content in (body, _chunks(body)):
        answer = small.alma.ask("POST", "/recordtype/", content=content, headers=headers)
        assert_refused(answer, 413)


def test_room_for_files_is_where_files_are_taken_only(unchanged: Clinic) -> None:
    """A body is read before anybody asks who sent it: elsewhere it may not be as long as files are."""
    said = {"Content-Length": str(100_000_000), **JSON}
    for method, path in (
        ("POST", "/soap/recordtype/"),
        ("POST", "/auth/login/"),
        ("PUT", "/data/1/"),
    ):
        answer = unchanged.nobody.ask(method, path, content=b"{}", headers=said)
        assert_refused(answer, 413)


# --- what is not there


@pytest.mark.parametrize(
    "path",
    [
        "/apis/",
        "/apis/therapistnotes/",
        "/apis/therapistnotes/nothing/",
        "/nothing",
        "/",
        "/apis/../auth",
    ],
)
def test_what_is_not_there_is_404(unchanged: Clinic, path: str) -> None:
    assert_refused(unchanged.http.get(path), 404)


def test_what_is_not_done_is_405_and_says_what_is(unchanged: Clinic) -> None:
    for method, path, allowed in (
        ("PATCH", "/data/1/", "DELETE, GET, PUT"),
        ("POST", "/data/1/", "DELETE, GET, PUT"),
        ("PUT", "/data/", "GET, POST"),
        ("DELETE", "/soap/data/", "GET, POST"),
        ("OPTIONS", "/recordtype/meta/", "GET"),
        ("PUT", "/data/history/", "GET, POST"),
        ("DELETE", "/recordtype/meta/", "GET"),
        ("GET", "/auth/login/", "POST"),
    ):
        answer = unchanged.alma.ask(method, path)
        assert_refused(answer, 405)
        assert answer.headers["Allow"] == allowed


# --- refusals and their statuses


def test_every_refusal_has_its_status_and_its_sentence() -> None:
    named = {
        value
        for value in vars(refusals).values()
        if isinstance(value, type) and issubclass(value, Refused) and value is not Refused
    }
    assert STATUS.keys() == named
    assert set(STATUS.values()) <= {403, 404, 409, 410, 412, 422}
    for refused in named:
        assert refused.sentence().endswith("."), refused
        assert refused.__doc__ != Refused.__doc__


def _descendants(of: type[Refused]) -> set[type[Refused]]:
    return {of} | {one for child in of.__subclasses__() for one in _descendants(child)}


def test_no_refusal_is_made_anywhere_else() -> None:
    assert _descendants(Refused) - {Refused} == STATUS.keys()
