"""Asks a running service for jobs, as people do: by saving notes and by asking for a draft."""

import itertools
from contextlib import closing
from typing import Any, Final, NamedTuple

from domain.value import Kind
from domain.work import JobName
from handlers.policies import Job
from tests.campaigns.canary_search import STEMS
from tests.campaigns.http_client import BASE, Client, form_request, json_request, log_in
from tests.campaigns.ledger_checks import CLINIC
from tests.campaigns.saves import WHOSE

FIRST_SESSION: Final = 1_000
RECORD_TYPE: Final = 2
TEXT: Final = (
    "Juno Castellane came ten minutes late on 3 March 2026. She says that she sleeps four hours a"
    f" night and has not called her friend {STEMS[0]} since the funeral. She looked tired and spoke softly."
    " Her low mood goes on much as it was three weeks ago. She will write down her evenings and call"
    " 555-0142 before we meet again.\n"
)
PARAGRAPHS: Final = 12
"""Some 4,000 characters: a job takes long enough to be killed in the middle of it."""


class Asked(NamedTuple):
    """What a request started: the job that it was sent for, and others that came with it."""

    job: Job
    others: tuple[Job, ...]

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All of them."""
        return self.job, *self.others


class Asking:
    """A therapist and an administrator of the demo, logged in."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._cookies = {login: log_in(port, login) for login in ("therapist", "admin")}
        self._sessions = itertools.count(FIRST_SESSION)

    def ask(self, name: JobName) -> Asked:
        """For a job of this kind, on something new."""
        match name:
            case JobName.DEIDENTIFY:
                return Asked(_of_note(name, self._save_note()), ())
            case JobName.SET_EVENT_STATUS:
                note = self._save_note(therapist_session_id=self._session())
                return Asked(_of_note(name, note), (_of_note(JobName.DEIDENTIFY, note),))
            case JobName.WRITE_SOAP_NOTE:
                return Asked(self._draft(), ())

    def _save_note(self, **more: int) -> int:
        said = {"data": TEXT * PARAGRAPHS, **_whose(), **more}
        note_id: int = self._sent("therapist", form_request(said)).json()["id"]
        return note_id

    def _draft(self) -> Job:
        session = self._session()
        path = f"/directory/sessions/{session}/transcript/"
        self._sent("therapist", json_request("PUT", path, {"text": TEXT * PARAGRAPHS}))
        said = {**_whose(), "therapist_session_id": session}
        answer = self._sent("therapist", json_request("POST", f"{BASE}/soap/trigger/", said))
        number = int(answer.headers["location"].rstrip("/").rpartition("/")[2])
        return Job(CLINIC, JobName.WRITE_SOAP_NOTE, Kind.GENERATION, number, 1)

    def _session(self) -> int:
        """A new one: the status of each moves on once, and one draft of each is made at a time."""
        number = next(self._sessions)
        times = {
            "session_start_time": "2026-03-03T09:00:00Z",
            "session_end_time": "2026-03-03T09:50:00Z",
        }
        said = {name: value for name, value in _whose().items() if name != "record_type"} | times
        self._sent("admin", json_request("PUT", f"/directory/sessions/{number}/", said))
        return number

    def _sent(self, login: str, request: Any) -> Any:
        with closing(Client(self._port, self._cookies[login])) as client:
            return client.expect(request)


def _whose() -> dict[str, int]:
    therapist, client, relationship, _ = WHOSE["therapist"][0]
    return {
        "record_type": RECORD_TYPE,
        "therapist_user_id": therapist,
        "client_user_id": client,
        "therapist_client_id": relationship,
    }


def _of_note(name: JobName, note_id: int) -> Job:
    return Job(CLINIC, name, Kind.NOTE, note_id, 1)
