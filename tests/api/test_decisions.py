"""Rules of `docs/decisions/` that no other test of the API holds."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import SecretStr

from domain.note import NOTE
from domain.note_facts import NoteVersion
from domain.note_work import GiveUp, RecordDeidentified
from domain.value import PSYCHOTHERAPY, THE_WORKER, By
from domain.work import JobName, WhyFailed
from ledger.database import Datastore
from ledger.keys import KeyIsRefusedError
from runtime import wiring
from runtime.settings import load_settings
from tests.api.clinic import Clinic, note, put
from tests.api.conftest import OpenClinic, Seeded
from tests.runtime.embedded_states import within
from tests.samples import ADAM, ALMA, AUDRA, ML, NOON, SESSION_ID

ROOT: Final = Path(__file__).parents[2]
SECONDS: Final = 60.0
"""Long enough on a busy machine; a test that passes does not wait for it."""


def _deidentify(clinic: Clinic, note_id: int, text: str, version: int = 1) -> None:
    """Record what the worker records of a version of a note."""
    command = RecordDeidentified(
        by=THE_WORKER,
        at=NOON,
        of_version=version,
        tool="noteledger-deid/1",
        models=(),
        text=text,
        placeholders=(("[CLIENT]", "Clara Claes"),),
        counts={"NAME": 1},
    )
    clinic.services.ledger.record(clinic.number, NOTE, note_id, command)


def _give_up(clinic: Clinic, note_id: int) -> None:
    """Record that the worker gave up the de-identification of a note's first version."""
    command = GiveUp(
        by=THE_WORKER,
        at=NOON,
        of_version=1,
        job=JobName.DEIDENTIFY,
        why=WhyFailed.TOOK_TOO_LONG,
    )
    clinic.services.ledger.record(clinic.number, NOTE, note_id, command)


def _amend(clinic: Clinic, saved: dict[str, Any], text: str) -> None:
    answer = clinic.alma.put(f"/data/history/{saved['history']['id']}/", {"data": text})
    assert answer.status_code == 200, answer.text


class TestDeidentifiedTextOfAnAmendedVersion:
    """What an amendment took out of a version is not read in its de-identified text either."""

    @pytest.mark.parametrize("reader", [ALMA, AUDRA, ML], ids=["therapist", "auditor", "ml"])
    def test_it_is_not_served(self, clinic: Clinic, reader: By) -> None:
        saved = clinic.alma.save_note("Clara slept well at the lake")
        path = f"/recordtype/{saved['id']}/deidentified/"
        _deidentify(clinic, saved["id"], "[CLIENT] slept well at the lake")
        before = clinic.door(reader).get(path)
        assert (before.status_code, before.json()["version"]) == (200, 1)
        assert before.json()["data"] == "[CLIENT] slept well at the lake"

        _amend(clinic, saved, "Clara slept well")
        after = clinic.door(reader).get(path)
        assert after.status_code == 404
        assert after.json()["type"] == "urn:noteledger:problem:not-deidentified-yet"
        assert "lake" not in after.text

    @pytest.mark.parametrize("reader", [ALMA, AUDRA, ML], ids=["therapist", "auditor", "ml"])
    def test_what_a_late_job_read_before_the_amendment_is_not_served(
        self, clinic: Clinic, reader: By
    ) -> None:
        saved = clinic.alma.save_note("Clara slept well at the lake")
        _amend(clinic, saved, "Clara slept well")
        _deidentify(clinic, saved["id"], "[CLIENT] slept well at the lake")
        answer = clinic.door(reader).get(f"/recordtype/{saved['id']}/deidentified/")
        assert answer.status_code == 404
        assert "lake" not in answer.text

    @pytest.mark.parametrize("reader", [ALMA, AUDRA, ML], ids=["therapist", "auditor", "ml"])
    def test_a_newer_version_is_served(self, clinic: Clinic, reader: By) -> None:
        """An amendment of one version says nothing about the text of another."""
        saved = clinic.alma.save_note("Clara slept well at the lake")
        _amend(clinic, saved, "Clara slept well")
        clinic.alma.put(f"/data/{saved['id']}/", put("Clara slept badly"))
        _deidentify(clinic, saved["id"], "[CLIENT] slept badly", version=3)
        answer = clinic.door(reader).get(f"/recordtype/{saved['id']}/deidentified/")
        assert (answer.status_code, answer.json()["version"]) == (200, 3)
        assert answer.json()["data"] == "[CLIENT] slept badly"


class TestFailedWorkOnANote:
    """It is shown on the note, and requested again there, by the author or an administrator."""

    @pytest.mark.parametrize("who", [ALMA, ADAM], ids=["author", "administrator"])
    def test_it_is_shown_and_requested_again(self, clinic: Clinic, who: By) -> None:
        note_id = clinic.alma.save_note()["id"]
        path = f"/recordtype/{note_id}/processing/"
        _give_up(clinic, note_id)
        [failed] = clinic.door(who).get(path).json()["failed"]
        assert (failed["job"], failed["version"]) == ("deidentify", 1)
        assert failed["reason"] == "took-too-long"

        assert clinic.door(who).put(path, None).status_code == 200
        assert clinic.door(who).get(path).json()["failed"] == []

    def test_others_do_not_request_it(self, clinic: Clinic) -> None:
        note_id = clinic.alma.save_note()["id"]
        path = f"/recordtype/{note_id}/processing/"
        _give_up(clinic, note_id)
        assert clinic.bruno.put(path, None).status_code == 404
        assert clinic.audra.put(path, None).status_code == 403
        assert clinic.alma.get(path).json()["failed"] != []


