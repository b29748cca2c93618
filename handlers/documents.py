"""The text of uploaded files: each file is read by a confined child process (`sandbox.py`).

A fixed number of children runs at a time; other files wait, for a bounded time. A hostile file can
harm its child only: the child answers or is killed, and its memory goes with it.
"""

import compileall
import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from threading import Lock
from typing import Annotated, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from handlers import formats
from handlers.formats.outcome import UNKNOWN, Bounds, Unreadable
from handlers.sandbox import End, Limits, Sandbox, Task, Way, ways

MIB: Final = 1024 * 1024
MEMORY_BYTES_MAX: Final = 1024 * MIB
UNPACKED_BYTES_MAX: Final = 64 * MIB
PAGES_MAX: Final = 2_000
WAIT_SECONDS_MAX: Final = 60.0
NOT_TRIED: Final = "not tried yet"
_ANSWER_SPARE_BYTES: Final = 65_536
_TRIAL_SECONDS_MAX: Final = 20


class Read(NamedTuple):
    """A file's text and its warnings. `pages` is None where the format has no pages."""

    media_type: str
    pages: int | None
    text: str
    warnings: tuple[str, ...]


class Unread(NamedTuple):
    """Why there is no text. The media type is unknown where it was not recognised."""

    media_type: str
    reason: Unreadable


class FileIsUnreadable(Exception):
    """No text can be read from the file. The reason quotes nothing of it."""

    def __init__(self, reason: Unreadable) -> None:
        self.reason = reason
        super().__init__(reason.value)


class ReadersAreBusy(Exception):
    """Too many files wait to be read: try again later."""


class ReadersDoNotStartError(Exception):
    """No child that reads files can be started on this machine."""


class DocumentLimits(NamedTuple):
    """Seconds for one file, bytes of text kept of it, and how many files are read at a time."""

    seconds_max: int = 30
    text_bytes_max: int = MIB
    at_once: int = os.cpu_count() or 1


class Isolation(NamedTuple):
    """What the confinement gives on this machine, as a trial child found it."""

    has_own_processes: bool
    has_no_network: bool
    sees_no_files: bool
    has_no_privileges: bool

    @property
    def missing(self) -> tuple[str, ...]:
        """What this machine does not give."""
        found = (
            (self.has_own_processes, "no process namespace of its own"),
            (self.has_no_network, "network not cut off"),
            (self.sees_no_files, "files not shut off"),
            (self.has_no_privileges, "privileges of root"),
        )
        return tuple(sentence for is_there, sentence in found if not is_there)

    @property
    def sentence(self) -> str:
        """For an operator."""
        return "; ".join(self.missing) if self.missing else "full"


