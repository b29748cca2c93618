"""The commands, on a database of their own; `test_serve.py` runs some beside a service."""

import os
import pwd
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import psycopg
import pytest

from domain.value import Role
from ledger.codec import read_clear
from ledger.key_encryption import LocalKeyFile
from projections.rebuild import VIEWS
from runtime import VERSION, log_in_commands
from runtime.checks import Level
from runtime.document_checks import document_findings
from runtime.embedded import ServerAddress
from runtime.settings import Settings
from tests.databases import Database, fresh_database, owner_of
from tests.runtime.command_line import CHECKOUT, Result, in_here, noteledger, on
from tests.runtime.test_directory_csv import HEADER, SEES, WHOLE

PASSWORD = "correct horse battery"
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def place(
    server: ServerAddress, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The settings of a database that this module's tests share."""
    with fresh_database(server) as database:
        yield on(database, tmp_path_factory.mktemp("keys") / "keys.json")


@pytest.fixture
def run(place: dict[str, str]) -> Run:
    """Runs a command on it."""

    def _run(*arguments: str | Path, stdin: str = "") -> Result:
        return in_here(*arguments, env=place, stdin=stdin)

    return _run


def facts(place: dict[str, str]) -> list[tuple[str, ...]]:
    """The kinds of all entries of clinic 1."""
    with psycopg.connect(place["NOTELEDGER_OWNER_DATABASE_URL"]) as conn:
        return conn.execute(
            "SELECT kind FROM ledger.entries WHERE clinic_id = 1 ORDER BY position"
        ).fetchall()


def authors(place: dict[str, str], clinic_id: int = 1) -> set[tuple[str | None, str | None]]:
    """How whoever made the clinic's facts is known, and the operator's name."""
    with psycopg.connect(place["NOTELEDGER_OWNER_DATABASE_URL"]) as conn:
        rows = conn.execute(
            "SELECT kind, state FROM ledger.entries WHERE clinic_id = %s", (clinic_id,)
        ).fetchall()
    by = [read_clear(fact_type, sealed).by for fact_type, sealed in rows]
    return {(one.authentication, one.operator) for one in by}


class TestOperator:
    COMMANDS = (("token", "create", "as-anna", "--role", "ml"), ("clinic", "add"))

    @pytest.mark.parametrize("command", COMMANDS)
    def test_a_fact_names_who_ran_the_command(
        self, run: Run, place: dict[str, str], command: tuple[str, ...]
    ) -> None:
        done = run(*command, "--as", "Anna Vries")
        assert done.code == 0
        opened = re.match(r"Clinic (\d+) is open", done.out)
        assert ("operator", "Anna Vries") in authors(place, int(opened[1]) if opened else 1)

    def test_a_password_and_a_directory_too(
        self, run: Run, place: dict[str, str], tmp_path: Path
    ) -> None:
        user = ("user", "add", "as-bea", "--role", "therapist", "--as", "bea")
        assert noteledger(*user, env=place, stdin=f"{PASSWORD}\n").code == 0
        file = tmp_path / "people.csv"
        file.write_text("kind,id,full_name\nclient,90021,Clara Claes\n")
        assert run("directory", "import", str(file), "--as", "bo").code == 0
        assert {("operator", "bea"), ("operator", "bo")} <= authors(place)

    def test_the_systems_user_where_nobody_says(self, run: Run, place: dict[str, str]) -> None:
        assert run("token", "create", "as-nobody", "--role", "ml").code == 0
        assert ("operator", pwd.getpwuid(os.getuid()).pw_name) in authors(place)

    @pytest.mark.parametrize("name", ["", " ", " anna", "a\nb", "a\x1bb", "a" * 65])
    @pytest.mark.parametrize("command", COMMANDS)
    def test_a_wrong_name_is_refused_and_nothing_is_done(
        self, run: Run, place: dict[str, str], command: tuple[str, ...], name: str
    ) -> None:
        before = facts(place)
        refused = run(*command, "--as", name)
        assert (refused.code, refused.out) == (1, "")
        assert "--as" in refused.error
        assert facts(place) == before


class TestHelp:
    def test_it_is_quick(self) -> None:
        slow = ("fastapi", "psycopg", "pydantic", "uvicorn", "rich.progress")
        code = f"import sys, runtime.cli; sys.exit(bool(set({slow}) & set(sys.modules)))"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=CHECKOUT)

    def test_version(self) -> None:
        assert noteledger("--version").out == f"noteledger {VERSION}\n"
        project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
        assert project["version"] == VERSION
        releases = re.findall(r"^## \[([\d.]+)\]", (CHECKOUT / "CHANGELOG.md").read_text(), re.M)
        assert releases[0] == VERSION

    def test_roles_are_the_domains(self) -> None:
        assert set(get_args(log_in_commands.RoleName)) == {role.value for role in Role}


