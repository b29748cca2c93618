"""GET /events/ over a real socket: who is told what, from where on, for how long, and in which words: none."""

import socket
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.generation import (
    GENERATION,
    CancelGeneration,
    FailRun,
    FinishRun,
    RecordDraft,
    RequestAgain,
    RequestGeneration,
    StartRun,
)
from domain.note import NOTE
from domain.note_work import AskAgain, GiveUp, RecordDeidentified
from domain.session import SESSION, AdvanceStatus, EventStatus, NoteVersionRef, PutTranscript
from domain.value import PSYCHOTHERAPY, THE_WORKER, Caller, Kind, Role
from domain.work import JobName, WhyFailed
from projections.changes import PAGE_ENTRIES
from tests.api.clinic import (
    PASSWORD,
    Clinic,
    amend_soap,
    note,
    put,
    soap,
)
from tests.api.document_checks import check_document
from tests.api.streams import Served, Told, head, served
from tests.samples import (
    ADAM,
    ALMA,
    ALMA_TREATS_CLARA,
    BRUNO,
    BRUNO_TREATS_DAVID,
    CLARA,
    DAVID,
    NOON,
    PROGRESS,
    SESSION_ID,
    create,
)

CANARY: Final = "Xanthippe"
"""Stands in every word that the story below says about anybody."""
WHO: Final = ("alma", "colin", "bruno", "audra", "adam", "ml")
_NUMBERS: Final = count(1)
Gist = tuple[str, str, int]


@pytest.fixture(scope="module")
def service(shared_clinic: Clinic) -> Iterator[Served]:
    """One process that serves all clinics of the module."""
    with served(shared_clinic) as service:
        yield service


@pytest.fixture
def at(clinic: Clinic) -> int:
    """Where the test's clinic stands before anything happens."""
    return head(clinic)


# --- a story in which everything happens that streams tell of


def _work_on_a_note(clinic: Clinic, note_id: int) -> list[Gist]:
    """Given up, asked for again, de-identified."""
    who: dict[str, Any] = {"by": THE_WORKER, "at": NOON}
    record = partial(clinic.services.ledger.record, clinic.number, NOTE, note_id)
    failed: dict[str, Any] = {
        "of_version": 1,
        "job": JobName.DEIDENTIFY,
        "why": WhyFailed.TOOK_TOO_LONG,
    }
    record(GiveUp(**who, **failed))
    record(AskAgain(**who | {"by": ADAM}))
    said: dict[str, Any] = {
        "text": CANARY,
        "placeholders": ((CANARY, CANARY),),
        "counts": {CANARY: 1},
    }
    record(RecordDeidentified(**who, of_version=1, tool="t", models=(), **said))
    return [("note", what, note_id) for what in ("failed", "asked-again", "deidentified")]


def _work_on_a_session(clinic: Clinic, note_id: int) -> list[Gist]:
    """A transcript, which nobody is told of, and two statuses, by the work and by somebody."""
    record = partial(clinic.services.ledger.record, clinic.number, SESSION, SESSION_ID)
    record(PutTranscript(by=ALMA, at=NOON, text=CANARY))
    saved = NoteVersionRef(kind=Kind.NOTE, note_id=note_id, version=1)
    advanced: dict[str, Any] = {"event_status": EventStatus.SUMMARY_NOTES, "note": saved}
    record(AdvanceStatus(by=THE_WORKER, at=NOON, saved_at=NOON, **advanced))
    treats = {"client_user_id": 21, "therapist_user_id": 11, "therapist_client_id": 101}
    times = {"session_start_time": NOON.isoformat(), "session_end_time": "2026-03-02T12:50:00Z"}
    path = f"/directory/sessions/{SESSION_ID}/"
    clinic.adam.put(path, treats | times | {"event_status": EventStatus.REVIEWED})
    return [("session", "event-status", SESSION_ID)] * 2


