"""`noteledger check` names each fault that somebody with the database's rights can plant, and no other."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Final, NamedTuple

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from domain.note import NOTE
from projections import comparison, stored
from runtime import owner as owner_commands
from runtime.checks import Finding, Level
from runtime.embedded import ServerAddress
from runtime.ledger_checks import whole_findings
from tests.databases import Database, Program, fresh_database, owner_of, running
from tests.lived import live
from tests.runtime.command_line import in_here, on
from tests.samples import CLINIC, create, delete, save

Owner = psycopg.Connection[TupleRow]
APP: Final = "noteledger_app"


@pytest.fixture(scope="module")
def lived_in(server: ServerAddress, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A sound database with two clinics; nobody is connected to it."""
    key_file = tmp_path_factory.mktemp("keys") / "key.json"
    with fresh_database(server) as database:
        with running(database.app_url, key_file) as program, owner_of(database.owner_url) as owner:
            live(program, owner)
        yield database


@pytest.fixture
def sound(server: ServerAddress, lived_in: Database) -> Iterator[Database]:
    """A copy of it, for a test to plant a fault in."""
    with fresh_database(
        server, template=lived_in.owner_url.rpartition("/")[2].partition("?")[0]
    ) as copy:
        yield copy


def found_in(database: Database) -> list[Finding]:
    """All that a check finds."""
    return list(whole_findings(ServerAddress(database.owner_url, database.app_url)))


def wrong(findings: list[Finding]) -> list[str]:
    """What is wrong, each after its subject."""
    return [f"{one.subject}: {one.sentence}" for one in findings if one.level is Level.WRONG]


class Fault(NamedTuple):
    """What somebody does to a sound database, and how a check names it: a regular expression."""

    name: str
    statement: str
    named: str


