"""What the jobs do, and that they may be interrupted anywhere and run twice."""

from collections.abc import Sequence
from typing import Any, Final

import psycopg
import pytest
from psycopg.rows import TupleRow

from domain.generation import GENERATION
from domain.generation_facts import GenerationState
from domain.note import NOTE
from domain.note_facts import Note
from domain.session import SESSION, EventStatus
from domain.soap_note import SOAP_NOTE
from domain.value import PSYCHOTHERAPY, KeyScope, Kind, Role, is_the_worker
from domain.work import JobName, WhyFailed
from handlers.deidentify import Names
from handlers.draft_job import REASONS
from handlers.jobs import JOB_HANDLERS
from handlers.open_jobs import OpenJobs
from handlers.policies import Job
from handlers.runs import Runs
from handlers.soap_writer import DraftFailure, SoapDraft, Source
from ledger.key_encryption import LocalKeyFile
from ledger.keys import KeyIsRefusedError
from ledger.ledger import Ledger, Recorded
from tests.databases import Program
from tests.handlers.job_contexts import (
    DRAFT_JOB,
    STATUS_JOB,
    first_words,
    job_context,
    ledger_with_scopes,
    state_of_draft,
    status_of_session,
    with_generation,
    with_session,
)
from tests.samples import (
    CLINIC,
    NOTE_ID,
    SESSION_ID,
    after,
    amend,
    create,
    enter_directory,
    present,
    put_session,
    save,
    text_of,
)
from tests.wholeness import assert_whole
from tests.work_samples import GENERATION_ID, SOAP_NOTE_ID, put_transcript, request_generation

Owner = psycopg.Connection[TupleRow]
DEIDENTIFY_JOB: Final = Job(CLINIC, JobName.DEIDENTIFY, Kind.NOTE, NOTE_ID, 1)
SOAP: Final = 7


def run(program: Program, job: Job, **replaced: Any) -> None:
    """Run the job once; `replaced` takes the place of fields of its context."""
    datastore = program.datastore
    Runs(datastore, OpenJobs(datastore), job_context(program, **replaced)).run(job)


def soap_note(program: Program, note_id: int = SOAP_NOTE_ID) -> Note:
    """The SOAP note, which is there."""
    found: Note | None = program.ledger.state(CLINIC, SOAP_NOTE, note_id)
    assert found is not None
    return found


def test_every_job_has_a_handler() -> None:
    assert set(JOB_HANDLERS) == set(JobName)


def test_every_failure_of_a_draft_has_a_reason() -> None:
    assert set(REASONS) == set(DraftFailure)


class TestEventStatus:
    """The session goes on with its notes, and never back."""

    def test_a_note_moves_it_to_summary_notes(self, program: Program) -> None:
        with_session(program)
        run(program, STATUS_JOB)
        assert status_of_session(program) == "Therapist Summary Notes"

    def test_an_approved_soap_note_moves_it_to_reviewed_and_a_late_note_not_back(
        self, program: Program
    ) -> None:
        with_session(program)
        approval: dict[str, Any] = {"therapist_session_id": SESSION_ID, "is_approved": True}
        program.ledger.record(CLINIC, SOAP_NOTE, SOAP, create(**approval))
        run(program, STATUS_JOB._replace(kind=Kind.SOAP_NOTE, number=SOAP))
        run(program, STATUS_JOB)
        assert status_of_session(program) == "Reviewed"

    def test_an_older_version_moves_it_too(self, program: Program) -> None:
        """The newer one may be of another session."""
        with_session(program)
        program.ledger.record(CLINIC, NOTE, NOTE_ID, save("slept badly"))
        run(program, STATUS_JOB)
        assert status_of_session(program) == "Therapist Summary Notes"

    def test_what_somebody_has_set_back_since_stays_so(self, program: Program) -> None:
        with_session(program)
        run(program, STATUS_JOB)
        set_back = put_session(event_status=EventStatus.SCHEDULED)
        set_back = set_back.model_copy(update={"at": after(5)})
        program.ledger.record(CLINIC, SESSION, SESSION_ID, set_back)
        run(program, STATUS_JOB)
        assert status_of_session(program) == "Scheduled"