def _work_on_a_generation(clinic: Clinic) -> list[Gist]:
    """Requested, started, failed; again, and cancelled; again, and finished with SOAP note 7."""
    number = next(_NUMBERS)
    record = partial(clinic.services.ledger.record, clinic.number, GENERATION, number)
    by_alma: dict[str, Any] = {"by": ALMA, "at": NOON}
    work: dict[str, Any] = {"by": THE_WORKER, "at": NOON}
    record(
        RequestGeneration(
            **by_alma,
            client_user_id=CLARA.user_id,
            therapist_user_id=ALMA.user_id,
            therapist_client_id=ALMA_TREATS_CLARA,
            record_type=PROGRESS,
            therapist_session_id=SESSION_ID,
            soap_note_id=5,
            client_name=CANARY,
        )
    )
    record(StartRun(**work, run=1))
    record(FailRun(**work, run=1, why=WhyFailed.SERVICE_TOO_SLOW))
    record(RequestAgain(**by_alma, soap_note_id=6))
    record(CancelGeneration(**by_alma))
    record(RequestAgain(**by_alma, soap_note_id=7))
    made: dict[str, Any] = {"maker": "m", "model": "m", "prompt_digest": None, "sources": ()}
    record(RecordDraft(**work, run=3, text=CANARY, sentences=(), **made))
    record(FinishRun(**work, run=3))
    again = ["requested", "cancelled", "requested", "finished"]
    return [("generation", what, number) for what in ("requested", "started", "failed", *again)]


def _lives_of_notes(clinic: Clinic, record_type: int) -> list[Gist]:
    """Of a note and a SOAP note of Alma's about Clara, from the draft to the deletion."""
    alma = clinic.alma
    of_type: dict[str, Any] = {"record_type": record_type}
    first = alma.save_note(CANARY, [(f"{CANARY}.txt", CANARY.encode())], **of_type)
    alma.delete(f"/data/{first['id']}/")
    saved = alma.save_soap(CANARY, **of_type)
    number, entry = saved["id"], saved["history"]["id"]
    alma.put(f"/soap/data/history/{entry}/", amend_soap(CANARY))
    approving: dict[str, Any] = {
        "id": number,
        "is_approved": True,
        "signature": b64encode(b"A").decode(),
    }
    alma.save_soap(f"{CANARY} 2", **of_type, **approving)
    alma.delete(f"/soap/data/history/{entry}/")
    alma.delete(f"/soap/data/{number}/")
    lived = ["drafted", "entry-amended", "approved", "entry-withdrawn", "deleted"]
    return [("note", what, first["id"]) for what in ("drafted", "deleted")] + [
        ("soap-note", what, number) for what in lived
    ]


def _brunos(clinic: Clinic) -> list[Gist]:
    """A note about David."""
    about = {
        "therapist_user_id": BRUNO.user_id,
        "client_user_id": DAVID.user_id,
        "therapist_client_id": BRUNO_TREATS_DAVID,
    }
    saved = clinic.bruno.post_form(note(CANARY, **about)).json()
    return [("note", "drafted", saved["id"])]


def _tell(clinic: Clinic) -> dict[str, list[Gist]]:
    """All of it happens; who is to be told what, in this order."""
    psychotherapy = _lives_of_notes(clinic, PSYCHOTHERAPY)
    notes = _lives_of_notes(clinic, PROGRESS)
    kept = clinic.alma.save_note(CANARY)["id"]
    notes.append(("note", "drafted", kept))
    work = _work_on_a_note(clinic, kept)
    session = _work_on_a_session(clinic, kept)
    generation = _work_on_a_generation(clinic)
    drafted = clinic.ml.post("/soap/recordtype/", soap(CANARY, sender_role="ml")).json()["id"]
    drafts: list[Gist] = [("soap-note", "drafted", drafted)]
    brunos = _brunos(clinic)
    of_clara = notes + work + session + generation + drafts
    return {
        "alma": psychotherapy + of_clara,
        "colin": of_clara,
        "bruno": brunos,
        "audra": of_clara + brunos,
        "adam": session + generation,
        "ml": [gist for gist in work if gist[1] == "deidentified"],
    }


def test_everybody_is_told_what_they_may_read(clinic: Clinic, service: Served, at: int) -> None:
    for who, gists in _tell(clinic).items():
        told = service.told(clinic, getattr(clinic, who), at)
        assert [one.gist for one in told] == gists, who


