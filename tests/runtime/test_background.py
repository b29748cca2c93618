"""The background work as a user meets it: saved, read, de-identified, drafted, approved, reviewed.

One service, really run, with the broker and the models that it has by default.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from httpx2 import BasicAuth, Client, Response

from domain.value import PSYCHOTHERAPY
from runtime import demo
from tests.databases import short_directory
from tests.runtime.command_line import Service, serving
from tests.runtime.embedded_states import within

BASE: Final = "/apis/therapistnotes"
FILES: Final = Path(__file__).parents[1] / "handlers" / "files"
SECONDS: Final = 90.0
"""The first job loads the models, on a machine that may be busy with other tests."""
COMPLETED: Final = 404
"""A session of the demo's, of relationship 303, that has taken place."""
ABOUT: Final = {"record_type": 2, "client_user_id": 203, "therapist_user_id": 102}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """`noteledger serve` in an empty directory."""
    with short_directory() as directory, serving("--state", directory / "s") as service:
        yield service


def _client(service: Service, login: str) -> Iterator[Client]:
    with Client(base_url=service.url, auth=BasicAuth(login, demo.PASSWORD), timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def therapist(service: Service) -> Iterator[Client]:
    """Who treats the client of the session."""
    yield from _client(service, "therapist2")


@pytest.fixture(scope="module")
def ml(service: Service) -> Iterator[Client]:
    """Who reads what was de-identified."""
    yield from _client(service, "ml")


@pytest.fixture(scope="module")
def admin(service: Service) -> Iterator[Client]:
    """Who looks after the service."""
    yield from _client(service, "admin")


def saved(therapist: Client, text: str, *files: str, **fields: Any) -> dict[str, Any]:
    """A note with files, in its long form."""
    metadata = ABOUT | {"therapist_client_id": 303, "data": text} | fields
    parts: list[tuple[str, Any]] = [("metadata", (None, json.dumps(metadata)))]
    parts += [("files", (name, (FILES / name).read_bytes())) for name in files]
    answer = therapist.post(f"{BASE}/recordtype/", files=parts)
    assert answer.status_code == 201, answer.text
    note: dict[str, Any] = answer.json()
    return note


def status(therapist: Client, session_id: int) -> str:
    """Where the work on the session stands."""
    return str(therapist.get(f"/directory/sessions/{session_id}/").json()["event_status"])


def deidentified(client: Client, note: dict[str, Any]) -> Response:
    """The note's de-identified text, once it is there."""
    path = f"{BASE}/recordtype/{note['id']}/deidentified/"
    assert within(SECONDS, lambda: client.get(path).status_code == 200)
    return client.get(path)


def test_from_a_note_with_files_to_a_reviewed_session(therapist: Client, ml: Client) -> None:
    name = therapist.get("/directory/clients/203/").json()["full_name"]
    text = f"{name} slept badly since March 3, 2024. She will call the sleep clinic."
    note = saved(therapist, text, "letter.docx", "letter.pdf", therapist_session_id=COMPLETED)
    docx, pdf = note["file_content_json"]
    assert docx["text"].strip()
    assert pdf["text"].strip()
    assert pdf["pages"] >= 1

    found = deidentified(ml, note).json()
    assert found["data"].startswith("[CLIENT] slept badly since [DATE_1]")
    assert name not in found["data"]
    assert within(SECONDS, lambda: status(therapist, COMPLETED) == "Therapist Summary Notes")

    body = ABOUT | {"therapist_client_id": 303, "therapist_session_id": COMPLETED}
    asked = therapist.post(f"{BASE}/soap/trigger/", json=body)
    assert (asked.status_code, asked.json()) == (200, {"detail": "Processing"})
    where = asked.headers["Location"]
    assert within(SECONDS, lambda: therapist.get(where).json()["state"] == "done")
    told = therapist.get(where).json()
    assert told["made_by"]["sources"] == [{"kind": "note", "id": note["id"], "version": 1}]

    path = f"{BASE}/soap/recordtype/{told['soap_note_id']}/"
    draft = therapist.get(path).json()
    assert draft["is_approved"] is False
    assert draft["ml_data"] == draft["therapist_data"]
    assert "She will call the sleep clinic." in draft["ml_data"]
    assert "No clinician wrote" in draft["ml_data"]

    approval = body | {
        "id": draft["id"],
        "data": "P: call the sleep clinic.",
        "sender_role": "therapist",
        "is_approved": True,
    }
    assert therapist.post(f"{BASE}/soap/recordtype/", json=approval).status_code == 201
    assert within(SECONDS, lambda: status(therapist, COMPLETED) == "Reviewed")


def test_a_psychotherapy_note_starts_nothing(therapist: Client, ml: Client) -> None:
    """A note that was saved after it has been worked on: the relay has passed the first."""
    quiet = saved(therapist, "analysis", therapist_session_id=408, record_type=PSYCHOTHERAPY)
    loud = saved(therapist, "I saw Clara on May 3, 2024.")
    deidentified(ml, loud)

    path = f"{BASE}/recordtype/{quiet['id']}"
    assert status(therapist, 408) == "Scheduled"
    assert therapist.get(f"{path}/deidentified/").status_code == 404
    assert ml.get(f"{path}/deidentified/").status_code == 403
    told = therapist.get(f"{path}/processing/").json()
    assert (told["deidentified_version"], told["failed"]) == (None, [])


def test_a_transcript_is_drafted_from(therapist: Client) -> None:
    transcript = (
        "Therapist: How did you sleep this week?\n"
        "Client: I slept about four hours a night and felt exhausted at work.\n"
        "Therapist: Let us keep the sleep diary and meet again next week.\n"
    )
    path = "/directory/sessions/408/transcript/"
    assert therapist.put(path, json={"text": transcript}).status_code == 201
    body = ABOUT | {"therapist_client_id": 303, "therapist_session_id": 408}
    where = therapist.post(f"{BASE}/soap/trigger/", json=body).headers["Location"]
    assert within(SECONDS, lambda: therapist.get(where).json()["state"] == "done")
    made_by = therapist.get(where).json()["made_by"]
    assert [source["kind"] for source in made_by["sources"]] == ["transcript"]
    for sentence in made_by["sentences"]:
        for cite in sentence["cites"]:
            assert transcript[cite["start"] : cite["end"]].strip()


def test_the_figures_are_told(admin: Client) -> None:
    told = admin.get("/metrics").text
    assert 'noteledger_job_runs_total{job="deidentify"}' in told
    assert "noteledger_queue_jobs 0.0" in told
    assert "noteledger_broker_up 1.0" in told
