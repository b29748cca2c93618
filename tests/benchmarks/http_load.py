"""A fast HTTP/1.1 load generator: one thread, plain sockets, whole requests prepared beforehand.

It keeps one request under way on each connection and reads answers by Content-Length. That is all
it knows of HTTP, and why one core of it can keep a server on another core busy.
"""

import selectors
import socket
import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

_LENGTH: Final = b"content-length:"


class Measured(NamedTuple):
    """What a run came to: requests a second, and latencies in milliseconds."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    requests: int
    failures: int


class _Connection:
    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.wanted = -1
        self.sent_at = 0.0

    def send(self, request: bytes) -> None:
        self.received, self.wanted = b"", -1
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def is_answered(self) -> bool:
        """Read what is there; whether the answer is whole."""
        chunk = self.socket.recv(262_144)
        if not chunk:
            raise ConnectionError("the server closed a connection")
        self.received += chunk
        if self.wanted < 0:
            end = self.received.find(b"\r\n\r\n")
            if end < 0:
                return False
            head = self.received[:end].lower()
            at = head.find(_LENGTH)
            length = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            self.wanted = end + 4 + length
        return len(self.received) >= self.wanted


def drive(
    address: tuple[str, int],
    requests: Iterator[bytes],
    connections: int,
    seconds: float,
    expected: Callable[[int], bool] = lambda status: status < 300,
) -> Measured:
    """Send `requests` over `connections` for `seconds`; the first tenth of the time is warm-up."""
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        connection = _Connection(address)
        connection.send(next(requests))
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    latencies: list[float] = []
    failures = 0
    begin = time.perf_counter()
    count_from, end = begin + seconds / 10, begin + seconds
    now = begin
    while now < end:
        for key, _ in selector.select(timeout=1.0):
            connection = key.data
            if not connection.is_answered():
                continue
            now = time.perf_counter()
            if now >= count_from:
                latencies.append(now - connection.sent_at)
                failures += not expected(int(connection.received[9:12]))
            connection.send(next(requests))
        now = time.perf_counter()
    for key in list(selector.get_map().values()):
        key.data.socket.close()
    selector.close()
    latencies.sort()
    return Measured(
        len(latencies) / (now - count_from),
        latencies[len(latencies) // 2] * 1000,
        latencies[len(latencies) * 99 // 100] * 1000,
        len(latencies),
        failures,
    )


def request(
    method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> bytes:
    """A whole request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