def test_streams_that_are_open_meanwhile_tell_the_same(clinic: Clinic, service: Served) -> None:
    with ExitStack() as stack:
        streams = {who: stack.enter_context(service.listening(getattr(clinic, who))) for who in WHO}
        for who, gists in _tell(clinic).items():
            told = streams[who].until(head(clinic))
            assert [one.gist for one in told] == gists, who


def test_no_word_is_told(clinic: Clinic, service: Served, at: int) -> None:
    expected = _tell(clinic)
    for who, gists in expected.items():
        with service.listening(getattr(clinic, who), params={"after": at}) as stream:
            assert len(stream.until(head(clinic))) == len(gists)
            assert CANARY not in "\n".join(stream.raw)


def test_what_an_event_says(clinic: Clinic, service: Served, at: int) -> None:
    _tell(clinic)
    about_note = {"client_user_id": CLARA.user_id, "record_type": PROGRESS}
    told = {one.gist[:2]: one.said for one in service.told(clinic, clinic.colin, at)}
    note_id, soap_id = told["note", "drafted"]["id"], told["soap-note", "approved"]["id"]
    generation_id = told["generation", "failed"]["id"]
    why = WhyFailed.SERVICE_TOO_SLOW
    assert told["note", "failed"] == about_note | {
        "id": note_id,
        "what": "failed",
        "version": 1,
        "job": "deidentify",
        "why": "took-too-long",
    }
    assert told["note", "deleted"].keys() == {"id", "what", *about_note}
    assert told["soap-note", "approved"] == about_note | {
        "id": soap_id,
        "what": "approved",
        "version": 3,
    }
    for what in ("entry-amended", "entry-withdrawn"):
        assert told["soap-note", what]["version"] == 1
    status = {"event_status": "Reviewed", "client_user_id": CLARA.user_id}
    assert told["session", "event-status"] == status | {"id": SESSION_ID, "what": "event-status"}
    of_clara = {"id": generation_id, "client_user_id": CLARA.user_id}
    assert told["generation", "failed"] == of_clara | {"what": "failed", "why": why}
    finished = of_clara | {"what": "finished"}
    assert told["generation", "finished"] == finished | {"soap_note_id": 7}
    by_adam = service.told(clinic, clinic.adam, at)[-1]
    assert by_adam.said == finished, "a note's id is told to those who may read the note"


# --- who may listen


@pytest.mark.parametrize(
    ("who", "status"), [*((who, 200) for who in WHO), ("eva", 200), ("nobody", 401)]
)
def test_who_may_listen(clinic: Clinic, service: Served, who: str, status: int) -> None:
    assert service.status(getattr(clinic, who)) == status


def test_a_client_may_not(clinic: Clinic) -> None:
    anonymous = Caller(clinic.number, CLARA.user_id, Role.CLIENT)
    with served(replace(clinic, services=replace(clinic.services, anonymous=anonymous))) as service:
        assert service.status(clinic.nobody) == 403


def test_another_clinic_hears_nothing(clinic: Clinic, service: Served) -> None:
    with service.listening(clinic.eva) as stream:
        _tell(clinic)
        about = {"therapist_user_id": 61, "client_user_id": 62, "therapist_client_id": 161}
        own = clinic.eva.post_form(note("her own", record_type=61, **about)).json()["id"]
        assert [told.gist for told in stream.take(1)] == [("note", "drafted", own)]


# --- relationships


def test_a_relationship_that_ends_closes_the_stream_to_what_comes(
    clinic: Clinic, service: Served, at: int
) -> None:
    treats = {"therapist_user_id": 13, "client_user_id": CLARA.user_id}
    colins, path = clinic.colin, "/directory/relationships/103/"
    with service.listening(colins) as stream:
        first = clinic.alma.save_note()["id"]
        assert [told.gist for told in stream.until(head(clinic))] == [("note", "drafted", first)]

        clinic.adam.put(path, treats | {"is_active": False})
        clinic.alma.put(f"/data/{first}/", put())
        clinic.alma.delete(f"/data/{first}/")
        assert stream.until(head(clinic)) == []
        assert service.told(clinic, colins, at) == [], "nor is what was before told any more"
        assert len(service.told(clinic, clinic.alma, at)) == 3, "an author keeps their own"

        clinic.adam.put(path, treats)
        second = clinic.alma.save_note()["id"]
        assert [told.gist for told in stream.until(head(clinic))] == [("note", "drafted", second)]


