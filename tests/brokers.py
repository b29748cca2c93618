"""Real brokers for tests: one server for each worker of pytest, emptied before each test."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import redis

from runtime.embedded_broker import embedded_broker
from tests.databases import short_directory


@contextmanager
def broker_server() -> Iterator[str]:
    """The URL of a broker of its own."""
    with short_directory() as directory, embedded_broker(directory / "s") as url:
        yield url


def forget_all(url: str) -> None:
    """What a broker is like whose memory was erased."""
    with closing(redis.Redis.from_url(url)) as client:
        client.flushall()
