"""A run of a job: alone, counted, tried again, and given up after a bounded number of starts."""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Final

import psycopg
import pytest
from dramatiq.middleware import Shutdown, TimeLimitExceeded
from eventsourcing.persistence import OperationalError
from psycopg.rows import TupleRow

from domain.generation import GENERATION
from domain.generation_facts import GenerationState
from domain.note import NOTE
from domain.work import WhyFailed
from handlers.deidentify import Names
from handlers.open_jobs import OpenJobs
from handlers.runs import STARTS_MAX, Runs
from handlers.soap_writer import DraftFailed, DraftFailure, SoapDraft, Source
from ledger.keys import CHECKED_SECONDS
from ledger.sealing import SealBrokenError
from tests.databases import Database, Program
from tests.handlers.job_contexts import (
    DEIDENTIFY_JOB,
    DRAFT_JOB,
    STATUS_JOB,
    MakeDraft,
    first_words,
    job_context,
    state_of_draft,
    status_of_session,
    with_generation,
    with_session,
)
from tests.samples import ADAM, CLARA, CLINIC, NOON, NOTE_ID, delete, present
from tests.work_samples import GENERATION_ID, cancel, request_again

Owner = psycopg.Connection[TupleRow]
CHECKOUT: Final = Path(__file__).parents[2]


def runs_of(program: Program, draft: MakeDraft = first_words) -> Runs:
    """What runs jobs."""
    datastore = program.datastore
    return Runs(datastore, OpenJobs(datastore), job_context(program, draft))


def raising(error: BaseException) -> MakeDraft:
    """A maker that fails."""

    def draft(sources: Sequence[Source], names: Names) -> SoapDraft:
        raise error

    return draft


def open_rows(owner: Owner) -> list[tuple[int, str | None]]:
    """Starts and last failure of each open job."""
    rows = owner.execute("SELECT starts, why FROM ledger.open_jobs ORDER BY job").fetchall()
    return [(row[0], row[1]) for row in rows]


def why_of_draft(program: Program) -> WhyFailed | None:
    """Why it was given up."""
    return present(program.ledger.state(CLINIC, GENERATION, GENERATION_ID)).why


class TestDone:
    """What is done is closed; what is done already, or no longer wanted, is left alone."""

    def test_it_is_done_and_closed(self, program: Program, owner: Owner) -> None:
        with_session(program)
        runs_of(program).run(STATUS_JOB)
        assert status_of_session(program) == "Therapist Summary Notes"
        assert open_rows(owner) == []

    def test_a_second_run_finds_nothing_to_do(self, program: Program, owner: Owner) -> None:
        with_generation(program)
        runs_of(program).run(DRAFT_JOB)
        before = _positions(owner)
        runs_of(program, raising(ValueError())).run(DRAFT_JOB)
        assert (_positions(owner), open_rows(owner)) == (before, [])

    def test_what_was_cancelled_is_not_begun(self, program: Program, owner: Owner) -> None:
        with_generation(program)
        program.ledger.record(CLINIC, GENERATION, GENERATION_ID, cancel())
        OpenJobs(program.datastore).ask([(DRAFT_JOB, 1)])
        runs_of(program, raising(ValueError())).run(DRAFT_JOB)
        assert open_rows(owner) == []
        assert state_of_draft(program) is GenerationState.CANCELLED

    def test_what_was_deleted_is_not_begun(self, program: Program, owner: Owner) -> None:
        with_session(program)
        program.ledger.record(CLINIC, NOTE, NOTE_ID, delete())
        runs_of(program).run(STATUS_JOB)
        assert status_of_session(program) != "Therapist Summary Notes"
        assert open_rows(owner) == []

    def test_what_never_was_is_nothing(self, program: Program, owner: Owner) -> None:
        runs_of(program).run(STATUS_JOB._replace(number=999))
        runs_of(program).run(DRAFT_JOB._replace(number=999))
        assert open_rows(owner) == []


