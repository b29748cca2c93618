"""The contract's table against the document that the service serves, row by row and field by field.

`contract.json` holds what the contract prints, untouched. Where its prose decides otherwise, the
difference stands here, with the reason.
"""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final, NamedTuple, cast

import pytest

from tests.api.clinic import Clinic

Row = dict[str, Any]
Schema = dict[str, Any]
Document = dict[str, Any]

CONTRACT: Final[dict[str, Any]] = json.loads(
    files("tests.api").joinpath("contract.json").read_text("utf-8")
)
ROWS: Final[list[Row]] = CONTRACT["operations"]

PREFIX: Final = "apis_therapistnotes"
METHODS: Final = frozenset({"get", "post", "put", "delete"})


class Field(NamedTuple):
    """A field as the contract prints it."""

    type: str
    required: bool = False


class Difference(NamedTuple):
    """What the prose changes about the printed fields of some operations, and why."""

    why: str
    gone: frozenset[str] = frozenset()
    fields: Mapping[str, Field] = {}


ID: Final = Field("integer", required=True)
ID_OR_NULL: Final = Field("integer or null")
TEXT_OR_NULL: Final = Field("string or null")
FLAG_OR_NULL: Final = Field("boolean or null")
DATE_OR_NULL: Final = Field("string or null <date-time>")
ANYTHING: Final = Field("any or null")
SAVE_IDS: Final = {
    "client_user_id": ID,
    "therapist_user_id": ID,
    "therapist_client_id": ID,
    "record_type": ID,
    "therapist_session_id": ID_OR_NULL,
}

LOOK_UPS: Final = frozenset(
    f"{PREFIX}_{of}_create"
    for of in ("data", "data_history", "soap_data", "soap_data_history", "soap_data_partialhistory")
)
LOOK_UP: Final = Difference(
    "a look-up needs only which client and record type; the printed fields may come along",
    frozenset({"therapistnotes_notetype_id", "therapist_notes_notetypeid"}),
    {
        "record_type_id": ID,
        "client_user_id": ID,
        "data": ANYTHING,
        "date": ANYTHING,
        "therapist_notes_id": ID_OR_NULL,
    },
)
SOAP_LOOK_UP: Final = Difference(
    "one model takes the printed fields of all three SOAP look-ups",
    fields={
        "therapist_data": ANYTHING,
        "therapist_soapnotes_id": ANYTHING,
        "is_override": ANYTHING,
        "is_approved": ANYTHING,
        "signature": ANYTHING,
    },
)
APPROVAL: Final = Difference(
    "a therapist's note may be approved and signed, as a SOAP note may",
    fields={"is_approved": FLAG_OR_NULL, "signature": TEXT_OR_NULL},
)
READ_BACK: Final = Difference(
    "what was read may be sent back whole", fields={"attachment": TEXT_OR_NULL}
)
AMENDMENT: Final = Difference("an amendment says why", fields={"reason": TEXT_OR_NULL})
TIMES_BACK: Final = Difference(
    "what was read may be sent back whole",
    fields={"session_start_time": DATE_OR_NULL, "session_end_time": DATE_OR_NULL},
)

