"""How many entries each operation opens: what it answers, and what its decision needs; no others."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import pytest
from httpx2 import Response

from domain.note import NOTE
from domain.note_work import GiveUp, RecordDeidentified
from domain.value import THE_WORKER
from domain.work import JobName, WhyFailed
from tests.api.clinic import Clinic, Door, amend_soap, look_up, note, put, put_soap, soap, trigger
from tests.samples import NOON, SESSION_ID

Ask = Callable[[Door, dict[str, int]], Response]


class Opens(NamedTuple):
    """A request, and how many entries it opens. A signer's name is one of them."""

    ask: Ask
    entries: int


def _get(path: str) -> Ask:
    return lambda door, ids: door.get(path.format(**ids))


def _put(path: str, body: Any) -> Ask:
    return lambda door, ids: door.put(path.format(**ids), body)


def _post(path: str, body: Any) -> Ask:
    return lambda door, ids: door.post(path.format(**ids), body)


def _delete(path: str) -> Ask:
    return lambda door, ids: door.delete(path.format(**ids))


LONG: Final = {"data": "slept badly"}
LONG_SOAP: Final = {"ml_data": "", "therapist_data": "S: slept badly", "signature": None}

OPENINGS: Final = {
    "a new note": Opens(lambda door, ids: door.post_form(note()), 0),
    "a new SOAP note": Opens(_post("/soap/recordtype/", soap()), 0),
    "a page of both notes": Opens(_get("/data/"), 2),
    "one note": Opens(_get("/data/{note}/"), 1),
    "one note, long": Opens(_get("/recordtype/{note}/"), 1),
    "one amended note": Opens(_get("/data/{amended}/"), 1),
    "one amended note, long": Opens(_get("/recordtype/{amended}/"), 2),
    "a page of both notes, long": Opens(_get("/recordtype/"), 3),
    "notes of a client": Opens(_post("/data/", look_up()), 2),
    "history of a client": Opens(_post("/data/history/", look_up()), 5),
    "partial history": Opens(_post("/soap/data/partialhistory/", look_up()), 1),
    "one entry": Opens(_get("/data/history/{entry}/"), 1),
    "a further version": Opens(_put("/data/{note}/", put()), 1),
    "a further version, long": Opens(_put("/recordtype/{note}/", LONG), 1),
    "a further version, by form": Opens(
        lambda door, ids: door.post_form(note("again", id=ids["note"])), 1
    ),
    "a further SOAP version": Opens(_put("/soap/data/{soap}/", put_soap()), 1),
    "a further SOAP version, long": Opens(_put("/soap/recordtype/{soap}/", LONG_SOAP), 1),
    "an approval": Opens(_put("/data/{note}/", put(is_approved=True)), 2),
    "a SOAP approval": Opens(_put("/soap/data/{soap}/", put_soap(is_approved=True)), 2),
    "a first amendment": Opens(_put("/data/history/{entry}/", {"data": "amended"}), 2),
    "an amendment of a SOAP entry": Opens(
        _put("/soap/data/history/{soap_entry}/", amend_soap()), 2
    ),
    "a withdrawal": Opens(_delete("/data/history/{entry}/"), 0),
    "a deletion": Opens(_delete("/data/{note}/"), 0),
    "a deletion, long": Opens(_delete("/recordtype/{note}/"), 0),
    "a SOAP deletion": Opens(_delete("/soap/data/{soap}/"), 0),
    "how far the work is": Opens(_get("/recordtype/{note}/processing/"), 0),
    "work asked for again": Opens(_put("/recordtype/{note}/processing/", {}), 0),
    "the de-identified text": Opens(_get("/recordtype/{note}/deidentified/"), 1),
    "a draft asked for": Opens(_post("/soap/trigger/", trigger()), 1),
    "where a draft stands": Opens(_get("/soap/trigger/{generation}/"), 0),
    "a draft cancelled": Opens(_delete("/soap/trigger/{generation}/"), 0),
    "drafts": Opens(_get("/soap/trigger/"), 0),
    "a session": Opens(_get(f"/directory/sessions/{SESSION_ID}/"), 0),
    "a transcript": Opens(_get(f"/directory/sessions/{SESSION_ID}/transcript/"), 1),
    "a new transcript": Opens(
        _put(f"/directory/sessions/{SESSION_ID}/transcript/", {"text": "I slept well."}), 1
    ),
}


@pytest.fixture
def ids(clinic: Clinic) -> dict[str, int]:
    """Notes of several versions, so that what is opened in vain would show."""
    alma = clinic.alma
    alma.put(f"/directory/sessions/{SESSION_ID}/transcript/", {"text": "I slept."})
    saved = alma.save_note("first")
    for text in ("second", "third"):
        saved = alma.put(f"/recordtype/{saved['id']}/", {"data": text}).json()
    amended = alma.save_note("a slip")
    alma.put(f"/data/history/{amended['history']['id']}/", {"data": "no slip"})
    saved_soap = alma.save_soap("S: first")
    _work_on(clinic, saved["id"])
    generation = alma.post("/soap/trigger/", trigger()).headers["Location"]
    return {
        "note": saved["id"],
        "entry": saved["history"]["id"],
        "amended": amended["id"],
        "soap": saved_soap["id"],
        "soap_entry": saved_soap["history"]["id"],
        "generation": int(generation.rstrip("/").rpartition("/")[2]),
    }


def _work_on(clinic: Clinic, note_id: int) -> None:
    of: dict[str, Any] = {"by": THE_WORKER, "at": NOON, "of_version": 3}
    done = RecordDeidentified(
        **of, tool="test/1", models=(), text="[CLIENT] slept", placeholders=(), counts={}
    )
    failed = GiveUp(job=JobName.SET_EVENT_STATUS, why=WhyFailed.BROKE, **of)
    for command in (done, failed):
        clinic.services.ledger.record(clinic.number, NOTE, note_id, command)


def openings(clinic: Clinic) -> int:
    """So far."""
    found = clinic.services.metrics.get_sample_value("noteledger_openings_total")
    assert found is not None
    return int(found)


@pytest.mark.parametrize("name", OPENINGS)
def test_nothing_is_opened_in_vain(clinic: Clinic, ids: dict[str, int], name: str) -> None:
    ask, entries = OPENINGS[name]
    if name == "a draft asked for":
        clinic.alma.delete(f"/soap/trigger/{ids['generation']}/")
    before = openings(clinic)
    answer = ask(clinic.alma, ids)
    assert answer.status_code < 300, answer.text
    assert openings(clinic) - before == entries
