"""One child process for each file: an empty environment, bounded resources, killed with its group.

The file goes in on standard input; an answer of bounded length comes out on standard output.
Standard error is thrown away, since it may hold words. The code that runs in the child is
`confined.py`. Where the kernel permits it, the child gets new process and network namespaces; then
nothing that it starts lives longer than the child.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple

from handlers.confined import Orders

ROOT: Final = Path(__file__).resolve().parent.parent
SCRIPT: Final = ROOT / "handlers" / "confined.py"
SPARE_USER: Final = 65_533
"""The user that a child of root becomes. Debian keeps this user id free (policy, 9.2.2), so it owns no
file and no process; `nobody` may own some, for instance those of the embedded database server."""
CHUNK_BYTES: Final = 65_536
ENDING_SECONDS_MAX: Final = 5.0

_NAMESPACES: Final = ("--net", "--pid", "--ipc", "--fork", "--kill-child")
_AS_SPARE_USER: Final = ("--user", f"--map-user={SPARE_USER}", f"--map-group={SPARE_USER}")
_READABLE: Final = ("/usr", "/lib", "/lib64")


class Way(NamedTuple):
    """How children are started: the `unshare` command, or nothing; the user id to change to, or None."""

    unshare: tuple[str, ...]
    user_id: int | None


class Limits(NamedTuple):
    """The limits of one child. An answer longer than `answer_bytes_max` is an error."""

    seconds_max: int
    memory_bytes_max: int
    answer_bytes_max: int


class Task(NamedTuple):
    """A module with a `main(source, sink, *arguments)`, and whether it may start programs."""

    program: str
    arguments: tuple[Any, ...] = ()
    may_fork: bool = False


class End(Enum):
    """How a child ended."""

    ANSWERED = "answered"
    TOO_LONG = "too long"
    TOO_MUCH = "too much"
    BROKEN = "broken"


class Sandbox:
    """Starts children in one way."""

    def __init__(self, limits: Limits, way: Way, paths: tuple[str, ...] = ()) -> None:
        self.limits = limits
        self.way = way
        self._paths = (str(ROOT), *paths, *_site_packages())
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = Lock()
        self._is_closed = False

    def close(self) -> None:
        """Kill the children that run, and each later one as it starts."""
        with self._lock:
            self._is_closed = True
            for child in self._running:
                _kill(child)

    @property
    def is_busy(self) -> bool:
        """Whether a child runs."""
        return bool(self._running)

    def run(self, task: Task, content: bytes) -> tuple[End, bytes]:
        """Run one child to its end. It is dead on return, also where this thread was interrupted."""
        deadline = time.monotonic() + self.limits.seconds_max
        with self._child(task) as child:
            end, answer = _exchange(child, content, self.limits.answer_bytes_max, deadline)
            if end is not End.ANSWERED:
                return end, b""
            try:
                code = child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                return End.TOO_LONG, b""
        return (End.ANSWERED, answer) if code == 0 else (End.BROKEN, b"")

    @contextmanager
    def _child(self, task: Task) -> Iterator[subprocess.Popen[bytes]]:
        with _nowhere() as nowhere:
            child = subprocess.Popen(
                [
                    *self.way.unshare,
                    sys.executable,
                    "-I",
                    "-S",
                    "-B",
                    str(SCRIPT),
                    self._orders(task, nowhere),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                pass_fds=[nowhere],
                start_new_session=True,  # a group of its own, to be killed as one
                cwd="/",
                env=_environment(),
            )
        with self._lock:
            self._running.add(child)
            if self._is_closed:
                _kill(child)
        try:
            yield child
        finally:
            _kill(child)
            with self._lock:
                self._running.discard(child)
            child.wait(ENDING_SECONDS_MAX)
            for pipe in (child.stdin, child.stdout):
                if pipe:
                    with suppress(BrokenPipeError):
                        pipe.close()

    def _orders(self, task: Task, nowhere: int) -> str:
        orders = Orders(
            program=task.program,
            arguments=list(task.arguments),
            paths=list(self._paths),
            readable=_own_directories(self._paths),
            nowhere=nowhere,
            user_id=self.way.user_id,
            may_fork=task.may_fork,
            memory_bytes_max=self.limits.memory_bytes_max,
            cpu_seconds_max=self.limits.seconds_max,
        )
        return json.dumps(orders)


def ways() -> Iterator[Way]:
    """All ways, the strictest first; a trial finds which of them work.

    A child in a user namespace of its own may read what its starter may read, and no more.
    """
    unshare, is_root = shutil.which("unshare"), os.geteuid() == 0
    if unshare and is_root:
        yield Way((unshare, *_NAMESPACES), SPARE_USER)
    if unshare:
        yield Way((unshare, *_AS_SPARE_USER, *_NAMESPACES), None)
    if is_root:
        yield Way((), SPARE_USER)
    if unshare and is_root:
        yield Way((unshare, *_NAMESPACES), None)
    yield Way((), None)


def _exchange(
    child: subprocess.Popen[bytes], content: bytes, answer_bytes_max: int, deadline: float
) -> tuple[End, bytes]:
    """Write the file and read the answer, each as far as the child is ready."""
    assert child.stdin and child.stdout
    left, answer = memoryview(content), bytearray()
    os.set_blocking(child.stdin.fileno(), False)
    poll = select.poll()
    poll.register(child.stdin, select.POLLOUT)
    poll.register(child.stdout, select.POLLIN)
    while True:
        ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        if time.monotonic() >= deadline:
            return End.TOO_LONG, b""
        for descriptor, _ in ready:
            if descriptor == child.stdout.fileno():
                chunk = os.read(descriptor, CHUNK_BYTES)
                if not chunk:
                    return End.ANSWERED, bytes(answer)
                answer += chunk
                if len(answer) > answer_bytes_max:
                    return End.TOO_MUCH, b""
            else:
                left = _written(descriptor, left)
                if not left:
                    poll.unregister(descriptor)
                    child.stdin.close()


def _written(descriptor: int, left: memoryview) -> memoryview:
    """What is left to write; empty where the child no longer reads."""
    try:
        return left[os.write(descriptor, left[:CHUNK_BYTES]) :] if left else left
    except BlockingIOError:
        return left
    except BrokenPipeError:
        return left[:0]


def _kill(child: subprocess.Popen[bytes]) -> None:
    """Kill the whole group. The child was not waited for yet, so no other group has its number."""
    if child.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)


@contextmanager
def _nowhere() -> Iterator[int]:
    """A directory that is already removed: it is empty, and no file can be made in it."""
    name = tempfile.mkdtemp(prefix="nl-")
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
    finally:
        Path(name).rmdir()
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _site_packages() -> tuple[str, ...]:
    """The directories of this program's libraries; the child does not search for them (`-S`)."""
    return tuple(dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib")))


def _own_directories(paths: tuple[str, ...]) -> list[str]:
    """The directories that a child may read: Python, its libraries, and our `handlers`."""
    own = [str(Path(path) / "handlers") if path == str(ROOT) else path for path in paths]
    return [*own, sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"), *_READABLE]


def _environment() -> dict[str, str]:
    """Only the variables that a Python in an unusual directory needs to start."""
    kept = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ}
