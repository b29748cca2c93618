"""A wire to the database that is cut around a COMMIT, so that nobody hears its answer.

It stands between a program and the server's socket, passes everything on, and watches for the
one message. Nothing in the program knows of it.
"""

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

from tests.databases import short_directory

COMMIT: Final = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""The simple query, as the protocol writes it."""
_SOCKET: Final = ".s.PGSQL.5432"
_LATE_SECONDS: Final = 0.4


class Cut(Enum):
    """Where the wire is cut."""

    BEFORE_COMMIT = auto()
    """COMMIT never arrives: nothing is stored."""
    AFTER_COMMIT = auto()
    """COMMIT took effect, its answer is lost."""
    COMMIT_IS_LATE = auto()
    """The wire is cut, and COMMIT takes effect while the program looks already."""


class Wire:
    """Passes on what it is told to cut next."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self._planned: list[Cut] = []
        self.cuts = 0

    def cut_at_next_commit(self, *cuts: Cut) -> None:
        """The next COMMITs, one cut each."""
        self._planned.extend(cuts)

    def serve(self, listening: socket.socket) -> None:
        """Take connections until the socket is closed."""
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            server.connect(str(self._server))
            while True:
                readable, _, _ = select.select([client, server], [], [])
                for sender in readable:
                    heard = sender.recv(65_536)
                    if not heard:
                        return
                    if sender is client and heard.endswith(COMMIT) and self._planned:
                        self._cut(self._planned.pop(0), client, server, heard)
                        return
                    (server if sender is client else client).sendall(heard)

    def _cut(self, cut: Cut, client: socket.socket, server: socket.socket, heard: bytes) -> None:
        self.cuts += 1
        match cut:
            case Cut.BEFORE_COMMIT:
                pass
            case Cut.AFTER_COMMIT:
                server.sendall(heard)
                server.recv(65_536)
            case Cut.COMMIT_IS_LATE:
                client.close()
                time.sleep(_LATE_SECONDS)
                server.sendall(heard)
                server.recv(65_536)


@contextmanager
def wire_to(url: str) -> Iterator[tuple[Wire, str]]:
    """A wire to the database of the URL, and the URL that goes through it."""
    parts = urlsplit(url)
    server = Path(parse_qs(parts.query)["host"][0], _SOCKET)
    wire = Wire(server)
    with short_directory() as directory, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(directory / _SOCKET))
        listening.listen(64)
        serving = threading.Thread(target=wire.serve, args=(listening,), daemon=True)
        serving.start()
        try:
            yield wire, parts._replace(query=f"host={quote(str(directory), safe='')}").geturl()
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            serving.join()