REQUESTS: Final[dict[str, list[Difference]]] = {
    f"{PREFIX}_data_create": [LOOK_UP],
    f"{PREFIX}_data_history_create": [LOOK_UP],
    f"{PREFIX}_soap_data_create": [LOOK_UP, SOAP_LOOK_UP],
    f"{PREFIX}_soap_data_history_create": [LOOK_UP, SOAP_LOOK_UP],
    f"{PREFIX}_soap_data_partialhistory_create": [LOOK_UP, SOAP_LOOK_UP],
    f"{PREFIX}_data_update": [APPROVAL, READ_BACK],
    f"{PREFIX}_data_history_update": [READ_BACK, AMENDMENT],
    f"{PREFIX}_recordtype_update": [APPROVAL],
    f"{PREFIX}_soap_data_history_update": [TIMES_BACK, AMENDMENT],
    f"{PREFIX}_soap_data_partialhistory_update": [TIMES_BACK, AMENDMENT],
    f"{PREFIX}_recordtype_create": [
        Difference(
            "the prose names the fields of the form's part metadata; the printed ones are the answer's",
            frozenset(
                {
                    "therapistnotes_notetype_id",
                    "created_user_id",
                    "updated_user_id",
                    "create_timestamp",
                    "update_timestamp",
                    "history",
                    "file_content_json",
                }
            ),
            {
                **SAVE_IDS,
                "id": ID_OR_NULL,
                "data": Field("string or object", required=True),
                "date": DATE_OR_NULL,
            },
        ),
        APPROVAL,
    ],
    f"{PREFIX}_soap_recordtype_create": [
        Difference(
            "the prose names the fields; the printed ones are the answer's",
            frozenset(
                {
                    "ml_data",
                    "therapist_data",
                    "therapist_notes_notetypeid",
                    "created_user_id",
                    "updated_user_id",
                    "create_timestamp",
                    "update_timestamp",
                    "history",
                }
            ),
            {
                **SAVE_IDS,
                "id": ID_OR_NULL,
                "data": Field("string or object", required=True),
                "sender_role": Field("string", required=True),
                "is_approved": Field("boolean", required=True),
                "is_override": FLAG_OR_NULL,
                "signature": TEXT_OR_NULL,
                "date": DATE_OR_NULL,
            },
        ),
    ],
}

TIMESTAMPS: Final = {
    "create_timestamp": Field("string <date-time>"),
    "update_timestamp": Field("string <date-time>"),
}
BY_TYPE: Final = Difference(
    "the record type comes out as record_type, with the timestamps",
    frozenset({"therapistnotes_notetype_id", "therapist_notes_notetypeid"}),
    {"record_type": ID_OR_NULL, **TIMESTAMPS},
)
SESSION_TIMES: Final = Difference(
    "an entry without a session has no times",
    fields={"session_start_time": DATE_OR_NULL, "session_end_time": DATE_OR_NULL},
)

ERASED: Final = Difference(
    "where a person was erased the answer says so; elsewhere the field is absent",
    fields={"erased": Field("boolean")},
)

ANSWERS: Final[dict[str, list[Difference]]] = {
    f"{PREFIX}_data_create": [
        BY_TYPE,
        Difference(
            "with approval and signature",
            fields={"is_approved": Field("boolean"), "signature": TEXT_OR_NULL},
        ),
    ],
    f"{PREFIX}_data_history_create": [BY_TYPE],
    f"{PREFIX}_soap_data_create": [
        BY_TYPE,
        Difference(
            "therapist_data comes out as data",
            frozenset({"therapist_data"}),
            {"data": Field("string")},
        ),
    ],
    f"{PREFIX}_soap_data_history_create": [BY_TYPE, SESSION_TIMES],
    f"{PREFIX}_soap_data_partialhistory_create": [BY_TYPE, SESSION_TIMES],
    **{
        f"{PREFIX}_soap_data_{of}_{what}": [SESSION_TIMES]
        for of in ("history", "partialhistory")
        for what in ("retrieve", "update")
    },
}


WITHOUT_WORDS: Final = frozenset(
    row["operation_id"] for row in ROWS if "meta" in row["path"] or "trigger" in row["path"]
)
"""Answers that hold no words about a person."""


@pytest.fixture(scope="module")
def document(shared_clinic: Clinic) -> Document:
    """What the service serves."""
    answer = shared_clinic.http.get("/openapi.json")
    assert answer.status_code == 200
    return cast(Document, answer.json())


