"""The real service, as an operator runs it, on a state directory of its own: started, killed, ended.

Whatever happens to a campaign, Ctrl-C and SIGTERM included, no process and no directory is left.
"""

import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Final, NamedTuple

from runtime.private_files import locked
from runtime.settings import ENV_PREFIX
from tests.databases import short_directory
from tests.runtime.embedded_states import CHECKOUT, cleaned

HOST: Final = "127.0.0.1"
START_SECONDS_MAX: Final = 90.0
END_SECONDS_MAX: Final = 60.0
POLL_SECONDS: Final = 0.01
# Below what systems give to outgoing connections: a client that asks while nobody listens could
# otherwise be given the very port that it asks for, and take it from the service.
PORTS: Final = (20_000, 32_000)
NO_SETTINGS: Final[Mapping[str, str]] = MappingProxyType({})


class ServiceError(Exception):
    """The service did not start, or not end; the message says what it said last."""


class Process(NamedTuple):
    """A line of the system's table of processes."""

    pid: int
    parent: int
    command: str


class Service:
    """`noteledger serve`, at one port from start to start; `settings` are of its environment."""

    def __init__(self, directory: Path, settings: Mapping[str, str] = NO_SETTINGS) -> None:
        self.settings = settings
        self.directory = directory
        self.state = directory / "s"
        self.output = directory / "output"
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The service's own process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> float:
        """Start it; the seconds until it was ready. Raises ServiceError."""
        began = time.monotonic()
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [*self.command("serve"), f"--port={self.port}"],
                cwd=CHECKOUT,
                env={**environment(self.directory), **self.settings},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the campaign, which then ends it
            )
        while not self.is_ready():
            if self._process.poll() is not None or time.monotonic() > began + START_SECONDS_MAX:
                raise ServiceError(f"The service did not start. It said:\n{self._end_of_output()}")
            time.sleep(POLL_SECONDS)
        return time.monotonic() - began

    def command(self, *words: str) -> list[str]:
        """A command of the program, on this state directory."""
        return [sys.executable, "-m", "runtime.cli", *words, f"--state={self.state}"]

    def is_ready(self) -> bool:
        """Whether it answers, and the database with it."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def wait_until_ready(self) -> None:
        """By itself, after its server crashed. Raises ServiceError."""
        end = time.monotonic() + START_SECONDS_MAX
        while not self.is_ready():
            if time.monotonic() > end:
                raise ServiceError("The service did not come back after its server had crashed.")
            time.sleep(POLL_SECONDS)

    def kill(self) -> None:
        """As `kill -9` does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def end(self) -> int:
        """In order, by SIGTERM; its exit code. Raises ServiceError where it does not."""
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServiceError(f"It did not end within {END_SECONDS_MAX:.0f} s.") from None

    def clear_away(self) -> None:
        """However it stands: no process of it is left."""
        if self._process is not None and self._process.poll() is None:
            with suppress(ServiceError):
                self.end()
        home = self.state / "postgres"
        if home.exists():  # the lock is free when the last process of the server is gone
            with locked(home / "server.lock", END_SECONDS_MAX, "the server still shuts down"):
                pass

    def postmaster(self) -> int:
        """The process id of the embedded PostgreSQL."""
        path = self.state / "postgres" / "data" / "postmaster.pid"
        return int(path.read_text().splitlines()[0])

    def guard(self) -> int:
        """The process id of the guard, which is the postmaster's parent."""
        postmaster = self.postmaster()
        return next(found.parent for found in processes() if found.pid == postmaster)

    def backends(self) -> list[int]:
        """The server's processes that work for the service."""
        postmaster = self.postmaster()
        return [
            found.pid
            for found in processes()
            if found.parent == postmaster and "noteledger_app" in found.command
        ]

    def _end_of_output(self) -> str:
        return self.output.read_text(errors="replace")[-3000:]


@contextmanager
def service() -> Iterator[Service]:
    """A service that is not started yet; afterwards nothing is left of it."""
    unwind_when_ended()
    with short_directory() as directory:
        found = Service(directory)
        with cleaned(found.state):
            try:
                yield found
            finally:
                found.clear_away()


def environment(temporary: Path | None = None) -> dict[str, str]:
    """Ours, without any setting of an operator's; temporary files go to the directory, if one is given.

    A program that is killed may leave one behind. In the campaign's directory it goes with that.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    directory = {"TMPDIR": str(temporary)} if temporary else {}
    return kept | directory | {"PYTHONPATH": str(CHECKOUT)}


def processes() -> list[Process]:
    """Everything that runs on this machine."""
    shown = subprocess.run(
        ["/bin/ps", "-Aww", "-o", "pid=,ppid=,command="], check=True, capture_output=True
    )
    lines = shown.stdout.decode(errors="replace").splitlines()
    fields = [line.split(maxsplit=2) for line in lines]
    return [Process(int(pid), int(parent), *rest) for pid, parent, *rest in fields if rest]


def unwind_when_ended() -> None:
    """By the signals that would end this process as it stands: the blocks are left in order.

    SIGINT is among them: a process that a shell starts in the background of a script inherits that
    it is ignored, and Python then raises no KeyboardInterrupt.
    """

    def end(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


def _free_port() -> int:
    while True:
        port = random.randrange(*PORTS)  # noqa: S311
        with suppress(OSError), socket.create_server((HOST, port)):
            return port