class TestLogIns:
    def test_a_users_life(self, run: Run, place: dict[str, str]) -> None:
        arguments = ("user", "add", "alma", "--role", "therapist")
        added = noteledger(*arguments, env=place, stdin=f"{PASSWORD}\n")
        assert added.code == 0, added.error
        assert ("person-registered/1",) in facts(place)
        [row] = [line for line in run("user", "list").out.splitlines() if "alma" in line]
        assert row.split()[2:] == ["therapist", "password", "active"]
        assert run("user", "disable", "alma").code == 0
        [row] = [line for line in run("user", "list").out.splitlines() if "alma" in line]
        assert "disabled" in row

    def test_a_name_is_taken_once(self, run: Run, place: dict[str, str]) -> None:
        assert run("token", "create", "twice", "--role", "ml").code == 0
        before = facts(place)
        again = run("token", "create", "Twice", "--role", "ml")
        assert (again.code, again.out) == (1, "")
        assert "exists already" in again.error
        assert facts(place) == before

    def test_a_token_alone_is_on_standard_output(self, run: Run) -> None:
        result = run("token", "create", "ml", "--role", "ml", "--user-id", "51")
        assert result.code == 0
        assert len(result.out.split()) == 1
        assert "user 51" in result.error
        assert result.out.strip() not in result.error + run("user", "list").out

    def test_a_person_keeps_their_role(self, run: Run) -> None:
        person = ("--user-id", "12")
        assert run("token", "create", "a", "--role", "auditor", *person).code == 0
        assert run("token", "create", "b", "--role", "auditor", *person).code == 0
        other = run("token", "create", "c", "--role", "therapist", *person)
        assert other.code == 1
        assert "keeps the role" in other.error
        assert " c " not in run("user", "list").out

    @pytest.mark.parametrize(
        ("name", "password", "told"),
        [
            ("short", "short", "between 10 and 256"),
            ("none", "", "standard input"),
            ("a:b", PASSWORD, "log-in name"),
            ("x/anna", PASSWORD, "log-in name"),
            ("9/anna", PASSWORD, "no such clinic"),
        ],
    )
    def test_refused(self, run: Run, name: str, password: str, told: str) -> None:
        result = run("user", "add", name, "--role", "therapist", stdin=password)
        assert result.code == 1
        assert told in result.error

    def test_nobody_to_shut_out(self, run: Run) -> None:
        assert "no account" in run("user", "disable", "nobody").error
        assert "no such clinic" in run("user", "disable", "9/nobody").error

    def test_another_clinic(self, run: Run) -> None:
        opened = run("clinic", "add")
        number = opened.out.split()[1]
        added = run("token", "create", f"{number}/anna", "--role", "therapist")
        assert added.code == 0, added.error
        assert f"{number}/anna" in run("user", "list").out


class TestDirectoryImport:
    def test_imported_once(self, run: Run, place: dict[str, str], tmp_path: Path) -> None:
        file = tmp_path / "directory.csv"
        file.write_text(WHOLE.replace(",11", ",111").replace(",21", ",121"))
        first = run("directory", "import", file)
        assert first.out == "4 rows: 4 recorded, 0 held already.\n", first.error
        before = facts(place)
        assert run("directory", "import", file).out == "4 rows: 0 recorded, 4 held already.\n"
        assert facts(place) == before

    def test_errors_are_named_and_nothing_is_recorded(
        self, run: Run, place: dict[str, str], tmp_path: Path
    ) -> None:
        file, before = tmp_path / "directory.csv", facts(place)
        file.write_text(HEADER + SEES.replace("31", "9931") + "client,77,,,,,,,,,\n")
        result = run("directory", "import", file)
        assert result.code == 1
        assert "line 3, full_name: a client needs it." in result.error
        assert facts(place) == before


