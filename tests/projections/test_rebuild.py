"""Any view can be thrown away and built again, while the service runs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import psycopg
import pytest
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Identifier

from domain.generation import GENERATION
from domain.note import NOTE, NoteCommand
from domain.person import PERSON
from domain.record_type import RECORD_TYPE
from domain.relationship import RELATIONSHIP
from domain.session import SESSION
from domain.soap_note import SOAP_NOTE
from domain.value import Kind
from projections import history, notes
from projections.rebuild import BATCH, VIEWS, lay_missing, rebuild
from projections.view import View
from tests.databases import Database, Program, owner_of
from tests.projections import stories
from tests.projections.stories import Step, What
from tests.samples import (
    ALMA,
    CLARA,
    CLINIC,
    ELSEWHERE,
    KEY_FACTS,
    PROGRESS,
    after,
    amend,
    caller,
    create,
    delete,
    enter_directory,
    put_person,
    put_record_type,
    put_relationship,
    put_session,
    save,
)
from tests.wholeness import all_views, assert_whole, rows_of
from tests.work_samples import (
    GENERATION_ID,
    cancel,
    fail,
    finish,
    put_transcript,
    record_draft,
    request_again,
    request_generation,
    start,
)

Owner = psycopg.Connection[TupleRow]
_WHAT: list[What] = ["save", "save", "amend", "save", "withdraw", "save"]
A_STORY = [
    Step(what, n % 4, n % 5, f"text {n}", n % 7, n % 3 == 0, n % 2 == 0, n % 4 == 0)
    for n, what in enumerate(_WHAT * 8)
]


def silently(_: int) -> None:
    """Nobody watches the progress."""


@pytest.fixture
def lived(program: Program, owner: Owner) -> Program:
    """A clinic in which everything has happened that a view takes in, and another beside it."""
    owner.execute("INSERT INTO ledger.ledger_head (clinic_id) VALUES (%s)", (ELSEWHERE,))
    for clinic in (CLINIC, ELSEWHERE):
        record = program.ledger.record
        enter_directory(program.ledger, clinic)
        record(clinic, PERSON, CLARA.user_id, put_person(CLARA, "Clara Cools"))
        record(clinic, RELATIONSHIP, 103, put_relationship(is_active=False))
        record(clinic, SESSION, 201, put_session(starts_at=after(60)))
        record(clinic, RECORD_TYPE, PROGRESS, put_record_type(is_active=False))
        for kind in (Kind.NOTE, Kind.SOAP_NOTE):
            stories.append(program, stories.facts_of(A_STORY, kind, first_note=1), clinic)
        record(clinic, SESSION, 201, put_transcript())
        record(clinic, SESSION, 201, put_transcript("I slept badly."))
        commands = (request_generation(), start(), record_draft(), finish(), request_again())
        for command in (*commands, fail(2), request_again(), cancel()):
            record(clinic, GENERATION, GENERATION_ID, command)
        record(clinic, NOTE, 9, create())
        record(clinic, NOTE, 9, delete())
    return program


def test_a_rebuilt_view_equals_the_live_one(lived: Program, owner: Owner) -> None:
    """Row for row; and it is guarded, keyed and granted as the first was."""
    for view in VIEWS:
        live, oid, guards = rows_of(owner, view.table_name), _oid(owner, view), _guards(owner, view)
        assert live, "there is something to compare"
        rebuild(owner, view, silently)
        assert rows_of(owner, view.table_name) == live
        assert _oid(owner, view) != oid, "it is another table"
        assert _guards(owner, view) == guards


def test_a_damaged_view_is_mended(lived: Program, owner: Owner) -> None:
    live = all_views(owner)
    for view in VIEWS:
        owner.execute(SQL("DELETE FROM views.{}").format(Identifier(view.table_name)))
        rebuild(owner, view, silently)
    assert all_views(owner) == live


def test_a_view_that_was_dropped_comes_back(lived: Program, owner: Owner) -> None:
    for note_id, view in enumerate(VIEWS, 10):
        live = all_views(owner)
        owner.execute(SQL("DROP TABLE views.{}").format(Identifier(view.table_name)))
        lay_missing(owner, silently)
        assert all_views(owner) == live
        lived.ledger.record(CLINIC, NOTE, note_id, create())
        assert lived.notes.find(caller(ALMA), Kind.NOTE, note_id), "writers and readers find it"
    assert_whole(owner)


def test_all_views_come_back(lived: Program, owner: Owner) -> None:
    live = all_views(owner)
    owner.execute("DROP SCHEMA views CASCADE; CREATE SCHEMA views")
    owner.execute("GRANT USAGE ON SCHEMA views TO noteledger_app")
    lay_missing(owner, silently)
    assert all_views(owner) == live
    assert lived.history.page(caller(ALMA), Kind.NOTE, None, 10)


def test_views_that_are_there_are_left_alone(lived: Program, owner: Owner) -> None:
    before = [_oid(owner, view) for view in VIEWS]
    lay_missing(owner, silently)
    assert [_oid(owner, view) for view in VIEWS] == before


class TestLargeLedger:
    """More entries than a rebuild takes in at once."""

    @pytest.fixture
    def large(self, program: Program) -> Program:
        """Two batches and a half."""
        steps = [
            Step("save", 0, n % 9, f"text {n}", 1, n % 9 == 0, False, n % 500 == 0)
            for n in range(BATCH * 5 // 2)
        ]
        stories.append(program, stories.facts_of(steps, Kind.SOAP_NOTE, 1))
        return program

    def test_progress_is_reported_after_each_batch(self, large: Program, owner: Owner) -> None:
        progress: list[int] = []
        rebuild(owner, history.VIEW, progress.append)
        assert progress == [BATCH, 2 * BATCH, BATCH * 5 // 2 + KEY_FACTS]
        assert_whole(owner)

    def test_what_is_saved_meanwhile_is_taken_in(self, large: Program, owner: Owner) -> None:
        def save_more(progress: int) -> None:
            if progress == BATCH:
                large.ledger.record(CLINIC, NOTE, 7, create())
                large.ledger.record(CLINIC, SOAP_NOTE, 1, save("meanwhile"))

        rebuild(owner, notes.VIEW, save_more)
        found = large.notes.find(caller(ALMA), Kind.SOAP_NOTE, 1)
        assert found
        assert stories.as_current(found).text == "meanwhile"
        assert large.notes.find(caller(ALMA), Kind.NOTE, 7)
        assert_whole(owner)

    def test_one_that_was_interrupted_leaves_the_live_view_and_runs_again(
        self, large: Program, database: Database, owner: Owner
    ) -> None:
        for entries_read in (BATCH, 2 * BATCH):
            live = rows_of(owner, "history")
            with pytest.raises(psycopg.OperationalError), owner_of(database.owner_url) as doomed:

                def lose_the_connection(
                    progress: int, at: int = entries_read, pid: int = doomed.info.backend_pid
                ) -> None:
                    if progress == at:
                        owner.execute("SELECT pg_terminate_backend(%s)", (pid,))

                rebuild(doomed, history.VIEW, lose_the_connection)
            assert rows_of(owner, "history") == live
            large.ledger.record(CLINIC, SOAP_NOTE, 1, save(f"after {entries_read}"))
            with owner_of(database.owner_url) as another:
                rebuild(another, history.VIEW, silently)
            assert len(rows_of(owner, "history")) == len(live) + 1
            assert _half_built(owner) == []
        assert_whole(owner)


def test_one_that_failed_lets_its_connection_be_used_again(lived: Program, owner: Owner) -> None:
    def stumble(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(owner, notes.VIEW, stumble)
    lived.ledger.record(CLINIC, NOTE, 10, create())
    assert_whole(owner)


class TestWhileTheServiceRuns:
    def test_eight_threads_keep_saving(self, lived: Program, owner: Owner) -> None:
        """Nobody is refused, each save is read at once, and the views are right in the end."""
        done = Event()

        def keep_saving(n: int) -> int:
            saved = 0
            while not done.is_set():
                for command in _a_note_is_written(saved):
                    lived.ledger.record(CLINIC, NOTE, 100 + n, command)
                found = lived.notes.find(caller(ALMA), Kind.NOTE, 100 + n)
                assert found
                assert stories.as_current(found).text == f"text {saved}"
                entry = lived.history.find(caller(ALMA), Kind.NOTE, found.position)
                assert entry
                saved += 1
            return saved

        with ThreadPoolExecutor(8) as threads:
            saving = [threads.submit(keep_saving, n) for n in range(8)]
            for view in VIEWS * 3:
                rebuild(owner, view, silently)
            done.set()
            assert all(saved.result() > 0 for saved in saving)
        assert_whole(owner)

    def test_two_rebuilds_take_turns(
        self, lived: Program, database: Database, owner: Owner
    ) -> None:
        def build(view: View) -> None:
            with owner_of(database.owner_url) as conn:
                for _ in range(4):
                    rebuild(conn, view, silently)

        with ThreadPoolExecutor(2) as threads:
            for built in [threads.submit(build, view) for view in (notes.VIEW, history.VIEW)]:
                built.result()
        assert_whole(owner)


def _a_note_is_written(n: int) -> list[NoteCommand]:
    if n == 0:
        return [create("text 0")]
    changed: list[Callable[[], NoteCommand]] = [
        lambda: save(f"text {n}", is_approved=n % 4 == 0),
        lambda: amend(1, f"amended {n}"),
    ]
    return [change() for change in changed[: 1 + n % 2]]


def _oid(owner: Owner, view: View) -> int:
    row = owner.execute("SELECT %s::regclass::oid", (f"views.{view.table_name}",)).fetchone()
    assert row is not None
    return int(row[0])


def _guards(owner: Owner, view: View) -> list[TupleRow]:
    """Row-level security, its policies, and who may do what with the table; its keys."""
    found = owner.execute(
        "SELECT c.relrowsecurity, c.relacl::text,"
        " (SELECT array_agg((polname, polcmd, polroles, pg_get_expr(polqual, polrelid))::text"
        "   ORDER BY polname) FROM pg_policy WHERE polrelid = c.oid),"
        " (SELECT array_agg(indexdef ORDER BY indexdef) FROM pg_indexes"
        "   WHERE schemaname = 'views' AND tablename = c.relname)"
        " FROM pg_class c WHERE c.oid = %s::regclass",
        (f"views.{view.table_name}",),
    ).fetchall()
    assert found[0][0], "row-level security is on"
    return found


def _half_built(owner: Owner) -> list[TupleRow]:
    return owner.execute("SELECT nspname FROM pg_namespace WHERE nspname = 'rebuilding'").fetchall()