def _by_operation_id(document: Document) -> dict[str, tuple[str, str, Schema]]:
    return {
        operation["operationId"]: (method.upper(), path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method in METHODS
    }


def _resolved(document: Document, schema: Schema) -> Schema:
    while "$ref" in schema:
        name = schema["$ref"].removeprefix("#/components/schemas/")
        schema = document["components"]["schemas"][name]
    return schema


def _printed(schema: Schema) -> str:
    """A field's schema as the contract would print it."""
    if "$ref" in schema:
        return f"object ({schema['$ref'].rpartition('/')[2]})"
    if "allOf" in schema:
        return _printed(schema["allOf"][0])
    if "anyOf" in schema:
        branches = sorted((_printed(branch) for branch in schema["anyOf"]), key=len)
        kinds = [kind for kind in branches if kind != "null"]
        suffix = " <date-time>" if "string <date-time>" in kinds else ""
        kinds = sorted((kind.removesuffix(suffix) for kind in kinds), reverse=True)
        return " or ".join([*kinds, *(["null"] if "null" in branches else [])]) + suffix
    if "type" not in schema:
        return "any or null"
    suffix = " <date-time>" if schema.get("format") == "date-time" else ""
    return f"{schema['type']}{suffix}"


def _fields(schema: Schema) -> dict[str, Field]:
    required = schema.get("required", [])
    return {
        name: Field(_printed(field), name in required)
        for name, field in schema["properties"].items()
    }


def _expected(printed: dict[str, Field], differences: list[Difference]) -> dict[str, Field]:
    for difference in differences:
        gone = difference.gone & printed.keys()
        printed = {name: field for name, field in printed.items() if name not in gone}
        printed |= difference.fields
    return printed


def _request_schema(document: Document, operation: Schema) -> Schema:
    content = operation["requestBody"]["content"]
    if "multipart/form-data" in content:
        form = _resolved(document, content["multipart/form-data"]["schema"])
        assert form["required"] == ["metadata"]
        assert form["properties"]["files"]["type"] == "array"
        return _resolved(document, form["properties"]["metadata"])
    return _resolved(document, content["application/json"]["schema"])


def _answer_schema(operation: Schema) -> Schema:
    answers = [operation["responses"].get(status) for status in ("200", "201")]
    [answer] = [answer for answer in answers if answer]
    return cast(Schema, answer["content"]["application/json"]["schema"])


def _names(rows: list[Row]) -> list[str]:
    return [row["operation_id"] for row in rows]


def test_the_contract_has_42_rows() -> None:
    assert len(ROWS) == 42
    assert len(set(_names(ROWS))) == 42


@pytest.mark.parametrize("row", ROWS, ids=_names(ROWS))
def test_operation_is_served_where_the_contract_says(document: Document, row: Row) -> None:
    method, path, operation = _by_operation_id(document)[row["operation_id"]]

    assert (method, path) == (row["method"], row["path"])
    assert path.endswith("/")
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            assert (parameter["schema"]["type"], parameter["required"]) == ("string", True)


WITH_REQUEST: Final = [row for row in ROWS if "printed_request" in row]


@pytest.mark.parametrize("row", WITH_REQUEST, ids=_names(WITH_REQUEST))
def test_request_has_the_printed_fields(document: Document, row: Row) -> None:
    _, _, operation = _by_operation_id(document)[row["operation_id"]]
    printed = {name: Field(**field) for name, field in row["printed_request"].items()}
    expected = _expected(printed, REQUESTS.get(row["operation_id"], []))

    assert _fields(_request_schema(document, operation)) == expected


WITH_ANSWER: Final = [row for row in ROWS if "printed_response" in row]


@pytest.mark.parametrize("row", WITH_ANSWER, ids=_names(WITH_ANSWER))
def test_answer_has_the_printed_fields(document: Document, row: Row) -> None:
    _, _, operation = _by_operation_id(document)[row["operation_id"]]
    schema = _answer_schema(operation)
    is_list = row["printed_response"] == "array" or row["operation_id"] in LOOK_UPS
    assert (schema.get("type") == "array") is is_list
    if row["printed_response"] == "array":
        return

    schema = _resolved(document, schema["items"] if is_list else schema)
    printed = {name: Field(type_) for name, type_ in row["printed_response"].items()}
    expected = _expected(printed, ANSWERS.get(row["operation_id"], []))
    if row["operation_id"] not in WITHOUT_WORDS:
        expected = _expected(expected, [ERASED])
    served = _fields(schema)
    assert {name: field.type for name, field in served.items()} == {
        name: field.type for name, field in expected.items()
    }
    always = [name for name, field in served.items() if field.required]
    assert served.keys() - always <= ERASED.fields.keys(), "an answer has all its fields"


def test_a_list_holds_what_one_of_its_notes_is_answered_as(document: Document) -> None:
    operations = _by_operation_id(document)
    for row in ROWS:
        one = row["operation_id"].removesuffix("_list") + "_retrieve"
        if row["operation_id"].endswith("_list"):
            items = _answer_schema(operations[row["operation_id"]][2])["items"]
            assert items == _answer_schema(operations[one][2]), row["operation_id"]


def test_look_ups_say_that_there_may_be_nothing(document: Document) -> None:
    operations = _by_operation_id(document)
    for operation_id in LOOK_UPS:
        assert "204" in operations[operation_id][2]["responses"], operation_id


# --- the whole document


def test_every_operation_says_what_it_does(document: Document) -> None:
    for operation_id, (_, _, operation) in _by_operation_id(document).items():
        assert operation["summary"], operation_id
        assert operation["description"], operation_id
        assert operation["tags"], operation_id


def test_operation_ids_are_given_once(document: Document) -> None:
    operations = [
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    ]
    assert len(operations) == len(set(operations))


def test_every_error_is_a_problem_document(document: Document) -> None:
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    for operation_id, (_, path, operation) in _by_operation_id(document).items():
        errors = {s: r for s, r in operation["responses"].items() if s.startswith(("4", "5"))}
        for status, answer in errors.items():
            assert answer["content"] == {"application/problem+json": problem}, (
                operation_id,
                status,
            )
        assert errors or path == "/healthz", operation_id


def test_every_operation_but_the_open_ones_asks_who_is_there(document: Document) -> None:
    open_to_all = {
        operation_id
        for operation_id, (_, _, operation) in _by_operation_id(document).items()
        if "security" not in operation
    }
    assert open_to_all == {"auth_login", "auth_logout", "healthz", "readyz"}
    for operation_id, (_, _, operation) in _by_operation_id(document).items():
        assert ("401" in operation["responses"]) is (
            operation_id not in open_to_all - {"auth_login"}
        ), operation_id


def test_every_reference_leads_somewhere(document: Document) -> None:
    for name in set(_references(document)):
        assert name.removeprefix("#/components/schemas/") in document["components"]["schemas"], name


def _references(part: object) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [name for value in part.values() for name in _references(value)]
    if isinstance(part, list):
        return [name for value in part for name in _references(value)]
    return []


# --- slashes


def test_a_path_answers_with_and_without_its_slash_and_never_by_a_redirect(
    document: Document, shared_clinic: Clinic
) -> None:
    for method, path, _ in _by_operation_id(document).values():
        if path == "/events/":  # its answer does not end: tests/api/test_events.py asks for it
            continue
        filled = path.replace("{id}", "999").replace("{digest}", "none")
        with_slash, without = filled.rstrip("/") + "/", filled.rstrip("/")
        answers = [
            shared_clinic.http.request(
                method, sent, auth=shared_clinic.alma.credentials, follow_redirects=False
            )
            for sent in (with_slash, without)
        ]
        assert len({(answer.status_code, answer.content) for answer in answers}) == 1, (
            method,
            path,
        )
        assert answers[0].status_code not in range(300, 400), (method, path)
        assert answers[0].status_code != 405, (method, path)
