"""The command line as a process of its own, and the service as one that answers."""

import io
import os
import signal
import subprocess
import sys
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from runtime import cli
from runtime.settings import ENV_PREFIX
from tests.databases import Database

CHECKOUT = Path(__file__).parents[2]
SECONDS_MAX = 60.0
COMMAND = (sys.executable, "-W", "error", "-m", "runtime.cli")


class Result(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    error: str


def noteledger(
    *arguments: str | Path, env: Mapping[str, str] | None = None, stdin: str = ""
) -> Result:
    """Run a command to its end."""
    ran = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        check=False,
        cwd=CHECKOUT,
        env=_environment(env),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
    )
    assert "Traceback" not in ran.stderr, ran.stderr
    return Result(ran.returncode, ran.stdout, ran.stderr)


def in_here(
    *arguments: str | Path, env: Mapping[str, str] | None = None, stdin: str = ""
) -> Result:
    """The same in this process: saves the second that a Python with all of it takes to start."""
    out, error = io.StringIO(), io.StringIO()
    code: object = 0
    with (
        mock.patch.dict(os.environ, _environment(env), clear=True),
        mock.patch.object(sys, "argv", ["noteledger", *map(str, arguments)]),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()))),
        redirect_stdout(out),
        redirect_stderr(error),
    ):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
    assert isinstance(code, int)
    return Result(code, out.getvalue(), error.getvalue())


def on(database: Database, key_file: Path) -> dict[str, str]:
    """The settings of an operator's database."""
    return {
        "NOTELEDGER_DATABASE_URL": database.app_url,
        "NOTELEDGER_OWNER_DATABASE_URL": database.owner_url,
        "NOTELEDGER_KEY_FILE": str(key_file),
    }


class Service(NamedTuple):
    """A service that listens, and the first lines that it printed."""

    process: subprocess.Popen[str]
    url: str
    output: str

    def get(self, path: str, log_in: str = "") -> str:
        """The answer's body. Raises HTTPError."""
        request = urllib.request.Request(self.url + path)  # noqa: S310 (our own address)
        if log_in:
            basic = b64encode(log_in.encode()).decode()
            request.add_header("Authorization", f"Basic {basic}")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=SECONDS_MAX) as answer:
            return str(answer.read().decode())

    def end(self, number: signal.Signals) -> int:
        """Send the signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS_MAX)


@contextmanager
def serving(*options: str | Path, env: Mapping[str, str] | None = None) -> Iterator[Service]:
    """`noteledger serve` on a free port; killed afterwards where it still runs."""
    with subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", *map(str, options)],
        cwd=CHECKOUT,
        env=_environment(env),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert " listens on http://" in first, first
            url = first.split()[-1]
            service = Service(process, url, first)
            assert service.get("/healthz")
            lines = [first, process.stdout.readline()]
            yield service._replace(output="".join(lines))
        finally:
            process.kill()


def _environment(given: Mapping[str, str] | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    return {**kept, "PYTHONPATH": str(CHECKOUT), "COLUMNS": "200", **(given or {})}
