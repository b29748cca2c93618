"""Who may do what: every operation of the contract, asked by everybody, about a note of Alma's on Clara."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import pytest

from domain.value import PSYCHOTHERAPY, Caller, Role
from tests.api.clinic import (
    Clinic,
    Door,
    amend_soap,
    look_up,
    note,
    put,
    put_soap,
    soap,
    trigger,
)
from tests.samples import ALMA, AUDRA, CLARA


class Asked(NamedTuple):
    """What is asked, and what each may be answered; who is not named gets what `others` says."""

    ask: Callable[[Door, dict[str, int]], Any]
    alma: int
    colin: int
    bruno: int
    audra: int
    adam: int = 403
    ml: int = 403
    cora: int = 403
    eva: int = 404
    nobody: int = 401


def _get(path: str) -> Callable[[Door, dict[str, int]], Any]:
    return lambda door, ids: door.get(path.format(**ids))


def _delete(path: str) -> Callable[[Door, dict[str, int]], Any]:
    return lambda door, ids: door.delete(path.format(**ids))


def _put(path: str, body: dict[str, Any]) -> Callable[[Door, dict[str, int]], Any]:
    return lambda door, ids: door.put(path.format(**ids), body)


def _post(path: str, body: dict[str, Any]) -> Callable[[Door, dict[str, int]], Any]:
    return lambda door, ids: door.post(path, body)


READ: Final = {"alma": 200, "colin": 200, "bruno": 404, "audra": 200}
CHANGE: Final = {"alma": 200, "colin": 403, "bruno": 404, "audra": 403}
REMOVE: Final = {"alma": 204, "colin": 403, "bruno": 404, "audra": 403}
LIST: Final = {"alma": 200, "colin": 200, "bruno": 200, "audra": 200, "eva": 200}
FIND: Final = {"alma": 200, "colin": 200, "bruno": 204, "audra": 200, "eva": 204}
# What names Clara to another clinic names nobody there.
CREATE: Final = {"alma": 201, "colin": 403, "bruno": 403, "audra": 403, "eva": 422}
SAVE: Final = {"alma": 201, "colin": 403, "bruno": 404, "audra": 403}
# A draft is its therapist's; that one was asked for is no secret to who looks after the service.
SEE: Final = {"alma": 200, "colin": 404, "bruno": 404, "audra": 200, "adam": 200}
ASK_AGAIN: Final = {"alma": 200, "colin": 404, "bruno": 404, "audra": 403}

LONG: Final = {"data": "slept badly"}
LONG_SOAP: Final = {"ml_data": "", "therapist_data": "S: slept badly", "signature": None}

OPERATIONS: Final = {
    "data_list": Asked(_get("/data/"), **LIST),
    "data_create": Asked(_post("/data/", look_up()), **FIND),
    "data_retrieve": Asked(_get("/data/{note}/"), **READ),
    "data_update": Asked(_put("/data/{note}/", put()), **CHANGE),
    "data_destroy": Asked(_delete("/data/{note}/"), **REMOVE),
    "data_history_list": Asked(_get("/data/history/"), **LIST),
    "data_history_create": Asked(_post("/data/history/", look_up()), **FIND),
    "data_history_retrieve": Asked(_get("/data/history/{entry}/"), **READ),
    "data_history_update": Asked(_put("/data/history/{entry}/", {"data": "amended"}), **CHANGE),
    "data_history_destroy": Asked(_delete("/data/history/{entry}/"), **REMOVE),
    "recordtype_list": Asked(_get("/recordtype/"), **LIST),
    "recordtype_create": Asked(lambda door, ids: door.post_form(note()), **CREATE),
    "recordtype_create (again)": Asked(
        lambda door, ids: door.post_form(note("again", id=ids["note"])), **SAVE
    ),
    "recordtype_retrieve": Asked(_get("/recordtype/{note}/"), **READ),
    "recordtype_update": Asked(_put("/recordtype/{note}/", LONG), **CHANGE),
    "recordtype_destroy": Asked(_delete("/recordtype/{note}/"), **REMOVE),
    "recordtype_meta_list": Asked(
        _get("/recordtype/meta/"), 200, 200, 200, 200, adam=200, ml=200, cora=200, eva=200
    ),
    "recordtype_meta_retrieve": Asked(
        _get("/recordtype/meta/2/"), 200, 200, 200, 200, adam=200, ml=200, cora=200, eva=404
    ),
    "soap_data_list": Asked(_get("/soap/data/"), **LIST),
    "soap_data_create": Asked(_post("/soap/data/", look_up()), **FIND),
    "soap_data_retrieve": Asked(_get("/soap/data/{soap}/"), **READ),
    "soap_data_update": Asked(_put("/soap/data/{soap}/", put_soap()), **CHANGE),
    "soap_data_destroy": Asked(_delete("/soap/data/{soap}/"), **REMOVE),
    "soap_data_history_list": Asked(_get("/soap/data/history/"), **LIST),
    "soap_data_history_create": Asked(_post("/soap/data/history/", look_up()), **FIND),
    "soap_data_history_retrieve": Asked(_get("/soap/data/history/{soap_entry}/"), **READ),
    "soap_data_history_update": Asked(
        _put("/soap/data/history/{soap_entry}/", amend_soap()), **CHANGE
    ),
    "soap_data_history_destroy": Asked(_delete("/soap/data/history/{soap_entry}/"), **REMOVE),
    "soap_data_partialhistory_list": Asked(_get("/soap/data/partialhistory/"), **LIST),
    "soap_data_partialhistory_create": Asked(
        _post("/soap/data/partialhistory/", look_up()), **FIND
    ),
    "soap_data_partialhistory_retrieve": Asked(
        _get("/soap/data/partialhistory/{soap_entry}/"), **READ
    ),
    "soap_data_partialhistory_update": Asked(
        _put("/soap/data/partialhistory/{soap_entry}/", amend_soap()), **CHANGE
    ),
    "soap_data_partialhistory_destroy": Asked(
        _delete("/soap/data/partialhistory/{soap_entry}/"), **REMOVE
    ),
    "soap_recordtype_list": Asked(_get("/soap/recordtype/"), **LIST),
    "soap_recordtype_create": Asked(_post("/soap/recordtype/", soap()), **CREATE),
    "soap_recordtype_create (again)": Asked(
        lambda door, ids: door.post("/soap/recordtype/", soap("S: again", id=ids["soap"])),
        **SAVE,
    ),
    "soap_recordtype_create (by ML)": Asked(
        _post("/soap/recordtype/", soap("S: drafted", sender_role="ml")),
        **CREATE | {"alma": 403, "ml": 201},
    ),
    "soap_recordtype_retrieve": Asked(_get("/soap/recordtype/{soap}/"), **READ),
    "soap_recordtype_update": Asked(_put("/soap/recordtype/{soap}/", LONG_SOAP), **CHANGE),
    "soap_recordtype_destroy": Asked(_delete("/soap/recordtype/{soap}/"), **REMOVE),
    "soap_trigger_retrieve": Asked(_get("/soap/trigger/"), **LIST | {"adam": 200}),
    "soap_trigger_retrieve_2": Asked(_get("/soap/trigger/{generation}/"), **SEE),
    "soap_trigger_update": Asked(_put("/soap/trigger/{generation}/", {}), **ASK_AGAIN),
    "soap_trigger_destroy": Asked(
        _delete("/soap/trigger/{generation}/"), **ASK_AGAIN | {"alma": 204}
    ),
    "soap_trigger_create": Asked(
        _post("/soap/trigger/", trigger()), **CREATE | {"alma": 200, "eva": 403}
    ),
}
WHO: Final = ("nobody", "eva", "adam", "ml", "cora", "audra", "bruno", "colin", "alma")
"""Alma comes last: what she deletes is gone."""


def _ids(clinic: Clinic, record_type: int = 2) -> dict[str, int]:
    saved = clinic.alma.save_note("Clara's words", record_type=record_type)
    saved_soap = clinic.alma.save_soap("Clara's words", record_type=record_type)
    return {
        "note": saved["id"],
        "entry": saved["history"]["id"],
        "soap": saved_soap["id"],
        "soap_entry": saved_soap["history"]["id"],
    }


def _with_generation(clinic: Clinic) -> dict[str, int]:
    """The same, and a draft that was asked for and cancelled."""
    ids = _ids(clinic)
    asked = clinic.alma.post("/soap/trigger/", trigger())
    path = asked.headers["Location"]
    assert clinic.alma.delete(path).status_code == 204
    return ids | {"generation": int(path.rstrip("/").rpartition("/")[2])}


def test_the_table_names_all_42_operations() -> None:
    assert len({name.partition(" ")[0] for name in OPERATIONS}) == 42


@pytest.mark.parametrize("name", OPERATIONS)
def test_everybody_is_answered_as_they_may_be(clinic: Clinic, name: str) -> None:
    ids = _with_generation(clinic)
    asked = OPERATIONS[name]
    answers = {who: asked.ask(getattr(clinic, who), ids) for who in WHO}

    assert {who: answer.status_code for who, answer in answers.items()} == {
        who: getattr(asked, who) for who in WHO
    }
    for who, answer in answers.items():
        if answer.status_code >= 400 or who in {"bruno", "eva"}:
            assert "Clara" not in answer.text, "no word comes out to whom it is closed"


@pytest.mark.parametrize("who", ["eva", "adam", "ml", "cora", "audra", "bruno", "colin"])
def test_what_is_refused_records_nothing(clinic: Clinic, who: str) -> None:
    ids = _with_generation(clinic)
    before = clinic.stored()
    for name, asked in OPERATIONS.items():
        if who != "ml" or name != "soap_recordtype_create (by ML)":
            asked.ask(getattr(clinic, who), ids)
    assert clinic.stored() == before


CLOSED_TO_COMPLIANCE: Final = (
    "/directory/users/",
    "/directory/clients/",
    "/directory/clients/21/",
    "/directory/relationships/",
    "/directory/sessions/",
    "/recordtype/{note}/deidentified/",
    "/recordtype/{note}/processing/",
    "/metrics",
)


def test_a_compliance_officer_opens_no_words_but_their_own_name(clinic: Clinic) -> None:
    """Exports come with later routes; these here stay closed."""
    ids = _ids(clinic)
    for path in CLOSED_TO_COMPLIANCE:
        assert clinic.cora.get(path.format(**ids)).status_code == 403, path
    answer = clinic.http.get("/events/", auth=clinic.cora.credentials)
    assert answer.status_code == 403
    assert clinic.cora.get("/auth/me/").json()["role"] == "compliance"


def test_an_administrator_enters_a_compliance_officer(clinic: Clinic) -> None:
    body = {"role": "compliance", "full_name": "Carl Cools"}
    assert clinic.adam.put("/directory/users/72/", body).status_code == 201
    assert clinic.adam.get("/directory/users/72/").json() == {"id": 72} | body


# --- psychotherapy notes


PSYCHOTHERAPY_READS: Final = (
    "/data/{note}/",
    "/data/history/{entry}/",
    "/recordtype/{note}/",
    "/soap/data/{soap}/",
    "/soap/data/history/{soap_entry}/",
    "/soap/data/partialhistory/{soap_entry}/",
    "/soap/recordtype/{soap}/",
)
LISTS: Final = (
    "/data/",
    "/data/history/",
    "/recordtype/",
    "/soap/data/",
    "/soap/data/history/",
    "/soap/data/partialhistory/",
    "/soap/recordtype/",
)
LOOK_UPS: Final = (
    "/data/",
    "/data/history/",
    "/soap/data/",
    "/soap/data/history/",
    "/soap/data/partialhistory/",
)


def test_psychotherapy_notes_are_open_to_their_author_alone(clinic: Clinic) -> None:
    ids = _ids(clinic, PSYCHOTHERAPY)
    for path in PSYCHOTHERAPY_READS:
        assert clinic.alma.get(path.format(**ids)).status_code == 200, path
        for door in (clinic.colin, clinic.bruno, clinic.audra, clinic.eva):
            assert door.get(path.format(**ids)).status_code == 404, path
        for door in (clinic.adam, clinic.ml, clinic.cora):
            assert door.get(path.format(**ids)).status_code == 403, path
    for path in LISTS:
        assert len(clinic.alma.get(path).json()) == 1, path
        for door in (clinic.colin, clinic.bruno, clinic.audra, clinic.eva):
            assert door.get(path).json() == [], path
    for path in LOOK_UPS:
        assert len(clinic.alma.look_up(path, PSYCHOTHERAPY)) == 1, path
        for door in (clinic.colin, clinic.bruno, clinic.audra, clinic.eva):
            assert door.look_up(path, PSYCHOTHERAPY) == [], path


def test_nobody_else_changes_a_psychotherapy_note_or_learns_that_it_is_there(
    clinic: Clinic,
) -> None:
    ids = _ids(clinic, PSYCHOTHERAPY)
    before = clinic.stored()
    for door in (clinic.colin, clinic.bruno, clinic.audra, clinic.eva):
        for answer in (
            door.put(f"/data/{ids['note']}/", put()),
            door.put(f"/soap/data/{ids['soap']}/", put_soap()),
            door.delete(f"/recordtype/{ids['note']}/"),
            door.put(f"/data/history/{ids['entry']}/", {"data": "amended"}),
            door.delete(f"/soap/data/history/{ids['soap_entry']}/"),
        ):
            assert answer.status_code == 404
    assert clinic.stored() == before


# --- relationships


def test_a_relationship_that_ends_closes_the_clients_notes(clinic: Clinic) -> None:
    ids = _ids(clinic)
    treats = {"therapist_user_id": 13, "client_user_id": CLARA.user_id}
    assert clinic.colin.get(f"/data/{ids['note']}/").status_code == 200

    ended = clinic.adam.put("/directory/relationships/103/", treats | {"is_active": False})
    assert ended.status_code == 200
    assert clinic.colin.get(f"/data/{ids['note']}/").status_code == 404
    assert clinic.colin.get("/data/").json() == clinic.colin.look_up("/data/") == []

    clinic.adam.put("/directory/relationships/103/", treats)
    assert clinic.colin.get(f"/data/{ids['note']}/").status_code == 200


def test_an_author_keeps_their_own_notes_when_the_relationship_ends(clinic: Clinic) -> None:
    ids = _ids(clinic)
    treats = {"therapist_user_id": 11, "client_user_id": 21, "is_active": False}
    assert clinic.adam.put("/directory/relationships/101/", treats).status_code == 200
    assert clinic.alma.get(f"/data/{ids['note']}/").status_code == 200


# --- callers who do not say who they are


@contextmanager
def _anonymous(clinic: Clinic, user_id: int, role: Role) -> Iterator[Door]:
    with clinic.like(anonymous=Caller(clinic.number, user_id, role)) as changed:
        yield changed.nobody


def test_an_anonymous_caller_may_be_given_a_role(clinic: Clinic) -> None:
    ids = _ids(clinic)
    psychotherapy = _ids(clinic, PSYCHOTHERAPY)
    with _anonymous(clinic, AUDRA.user_id, Role.AUDITOR) as door:
        assert door.get(f"/data/{ids['note']}/").status_code == 200
        assert door.get(f"/data/{psychotherapy['note']}/").status_code == 404
        assert door.put(f"/data/{ids['note']}/", put()).status_code == 403
        assert door.get("/auth/me/").json()["role"] == "auditor"


def test_an_anonymous_therapist_writes_and_reads_as_the_configured_user(clinic: Clinic) -> None:
    with _anonymous(clinic, ALMA.user_id, Role.THERAPIST) as door:
        saved = door.save_note("by nobody in particular")
        assert door.get(f"/data/{saved['id']}/").json()["created_user_id"] == ALMA.user_id
        assert len(door.look_up("/data/")) == 1


def test_wrong_credentials_are_not_taken_for_none(clinic: Clinic) -> None:
    with clinic.like(anonymous=Caller(clinic.number, AUDRA.user_id, Role.AUDITOR)) as changed:
        answer = changed.http.get("/apis/therapistnotes/data/", auth=("nobody", "wrong"))
        assert answer.status_code == 401