class TestDraft:
    """A SOAP note is drafted, kept, saved and told."""

    def test_it_ends_in_an_ml_draft(self, program: Program, owner: Owner) -> None:
        with_generation(program)
        run(program, DRAFT_JOB)
        found = soap_note(program)
        assert found.saved.words is not None
        assert found.saved.words.text == found.saved.words.ml_text
        assert "slept wel" in found.saved.words.text
        assert (found.is_approved, found.saved.sender_role) == (False, Role.ML)
        assert is_the_worker(found.saved.by)
        assert found.saved.therapist_session_id == SESSION_ID
        assert state_of_draft(program) is GenerationState.DONE
        assert_whole(owner)

    def test_a_transcript_comes_before_the_notes(self, program: Program) -> None:
        with_generation(program)
        program.ledger.record(CLINIC, SESSION, SESSION_ID, put_transcript("Therapist: So?"))
        run(program, DRAFT_JOB)
        [source] = _drafted(program).sources
        assert (source.kind, source.number) == ("transcript", SESSION_ID)

    def test_all_notes_of_the_session_are_read_and_no_psychotherapy_note(
        self, program: Program
    ) -> None:
        with_generation(program)
        for note_id, record_type in ((2, 2), (3, PSYCHOTHERAPY)):
            program.ledger.record(
                CLINIC,
                NOTE,
                note_id,
                create(record_type=record_type, therapist_session_id=SESSION_ID),
            )
        program.ledger.record(CLINIC, NOTE, NOTE_ID, save("slept badly"))
        run(program, DRAFT_JOB)
        sources = _drafted(program).sources
        assert [(source.number, source.version) for source in sources] == [(1, 2), (2, 1)]

    def test_an_amended_note_is_read_with_the_words_of_its_amendment(
        self, program: Program
    ) -> None:
        with_generation(program, text="the original words")
        program.ledger.record(CLINIC, NOTE, NOTE_ID, amend(1, "the amended words"))
        sources_read: list[Source] = []

        def reading(sources: Sequence[Source], names: Names) -> SoapDraft:
            sources_read.extend(sources)
            return first_words(sources, names)

        run(program, DRAFT_JOB, draft=reading)
        assert [(source.version, source.text) for source in sources_read] == [
            (1, "the amended words")
        ]
        assert "the amend" in _text_of_soap_note(program)
        assert "the origi" not in _text_of_soap_note(program)

    def test_an_amendment_of_an_older_version_leaves_the_newer_words(
        self, program: Program
    ) -> None:
        with_generation(program, text="the first words")
        program.ledger.record(CLINIC, NOTE, NOTE_ID, save("new words"))
        program.ledger.record(CLINIC, NOTE, NOTE_ID, amend(1, "amended"))
        run(program, DRAFT_JOB)
        assert "new words" in _text_of_soap_note(program)

    def test_nothing_to_draft_from_is_a_failure_with_that_reason(self, program: Program) -> None:
        enter_directory(program.ledger)
        program.ledger.record(CLINIC, GENERATION, GENERATION_ID, request_generation())
        run(program, DRAFT_JOB)
        state = present(program.ledger.state(CLINIC, GENERATION, GENERATION_ID))
        assert state.why is WhyFailed.NOTHING_TO_DRAFT_FROM

    @pytest.mark.parametrize("step", range(1, 5))
    @pytest.mark.parametrize("is_before", [True, False])
    def test_whoever_takes_over_after_any_step_ends_it_once(
        self, program: Program, owner: Owner, step: int, is_before: bool
    ) -> None:
        """Of start, draft, SOAP note and finish: the crash comes before or after the step's append."""
        with_generation(program)
        drafts = []

        def draft(*given: Any) -> SoapDraft:
            drafts.append(1)
            return first_words(*given)

        dying = Dying(program.ledger, step, is_before=is_before)
        with pytest.raises(KeyboardInterrupt):
            run(program, DRAFT_JOB, ledger=dying, draft=draft)
        run(program, DRAFT_JOB, draft=draft)

        assert state_of_draft(program) is GenerationState.DONE
        assert soap_note(program).version == 1
        assert _soap_notes(owner) == 1
        is_asked_again = step < 2 or (step == 2 and is_before)
        assert len(drafts) == (2 if is_asked_again and step == 2 else 1)
        assert_whole(owner)


class Dying:
    """A ledger whose user dies at its nth record, before or after it took effect."""

    def __init__(self, ledger: Ledger, step: int, *, is_before: bool) -> None:
        self._ledger = ledger
        self._left = step
        self._is_before = is_before

    def record(self, *given: Any) -> Recorded[Any]:
        self._left -= 1
        if self._left == 0 and self._is_before:
            raise KeyboardInterrupt
        recorded = self._ledger.record(*given)
        if self._left == 0:
            raise KeyboardInterrupt
        return recorded

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


class TestPsychotherapyNotes:
    """A rule in the domain starts nothing; should anybody send such a job, nothing is opened."""

    @pytest.fixture
    def written(self, program: Program, key_file: Any) -> Ledger:
        """A psychotherapy note, and the ledger by a worker's keys."""
        with_session(program, record_type=PSYCHOTHERAPY)
        file = LocalKeyFile.open_or_create(key_file)
        return ledger_with_scopes(program, file, frozenset({KeyScope.GENERAL}))

    @pytest.mark.parametrize("job", [DEIDENTIFY_JOB, STATUS_JOB])
    def test_a_job_on_one_does_nothing(
        self, program: Program, written: Ledger, owner: Owner, job: Job
    ) -> None:
        before = owner.execute("SELECT count(*) FROM ledger.entries").fetchone()
        run(program, job, ledger=written)
        assert owner.execute("SELECT count(*) FROM ledger.entries").fetchone() == before
        assert owner.execute("SELECT count(*) FROM ledger.open_jobs").fetchone() == (0,)

    def test_a_workers_keys_do_not_open_one(self, written: Ledger) -> None:
        with pytest.raises(KeyIsRefusedError):
            written.state(CLINIC, NOTE, NOTE_ID)
        with pytest.raises(KeyIsRefusedError):
            written.read(CLINIC, NOTE, NOTE_ID, 1)

    def test_nor_do_they_seal_one(self, written: Ledger) -> None:
        another = create(record_type=PSYCHOTHERAPY)
        with pytest.raises(KeyIsRefusedError):
            written.record(CLINIC, NOTE, 2, another)

    def test_they_open_all_others(self, written: Ledger) -> None:
        written.record(CLINIC, NOTE, 2, create("slept well"))
        assert text_of(present(written.state(CLINIC, NOTE, 2)).saved) == "slept well"


def _text_of_soap_note(program: Program) -> str:
    words = soap_note(program).saved.words
    assert words is not None
    return words.text


def _drafted(program: Program) -> Any:
    state = present(program.ledger.state(CLINIC, GENERATION, GENERATION_ID))
    return state.drafted


def _soap_notes(owner: Owner) -> int:
    row = owner.execute("SELECT count(*) FROM views.current_notes WHERE kind = 'soap-note'")
    found = row.fetchone()
    assert found is not None
    return int(found[0])
