"""A server on loopback that speaks OpenAI's chat completions, well or badly, as it is told."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

THREADS: Final = "llm-server"
UNTIL_GIVEN_UP: Final = 60.0  # longer than any client here waits

Behaviour = Callable[["Exchange"], None]


class Exchange(BaseHTTPRequestHandler):
    """One request and what is made of it."""

    protocol_version = "HTTP/1.1"
    server: "LlmServer"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append({"path": self.path, "headers": self.headers, **body})
        turn = min(len(self.server.requests), len(self.server.behaviours))
        try:
            self.server.behaviours[turn - 1](self)
        except (BrokenPipeError, ConnectionResetError):
            self.server.was_left.set()
        self.close_connection = True

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def answer(self, status: int, content: bytes, **headers: str) -> None:
        length = {"Content-Type": "application/json", "Content-Length": str(len(content))}
        self.begin(status, length | {k.replace("_", "-"): v for k, v in headers.items()})
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a test's output is not the place."""


class LlmServer(ThreadingHTTPServer):
    """Behaves by its list, one behaviour a request, the last one from then on."""

    daemon_threads = True

    def __init__(self, behaviours: Sequence[Behaviour]) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.behaviours = behaviours
        self.requests: list[dict[str, Any]] = []
        self.was_left = threading.Event()  # the client hung up in mid-answer
        self.is_over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def process_request(self, request: Any, client_address: Any) -> None:
        threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name=THREADS,
            daemon=True,
        ).start()


@contextmanager
def serving(*behaviours: Behaviour) -> Iterator[LlmServer]:
    """The server, for as long as the block lasts."""
    with LlmServer(behaviours) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), name=THREADS)
        thread.start()
        try:
            yield server
        finally:
            server.is_over.set()
            server.shutdown()
            thread.join()


# --- behaviours


def completion(content: str | None) -> bytes:
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return json.dumps(
        {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    ).encode()


def note(**sections: Sequence[tuple[str, Sequence[int]]]) -> str:
    """An answer by the schema; sections that are not named are empty."""
    return json.dumps(
        {
            name: [{"text": text, "sources": list(on)} for text, on in sections.get(name, ())]
            for name in ("subjective", "objective", "assessment", "plan")
        }
    )


def says(content: str | None) -> Behaviour:
    return lambda exchange: exchange.answer(200, completion(content))


def fails(
    status: int, content: bytes = b'{"error": {"message": "no"}}', **headers: str
) -> Behaviour:
    return lambda exchange: exchange.answer(status, content, **headers)


def is_silent(exchange: Exchange) -> None:
    """Reads the request and says nothing until the client has hung up."""
    exchange.connection.settimeout(UNTIL_GIVEN_UP)
    if exchange.connection.recv(1) == b"":
        exchange.server.was_left.set()


def drips(exchange: Exchange) -> None:
    """A space now and then: each read of the client's is quick, and the answer never whole."""
    exchange.begin(200, {"Content-Type": "application/json"})
    for _ in range(int(UNTIL_GIVEN_UP / 0.2)):
        exchange.wfile.write(b" ")
        if exchange.server.is_over.wait(0.2):
            return


def floods(status: int) -> Behaviour:
    def flood(exchange: Exchange) -> None:
        exchange.begin(status, {"Content-Type": "application/json"})
        for _ in range(4096):
            exchange.wfile.write(b" " * (1 << 20))

    return flood
