"""The embedded PostgreSQL, really killed: it, its guard, its owner, at any moment."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.embedded import ServerAddress, embedded_postgres
from tests.runtime.embedded_states import (
    ask,
    cleaned,
    gone,
    has_note,
    is_in_use,
    owner_process,
    postmaster_of,
    ps,
    run,
    within,
    write_note,
)

SECONDS = 60.0
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="macOS has no PR_SET_PDEATHSIG")


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


@pytest.fixture
def fork_lives(tmp_path: Path) -> Iterator[Path]:
    """A file; while it is there, so is the fork."""
    path = tmp_path / "fork-lives"
    path.touch()
    yield path
    path.unlink(missing_ok=True)


class TestCrashes:
    def test_half_a_cluster_is_not_taken_for_one(self, state: Path) -> None:
        with embedded_postgres(state):
            pass
        home = state / "postgres"
        (home / "data").rename(home / "data.new-half")
        (home / "data.new-half/global/pg_control").unlink()
        (home / "data.new-half.password").write_text("secret")
        with embedded_postgres(state) as address:
            assert ask(address.app_url, "SELECT 1") == [(1,)]
        assert sorted(path.name for path in home.glob("data*")) == ["data"]

    def test_killed_while_the_cluster_is_made(self, state: Path) -> None:
        with owner_process(state, ready=False) as owner:
            made = (state / "postgres").glob
            assert within(SECONDS, lambda: any(made("data.new-*/base")))
            owner.kill()
            owner.wait(SECONDS)
            assert not (state / "postgres/data").exists()
        with embedded_postgres(state) as address:
            assert ask(address.app_url, "SELECT 1") == [(1,)]

    def test_killed_before_role_and_database_were_made(self, state: Path) -> None:
        with embedded_postgres(state) as address:
            other = address.owner_url.replace("/noteledger?", "/postgres?")
            run(ServerAddress(other, other), "DROP DATABASE noteledger")
            run(ServerAddress(other, other), "DROP ROLE noteledger_app")
        with embedded_postgres(state) as address:
            assert ask(address.app_url, "SELECT 1") == [(1,)]

    def test_killed_owner(self, kept: Path) -> None:
        with owner_process(kept) as owner:
            postmaster = postmaster_of(kept)
            owner.kill()
            assert within(SECONDS, lambda: gone(postmaster))
        assert within(SECONDS, lambda: not is_in_use(kept))
        assert has_note(kept)

    def test_killed_owner_with_a_fork_that_lives_on(self, kept: Path, fork_lives: Path) -> None:
        with owner_process(kept, fork_lives) as owner:
            postmaster = postmaster_of(kept)
            owner.kill()
            assert within(SECONDS, lambda: gone(postmaster))
            fork_lives.unlink()
        assert within(SECONDS, lambda: not is_in_use(kept))
        assert has_note(kept)

    def test_killed_owner_and_a_start_at_once(self, kept: Path) -> None:
        with owner_process(kept) as owner:
            owner.kill()
            owner.wait(SECONDS)
            assert has_note(kept)

    @on_linux
    def test_killed_guard(self, kept: Path) -> None:
        with embedded_postgres(kept):
            postmaster = postmaster_of(kept)
            os.kill(int(ps(postmaster, "ppid")), signal.SIGKILL)
            assert within(SECONDS, lambda: gone(postmaster))
        assert has_note(kept)

    @on_linux
    def test_killed_owner_and_guard(self, kept: Path) -> None:
        with owner_process(kept) as owner:
            postmaster = postmaster_of(kept)
            os.kill(int(ps(postmaster, "ppid")), signal.SIGKILL)
            owner.kill()
            assert within(SECONDS, lambda: gone(postmaster))
        assert has_note(kept)

    def test_killed_server(self, kept: Path) -> None:
        with embedded_postgres(kept):
            os.kill(postmaster_of(kept), signal.SIGKILL)
        assert has_note(kept)

    def test_killed_all_and_the_process_id_is_anothers_now(self, kept: Path) -> None:
        cluster = kept / "postgres/data"
        user = cluster.stat().st_uid if os.geteuid() == 0 else None
        with subprocess.Popen(["/bin/sleep", "60"], user=user) as other:
            (cluster / "postmaster.pid").write_text(f"{other.pid}\n{cluster}\n1\n5432\n\n\n")
            try:
                assert has_note(kept)
            finally:
                other.kill()