# --- where it begins, and where it goes on


def test_without_a_position_it_begins_with_what_comes(clinic: Clinic, service: Served) -> None:
    clinic.alma.save_note("before")
    before = head(clinic)
    with service.listening(clinic.alma) as stream:
        saved = clinic.alma.save_note("after")
        [told] = stream.take(1)
    assert (told.position, told.gist) == (before + 1, ("note", "drafted", saved["id"]))


def test_the_id_that_comes_back_wins_over_the_parameter(clinic: Clinic, service: Served) -> None:
    clinic.alma.save_note()
    begin = head(clinic)
    saved = clinic.alma.save_note()
    headers = {"Last-Event-ID": str(begin)}
    with service.listening(clinic.alma, params={"after": 0}, headers=headers) as stream:
        assert [told.gist[2] for told in stream.until(head(clinic))] == [saved["id"]]


def test_a_stream_without_events_still_says_where_to_come_back_to(
    clinic: Clinic, service: Served
) -> None:
    with service.listening(clinic.bruno) as stream:
        clinic.alma.save_note()
        assert stream.until(head(clinic)) == []


def test_cut_anywhere_nothing_is_lost_and_nothing_told_twice(
    clinic: Clinic, service: Served, at: int
) -> None:
    _tell(clinic)
    end = head(clinic)
    whole = {who: service.told(clinic, getattr(clinic, who), at) for who in WHO}

    @given(who=st.sampled_from(WHO), cut=st.integers(at, end))
    @settings(max_examples=40)
    def holds(who: str, cut: int) -> None:
        before = [told for told in whole[who] if told.position <= cut]
        assert before + service.told(clinic, getattr(clinic, who), cut) == whole[who]

    holds()


def test_cut_again_and_again_while_notes_are_saved(
    clinic: Clinic, service: Served, at: int
) -> None:
    def save(_: int) -> int:
        note_id = clinic.services.ledger.ids.next(clinic.number, Kind.NOTE)
        clinic.services.ledger.record(clinic.number, NOTE, note_id, create())
        return note_id

    heard: list[Told] = []
    with ThreadPoolExecutor(4) as threads:
        saved = threads.map(save, range(120))
        last_id = at
        while len(heard) < 120:
            with service.listening(clinic.colin, headers={"Last-Event-ID": str(last_id)}) as stream:
                heard += stream.take(min(7, 120 - len(heard)))
                last_id = stream.last_id
    assert sorted(told.said["id"] for told in heard) == sorted(saved)
    assert [told.position for told in heard] == list(range(at + 1, at + 121))


def test_from_far_back(clinic: Clinic, at: int) -> None:
    """Beyond what is kept, and over more than a page."""
    record, ids = clinic.services.ledger.record, clinic.services.ledger.ids
    notes = [ids.next(clinic.number, Kind.NOTE) for _ in range(PAGE_ENTRIES + 20)]
    with served(clinic, changes_kept=3) as service, service.listening(clinic.alma) as stream:
        for note_id in notes[:10]:
            record(clinic.number, NOTE, note_id, create())
        heard = stream.take(10)
        with ThreadPoolExecutor(16) as threads:
            list(
                threads.map(
                    lambda note_id: record(clinic.number, NOTE, note_id, create()), notes[10:]
                )
            )
        heard += stream.until(head(clinic))
        assert [told.position for told in heard] == list(range(at + 1, at + 1 + len(notes)))
        assert service.told(clinic, clinic.colin, at) == heard


