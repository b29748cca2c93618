"""The service: database, appender and API in one process, from the first line to an orderly end.

It ends by SIGTERM or Ctrl-C, in this order: no new requests, those under way answered, what waits
appended, connections closed, the embedded server stopped. Killed at any other point, it leaves
what a crash leaves: everything that was acknowledged, and nothing half.
"""

import errno
import gc
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from threading import Event, Thread
from types import FrameType
from typing import Final

import uvicorn

from api.app import create_app
from runtime import background, demo, owner, wiring
from runtime.checks import require_ready
from runtime.embedded import EmbeddedServerError
from runtime.operator_errors import OperatorError
from runtime.seed import clinics_to_seed, seed_record_types
from runtime.settings import Settings
from runtime.wiring import System

BACKLOG: Final = 2_048
WATCH_SECONDS: Final = 2.0
MISSES_MAX: Final = 3
"""So many times in a row the embedded database did not answer: it is not coming back."""
GARBAGE_THRESHOLD: Final = 50_000
"""Objects made before the collector looks for cycles among the new ones."""
ANSWER_SECONDS_MAX: Final = 10
ENDING: Final = (signal.SIGTERM, signal.SIGINT)

Print = Callable[[str], None]


class CannotListenError(OperatorError):
    """The address cannot be listened on; the message says why."""


def serve(settings: Settings, print_line: Print) -> None:
    """Serve until a signal ends it. Prints where, and in a demo, how to log in.

    Raises StateIsInUse, CannotListenError, and what is wrong with database or key file.
    """
    with (
        _signals_end_it(),
        wiring.database(settings) as address,
        wiring.broker(settings) as broker_url,
    ):
        if settings.is_embedded:
            owner.lay(address.owner_url, lambda _: None)
        require_ready(address.app_url)
        with wiring.build(settings, address.app_url) as system:
            system.services.documents.try_soon()
            _seed(settings, system)
            with closing(_listen(settings)) as listener:
                _print_addresses(settings, system, listener, print_line)
                if broker_url is None:
                    print_line(wiring.why_in_memory(settings))
                with _background_work(settings, system, broker_url):
                    _settle_memory()
                    with _watching(settings, system):
                        _answer(system, listener)


@contextmanager
def _background_work(settings: Settings, system: System, broker_url: str | None) -> Iterator[None]:
    """Done in this process, unless there is a broker for programs that do it."""
    with ExitStack() as stack:
        queue = stack.enter_context(background.opened(system, broker_url))
        if settings.works_itself:
            stack.enter_context(background.working(settings, system, queue))
            stack.enter_context(background.following(system, queue))
        yield


@contextmanager
def _watching(settings: Settings, system: System) -> Iterator[None]:
    """End where the embedded server is gone for good: the next start brings both back.

    Raises EmbeddedServerError then, so that whoever keeps the service running sees why.
    """
    ended, lost = Event(), Event()

    def watch() -> None:
        misses = 0
        while misses < MISSES_MAX and not ended.wait(WATCH_SECONDS):
            try:
                system.services.is_ready()
                misses = 0
            except Exception:  # whatever the reason, it does not answer
                misses += 1
        if not ended.is_set():
            lost.set()
            os.kill(os.getpid(), signal.SIGTERM)

    if settings.is_embedded:
        Thread(target=watch, name="watch", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
    if lost.is_set():
        raise EmbeddedServerError(
            "The embedded database server has ended, and the service with it. Start it again: it"
            f" recovers. {settings.state / 'postgres.log'} may say why."
        )


def _settle_memory() -> None:
    """What stands after the start stays: the collector need not walk it again with every request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 50)


def _seed(settings: Settings, system: System) -> None:
    services, at = system.services, system.services.clock()
    for clinic_id in clinics_to_seed(system.datastore):
        seed_record_types(services.ledger, clinic_id, at)
    if settings.is_demo and demo.may_seed_demo(system.datastore, services.ledger):
        demo.seed_demo(services.ledger, services.accounts, at)


def _listen(settings: Settings) -> socket.socket:
    """Listening from here on: who comes before the first answer waits."""
    try:
        found = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        # Where a name has both, as `localhost` has, clients that know IPv4 only come through.
        family, *_, address = min(found, key=lambda info: info[0] is not socket.AF_INET)
        return socket.create_server(
            (address[0], settings.port),
            family=family,
            backlog=BACKLOG,
            dualstack_ipv6=settings.host == "::" and socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        raise CannotListenError(_why_not(settings, error)) from error


def _why_not(settings: Settings, error: OSError) -> str:
    where = f"{settings.host} port {settings.port}"
    match error:
        case socket.gaierror():
            return f"{settings.host} is no address of this machine."
        case OSError(errno=errno.EADDRINUSE):
            return f"Another program listens on {where}: stop it, or choose another --port."
        case OSError(errno=errno.EACCES):
            return f"You may not listen on {where}: ports below 1024 are the system's."
        case _:
            return f"Cannot listen on {where}: {os.strerror(error.errno or 0)}."


def _print_addresses(
    settings: Settings, system: System, listener: socket.socket, print_line: Print
) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    print_line(f"noteledger listens on http://{host}:{listener.getsockname()[1]}")
    if settings.is_embedded:
        print_line(f"The database and its keys are kept in {settings.state.resolve()}")
    else:
        print_line(f"The keys are kept in {settings.key_path.resolve()}")
    if logins := demo.demo_logins(system.services.accounts):
        print_line(f"Demo log-ins, all with the password {demo.PASSWORD}: {', '.join(logins)}")


def _answer(system: System, listener: socket.socket) -> None:
    """Returns when a signal has ended it and the last request is answered."""

    def is_ending() -> bool:
        return server.should_exit

    config = uvicorn.Config(
        create_app(system.services, is_ending),
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=ANSWER_SECONDS_MAX,
    )
    server = uvicorn.Server(config)

    def end(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    # The library takes the signals over, and raises what came once more when it is done.
    for number in ENDING:
        signal.signal(number, end)
    server.run(sockets=[listener])


@contextmanager
def _signals_end_it() -> Iterator[None]:
    """The first signal unwinds everything from wherever it is; further ones do not disturb that."""

    def end(number: int, frame: FrameType | None) -> None:
        for ending in ENDING:
            signal.signal(ending, signal.SIG_IGN)
        raise SystemExit(0)

    before = {number: signal.signal(number, end) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
