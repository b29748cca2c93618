"""Drafting on request: what is asked for, refused, told and cancelled. No worker runs here."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

from domain.generation import GENERATION, CancelGeneration, FailRun, StartRun
from domain.value import PSYCHOTHERAPY, THE_WORKER
from domain.work import SENTENCES, WhyFailed
from tests.api.clinic import COLIN_TREATS_CLARA, SESSION_ELSEWHERE, Clinic, trigger
from tests.samples import ALMA, BRUNO, BRUNO_TREATS_DAVID, CLARA, DAVID, NOON, SESSION_ID, after

TRIGGER: Final = "/soap/trigger/"
TRANSCRIPT: Final = f"/directory/sessions/{SESSION_ID}/transcript/"


def _asked(clinic: Clinic, **said: Any) -> str:
    """Where the state of a draft is told that was asked for."""
    answer = clinic.alma.post(TRIGGER, trigger(**said))
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"detail": "Processing"}
    return str(answer.headers["Location"])


def _number(path: str) -> int:
    return int(path.rstrip("/").rpartition("/")[2])


def _tell(clinic: Clinic, path: str, command: Any) -> None:
    """What a worker would record."""
    clinic.services.ledger.record(clinic.number, GENERATION, _number(path), command)


def test_a_draft_is_queued_and_its_state_told(clinic: Clinic) -> None:
    clinic.alma.save_note(therapist_session_id=SESSION_ID)
    path = _asked(clinic, therapist_session_id=SESSION_ID)

    told = clinic.alma.get(path).json()
    assert told | {"requested_at": None, "changed_at": None} == {
        "id": _number(path),
        "state": "queued",
        "client_user_id": CLARA.user_id,
        "therapist_user_id": ALMA.user_id,
        "therapist_client_id": 101,
        "record_type": 2,
        "therapist_session_id": SESSION_ID,
        "soap_note_id": None,
        "reason": None,
        "detail": None,
        "requested_at": None,
        "changed_at": None,
        "made_by": None,
    }
    assert clinic.alma.get(TRIGGER).json() == [
        {field: value for field, value in told.items() if field != "made_by"}
    ]


def test_the_state_follows_the_worker(clinic: Clinic) -> None:
    clinic.alma.save_note()
    path = _asked(clinic)
    _tell(clinic, path, StartRun(by=THE_WORKER, at=after(1), run=1))
    assert clinic.alma.get(path).json()["state"] == "running"
    why = WhyFailed.SERVICE_UNREACHABLE
    _tell(clinic, path, FailRun(by=THE_WORKER, at=after(2), run=1, why=why))
    told = clinic.alma.get(path).json()
    assert (told["state"], told["reason"], told["detail"]) == ("failed", why, SENTENCES[why])
    assert told["soap_note_id"] is None


def test_the_newest_draft_comes_first_and_pages_go_on(clinic: Clinic) -> None:
    clinic.alma.save_note()
    paths = []
    for _ in range(3):
        paths.append(_asked(clinic))
        assert clinic.alma.delete(paths[-1]).status_code == 204
    first = clinic.alma.get(f"{TRIGGER}?limit=2")
    assert [told["id"] for told in first.json()] == [_number(paths[2]), _number(paths[1])]
    rest = clinic.alma.get(first.links["next"]["url"])
    assert [told["id"] for told in rest.json()] == [_number(paths[0])]


class TestRefused:
    """Each with a clear answer, and nothing recorded."""

    @pytest.mark.parametrize(
        ("said", "status", "field"),
        [
            ({"client_user_id": 999}, 404, "client_user_id"),
            ({"client_user_id": DAVID.user_id}, 404, "client_user_id"),
            ({"client_user_id": ALMA.user_id}, 404, "client_user_id"),
            ({"therapist_user_id": BRUNO.user_id}, 403, "therapist_user_id"),
            ({"therapist_client_id": 999}, 422, "therapist_client_id"),
            ({"therapist_client_id": COLIN_TREATS_CLARA}, 422, "therapist_client_id"),
            ({"therapist_client_id": BRUNO_TREATS_DAVID}, 422, "therapist_client_id"),
            ({"therapist_session_id": 999}, 422, "therapist_session_id"),
            ({"therapist_session_id": SESSION_ELSEWHERE}, 422, "therapist_session_id"),
            ({"therapist_session_id": SESSION_ID}, 422, "therapist_session_id"),
            ({"record_type": PSYCHOTHERAPY}, 422, "record_type"),
            ({"record_type": 999}, 422, "record_type"),
            ({"record_type": None}, 422, "record_type"),
            ({"transcript": "hello"}, 422, "transcript"),
        ],
    )
    def test_what_names_what_is_not_there(
        self, clinic: Clinic, said: dict[str, Any], status: int, field: str
    ) -> None:
        clinic.alma.save_note()
        before = clinic.stored()
        answer = clinic.alma.post(TRIGGER, trigger(**said))
        assert answer.status_code == status, answer.text
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        assert clinic.stored() == before

    def test_a_client_of_whom_nothing_was_written(self, clinic: Clinic) -> None:
        answer = clinic.alma.post(TRIGGER, trigger())
        assert answer.status_code == 422
        assert "neither a transcript nor a note" in answer.json()["detail"]

    def test_a_client_of_whom_there_are_psychotherapy_notes_only(self, clinic: Clinic) -> None:
        clinic.alma.save_note(record_type=PSYCHOTHERAPY, therapist_session_id=SESSION_ID)
        assert clinic.alma.post(TRIGGER, trigger()).status_code == 422
        by_session = trigger(therapist_session_id=SESSION_ID)
        assert clinic.alma.post(TRIGGER, by_session).status_code == 422

    def test_a_second_one_while_the_first_is_under_way(self, clinic: Clinic) -> None:
        clinic.alma.save_note(therapist_session_id=SESSION_ID)
        path = _asked(clinic, therapist_session_id=SESSION_ID)
        before = clinic.stored()
        for said in ({"therapist_session_id": SESSION_ID}, {}):
            answer = clinic.alma.post(TRIGGER, trigger(**said))
            assert (answer.status_code, answer.json()["title"]) == (409, "Conflict")
        assert clinic.alma.put(path, {}).status_code == 409
        assert clinic.stored() == before

    def test_of_many_at_the_same_moment_one_is_taken(self, clinic: Clinic) -> None:
        clinic.alma.save_note()
        with ThreadPoolExecutor(8) as threads:
            asked = [threads.submit(clinic.alma.post, TRIGGER, trigger()) for _ in range(8)]
            statuses = sorted(answer.result().status_code for answer in asked)
        assert statuses == [200] + [409] * 7

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    def test_a_draft_that_is_not_there(self, clinic: Clinic, method: str) -> None:
        assert clinic.alma.ask(method, f"{TRIGGER}999999/").status_code == 404


class TestCancelled:
    """A draft that is not wanted any more."""

    def test_it_is_told_and_another_can_be_asked_for(self, clinic: Clinic) -> None:
        clinic.alma.save_note()
        path = _asked(clinic)
        assert clinic.alma.delete(path).status_code == 204
        assert clinic.alma.get(path).json()["state"] == "cancelled"
        assert clinic.alma.delete(path).status_code == 204, "asked twice is answered once"
        assert _asked(clinic) != path

    def test_it_can_be_run_again_as_the_same(self, clinic: Clinic) -> None:
        clinic.alma.save_note()
        path = _asked(clinic)
        _tell(clinic, path, CancelGeneration(by=ALMA, at=NOON))
        again = clinic.alma.put(path, {})
        assert (again.status_code, again.headers["Location"]) == (200, path)
        assert again.json() == {"detail": "Processing"}
        assert clinic.alma.get(path).json()["state"] == "queued"

    def test_what_has_failed_cannot_be_cancelled(self, clinic: Clinic) -> None:
        clinic.alma.save_note()
        path = _asked(clinic)
        _tell(clinic, path, FailRun(by=THE_WORKER, at=NOON, run=1, why=WhyFailed.BROKE))
        assert clinic.alma.delete(path).status_code == 409


class TestWithoutASession:
    """The newest session that there are words of is drafted from."""

    def test_of_a_note(self, clinic: Clinic) -> None:
        clinic.alma.save_note(therapist_session_id=SESSION_ID)
        assert clinic.alma.get(_asked(clinic)).json()["therapist_session_id"] == SESSION_ID

    def test_of_a_transcript(self, clinic: Clinic) -> None:
        assert clinic.alma.put(TRANSCRIPT, {"text": "Client: I slept."}).status_code == 201
        assert clinic.alma.get(_asked(clinic)).json()["therapist_session_id"] == SESSION_ID

    def test_of_a_note_of_no_session(self, clinic: Clinic) -> None:
        clinic.alma.save_note()
        assert clinic.alma.get(_asked(clinic)).json()["therapist_session_id"] is None


class TestTranscripts:
    """What was said in a session."""

    def test_it_is_stored_read_and_replaced(self, clinic: Clinic) -> None:
        assert clinic.alma.get(TRANSCRIPT).status_code == 404
        stored = clinic.alma.put(TRANSCRIPT, {"text": "Client: I slept.\nTherapist: Well?"})
        assert stored.status_code == 201, stored.text
        assert clinic.alma.get(TRANSCRIPT).json() == stored.json()
        assert stored.json()["text"] == "Client: I slept.\nTherapist: Well?"

        before = clinic.position()
        again = clinic.alma.put(TRANSCRIPT, {"text": "Client: I slept.\nTherapist: Well?"})
        assert (again.status_code, clinic.position()) == (200, before)
        assert clinic.alma.put(TRANSCRIPT, {"text": "Client: I did not."}).status_code == 201
        assert clinic.audra.get(TRANSCRIPT).json()["text"] == "Client: I did not."

    def test_who_may(self, clinic: Clinic) -> None:
        body = {"text": "Client: I slept."}
        written = {
            "alma": (201, 200),
            "colin": (403, 200),
            "bruno": (404, 404),
            "audra": (403, 200),
            "adam": (403, 403),
            "ml": (403, 403),
            "eva": (404, 404),
            "nobody": (401, 401),
        }
        found = {}
        for name in written:
            door = getattr(clinic, name)
            put, read = door.put(TRANSCRIPT, body), door.get(TRANSCRIPT)
            found[name] = (put.status_code, read.status_code)
        assert found == written

    @pytest.mark.parametrize("text", [None, 7, "\0"])
    def test_what_is_no_text_is_refused(self, clinic: Clinic, text: object) -> None:
        before = clinic.stored()
        answer = clinic.alma.put(TRANSCRIPT, {"text": text})
        assert answer.status_code == 422, answer.text
        assert [error["field"] for error in answer.json()["errors"]] == ["text"]
        assert clinic.stored() == before

    def test_of_no_session(self, clinic: Clinic) -> None:
        path = "/directory/sessions/999/transcript/"
        assert clinic.alma.put(path, {"text": "I slept."}).status_code == 404
        assert clinic.alma.get(path).status_code == 404