class Documents:
    """Reads files. A child exists only while it reads a file. `close` ends the threads that wait for them."""

    def __init__(self, limits: DocumentLimits, tesseract: str | None) -> None:
        self.limits = limits
        self._tesseract = tesseract
        self._pool = ThreadPoolExecutor(limits.at_once, thread_name_prefix="documents")
        self._lock = Lock()
        self._tried: tuple[Sandbox, Isolation] | None = None
        self._confinement = NOT_TRIED

    def close(self) -> None:
        """Kill the children that run, and end the threads."""
        if self._tried:
            self._tried[0].close()
        self._pool.shutdown(cancel_futures=True)

    @property
    def has_ocr(self) -> bool:
        """Whether pictures and scans can be read."""
        return self._tesseract is not None

    @property
    def is_busy(self) -> bool:
        """Whether a file is being read."""
        return self._tried is not None and self._tried[0].is_busy

    @property
    def isolation(self) -> Isolation:
        """How far children are confined here. The first call waits for a trial."""
        return self._ready()[1]

    @property
    def confinement(self) -> str:
        """The same as a sentence for an operator; never waits for the trial."""
        return self._confinement

    def try_soon(self) -> None:
        """Make the trial in a thread now, so that the first file need not wait for it."""
        self._pool.submit(self._ready)

    def read(self, content: bytes) -> Read:
        """One file's text. Raises FileIsUnreadable, ReadersAreBusy."""
        [found] = self.read_all([content])
        if isinstance(found, Unread):
            raise FileIsUnreadable(found.reason)
        return found

    def read_all(self, contents: Sequence[bytes]) -> list[Read | Unread]:
        """Several files at a time, as far as the limit allows. Raises ReadersAreBusy."""
        sandbox, _ = self._ready()
        waiting = [self._pool.submit(self._read, sandbox, content) for content in contents]
        try:
            return [self._finished(future) for future in waiting]
        finally:
            for future in waiting:
                future.cancel()

    def _finished(self, future: "Future[Read | Unread]") -> Read | Unread:
        try:
            return future.result(WAIT_SECONDS_MAX)
        except TimeoutError:
            if future.cancel():
                raise ReadersAreBusy from None
        return future.result()  # it has begun, and will not take longer than a child may

    def _read(self, sandbox: Sandbox, content: bytes) -> Read | Unread:
        bounds = Bounds(self.limits.text_bytes_max, PAGES_MAX, UNPACKED_BYTES_MAX, self._tesseract)
        task = Task("handlers.formats.child", tuple(bounds), may_fork=self.has_ocr)
        end, answer = sandbox.run(task, content)
        match end:
            case End.ANSWERED:
                return understood(answer)
            case End.TOO_LONG:
                return Unread(UNKNOWN, Unreadable.TOO_LONG)
            case End.TOO_MUCH | End.BROKEN:
                return Unread(UNKNOWN, Unreadable.BROKE_ITS_READER)

    def _ready(self) -> tuple[Sandbox, Isolation]:
        with self._lock:
            if self._tried is None:
                self._tried = self._first_that_works()
            return self._tried

    def _first_that_works(self) -> tuple[Sandbox, Isolation]:
        # A child writes no byte code, and may be another user: without this each would compile anew.
        for path in formats.__path__:
            compileall.compile_dir(path, quiet=2)
        limits = Limits(
            seconds_max=self.limits.seconds_max,
            memory_bytes_max=MEMORY_BYTES_MAX,
            answer_bytes_max=2 * self.limits.text_bytes_max + _ANSWER_SPARE_BYTES,
        )
        for way in ways():
            if isolation := tried(way, limits):
                self._confinement = isolation.sentence
                return Sandbox(limits, way), isolation
        self._confinement = str(ReadersDoNotStartError.__doc__)
        raise ReadersDoNotStartError


def tried(way: Way, limits: Limits) -> Isolation | None:
    """What a child that is started in this way can do; None where it does not start."""
    with closing(Sandbox(limits._replace(seconds_max=_TRIAL_SECONDS_MAX), way)) as sandbox:
        end, answer = sandbox.run(Task("handlers.formats.trial"), b"")
    if end is not End.ANSWERED:
        return None
    seen = json.loads(answer)
    return Isolation(
        has_own_processes=seen["process_id"] == 1,
        has_no_network=not seen["has_network"],
        sees_no_files=not seen["sees_files"],
        has_no_privileges=not seen["has_privileges"],
    )


def find_tesseract() -> str | None:
    """Debian's Tesseract, where it is on the PATH."""
    return shutil.which("tesseract")


class _Answer(BaseModel):
    """A child's answer."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)

    media_type: Annotated[str, Field(max_length=100)]
    unreadable: str | None = None
    pages: Annotated[int, Field(ge=1, le=PAGES_MAX)] | None = None
    text: str = ""
    warnings: list[Annotated[str, Field(max_length=200)]] = Field(default=[], max_length=20)


def understood(answer: bytes) -> Read | Unread:
    """A child's answer, checked. A hostile file may have written it: all of it is text and no more."""
    try:
        found = _Answer.model_validate_json(answer)
        if found.unreadable:
            return Unread(found.media_type, Unreadable[found.unreadable])
    except (ValidationError, KeyError):
        return Unread(UNKNOWN, Unreadable.BROKE_ITS_READER)
    return Read(found.media_type, found.pages, found.text, tuple(found.warnings))