class TestRebuild:
    def test_all_views(self, run: Run) -> None:
        result = run("rebuild")
        assert result.code == 0, result.error
        assert result.out.splitlines() == [f"{view.name} is rebuilt." for view in VIEWS]

    def test_one_view(self, run: Run) -> None:
        assert run("rebuild", "people").out == "people is rebuilt.\n"

    def test_none_of_that_name(self, run: Run) -> None:
        result = run("rebuild", "peple")
        assert result.code == 1
        assert "record-types" in result.error

    def test_the_owner_is_needed(self, place: dict[str, str]) -> None:
        app = {name: place[name] for name in place if "OWNER" not in name}
        result = in_here("rebuild", "people", env=app)
        assert result.code == 1
        assert "NOTELEDGER_OWNER_DATABASE_URL" in result.error


class TestCheck:
    def test_nothing_is_wrong(self, run: Run) -> None:
        assert run("token", "create", "checked", "--role", "ml").code == 0
        result = run("check")
        assert result.code == 0, result.out
        assert "wrong" not in result.out
        found = [finding.level for finding in document_findings(Settings())]
        assert result.out.count("right ") == 10 + found.count(Level.RIGHT)

    def test_another_databases_key_file(self, place: dict[str, str], tmp_path: Path) -> None:
        other = tmp_path / "other.json"
        LocalKeyFile.open_or_create(other)
        env = place | {"NOTELEDGER_KEY_FILE": str(other)}
        assert "is not the key file" in wrong(in_here("check", env=env))
        result = in_here("user", "list", env=env)
        assert (result.code, result.out) == (1, "")
        assert "is not the key file" in result.error

    def test_a_key_file_that_others_read(self, run: Run, place: dict[str, str]) -> None:
        path = Path(place["NOTELEDGER_KEY_FILE"])
        path.chmod(0o644)
        try:
            assert "0644" in wrong(run("check"))
        finally:
            path.chmod(0o600)

    def test_no_schema(self, database: Database, key_file: Path) -> None:
        with owner_of(database.owner_url) as owner:
            owner.execute("DROP TABLE views.people")
            assert "noteledger migrate" in wrong(in_here("check", env=on(database, key_file)))
            owner.execute("DROP SCHEMA ledger CASCADE")
        assert "noteledger migrate" in wrong(in_here("check", env=on(database, key_file)))
        assert not key_file.exists()

    def test_work_that_is_left(self, database: Database, key_file: Path) -> None:
        with owner_of(database.owner_url) as owner:
            owner.execute(
                "INSERT INTO ledger.set_aside (clinic_id, follower, position, error)"
                " VALUES (1, 'relay', 7, 'ValueError')"
            )
            owner.execute(
                "INSERT INTO ledger.open_jobs (clinic_id, job, aggregate_id, version,"
                "  asked_position, asked_at)"
                " VALUES (1, 'deidentify', gen_random_uuid(), 1, 7, now() - interval '1 hour')"
            )
        result = in_here("check", env=on(database, key_file))
        assert result.code == 0, result.out
        assert "1 entries could not be taken" in result.out
        assert "1 jobs have waited" in result.out

    def test_rights_that_are_too_wide(self, database: Database, key_file: Path) -> None:
        with owner_of(database.owner_url) as owner:
            owner.execute("GRANT DELETE ON ledger.entries TO noteledger_app")
        assert "change or remove" in wrong(in_here("check", env=on(database, key_file)))

    def test_nobody_answers(self, place: dict[str, str]) -> None:
        url = "postgresql://anna:s3cret-word@127.0.0.1:1/nothing"
        result = in_here("check", env=place | {"NOTELEDGER_DATABASE_URL": url})
        assert "cannot be reached" in wrong(result)
        assert "s3cret-word" not in result.out + result.error

    def test_no_database_of_our_own(self, tmp_path: Path) -> None:
        assert "holds no database" in wrong(in_here("check", "--state", tmp_path / "none"))
        assert list(tmp_path.iterdir()) == []


def wrong(result: Result) -> str:
    """What is wrong, and how to fix it."""
    assert result.code == 1, result
    return result.out[result.out.index("wrong ") :]