class TestAlone:
    """A job is one worker's at a time."""

    def test_the_same_message_twice_at_once_is_one_run(self, program: Program) -> None:
        with_generation(program)
        begun, may_end, drafts = Event(), Event(), []

        def slow(sources: Sequence[Source], names: Names) -> SoapDraft:
            drafts.append(1)
            begun.set()
            assert may_end.wait(60)
            return first_words(sources, names)

        runs = runs_of(program, slow)
        first = Thread(target=runs.run, args=(DRAFT_JOB,))
        first.start()
        assert begun.wait(60)
        runs.run(DRAFT_JOB)  # returns at once
        assert state_of_draft(program) is GenerationState.RUNNING
        may_end.set()
        first.join(60)
        assert (drafts, state_of_draft(program)) == ([1], GenerationState.DONE)


class TestFailures:
    """What fails is tried again; for good, or too often, it becomes a fact."""

    def test_what_cannot_be_done_is_given_up_at_once(self, program: Program, owner: Owner) -> None:
        with_generation(program)
        failed = DraftFailed(DraftFailure.LLM_REFUSED)
        runs_of(program, raising(failed)).run(DRAFT_JOB)
        assert why_of_draft(program) is WhyFailed.SERVICE_REFUSED
        assert open_rows(owner) == []

    @pytest.mark.parametrize(
        ("error", "why"),
        [
            (ValueError("Clara"), WhyFailed.BROKE),
            (DraftFailed(DraftFailure.LLM_TOO_SLOW), WhyFailed.SERVICE_TOO_SLOW),
            (DraftFailed(DraftFailure.LLM_UNREACHABLE), WhyFailed.SERVICE_UNREACHABLE),
            (DraftFailed(DraftFailure.LLM_UNSUPPORTED), WhyFailed.ANSWER_IS_NOT_SUPPORTED),
        ],
    )
    def test_what_may_pass_is_tried_again_and_then_given_up(
        self, program: Program, owner: Owner, error: Exception, why: WhyFailed
    ) -> None:
        with_generation(program)
        runs = runs_of(program, raising(error))
        for starts in range(1, STARTS_MAX):
            with pytest.raises(Exception, match=r".*"):
                runs.run(DRAFT_JOB)
            assert open_rows(owner) == [(starts, why)]
            assert state_of_draft(program) is GenerationState.RUNNING
        runs.run(DRAFT_JOB)
        assert (why_of_draft(program), open_rows(owner)) == (why, [])

    def test_what_passes_is_done_after_all(self, program: Program, owner: Owner) -> None:
        with_generation(program)
        failed = DraftFailed(DraftFailure.LLM_BUSY)
        with pytest.raises(Exception, match=r".*"):
            runs_of(program, raising(failed)).run(DRAFT_JOB)
        runs_of(program).run(DRAFT_JOB)
        assert (state_of_draft(program), open_rows(owner)) == (GenerationState.DONE, [])

    def test_what_takes_too_long_is_given_up(self, program: Program) -> None:
        with_generation(program)
        runs_of(program, raising(TimeLimitExceeded())).run(DRAFT_JOB)
        assert why_of_draft(program) is WhyFailed.TOOK_TOO_LONG

    def test_a_worker_that_is_told_to_stop_counts_nothing(
        self, program: Program, owner: Owner
    ) -> None:
        with_generation(program)
        for _ in range(2 * STARTS_MAX):
            with pytest.raises(Shutdown):
                runs_of(program, raising(Shutdown())).run(DRAFT_JOB)
        assert open_rows(owner) == [(0, None)]

    def test_a_database_that_is_away_gives_nothing_up(self, program: Program, owner: Owner) -> None:
        with_generation(program)
        for _ in range(2 * STARTS_MAX):
            with pytest.raises(OperationalError):
                runs_of(program, raising(OperationalError())).run(DRAFT_JOB)
        assert open_rows(owner) == [(0, None)]
        assert state_of_draft(program) is GenerationState.RUNNING

    def test_a_job_whose_connections_are_lost_is_done_once(
        self, program: Program, owner: Owner
    ) -> None:
        """In its middle, that of its lock among them."""
        with_generation(program)

        def cut(sources: Sequence[Source], names: Names) -> SoapDraft:
            owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return first_words(sources, names)

        with suppress(OperationalError):
            runs_of(program, cut).run(DRAFT_JOB)
        runs_of(program).run(DRAFT_JOB)
        assert (state_of_draft(program), open_rows(owner)) == (GenerationState.DONE, [])

    def test_what_was_given_up_can_be_asked_for_again(self, program: Program) -> None:
        with_generation(program)
        runs_of(program, raising(TimeLimitExceeded())).run(DRAFT_JOB)
        program.ledger.record(CLINIC, GENERATION, GENERATION_ID, request_again())
        runs_of(program).run(DRAFT_JOB._replace(version=2))
        assert state_of_draft(program) is GenerationState.DONE


