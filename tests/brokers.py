"""Real brokers for tests: one server for each worker of pytest, emptied before each test."""

import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import redis

from runtime.embedded_broker import embedded_broker
from runtime.valkey_server import valkey
from tests.databases import short_directory


class Server(NamedTuple):
    """An embedded broker of a test's own."""

    url: str
    state: Path

    def kill(self) -> None:
        """Kill -9; what has come to the file stays."""
        os.kill(valkey_of(self.state), signal.SIGKILL)

    def kill_and_erase(self) -> None:
        """Kill -9, and nothing stays."""
        shutil.rmtree(self.state / "valkey/data/appendonlydir")
        self.kill()


@contextmanager
def broker_server() -> Iterator[Server]:
    """A broker of its own."""
    with short_directory() as directory, embedded_broker(directory / "s") as url:
        yield Server(url, directory / "s")


def valkey_of(state: Path) -> int:
    """The process id of the server; 0 while it writes that down."""
    return int((state / "valkey/valkey.pid").read_text() or 0)


def forget_all(url: str) -> None:
    """Empty it."""
    with closing(redis.Redis.from_url(url)) as client:
        client.flushall()


@contextmanager
def operators_broker(*options: str) -> Iterator[str]:
    """A server that somebody else started and set."""
    with short_directory() as directory:
        command = valkey_command(directory, directory / "s", *options)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            try:
                yield f"unix://{directory}/s"
            finally:
                server.kill()


def valkey_command(directory: Path, socket: Path, *options: str) -> list[str]:
    """A server of the wheel's that keeps its files in a directory."""
    software = valkey()
    assert software is not None
    spec = importlib.util.find_spec(software.package)
    assert spec is not None
    assert spec.origin is not None
    command = [str(Path(spec.origin).parent / software.executable), "--port", "0"]
    return [*command, "--dir", str(directory), "--unixsocket", str(socket), *options]
