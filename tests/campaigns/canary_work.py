"""Canary words in what the background works on, and what can be told of that work."""

import time
from typing import Final

from tests.campaigns.canary_search import Searched, search
from tests.campaigns.canary_words import NUMBERS_FROM, Canaries, about
from tests.campaigns.http_client import BASE, form_request, json_request
from tests.campaigns.job_watch import Watch

SETTLE_SECONDS_MAX: Final = 120.0
TIMES: Final = {
    "session_start_time": "2026-03-02T09:00:00Z",
    "session_end_time": "2026-03-02T09:50:00Z",
}


class WorkIsNotDoneError(Exception):
    """Jobs are left over, or there were none: the search would find too little."""


def draft(of: Canaries) -> None:
    """From a session's transcript, and from its notes; each is de-identified on the way."""
    whose = about(2)
    for is_transcript in (True, False):
        session = NUMBERS_FROM + len(of.words)
        said = {name: number for name, number in whose.items() if name != "record_type"} | TIMES
        of.send("admin", json_request("PUT", f"/directory/sessions/{session}/", said))
        if is_transcript:
            path = f"/directory/sessions/{session}/transcript/"
            text = {"text": f"Client: I dreamt of {of.word('transcript')} again."}
            of.send("therapist", json_request("PUT", path, text))
        else:
            data = f"She dreamt of {of.word('note of a session')} again."
            note = {"data": data, **whose, "therapist_session_id": session}
            of.send("therapist", form_request(note), 201)
        trigger = {**whose, "therapist_session_id": session}
        of.send("therapist", json_request("POST", f"{BASE}/soap/trigger/", trigger))


def done_jobs(owner_url: str) -> int:
    """How many, once none is left. Raises WorkIsNotDoneError."""
    with Watch(owner_url) as watch:
        settled = watch.settles_within(SETTLE_SECONDS_MAX)
        ends = watch.ends()
    if not settled or ends.failed or not ends.of_generation:
        raise WorkIsNotDoneError(settled, ends.failed)
    return sum(map(len, ends.done.values()))


def searched_metrics(of: Canaries) -> Searched:
    """What the service tells a monitoring system."""
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    while True:
        told = of.send("admin", json_request("GET", "/metrics")).body
        if b"noteledger_job_runs_total{" in told or time.monotonic() > deadline:
            return search("metrics", told)
        time.sleep(0.1)
