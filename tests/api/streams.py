"""Event streams as a front end reads them: a real server on a real socket, and a reader of its own making.

The reader follows WHATWG HTML, section 9.2.6, as far as our streams go: a block without data is no
event, but its id counts.
"""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from threading import Thread
from typing import Any, Final, NamedTuple

import uvicorn
from httpx2 import Client

from api.app import create_app
from tests.api.clinic import Clinic, Door

PATIENCE_SECONDS: Final = 60.0


class Told(NamedTuple):
    """An event as it arrived."""

    position: int
    name: str
    said: dict[str, Any]

    @property
    def gist(self) -> tuple[str, str, int]:
        """Event, what happened, and to which id."""
        return self.name, self.said["what"], self.said["id"]


@dataclass
class Stream:
    """A stream that is being read. `last_id` is what a browser would come back with."""

    lines: Iterator[str]
    last_id: int = 0
    raw: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Told]:
        """Event after event, until the stream ends."""
        return (told for told in self._blocks() if told)

    def until(self, position: int) -> list[Told]:
        """All events, until the stream says that it has come so far."""
        found = []
        for told in self._blocks():
            found += [told] if told else []
            if self.last_id >= position:
                return found
        raise AssertionError(f"the stream ended at {self.last_id}, before {position}")

    def take(self, count: int) -> list[Told]:
        """The next events."""
        return [told for _, told in zip(range(count), self, strict=False)]

    def _blocks(self) -> Iterator[Told | None]:
        block: dict[str, str] = {}
        for line in self.lines:
            self.raw.append(line)
            if line:
                name, _, value = line.partition(":")
                block[name] = value.removeprefix(" ")
                continue
            self.last_id = int(block.get("id", self.last_id))
            data = block.get("data")
            yield Told(self.last_id, block["event"], json.loads(data)) if data else None
            block = {}


@dataclass(frozen=True)
class Served:
    """A clinic's application behind a socket. `end` is what a signal does to the service."""

    address: tuple[str, int]
    end: Callable[[], None]

    def client(self) -> Client:
        """Somebody outside."""
        host, port = self.address
        url = f"http://{host}:{port}"
        return Client(base_url=url, trust_env=False, timeout=PATIENCE_SECONDS)

    @contextmanager
    def listening(self, door: Door, **said: Any) -> Iterator[Stream]:
        """A stream that was let in."""
        with (
            self.client() as http,
            http.stream("GET", "/events/", auth=door.credentials, **said) as answer,
        ):
            assert answer.status_code == 200, answer.read()
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            yield Stream(answer.iter_lines())

    def told(self, clinic: Clinic, door: Door, after: int = 0) -> list[Told]:
        """All that a caller of the clinic is told of what happened after a position."""
        with self.listening(door, params={"after": after}) as stream:
            return stream.until(head(clinic))

    def read_on(self, door: Door, after: int, count: int) -> tuple[list[Told], int]:
        """At least so many events, over as many streams as that takes, and the last id.

        Each stream is read to its end and goes on where the one before it ended.
        """
        events: list[Told] = []
        end = time.monotonic() + PATIENCE_SECONDS
        while len(events) < count:
            assert time.monotonic() < end, f"only {len(events)} events came"
            with self.listening(door, headers={"Last-Event-ID": str(after)}) as stream:
                stream.last_id = after
                events += list(stream)
            after = stream.last_id
        return events, after

    def status(self, door: Door) -> int:
        """What somebody is answered who asks for a stream."""
        with self.client() as http, http.stream("GET", "/events/", auth=door.credentials) as answer:
            return answer.status_code

    def soon_lets_in(self, door: Door) -> bool:
        """Whether there is a place again, when those that were left are noticed."""
        end = time.monotonic() + PATIENCE_SECONDS
        while self.status(door) != 200:
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True


@contextmanager
def served(clinic: Clinic, **limits: Any) -> Iterator[Served]:
    """The clinic's application on a socket of its own; a silent stream says every moment how far it is."""
    quick: dict[str, Any] = {
        "keep_alive_seconds": 0.02,
        "poll_seconds": 0.01,
        "poll_seconds_max": 0.02,
    }
    quick |= limits
    services = replace(
        clinic.services, stream_limits=replace(clinic.services.stream_limits, **quick)
    )

    def is_ending() -> bool:
        return server.should_exit

    def end() -> None:
        server.should_exit = True

    config = uvicorn.Config(
        create_app(services, is_ending),
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=int(PATIENCE_SECONDS),
    )
    server = uvicorn.Server(config)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Served(listener.getsockname(), end)
        finally:
            end()
            thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()


def head(clinic: Clinic) -> int:
    """The newest position of the clinic's ledger."""
    row = clinic.owner.execute(
        "SELECT position FROM ledger.ledger_head WHERE clinic_id = %s", (clinic.number,)
    ).fetchone()
    assert row is not None
    return int(row[0])
