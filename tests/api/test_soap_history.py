"""The histories of SOAP notes, operations 23 to 32: whole, the 10 newest, and partial."""

from datetime import timedelta
from typing import Any

import pytest

from tests.api.clinic import Clinic, amend_soap
from tests.samples import NOON, PROGRESS, SESSION_ID

SIGNATURE = "QWxtYSBBcmVuZHM="
PARTIAL = "/soap/data/partialhistory/"
WHOLE = "/soap/data/history/"
BOTH = pytest.mark.parametrize("path", [WHOLE, PARTIAL])


def _shown(entries: list[dict[str, Any]]) -> list[tuple[str, bool]]:
    return [(entry["data"], entry["is_approved"]) for entry in entries]


@BOTH
def test_entries_carry_the_times_of_their_session(clinic: Clinic, path: str) -> None:
    saved = clinic.alma.save_soap(therapist_session_id=SESSION_ID)
    [entry] = clinic.alma.get(path).json()

    assert entry["session_start_time"] == "2026-03-02T12:00:00Z"
    assert entry["session_end_time"] == "2026-03-02T12:50:00Z"
    assert entry == saved["history"] == clinic.alma.get(f"{path}{entry['id']}/").json()
    [found] = clinic.alma.look_up(path)
    expected = entry | {
        "record_type": PROGRESS,
        "create_timestamp": saved["create_timestamp"],
        "update_timestamp": saved["create_timestamp"],
    }
    del expected["therapist_notes_notetypeid"]
    assert found == expected


def test_a_session_that_is_moved_moves_in_the_history(clinic: Clinic) -> None:
    saved = clinic.alma.save_soap(therapist_session_id=SESSION_ID)
    answer = clinic.alma.put(
        f"/directory/sessions/{SESSION_ID}/",
        {
            "client_user_id": 21,
            "therapist_user_id": 11,
            "therapist_client_id": 101,
            "session_start_time": "2026-03-03T09:00:00+01:00",
            "session_end_time": "2026-03-03T10:00:00+01:00",
        },
    )
    assert answer.status_code == 200, answer.text
    [entry] = clinic.alma.get(WHOLE).json()
    assert entry["id"] == saved["history"]["id"]
    assert entry["session_start_time"] == "2026-03-03T08:00:00Z"


def test_a_look_up_finds_the_ten_newest_by_id_descending(clinic: Clinic) -> None:
    ids = [clinic.alma.save_soap(f"{n}")["history"]["id"] for n in range(12)]
    assert [entry["id"] for entry in clinic.alma.look_up(WHOLE)] == ids[:1:-1]


def test_the_partial_history_is_the_newest_entry_and_every_approved_one(clinic: Clinic) -> None:
    note_id = clinic.alma.save_soap("draft 1")["id"]
    clinic.alma.save_soap("approved 1", id=note_id, is_approved=True)
    clinic.alma.save_soap("draft 2", id=note_id)
    clinic.alma.save_soap("approved 2", id=note_id, is_approved=True)
    clinic.alma.save_soap("draft 3", id=note_id)
    assert _shown(clinic.alma.look_up(PARTIAL)) == [
        ("draft 3", False),
        ("approved 2", True),
        ("approved 1", True),
    ]

    clinic.alma.save_soap("approved 3", id=note_id, is_approved=True)
    assert _shown(clinic.alma.look_up(PARTIAL)) == [
        ("approved 3", True),
        ("approved 2", True),
        ("approved 1", True),
    ]


def test_the_partial_history_considers_the_30_newest_entries(clinic: Clinic) -> None:
    clinic.alma.save_soap("too old", is_approved=True)
    clinic.alma.save_soap("just there", is_approved=True)
    for n in range(29):
        clinic.alma.save_soap(f"draft {n}")
    assert _shown(clinic.alma.look_up(PARTIAL)) == [("draft 28", False), ("just there", True)]

    clinic.alma.save_soap("one more")
    assert _shown(clinic.alma.look_up(PARTIAL)) == [("one more", False)]


def test_the_partial_history_goes_by_update_timestamp(clinic: Clinic) -> None:
    """An amendment updates its entry: it becomes the newest, whatever its id."""
    first = clinic.alma.save_soap("first")["history"]["id"]
    clinic.alma.save_soap("second")
    assert _shown(clinic.alma.look_up(PARTIAL)) == [("second", False)]

    clinic.alma.put(f"{PARTIAL}{first}/", amend_soap("first, amended"))
    [newest] = clinic.alma.look_up(PARTIAL)
    assert (newest["id"], newest["data"]) == (first, "first, amended")
    assert newest["update_timestamp"] > newest["create_timestamp"]
    assert [entry["data"] for entry in clinic.alma.look_up(WHOLE)] == ["second", "first, amended"]


def test_entries_of_one_instant_go_by_id(clinic: Clinic) -> None:
    with clinic.like(clock=lambda: NOON) as still:
        for text in ("first", "second"):
            still.alma.save_soap(text)
    assert [entry["data"] for entry in clinic.alma.look_up(PARTIAL)] == ["second"]


def test_a_clock_that_was_set_back_does_not_hide_an_approval(clinic: Clinic) -> None:
    with clinic.like(clock=lambda: NOON) as now:
        now.alma.save_soap("approved at noon", is_approved=True)
    with clinic.like(clock=lambda: NOON - timedelta(hours=1)) as earlier:
        earlier.alma.save_soap("drafted an hour before")
    assert _shown(clinic.alma.look_up(PARTIAL)) == [("approved at noon", True)]
    assert [entry["data"] for entry in clinic.alma.look_up(WHOLE)] == [
        "drafted an hour before",
        "approved at noon",
    ]


@BOTH
def test_an_entry_is_amended_and_withdrawn_by_both_paths(clinic: Clinic, path: str) -> None:
    entry_id = clinic.alma.save_soap("S: a", therapist_session_id=SESSION_ID)["history"]["id"]
    entry = clinic.alma.get(f"{path}{entry_id}/").json()
    del entry["id"]
    amended = clinic.alma.put(f"{path}{entry_id}/", entry | {"data": "S: b", "reason": "a slip"})
    assert amended.status_code == 200, amended.text
    assert amended.json() == entry | {"id": entry_id, "data": "S: b"}
    assert clinic.alma.get(f"{path}{entry_id}/").json() == amended.json()

    withdrawn = clinic.alma.delete(f"{path}{entry_id}/", {"reason": "of another client"})
    assert (withdrawn.status_code, withdrawn.content) == (204, b"")
    for gone in (WHOLE, PARTIAL):
        assert clinic.alma.get(f"{gone}{entry_id}/").status_code == 404
        assert clinic.alma.look_up(gone) == []


@BOTH
def test_an_approved_entry_is_final(clinic: Clinic, path: str) -> None:
    saved = clinic.alma.save_soap("S: a", is_approved=True, signature=SIGNATURE)
    own = f"{path}{saved['history']['id']}/"
    before = clinic.stored()
    assert clinic.alma.put(own, amend_soap("S: b")).status_code == 409
    assert clinic.alma.delete(own).status_code == 409
    assert clinic.stored() == before


def test_an_amendment_approves_nothing(clinic: Clinic) -> None:
    entry_id = clinic.alma.save_soap("S: a")["history"]["id"]
    said = {"is_approved": True, "signature": SIGNATURE}
    before = clinic.stored()
    answer = clinic.alma.put(f"{WHOLE}{entry_id}/", amend_soap("S: b", **said))
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["is_approved"]
    assert clinic.stored() == before