@pytest.mark.parametrize("position", ["-1", "x", "1.5", "", "9" * 16, "9" * 400, "٣"])
@pytest.mark.parametrize("how", ["after", "Last-Event-ID"])
def test_what_is_no_position_of_the_ledger_is_refused(
    clinic: Clinic, service: Served, how: str, position: str
) -> None:
    said = {"params": {how: position}} if how == "after" else {"headers": {how: position.encode()}}
    with service.client() as http:
        answer = http.get("/events/", auth=clinic.alma.credentials, **said)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [error["field"].lower() for error in answer.json()["errors"]] == [how.lower()]


# --- how long


def test_it_ends_after_a_while_and_goes_on_where_it_was(clinic: Clinic, at: int) -> None:
    with served(clinic, life_seconds=0.5) as service:
        first = clinic.alma.save_note()["id"]
        events, last_id = service.read_on(clinic.alma, at, 1)
        assert [event.gist[2] for event in events] == [first]
        second = clinic.alma.save_note()["id"]
        events, _ = service.read_on(clinic.alma, last_id, 1)
        assert [event.gist[2] for event in events] == [second]


def _log_in(clinic: Clinic, service: Served) -> tuple[str, dict[str, str]]:
    """A login name, and the header that a browser sends after it was used."""
    login = f"{clinic.number}/alma.arends"
    clinic.services.accounts.add_user(login, Role.THERAPIST, ALMA.user_id, PASSWORD)
    with service.client() as http:
        answer = http.post("/auth/login/", json={"login": login, "password": PASSWORD})
        return login, {"Cookie": f"noteledger_session={answer.cookies['noteledger_session']}"}


def test_it_ends_with_the_session(clinic: Clinic) -> None:
    with served(clinic, check_seconds=0.1) as service:
        _, cookie = _log_in(clinic, service)
        with service.listening(clinic.nobody, headers=cookie) as stream:
            saved = clinic.alma.save_note()
            assert [told.gist[2] for told in stream.take(1)] == [saved["id"]]
            with service.client() as http:
                assert http.post("/auth/logout/", headers=cookie).status_code == 204
                assert list(stream) == []
                assert http.get("/events/", headers=cookie).status_code == 401


def test_it_ends_with_the_account(clinic: Clinic) -> None:
    with served(clinic, check_seconds=0.1) as service:
        login, cookie = _log_in(clinic, service)
        with service.listening(clinic.nobody, headers=cookie) as stream:
            next(stream.lines)
            clinic.services.accounts.disable(login, NOON)
            assert list(stream) == []


def test_to_listen_keeps_no_session_from_idling_out(clinic: Clinic) -> None:
    now = [clinic.services.clock()]
    services = replace(clinic.services, clock=lambda: now[0])
    with served(replace(clinic, services=services), check_seconds=0.1) as service:
        _, cookie = _log_in(clinic, service)
        with service.listening(clinic.nobody, headers=cookie) as stream:
            now[0] += timedelta(minutes=16)
            assert stream.until(stream.last_id) == []
            now[0] += timedelta(minutes=16)
            assert list(stream) == []


# --- how many


def test_more_than_the_process_bears_are_refused(clinic: Clinic) -> None:
    with served(clinic, streams_max=2) as service:
        with service.listening(clinic.alma), service.listening(clinic.colin):
            with service.client() as http:
                answer = http.get("/events/", auth=clinic.audra.credentials)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
            assert answer.json()["detail"] == "Too many event streams are open here."
        assert service.soon_lets_in(clinic.audra)


def test_more_than_ones_own_are_refused(clinic: Clinic) -> None:
    with served(clinic, streams_each_max=1) as service:
        with service.listening(clinic.alma):
            with service.client() as http:
                answer = http.get("/events/", auth=clinic.alma.credentials)
            assert (answer.status_code, answer.headers["Retry-After"]) == (429, "30")
            assert service.status(clinic.colin) == 200
        assert service.soon_lets_in(clinic.alma)


