"""A server that speaks OpenAI's chat completions on loopback, well or badly, as a test wants it."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

Said = dict[str, Any]
Behave = Callable[["Request"], None]

SECTIONS: Final = ("subjective", "objective", "assessment", "plan")


def answer(**sections: list[tuple[str, list[int]]]) -> str:
    """What a model says: statements with the numbers of their sentences, by section."""
    said = {
        section: [{"text": text, "sources": numbers} for text, numbers in sections.get(section, [])]
        for section in SECTIONS
    }
    return json.dumps(said)


class Request(BaseHTTPRequestHandler):
    """One request: what was asked, and ways to answer."""

    protocol_version = "HTTP/1.1"
    asked: Said

    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        self.asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.asked.append(self.asked)
        server.headers.append({name.lower(): value for name, value in self.headers.items()})
        with suppress(ConnectionError):
            server.behave(self)

    def complete(self, content: str) -> None:
        """A proper chat completion."""
        choice = {"index": 0, "message": {"role": "assistant", "content": content}}
        self.send(200, {"id": "1", "object": "chat.completion", "choices": [choice]})

    def send(self, status: int, body: object, **headers: str) -> None:
        """JSON."""
        whole = json.dumps(body).encode()
        self.begin(status, len(whole), **headers)
        self.wfile.write(whole)

    def begin(self, status: int, length: int, **headers: str) -> None:
        """The head of an answer."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def drip(self, seconds: float) -> None:
        """A byte now and then: each read is answered, and the whole never is."""
        self.begin(200, 1_000_000)
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.is_ending:
            self.wfile.write(b" ")
            self.wfile.flush()
            time.sleep(0.05)

    def stall(self, seconds: float) -> None:
        """No answer at all."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.is_ending:
            time.sleep(0.05)

    @property
    def is_ending(self) -> bool:
        """Whether the test is over."""
        server = self.server
        assert isinstance(server, Server)
        return server.ending.is_set()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    """Keeps what it was asked."""

    daemon_threads = True

    def __init__(self, behave: Behave) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.behave = behave
        self.asked: list[Said] = []
        self.headers: list[dict[str, str]] = []
        self.ending = threading.Event()

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


@contextmanager
def llm_server(behave: Behave) -> Iterator[Server]:
    """Answering in the block."""
    server = Server(behave)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ending.set()
        server.shutdown()
        server.server_close()
        thread.join()


def in_turn(*contents: str) -> Behave:
    """One answer after the other, the last one for ever."""
    left = list(contents)

    def behave(request: Request) -> None:
        request.complete(left.pop(0) if len(left) > 1 else left[0])

    return behave
