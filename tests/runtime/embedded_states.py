"""State directories of embedded servers: written to, asked, owned by another process, cleared away."""

import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg

from runtime.embedded import ServerAddress, StateIsInUse, embedded_postgres
from runtime.embedded_home import SHARED_HOME

CHECKOUT = Path(__file__).parents[2]

OWNER = """
import os, sys
from pathlib import Path
from runtime.embedded import embedded_postgres
with embedded_postgres(Path(sys.argv[1])) as address:
    if sys.argv[2:] and os.fork() == 0:
        os.closerange(0, 3)
        import time
        while os.path.exists(sys.argv[2]):
            time.sleep(0.05)
        os._exit(0)
    print(address.app_url, flush=True)
    sys.stdin.read()
"""


@contextmanager
def cleaned(state: Path, home: str = "postgres") -> Iterator[Path]:
    try:
        yield state
    finally:
        shutil.rmtree((state / home).resolve(), ignore_errors=True)
        with suppress(OSError):  # ours to remove only if nobody else uses it
            SHARED_HOME.rmdir()


def run(address: ServerAddress, statement: str) -> None:
    with closing(psycopg.connect(address.owner_url, autocommit=True)) as connection:
        connection.execute(statement.encode())


def ask(url: str, question: str) -> list[tuple[object, ...]]:
    with closing(psycopg.connect(url)) as connection:
        return connection.execute(question.encode()).fetchall()


def write_note(state: Path) -> None:
    with embedded_postgres(state) as address:
        run(address, "CREATE TABLE notes AS SELECT 'kept' AS words")
        run(address, "GRANT SELECT ON notes TO noteledger_app")


def has_note(state: Path) -> bool:
    with embedded_postgres(state) as address:
        return ask(address.app_url, "SELECT words FROM notes") == [("kept",)]


@contextmanager
def owner_process(
    state: Path, fork_while: Path | None = None, ready: bool = True
) -> Iterator[subprocess.Popen[str]]:
    """Another process that owns the state directory; a fork of it lives while the file is there."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(state), *([str(fork_while)] if fork_while else [])],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        try:
            assert owner.stdout is not None
            assert not ready or owner.stdout.readline().startswith("postgresql://")
            yield owner
        finally:
            owner.kill()


def postmaster_of(state: Path) -> int:
    return int((state / "postgres/data/postmaster.pid").read_text().splitlines()[0])


def ps(pid: int, column: str) -> str:
    shown = subprocess.run(
        ["/bin/ps", "-o", f"{column}=", "-p", str(pid)], check=False, capture_output=True
    )
    return shown.stdout.decode().strip()


def gone(pid: int) -> bool:
    return ps(pid, "stat")[:1] in ("", "Z")


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return held


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def is_in_use(state: Path) -> bool:
    try:
        with embedded_postgres(state):
            return False
    except StateIsInUse:
        return True