_GONE = "DELETE FROM ledger.entries WHERE clinic_id = 1 AND position"
_LAST = "(SELECT max(position) FROM ledger.entries WHERE clinic_id = 1)"
FAULTS: Final = (
    # entries
    Fault("an entry is removed from the middle", f"{_GONE} = 7", r"ledger: .* 1, position 7: "),
    Fault("the first entry is removed", f"{_GONE} = 1", r"ledger: .* 1, position 1: "),
    Fault("the last entry is removed", f"{_GONE} = {_LAST}", r"ledger: .* 1, position \d+: an e"),
    Fault(
        "the tail is cut and the head set back",
        "DELETE FROM ledger.entries WHERE clinic_id = 1 AND position > 20;"
        " UPDATE ledger.ledger_head SET position = 20 WHERE clinic_id = 1",
        r"views: The view history, row clinic_id 1, position 2\d: the ledger has nothing of it",
    ),
    Fault(
        "and a follower had read further",
        "DELETE FROM ledger.entries WHERE clinic_id = 1 AND position > 20;"
        " UPDATE ledger.ledger_head SET position = 20 WHERE clinic_id = 1;"
        " INSERT INTO ledger.bookmarks VALUES (1, 'relay', 25)",
        r"ledger: Clinic 1, position 21: the ledger ends before",
    ),
    Fault(
        "the head is too high",
        "UPDATE ledger.ledger_head SET position = position + 3 WHERE clinic_id = 1",
        r"ledger: Clinic 1, position \d+: an entry is missing",
    ),
    Fault(
        "the head is too low",
        "UPDATE ledger.ledger_head SET position = 9 WHERE clinic_id = 1",
        r"ledger: Clinic 1, position 10: an entry stands after",
    ),
    Fault(
        "the head is gone",
        "DELETE FROM ledger.ledger_head WHERE clinic_id = 1",
        r"ledger: Clinic 1, .* no ledger head",
    ),
    Fault(
        "a version is left out",
        "UPDATE ledger.entries SET version = 99 WHERE clinic_id = 1 AND position = 8",
        r"ledger: Clinic 1, position 8: the version",
    ),
    Fault(
        "an entry that cannot be read",
        "UPDATE ledger.entries SET state = '' WHERE clinic_id = 1 AND position = 8",
        r"views: Clinic 1, position 8: the entry cannot be read",
    ),
    # rows of the views
    Fault(
        "a row points at another client's entry",
        "UPDATE views.current_notes SET position = 5 WHERE clinic_id = 1 AND note_id = 1",
        r"views: The view notes, row clinic_id 1, kind note, note_id 1: .*: position",
    ),
    Fault(
        "a row is missing",
        "DELETE FROM views.relationships WHERE clinic_id = 1 AND therapist_client_id = 103",
        r"views: The view relationships, row clinic_id 1, .* 103: it is missing",
    ),
    Fault(
        "a row too many",
        "INSERT INTO views.transcripts VALUES (1, 999, 1, 1)",
        r"views: The view transcripts, row clinic_id 1, session_id 999: the ledger has nothing",
    ),
    Fault(
        "a row of a clinic that there is not",
        "INSERT INTO views.people VALUES (77, 1, 'auditor', 1)",
        r"views: The view people, row clinic_id 77, user_id 1: the ledger has nothing",
    ),
    Fault(
        "a role is raised",
        "UPDATE views.people SET role = 'auditor' WHERE clinic_id = 1 AND role = 'client'",
        r"views: The view people, row clinic_id 1, user_id \d+: .*: role",
    ),
    # who may do what
    Fault(
        "entries may be changed",
        f"GRANT UPDATE ON ledger.entries TO {APP}",
        rf"schema: Grant on ledger\.entries to {APP}",
    ),
    Fault(
        "a column of the entries may be changed",
        f"GRANT UPDATE (state) ON ledger.entries TO {APP}",
        rf"schema: Grant on column ledger\.entries\.state to {APP}",
    ),
    Fault(
        "everybody may read the keys",
        "GRANT SELECT ON ledger.data_keys TO PUBLIC",
        r"schema: Grant on ledger\.data_keys to public",
    ),
    Fault(
        "a grant is missing",
        f"REVOKE DELETE ON ledger.open_jobs FROM {APP}",
        rf"schema: Grant on ledger\.open_jobs to {APP}",
    ),
    Fault(
        "row-level security is off",
        "ALTER TABLE views.history DISABLE ROW LEVEL SECURITY",
        r"schema: Relation views\.history is not as it was laid",
    ),
    Fault(
        "a policy is gone",
        "DROP POLICY read_by_whom_it_concerns ON views.current_notes",
        r"schema: Policy read_by_whom_it_concerns on views\.current_notes is missing",
    ),
    Fault(
        "a policy is loosened",
        "ALTER POLICY read_by_whom_it_concerns ON views.current_notes USING (true)",
        r"schema: Policy read_by_whom_it_concerns on views\.current_notes is not as",
    ),
    Fault(
        "a policy too many",
        "CREATE POLICY more ON views.history USING (true)",
        r"schema: Policy more on views\.history does not belong here",
    ),
    # what the tables are
    Fault(
        "a primary key is gone",
        "ALTER TABLE ledger.entries DROP CONSTRAINT entries_pkey",
        r"schema: Constraint entries_pkey on ledger\.entries is missing",
    ),
    Fault(
        "a view's primary key is gone",
        "ALTER TABLE views.people DROP CONSTRAINT people_pkey",
        r"schema: Constraint people_pkey on views\.people is missing",
    ),
    Fault(
        "a unique constraint is gone",
        "ALTER TABLE ledger.entries DROP CONSTRAINT entries_version",
        r"schema: Constraint entries_version on ledger\.entries is missing",
    ),
    Fault(
        "a unique index is gone",
        "DROP INDEX views.history_clinic_id_kind_note_id_version_idx",
        r"schema: Index views\.history_clinic_id_kind_note_id_version_idx on views\.history is",
    ),
    Fault(
        "a trigger on the entries",
        "CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN RETURN NULL; END'; CREATE TRIGGER drop_it BEFORE INSERT ON ledger.entries"
        " FOR EACH ROW EXECUTE FUNCTION public.nothing()",
        r"schema: Trigger drop_it on ledger\.entries does not belong here",
    ),
    Fault(
        "a rule on the entries",
        "CREATE RULE drop_it AS ON INSERT TO ledger.entries DO INSTEAD NOTHING",
        r"schema: Rule drop_it on ledger\.entries does not belong here",
    ),
    Fault(
        "a default is changed",
        "ALTER TABLE ledger.bookmarks ALTER COLUMN position SET DEFAULT 7",
        r"schema: Column ledger\.bookmarks\.\"?position\"? is not as it was laid",
    ),
    Fault(
        "a column may be null",
        "ALTER TABLE ledger.entries ALTER COLUMN kind DROP NOT NULL",
        r"schema: Column ledger\.entries\.kind is not as it was laid",
    ),
    Fault(
        "a function is replaced",
        "CREATE OR REPLACE FUNCTION views.is_callers_client(of_clinic bigint, client bigint)"
        " RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT true'",
        r"schema: Function views\.is_callers_client\(bigint,bigint\) is not as it was laid",
    ),
    Fault(
        "a table too many",
        "CREATE TABLE ledger.copies AS SELECT * FROM ledger.entries",
        r"schema: Relation ledger\.copies does not belong here",
    ),
    Fault(
        "a table that adds rows to the entries",
        "CREATE TABLE public.more () INHERITS (ledger.entries)",
        r"schema: Relation ledger\.entries is not as it was laid",
    ),
    Fault(
        "a sequence too many",
        "CREATE SEQUENCE ledger.more_ids",
        r"schema: Sequence ledger\.more_ids does not belong here",
    ),
    Fault(
        "the program owns a table",
        f"ALTER TABLE ledger.entries OWNER TO {APP}",
        rf"rights: {APP} owns ledger\.entries",
    ),
    # what a follower has said
    Fault(
        "a follower has stopped",
        "INSERT INTO ledger.stopped_followers (clinic_id, follower, position, reason)"
        " VALUES (1, 'relay', 7, 'an entry is missing')",
        r"work: relay has stopped at position 7 of clinic 1",
    ),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_planted_fault_is_named(fault: Fault, sound: Database) -> None:
    with owner_of(sound.owner_url) as owner:
        owner.execute(fault.statement.encode())
    told = wrong(found_in(sound))
    assert any(re.search(fault.named, one) for one in told), told


@pytest.mark.parametrize(
    ("change", "undo", "named"),
    [
        ("BYPASSRLS", "NOBYPASSRLS", "bypasses row-level security"),
        ("SUPERUSER", "NOSUPERUSER", "is a superuser"),
        ("CREATEROLE", "NOCREATEROLE", "may make roles"),
        ("REPLICATION", "NOREPLICATION", "may replicate the database"),
    ],
)
def test_a_role_that_may_too_much_is_named(
    sound: Database, change: str, undo: str, named: str
) -> None:
    with owner_of(sound.owner_url) as owner:
        owner.execute(f"ALTER ROLE {APP} {change}".encode())
        try:
            assert wrong(found_in(sound)) == [f"rights: {APP} {named}."]
        finally:
            owner.execute(f"ALTER ROLE {APP} {undo}".encode())


def test_a_role_that_belongs_to_a_mighty_one_is_named(sound: Database) -> None:
    with owner_of(sound.owner_url) as owner:
        owner.execute(f"GRANT pg_write_all_data TO {APP}".encode())
        try:
            assert wrong(found_in(sound)) == [f"rights: {APP} is a member of pg_write_all_data."]
        finally:
            owner.execute(f"REVOKE pg_write_all_data FROM {APP}".encode())


def test_a_sound_database_is_right_and_stays_as_it_was(sound: Database) -> None:
    with owner_of(sound.owner_url) as owner:
        before = _objects(owner)
        found = found_in(sound)
        assert {one.level for one in found} == {Level.RIGHT}, found
        assert [one.subject for one in found] == ["schema", "ledger", "views"]
        assert _objects(owner) == before


def test_by_small_batches_and_ranges_it_is_the_same(
    sound: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "RANGE_ROWS", 3)
    monkeypatch.setattr(stored, "BATCH", 4)
    monkeypatch.setattr("ledger.continuity.RANGE_ENTRIES", 5)
    assert wrong(found_in(sound)) == []
    with owner_of(sound.owner_url) as owner:
        [[gone]] = owner.execute(
            "DELETE FROM views.history WHERE (clinic_id, position) ="
            " (SELECT clinic_id, position FROM views.history ORDER BY 1, 2 LIMIT 1)"
            " RETURNING position"
        ).fetchall()
        owner.execute("UPDATE views.people SET position = 1 WHERE clinic_id = 1 AND position <> 1")
    told = wrong(found_in(sound))
    assert [one for one in told if f"position {gone}: it is missing" in one]
    assert [one for one in told if "people" in one]


def test_the_other_clinics_rows_are_compared_where_one_ledger_is_not_whole(
    sound: Database,
) -> None:
    with owner_of(sound.owner_url) as owner:
        owner.execute("DELETE FROM ledger.entries WHERE clinic_id = 1 AND position = 7")
        owner.execute("DELETE FROM views.people WHERE clinic_id <> 1")
    told = wrong(found_in(sound))
    assert any("Clinic 1, position 7" in one for one in told)
    assert any("view people" in one and "it is missing" in one for one in told)


def test_saves_meanwhile_are_no_differences(
    program: Program, database: Database, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Notes are created, saved and deleted while many small ranges are compared."""
    live(program, owner)
    monkeypatch.setattr(comparison, "RANGE_ROWS", 3)
    done = Event()

    def keep_saving(first: int) -> int:
        note_id = first
        while not done.is_set():
            for command in (create(), save("again"), delete()):
                program.ledger.record(CLINIC, NOTE, note_id, command)
            note_id += 1
        return note_id - first

    with ThreadPoolExecutor(4) as threads:
        saving = [threads.submit(keep_saving, 1_000_000 * n) for n in range(1, 5)]
        try:
            assert wrong(found_in(database)) == []
        finally:
            done.set()
        assert all(saved.result() > 0 for saved in saving)


class TestCommand:
    def test_it_ends_with_1_and_names_no_word(self, sound: Database, key_file: Path) -> None:
        with owner_of(sound.owner_url) as owner:
            owner.execute("DELETE FROM ledger.entries WHERE clinic_id = 1 AND position = 7")
        result = in_here("check", env=on(sound, key_file))
        assert result.code == 1
        assert "Clinic 1, position 7: an entry is missing." in result.out
        assert "text 1" not in result.out

    def test_without_the_owner_it_says_what_was_not_compared(
        self, sound: Database, key_file: Path
    ) -> None:
        env = on(sound, key_file)
        del env["NOTELEDGER_OWNER_DATABASE_URL"]
        result = in_here("check", env=env)
        assert "that is the owner's to do" in result.out
        assert "All rows of the views are what the ledger says." in result.out


def _objects(owner: Owner) -> list[TupleRow]:
    return owner.execute(
        "SELECT n.nspname, c.relname, c.oid FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname NOT LIKE 'pg\\_%' ORDER BY 1, 2"
    ).fetchall()


def test_an_owner_need_not_be_a_superuser(server: ServerAddress, key_file: Path) -> None:
    """As on most operators' servers: the owner may make schemas in its database, and little else."""
    with fresh_database(server, "template1") as database, owner_of(database.owner_url) as admin:
        name = database.owner_url.rpartition("/")[2].partition("?")[0]
        admin.execute("CREATE ROLE modest LOGIN PASSWORD 'modest' NOSUPERUSER")
        try:
            admin.execute(f"GRANT CREATE ON DATABASE {name} TO modest".encode())
            admin.execute(f"GRANT {APP} TO modest".encode())
            owner_url = make_conninfo(database.owner_url, user="modest", password="modest")
            owner_commands.lay(owner_url, lambda _: None)
            with running(database.app_url, key_file) as program:
                live(program, admin)
            found = list(whole_findings(ServerAddress(owner_url, database.app_url)))
            assert {one.level for one in found} == {Level.RIGHT}, found
            admin.execute("GRANT UPDATE ON ledger.entries TO PUBLIC")
            told = wrong(list(whole_findings(ServerAddress(owner_url, database.app_url))))
            assert told == ["schema: Grant on ledger.entries to public does not belong here."]
        finally:
            admin.execute("DROP OWNED BY modest; DROP ROLE modest")