class TestWhatCannotBeLookedAt:
    """A job is counted before anything is looked at, so that it ends whatever breaks."""

    def test_a_job_on_an_erased_client_is_closed(self, program: Program, owner: Owner) -> None:
        with_generation(program)
        OpenJobs(program.datastore).ask([(DRAFT_JOB, 1), (STATUS_JOB, 2), (DEIDENTIFY_JOB, 3)])
        program.keys.destroy(CLINIC, CLARA.user_id, ADAM, NOON)
        for job in (DRAFT_JOB, STATUS_JOB, DEIDENTIFY_JOB):
            runs_of(program).run(job)
        assert open_rows(owner) == []

    def test_so_is_one_whose_keys_were_deleted(self, program: Program, owner: Owner) -> None:
        with_generation(program)
        OpenJobs(program.datastore).ask([(DRAFT_JOB, 1), (STATUS_JOB, 2), (DEIDENTIFY_JOB, 3)])
        owner.execute("DELETE FROM ledger.data_keys WHERE person_id = %s", (CLARA.user_id,))
        Event().wait(CHECKED_SECONDS)
        for job in (DRAFT_JOB, STATUS_JOB, DEIDENTIFY_JOB):
            runs_of(program).run(job)
        assert open_rows(owner) == []

    def test_what_breaks_its_look_is_tried_a_few_times_and_then_left_to_the_operator(
        self, program: Program, owner: Owner
    ) -> None:
        """Its bytes are broken: nothing of it can be read, nor can it be recorded that it failed."""
        with_generation(program)
        owner.execute("UPDATE ledger.entries SET state = '\\x01' WHERE kind LIKE 'generation-%%'")
        runs = runs_of(program)
        for starts in range(1, STARTS_MAX):
            with pytest.raises(SealBrokenError):
                runs.run(DRAFT_JOB)
            assert open_rows(owner) == [(starts, WhyFailed.BROKE)]
        for starts in range(STARTS_MAX, STARTS_MAX + 3):
            runs.run(DRAFT_JOB)
            assert open_rows(owner) == [(starts, WhyFailed.BROKE)]


POISONED: Final = """
import os, sys
from pathlib import Path
from tests.databases import running
from tests.handlers.test_runs import runs_of
from tests.handlers.job_contexts import DRAFT_JOB

with running(sys.argv[1], Path(sys.argv[2])) as program:
    runs_of(program, lambda sources, names: os._exit(9)).run(DRAFT_JOB)
"""


def test_a_job_that_ends_its_worker_is_given_up(
    program: Program, database: Database, key_file: Path, owner: Owner
) -> None:
    """Real processes: each dies in the middle; the one after the last that may says so and lives."""
    with_generation(program)
    command = [sys.executable, "-c", POISONED, database.app_url, str(key_file)]
    codes = [
        subprocess.run(command, cwd=CHECKOUT, check=False).returncode for _ in range(STARTS_MAX + 1)
    ]
    assert codes == [9] * STARTS_MAX + [0]
    assert why_of_draft(program) is WhyFailed.ENDED_ITS_WORKER
    assert open_rows(owner) == []


def _positions(owner: Owner) -> int:
    row = owner.execute("SELECT sum(position) FROM ledger.ledger_head").fetchone()
    assert row is not None
    return int(row[0])