class TestDeletedAndWithdrawn:
    """What leaves the histories stays in the ledger; the current note is deleted by deleting it."""

    def test_the_ledger_keeps_the_entries_of_a_deleted_note(self, clinic: Clinic) -> None:
        saved = clinic.alma.save_note("of another client")
        clinic.alma.delete(f"/data/{saved['id']}/")
        assert clinic.alma.get("/data/history/").json() == []
        kept = clinic.services.ledger.read(clinic.number, NOTE, saved["id"], 1)
        assert isinstance(kept, NoteVersion)
        assert kept.words is not None
        assert kept.words.text == "of another client"

    def test_withdrawing_the_newest_entry_leaves_the_current_note(self, clinic: Clinic) -> None:
        saved = clinic.alma.save_note("slept well")
        entry = saved["history"]
        assert clinic.alma.delete(f"/data/history/{entry['id']}/").status_code == 204
        assert clinic.alma.get("/data/history/").json() == []
        assert clinic.alma.get(f"/data/{saved['id']}/").json()["data"] == "slept well"
        long = clinic.alma.get(f"/recordtype/{saved['id']}/").json()
        assert (long["data"], long["history"]) == ("slept well", entry)


class TestFieldsOfASave:
    """Nothing that a writer sends is dropped in silence."""

    def test_the_writers_date_is_the_versions_date(self, clinic: Clinic) -> None:
        path = f"/data/{clinic.alma.save_note(date='2025-12-24T08:30:00Z')['id']}/"
        assert clinic.alma.get(path).json()["date"] == "2025-12-24T08:30:00Z"
        changed = put("slept badly", date="2025-12-25T08:30:00Z")
        assert clinic.alma.put(path, changed).json()["date"] == "2025-12-25T08:30:00Z"
        assert clinic.alma.get(path).json()["date"] == "2025-12-25T08:30:00Z"

    def test_without_a_date_it_is_the_time_of_the_save(self, clinic: Clinic) -> None:
        saved = clinic.alma.save_note()
        read = clinic.alma.get(f"/data/{saved['id']}/").json()
        assert read["date"] == saved["create_timestamp"]

    @pytest.mark.parametrize("with_history", [True, False])
    def test_history_is_answered_and_need_not_be_sent(
        self, clinic: Clinic, *, with_history: bool
    ) -> None:
        saved = clinic.alma.save_note()
        long = clinic.alma.get(f"/recordtype/{saved['id']}/").json()
        del long["id"]  # the path's
        history = long.pop("history")
        sent = long | ({"history": history} if with_history else {}) | {"data": "slept badly"}
        answer = clinic.alma.put(f"/recordtype/{saved['id']}/", sent)
        assert answer.status_code == 200, answer.text
        assert answer.json()["history"]["data"] == "slept badly"


class TestWhatIsCached:
    """Only what was found, and a record type for a second at most."""

    def test_a_retired_record_type_is_noticed_by_another_process(
        self, clinic: Clinic, open_again: OpenClinic
    ) -> None:
        with open_again() as there:
            there.alma.save_note()
            path = "/directory/record-types/2/"
            retired = {"name": "Progress", "is_active": False}
            answer = clinic.adam.put(path, retired)
            assert answer.status_code == 200, answer.text
            assert within(SECONDS, lambda: there.alma.post_form(note()).status_code == 422)

    def test_what_was_not_found_is_looked_up_again(self, clinic: Clinic) -> None:
        session_id = 7_001
        sent = note(therapist_session_id=session_id)
        assert clinic.alma.post_form(sent).status_code == 422
        found = clinic.adam.get(f"/directory/sessions/{SESSION_ID}/").json()
        fields = ("client_user_id", "therapist_user_id", "therapist_client_id")
        times = ("session_start_time", "session_end_time")
        session = {field: found[field] for field in (*fields, *times)}
        answer = clinic.adam.put(f"/directory/sessions/{session_id}/", session)
        assert answer.status_code == 201, answer.text
        assert clinic.alma.post_form(sent).status_code == 201


class TestWorkersKeys:
    """The worker's ledger, as the program wires it, decrypts no psychotherapy note."""

    def test_it_reads_general_notes_only(self, clinic: Clinic, seeded: Seeded) -> None:
        general = clinic.alma.save_note("slept well")["id"]
        secret = clinic.alma.save_note("secret", record_type=PSYCHOTHERAPY)["id"]
        url = seeded.database.app_url
        with wiring.build(load_settings(state=seeded.state), url) as system:
            ledger = system.workers_ledger
            found = ledger.read(clinic.number, NOTE, general, 1)
            assert isinstance(found, NoteVersion)
            assert found.words is not None
            with pytest.raises(KeyIsRefusedError):
                ledger.read(clinic.number, NOTE, secret, 1)


def test_the_plans_of_statements_are_generic(seeded: Seeded) -> None:
    with Datastore(seeded.database.app_url) as datastore, datastore.get_connection() as conn:
        row = conn.execute("SHOW plan_cache_mode").fetchone()
        assert row == {"plan_cache_mode": "force_generic_plan"}


def test_with_a_database_of_ones_own_and_no_broker_jobs_wait_in_memory(seeded: Seeded) -> None:
    url = SecretStr(seeded.database.app_url)
    with wiring.broker(load_settings(database_url=url, state=seeded.state)) as broker_url:
        assert broker_url is None


def test_every_program_finds_the_state_that_make_run_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NOTELEDGER_STATE", raising=False)
    [started] = re.findall(r"noteledger serve --state (\S+)", (ROOT / "Makefile").read_text())
    assert load_settings().state == Path(started) == Path(".state")