def test_who_does_not_read_holds_up_nobody_and_loses_the_place_in_time(
    clinic: Clinic, at: int
) -> None:
    login, token = clinic.tokens[ALMA]
    login = f"{login}:{token}"
    ask = (
        f"GET /events/?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {_base64(login)}\r\n\r\n"
    )
    with served(clinic, life_seconds=1.0, streams_each_max=1) as service, socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        deaf.connect(service.address)
        deaf.sendall(ask.encode())
        saved = [clinic.alma.save_note()["id"] for _ in range(5)]
        events, _ = service.read_on(clinic.colin, at, 5)
        assert [event.gist[2] for event in events] == saved
        assert service.soon_lets_in(clinic.alma)


# --- what goes wrong


def test_an_entry_that_cannot_be_read_is_passed_by(clinic: Clinic, service: Served) -> None:
    with service.listening(clinic.alma) as stream:
        for state in (b"", b"\1" + bytes(60) + b"\xff" * 40):
            clinic.owner.execute(
                "WITH h AS (UPDATE ledger.ledger_head SET position = position + 1"
                "  WHERE clinic_id = %s RETURNING clinic_id, position)"
                " INSERT INTO ledger.entries SELECT clinic_id, position,"
                "  aggregate_id(position), 1, 'note-drafted/1', %s FROM h".replace(
                    "aggregate_id(position)", "gen_random_uuid()"
                ),
                (clinic.number, state),
            )
        saved = clinic.alma.save_note()
        assert [told.gist[2] for told in stream.take(1)] == [saved["id"]]


def test_streams_outlast_a_lost_connection(clinic: Clinic, service: Served) -> None:
    with service.listening(clinic.alma) as stream:
        next(stream.lines)
        record = clinic.services.ledger.record
        note_id = clinic.services.ledger.ids.next(clinic.number, Kind.NOTE)
        clinic.owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        record(clinic.number, NOTE, note_id, create())
        assert [told.gist[2] for told in stream.take(1)] == [note_id]


def test_when_the_service_stops_streams_end_in_order(clinic: Clinic) -> None:
    """Cut off by the server they would lack their end, and the reader would say so."""
    with served(clinic) as service, ExitStack() as stack:
        streams = [stack.enter_context(service.listening(clinic.alma)) for _ in range(3)]
        saved = clinic.alma.save_note()
        for stream in streams:
            assert [told.gist[2] for told in stream.take(1)] == [saved["id"]]
        service.end()
        for stream in streams:
            assert list(stream) == []


# --- how it is described


def test_with_and_without_its_slash(clinic: Clinic, service: Served) -> None:
    with service.client() as http:
        for path in ("/events", "/events/"):
            with http.stream("GET", path, auth=clinic.alma.credentials) as answer:
                assert answer.status_code == 200
                assert answer.headers["Cache-Control"] == "no-store"
                assert answer.headers["X-Accel-Buffering"] == "no"


def test_the_service_does_what_its_document_says(shared_clinic: Clinic) -> None:
    short = replace(shared_clinic.services.stream_limits, life_seconds=0.05)
    with shared_clinic.like(stream_limits=short) as clinic:
        check_document(clinic, ALMA, "/events")


def test_the_document_describes_every_event(clinic: Clinic, service: Served, at: int) -> None:
    document = clinic.http.get("/openapi.json").json()
    answer = document["paths"]["/events/"]["get"]["responses"]["200"]
    assert answer["content"].keys() == {"text/event-stream"}
    _tell(clinic)
    shapes = {"session": "SessionEvent", "generation": "GenerationEvent"}
    seen: dict[str, set[str]] = {}
    for told in service.told(clinic, clinic.alma, at):
        shape = shapes.get(told.name, "NoteEvent")
        assert shape in answer["description"]
        fields = document["components"]["schemas"][shape]["properties"]
        assert told.said.keys() <= fields.keys()
        seen.setdefault(shape, set()).add(told.said["what"])
        if shape == "SessionEvent":
            assert fields["what"]["const"] == told.said["what"]
        else:
            assert told.said["what"] in fields["what"]["enum"]
    for shape in ("NoteEvent", "GenerationEvent"):
        fields = document["components"]["schemas"][shape]["properties"]
        assert seen[shape] == set(fields["what"]["enum"]), "each that is described happens"


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
