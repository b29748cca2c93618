"""A real installation of separate programs: PostgreSQL, Valkey, a service that only answers requests,
two workers and two followers. Each can be killed; PostgreSQL and the broker come back where they were.
"""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from runtime.embedded import ServerAddress, embedded_postgres
from runtime.valkey_server import answers
from tests.brokers import valkey_command
from tests.campaigns.canary_search import Searched, search_files, search_tables, together
from tests.campaigns.running_service import (
    END_SECONDS_MAX,
    POLL_SECONDS,
    START_SECONDS_MAX,
    Service,
    ServiceError,
    environment,
    processes,
    unwind_when_ended,
)
from tests.databases import short_directory
from tests.runtime.embedded_states import CHECKOUT, cleaned, postmaster_of

OF_EACH: Final = 2
"""Programs of a kind, so that another takes over."""
READY: Final = {
    "worker": "noteledger works on jobs",
    "follow": "noteledger follows the ledgers",
}
"""What each says once it is at work."""
SERVER_OPTIONS: Final = {"track_commit_timestamp": "on"}


class Program:
    """`noteledger worker` or `noteledger follow`. Its connections to the database bear its name."""

    def __init__(self, name: str, directory: Path, settings: Mapping[str, str]) -> None:
        self.name = name
        self._command = name.partition("-")[0]
        self._directory = directory
        self._settings = settings
        self._starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> Path:
        """What it has said since its newest start."""
        return self._directory / f"{self.name}.{self._starts}.output"

    def start(self) -> None:
        """Start it, also anew."""
        self._starts += 1
        command = [sys.executable, "-m", "runtime.cli", self._command]
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                [*command, f"--state={self._directory / 's'}"],
                cwd=CHECKOUT,
                env={
                    **environment(self._directory),
                    **self._settings,
                    "PGAPPNAME": self.name,
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Until it has said so. Raises ServiceError where it has ended instead, at whatever time."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._is_ready() or not self.is_running():
            if not self.is_running() or time.monotonic() > deadline:
                said = self.output.read_text(errors="replace")[-3000:]
                raise ServiceError(f"{self.name} does not run. It said:\n{said}")
            time.sleep(POLL_SECONDS)

    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

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
            raise ServiceError(f"{self.name} did not end in {END_SECONDS_MAX:.0f} s.") from None

    def _is_ready(self) -> bool:
        return READY[self._command] in self.output.read_text(errors="replace")


class Postgres:
    """A server that is killed and comes back, with the same address."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._run = ExitStack()
        self.address = self._start()

    def _start(self) -> ServerAddress:
        server = embedded_postgres(self._state, server_options=SERVER_OPTIONS)
        return self._run.enter_context(server)

    def family(self) -> list[int]:
        """The postmaster and its backends; asked for beforehand, since that takes a while."""
        postmaster = postmaster_of(self._state)
        backends = [found.pid for found in processes() if found.parent == postmaster]
        return [postmaster, *backends]

    def kill(self, family: Iterable[int]) -> None:
        """Kill -9. Backends that are younger than that end with their postmaster."""
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def come_back(self) -> None:
        """Start it again where it was."""
        self._run.close()
        again = self._start()
        assert again == self.address

    def end(self) -> None:
        """In order."""
        self._run.close()


class Valkey:
    """A broker that is killed and comes back at once, with the same address and nothing in it."""

    def __init__(self, directory: Path) -> None:
        self._files, self._socket = directory / "valkey", directory / "v"
        self.output = directory / "valkey.output"
        self.url = f"unix://{self._socket}"
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self._files.mkdir()
        command = valkey_command(self._files, self._socket, "--appendonly", "yes")
        with self.output.open("ab") as output:
            process = subprocess.Popen(command, stdout=output, start_new_session=True)
        while not answers(self.url):
            time.sleep(POLL_SECONDS)
        return process

    def kill_and_erase(self) -> None:
        """Kill -9, and nothing stays."""
        self.end()
        shutil.rmtree(self._files)
        self._process = self._start()

    def end(self) -> None:
        """It has nothing to put in order."""
        self._process.kill()
        self._process.wait()


class Installation:
    """All of it. A program is found by its name."""

    def __init__(self, directory: Path, postgres: Postgres, broker: Valkey) -> None:
        self.directory, self.postgres, self.broker = directory, postgres, broker
        settings = {
            "NOTELEDGER_DATABASE_URL": postgres.address.app_url,
            "NOTELEDGER_OWNER_DATABASE_URL": postgres.address.owner_url,
            "NOTELEDGER_BROKER_URL": broker.url,
            "NOTELEDGER_DEMO": "true",
        }
        self.service = Service(directory, settings)
        self.programs = {
            name: Program(name, directory, settings)
            for name in (f"{kind}-{number}" for kind in READY for number in range(1, OF_EACH + 1))
        }

    def start(self) -> None:
        """Lay the schema and start everything. Raises ServiceError."""
        subprocess.run(
            self.service.command("migrate"),
            check=True,
            cwd=CHECKOUT,
            env={**environment(), **self.service.settings},
            stdout=subprocess.DEVNULL,
        )
        self.service.start()
        for program in self.programs.values():
            program.start()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Raises ServiceError where a program has ended that nobody has killed."""
        self.service.wait_until_ready()
        for program in self.programs.values():
            program.wait_until_ready()

    def searched(self) -> Searched:
        """For words: all tables, and what programs and broker have written, but the key file."""
        without = [self.service.state / "keys.json", self.directory / "p"]
        tables = search_tables(self.postgres.address.owner_url)
        files = search_files(self.directory, without=without)
        return together("installation", itertools.chain(tables, files))

    def end(self) -> list[int]:
        """In order; the exit code of each program that ran."""
        running = [program for program in self.programs.values() if program.is_running()]
        codes = [program.end() for program in running]
        self.service.clear_away()
        return codes


@contextmanager
def installation() -> Iterator[Installation]:
    """One that is not started yet; afterwards nothing is left of it."""
    unwind_when_ended()
    with short_directory() as directory:
        state = directory / "p"
        with cleaned(state):
            postgres, broker = Postgres(state), Valkey(directory)
            found = Installation(directory, postgres, broker)
            try:
                yield found
            finally:
                for program in found.programs.values():
                    if program.is_running():
                        program.kill()
                found.service.clear_away()
                broker.end()
                postgres.end()
