"""The programs of the background work: `noteledger worker` and `noteledger follow`, any number of each.

Each ends by SIGTERM or Ctrl-C: a worker begins no further job, and finishes those under way within a
bound. Killed at any other point, either leaves what the others take over.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType

from prometheus_client import start_http_server

from runtime import background, wiring
from runtime.background import Background
from runtime.checks import require_ready
from runtime.operator_errors import OperatorError
from runtime.settings import Settings
from runtime.web import ENDING
from runtime.wiring import System

Print = Callable[[str], None]


class BrokerIsNeeded(OperatorError):
    """Say in NOTELEDGER_BROKER_URL where the Redis or Valkey is: the queue between the programs."""


def work(settings: Settings, metrics_port: int | None, print_line: Print) -> None:
    """Do jobs until a signal ends it. Port `metrics_port` of 127.0.0.1 answers with their metrics."""
    with _opened(settings) as (system, queue), background.working(settings, system, queue):
        if metrics_port is not None:
            start_http_server(metrics_port, "127.0.0.1", system.services.metrics)
        print_line(f"noteledger works on jobs with {settings.worker_threads} threads")
        _wait_for_the_end()


def follow(settings: Settings, print_line: Print) -> None:
    """Send the jobs that the ledgers start, until a signal ends it."""
    with _opened(settings) as (system, queue), background.following(system, queue):
        print_line("noteledger follows the ledgers")
        _wait_for_the_end()


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[System, Background]]:
    if settings.broker_url is None:
        raise BrokerIsNeeded
    with wiring.attached_database(settings) as address:
        require_ready(address.app_url)
        url = settings.broker_url.get_secret_value()
        with (
            wiring.build(settings, address.app_url) as system,
            background.opened(system, url) as queue,
        ):
            yield system, queue


def _wait_for_the_end() -> None:
    ended = Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    before = {number: signal.signal(number, end) for number in ENDING}
    try:
        ended.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
