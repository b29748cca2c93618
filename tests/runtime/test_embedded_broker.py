"""The embedded broker, really started and killed: it, its guard, its owner, and what it keeps.

As root the temporary directories of pytest are out of the server's reach, so that most of this
tells of a home kept below `SHARED_HOME`; as an ordinary user, of one in the state directory.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from runtime.embedded_broker import attach_or_start_broker, embedded_broker
from runtime.private_files import EmbeddedServerError, StateIsInUse
from runtime.valkey_server import SETTINGS, answers
from tests.brokers import valkey_of
from tests.runtime.embedded_states import CHECKOUT, cleaned, gone, mode, ps, within

ROOT = os.geteuid() == 0
SECONDS = 60.0

OWNER = """
import sys
from pathlib import Path
from runtime.embedded_broker import embedded_broker
with embedded_broker(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="macOS has no PR_SET_PDEATHSIG")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A state directory that does not exist yet."""
    with cleaned(tmp_path / "state", "valkey") as path:
        yield path


@contextmanager
def owner_process(state: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that owns the broker, and its URL."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(state)],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        try:
            assert owner.stdout is not None
            yield owner, owner.stdout.readline().strip()
        finally:
            owner.kill()


def put(url: str) -> None:
    with closing(redis.Redis.from_url(url)) as client:
        client.set("job", "kept")


def has(url: str) -> bool:
    with closing(redis.Redis.from_url(url)) as client:
        return client.get("job") == b"kept"


def keeps_it(state: Path) -> bool:
    with embedded_broker(state) as url:
        return has(url)


def incremental_file(state: Path) -> Path:
    [found] = (state / "valkey/data/appendonlydir").glob("*.incr.aof")
    return found


class TestStart:
    def test_as_it_is_set(self, state: Path) -> None:
        with embedded_broker(state) as url, closing(redis.Redis.from_url(url)) as client:
            said = client.info("everything")
            assert said["valkey_version"].startswith("9.")
            assert (said["tcp_port"], said["maxmemory_policy"]) == (0, "noeviction")
            assert (said["aof_enabled"], said["maxmemory"]) == (1, 0)
            for name in ("broker.lock", "broker-address", "valkey.log", "valkey/valkey.conf"):
                assert mode(state / name) == 0o600
            assert mode(state) == (0o711 if ROOT else 0o700)
            assert mode(state / "valkey") == mode(state / "valkey/data") == 0o700
            assert (ps(valkey_of(state), "uid") != str(os.geteuid())) == ROOT
        assert not (state / "broker-address").exists()

    def test_what_was_sent_is_kept(self, state: Path) -> None:
        with embedded_broker(state) as url:
            put(url)
        assert keeps_it(state)

    @pytest.mark.parametrize("name", ["long" * 40, 'a "quoted", odd %20 \\name'])
    def test_any_path_will_do(self, tmp_path: Path, name: str) -> None:
        before = set(Path(tempfile.gettempdir()).glob("noteledger-*"))
        with cleaned(tmp_path / name, "valkey") as state, embedded_broker(state) as url:
            put(url)
            assert has(url)
        assert set(Path(tempfile.gettempdir()).glob("noteledger-*")) == before

    def test_one_that_cannot_start_says_why_and_lets_go(
        self, state: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("runtime.valkey_server.SETTINGS", {**SETTINGS, "appendfsync": "often"})
            with pytest.raises(EmbeddedServerError, match="appendfsync"), embedded_broker(state):
                pass
        with embedded_broker(state) as url:
            assert answers(url)


class TestWhoMayCome:
    def test_the_password_is_asked_for_and_written_nowhere_else(self, state: Path) -> None:
        with embedded_broker(state) as url:
            password = urlsplit(url).query.removeprefix("password=")
            for wrong in (url.replace(password, "wrong"), url.partition("?")[0]):
                with (
                    closing(redis.Redis.from_url(wrong)) as client,
                    pytest.raises(redis.AuthenticationError),
                ):
                    client.ping()
            put(url)
            files = [path for path in (state, state / "valkey") for path in path.rglob("*")]
            holding = [
                path.name
                for path in files
                if path.is_file() and password.encode() in path.read_bytes()
            ]
            assert set(holding) == {"broker-address"}
            assert password not in ps(valkey_of(state), "args")

    @pytest.mark.parametrize("command", ["CONFIG SET dir /tmp", "MONITOR", "SHUTDOWN", "ACL LIST"])
    def test_nobody_administers(self, broker_url: str, command: str) -> None:
        with (
            closing(redis.Redis.from_url(broker_url)) as client,
            pytest.raises(redis.exceptions.NoPermissionError),
        ):
            client.execute_command(*command.split())  # type: ignore[no-untyped-call]


class TestOwners:
    def test_a_second_one_is_refused_and_the_first_goes_on(self, state: Path) -> None:
        with embedded_broker(state) as url:
            with (
                pytest.raises(StateIsInUse, match=f"process {os.getpid()}"),
                embedded_broker(state),
            ):
                pass
            assert answers(url)

    def test_attach_to_a_running_one(self, state: Path) -> None:
        with owner_process(state) as (_, url):
            server = valkey_of(state)
            with attach_or_start_broker(state) as attached:
                assert attached == url
            assert not gone(server)

    def test_attach_without_an_owner_starts_one_for_the_time(self, state: Path) -> None:
        with attach_or_start_broker(state) as url:
            server = valkey_of(state)
            assert answers(url)
        assert gone(server)


class TestKilled:
    def test_the_server_comes_back_behind_the_same_address(self, state: Path) -> None:
        with embedded_broker(state) as url:
            put(url)
            for _ in range(2):
                server = valkey_of(state)
                os.kill(server, signal.SIGKILL)
                assert within(SECONDS, lambda server=server: gone(server) and answers(url))  # type: ignore[misc]
                assert has(url)
                assert valkey_of(state) != server

    @on_linux
    def test_so_it_does_after_its_guard(self, state: Path) -> None:
        with embedded_broker(state) as url:
            server = valkey_of(state)
            os.kill(int(ps(server, "ppid")), signal.SIGKILL)
            assert within(SECONDS, lambda: gone(server))
            assert within(SECONDS, lambda: answers(url))
        assert within(SECONDS, lambda: gone(server))

    def test_with_its_owner_it_ends(self, state: Path) -> None:
        with owner_process(state) as (owner, url):
            put(url)
            server = valkey_of(state)
            owner.kill()
            owner.wait(SECONDS)
            assert keeps_it(state)  # a start at once waits for the former server
            assert gone(server)

    @on_linux
    def test_owner_and_guard(self, state: Path) -> None:
        with owner_process(state) as (owner, _):
            server = valkey_of(state)
            os.kill(int(ps(server, "ppid")), signal.SIGKILL)
            owner.kill()
            assert within(SECONDS, lambda: gone(server))
        with embedded_broker(state) as url:
            assert answers(url)

    def test_owner_and_server(self, state: Path) -> None:
        with owner_process(state) as (owner, url):
            put(url)
            server = valkey_of(state)
            owner.kill()
            os.kill(server, signal.SIGKILL)
        assert keeps_it(state)

    def test_ending_while_it_comes_back(self, state: Path) -> None:
        with embedded_broker(state):
            os.kill(valkey_of(state), signal.SIGKILL)
        with embedded_broker(state) as url:
            assert answers(url)


class TestBrokenFiles:
    @pytest.fixture
    def kept(self, state: Path) -> Path:
        with embedded_broker(state) as url:
            put(url)
        return state

    def test_half_a_command_at_the_end_is_cut_off(self, kept: Path) -> None:
        with incremental_file(kept).open("ab") as file:
            file.write(b"*3\r\n$3\r\nSET\r\n$3\r\nj")
        assert keeps_it(kept)
        assert not (kept / "valkey/data.unreadable").exists()

    def test_what_cannot_be_read_is_put_aside(
        self, kept: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        for content in (b"\0" * 100, b"*1\r\n$5\r\nNOSUCH\r\n", b"\xff" * 100):
            path = incremental_file(kept)
            path.write_bytes(content)
            assert not keeps_it(kept)
            assert (
                kept / "valkey/data.unreadable/appendonlydir" / path.name
            ).read_bytes() == content
        assert "put aside" in caplog.text

    def test_while_it_serves(self, kept: Path) -> None:
        with embedded_broker(kept) as url:
            incremental_file(kept).write_bytes(b"\0" * 100)
            os.kill(valkey_of(kept), signal.SIGKILL)
            assert within(SECONDS, (kept / "valkey/data.unreadable").exists)
            assert within(SECONDS, lambda: answers(url))
            assert not has(url)
