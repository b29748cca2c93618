"""Any view can be thrown away and built again, while the service runs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import psycopg
import pytest
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Identifier

from domain.note import NOTE, NoteCommand
from domain.soap_note import SOAP_NOTE
from domain.value import Kind
from ledger.continuity import LedgerIsBrokenError
from projections import history, notes
from projections.rebuild import VIEWS, lay_missing, outdated, rebuild
from projections.stored import BATCH, EntryIsUnreadableError
from projections.view import View
from tests.databases import Database, Program, owner_of
from tests.lived import live
from tests.projections import stories
from tests.projections.stories import Step
from tests.samples import (
    ALMA,
    CLINIC,
    KEY_FACTS,
    amend,
    caller,
    create,
    save,
)
from tests.wholeness import all_views, assert_whole, rows_of

Owner = psycopg.Connection[TupleRow]


def silently(_: int) -> None:
    """Nobody watches the progress."""


@pytest.fixture
def lived(program: Program, owner: Owner) -> Program:
    """A clinic in which everything has happened that a view takes in, and another beside it."""
    live(program, owner)
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


class TestOutdated:
    """A view that this program lays otherwise is laid anew by a migration."""

    @pytest.mark.parametrize(
        "change",
        [
            "ALTER TABLE views.history DROP COLUMN is_approved",
            "ALTER TABLE views.history ADD COLUMN of_old text",
            "COMMENT ON TABLE views.history IS 'sha256:0'",
            "COMMENT ON TABLE views.history IS NULL",
        ],
    )
    def test_another_programs_is_laid_anew(self, lived: Program, owner: Owner, change: str) -> None:
        live = all_views(owner)
        owner.execute(change.encode())
        assert [(one.view, one.is_missing) for one in outdated(owner)] == [(history.VIEW, False)]
        lay_missing(owner, silently)
        assert all_views(owner) == live
        assert outdated(owner) == []


class TestBrokenLedger:
    """No view is built over a gap, and the live one stays."""

    @pytest.mark.parametrize(
        ("damage", "where"),
        [
            ("DELETE FROM ledger.entries WHERE clinic_id = 1 AND position = 7", 7),
            ("DELETE FROM ledger.entries WHERE clinic_id = 1 AND position = 1", 1),
            ("UPDATE ledger.ledger_head SET position = position + 1 WHERE clinic_id = 1", None),
            ("UPDATE ledger.ledger_head SET position = 9 WHERE clinic_id = 1", 10),
            ("UPDATE ledger.entries SET version = 99 WHERE clinic_id = 1 AND position = 7", 7),
        ],
    )
    def test_it_is_refused(
        self, lived: Program, owner: Owner, damage: str, where: int | None
    ) -> None:
        where = where or _last(owner) + 1
        owner.execute(damage.encode())
        live = all_views(owner)
        for view in VIEWS:
            with pytest.raises(
                LedgerIsBrokenError, match=rf"Clinic 1, position {where}: "
            ) as error:
                rebuild(owner, view, silently)
            assert error.value.found[:2] == (CLINIC, where)
        assert all_views(owner) == live

    def test_a_deleted_note_does_not_come_back(self, lived: Program, owner: Owner) -> None:
        owner.execute("DELETE FROM ledger.entries WHERE kind LIKE 'note-soft-deleted/%%'")
        with pytest.raises(LedgerIsBrokenError):
            rebuild(owner, notes.VIEW, silently)
        assert lived.notes.find(caller(ALMA), Kind.NOTE, 9) is None

    def test_an_entry_that_cannot_be_read_is_named(self, lived: Program, owner: Owner) -> None:
        owner.execute("UPDATE ledger.entries SET kind = 'not-known/1' WHERE position = 7")
        with pytest.raises(EntryIsUnreadableError, match=r"Clinic 1, position 7: .*FactTypeIsUnk"):
            rebuild(owner, notes.VIEW, silently)


def _last(owner: Owner) -> int:
    row = owner.execute("SELECT max(position) FROM ledger.entries WHERE clinic_id = 1").fetchone()
    assert row is not None
    return int(row[0])


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
