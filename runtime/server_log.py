"""The log file of an embedded server: what it and its guard write to."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime.private_files import open_private

LOG_BYTES_MAX = 10_000_000


@dataclass(frozen=True)
class ServerLog:
    """What the server and its guard write to; `since` is where this run's part begins, in bytes."""

    path: Path
    descriptor: int
    since: int

    def end(self) -> str:
        """The last lines of this run, for the message of an error."""
        lines = self.path.read_bytes()[self.since :].decode(errors="replace").splitlines()
        return "\n".join([f"The end of its log, {self.path}:", *lines[-20:]])


@contextmanager
def server_log(path: Path) -> Iterator[ServerLog]:
    """Open for one run; a long log of former runs is put aside first."""
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        path.rename(path.with_name(f"{path.name}.1"))
    descriptor = open_private(path, os.O_WRONLY | os.O_APPEND)
    try:
        yield ServerLog(path, descriptor, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)
