"""The embedded broker: a Valkey that one process owns, that starts and stops with that process, and
that comes back by itself when it alone has died.

In the state directory: `broker.lock` (held by the owner), `broker-address` (while the server runs;
the password in it is made anew at each start), `valkey.log`, and `valkey/`, the server's home.
"""

import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread

from runtime.attaching import attached_or_started
from runtime.embedded_home import Home, find_home, remove_socket_directory
from runtime.private_files import EmbeddedServerError, owned, state_directory, write_private
from runtime.server_log import ServerLog, server_log
from runtime.valkey_server import answers, configure, former_valkey_down, started, url_of, valkey

LOOK_SECONDS = 0.2
PAUSE_SECONDS_MIN = 0.1
PAUSE_SECONDS_MAX = 30.0

logger = logging.getLogger(__name__)


class NoValkeyError(EmbeddedServerError):
    """There is no Valkey server for this platform: ask `is_available` first."""


def is_available() -> bool:
    """Whether there is a Valkey server for this platform."""
    return valkey() is not None


@contextmanager
def embedded_broker(state: Path) -> Iterator[str]:
    """Run the broker of the state directory: its URL for redis-py, with the password.

    The server ends with the block, or with this process; where it ends before, it is started again
    behind the same URL. Raises `StateIsInUse` and `EmbeddedServerError`.
    """
    software = valkey()
    if software is None:
        raise NoValkeyError(NoValkeyError.__doc__)
    state = state_directory(state)
    with owned(state / "broker.lock"):
        home = find_home(state, software)
        password = secrets.token_urlsafe(32)
        configure(home, password)
        url = url_of(home, password)
        with _running(state / "valkey.log", home, url):
            write_private(state / "broker-address", url)
            try:
                yield url
            finally:
                (state / "broker-address").unlink(missing_ok=True)


@contextmanager
def attach_or_start_broker(state: Path) -> Iterator[str]:
    """The broker of whoever owns the state directory; where nobody does, one for this block only."""
    with ExitStack() as stack:
        yield attached_or_started(
            stack,
            lambda: embedded_broker(state),
            lambda: _running_address(state),
            state / "valkey.log",
        )


def _running_address(state: Path) -> str | None:
    """An address may be a dead owner's."""
    try:
        url = (state / "broker-address").read_text()
    except FileNotFoundError:
        return None
    return url if answers(url) else None


@contextmanager
def _running(log_path: Path, home: Home, url: str) -> Iterator[None]:
    with server_log(log_path) as log:
        try:
            supervisor = _Supervisor(home, url, log)
            try:
                yield
            finally:
                supervisor.stop()
        finally:
            with former_valkey_down(home):  # a killed guard leaves the last of its server behind
                remove_socket_directory(home)


class _Supervisor:
    """Runs the server, and a new one whenever it has ended, with pauses that grow to half a minute."""

    def __init__(self, home: Home, url: str, log: ServerLog) -> None:
        self._home, self._url, self._log = home, url, log
        self._stopping = Event()
        self._server = started(home, url, log, self._stopping)
        self._thread = Thread(target=self._keep, name="embedded broker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the server, and start no other."""
        self._stopping.set()
        self._thread.join()
        self._server.stop()

    def _keep(self) -> None:
        pause, started_at = PAUSE_SECONDS_MIN, time.monotonic()
        while not self._stopping.wait(LOOK_SECONDS):
            if self._server.exit_code() is None:
                continue
            lived = time.monotonic() - started_at
            pause = PAUSE_SECONDS_MIN if lived > PAUSE_SECONDS_MAX else pause
            logger.warning("the embedded broker has ended: it is started again")
            pause = self._start_again(pause)
            started_at = time.monotonic()

    def _start_again(self, pause: float) -> float:
        """Until it runs or is to be no more. Returns the pause before the next time."""
        while not self._stopping.wait(pause):
            pause = min(2 * pause, PAUSE_SECONDS_MAX)
            try:
                server = started(self._home, self._url, self._log, self._stopping)
            except (EmbeddedServerError, OSError) as error:
                logger.error("the embedded broker does not start: %s", error)
                continue
            former, self._server = self._server, server
            former.stop()
            break
        return pause
