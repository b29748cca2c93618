"""Children that misbehave: each ends, alone and with all that it started, and takes no more than it may."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest

from handlers.documents import tried
from handlers.sandbox import End, Limits, Sandbox, Task, Way, ways

MIB: Final = 1024 * 1024
LIMITS: Final = Limits(seconds_max=60, memory_bytes_max=256 * MIB, answer_bytes_max=MIB)
BRIEF: Final = LIMITS._replace(seconds_max=1)
PLAIN: Final = Way((), None)
"""No namespaces and no other user: limits, the group, and where the kernel has it, Landlock."""


def first_that_works() -> Way:
    """The strictest way on this machine."""
    return next(way for way in ways() if tried(way, LIMITS))


WAYS: Final = dict.fromkeys((first_that_works(), PLAIN))


@pytest.fixture(params=WAYS, ids=lambda way: "strict" if way.unshare else "plain")
def way(request: pytest.FixtureRequest) -> Way:
    """The strictest way here, and the plainest."""
    found: Way = request.param
    return found


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No child, no descriptor, no directory."""
    before = (children(), open_descriptors())
    yield
    assert (children(), open_descriptors()) == before


def children() -> set[int]:
    """The processes that this one has started and not yet buried, by whichever of its threads."""
    found: set[int] = set()
    for thread in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # the thread has just ended
            found.update(map(int, (thread / "children").read_text().split()))
    return found


def open_descriptors() -> int:
    """How many this process holds."""
    return len(list(Path("/proc/self/fd").iterdir()))


def processes_that_run(word: str) -> list[int]:
    """Those of the whole machine whose command line holds the word."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if word.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:  # it has just ended
                continue
    return found


def task(what: str, *more: Any, may_fork: bool = False) -> Task:
    """A task in which the child misbehaves in this way."""
    return Task("tests.handlers.misbehaving", (what, *more), may_fork=may_fork)


def test_it_answers(way: Way) -> None:
    assert Sandbox(LIMITS, way).run(task("say_little"), b"a file") == (End.ANSWERED, b"words")


def test_a_file_that_it_does_not_read_to_its_end_is_no_harm(way: Way) -> None:
    whole = bytes(5 * MIB)
    assert Sandbox(LIMITS, way).run(task("say_little"), whole) == (End.ANSWERED, b"words")


def test_it_starts_with_nothing(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTELEDGER_SECRET", "words")
    end, answer = Sandbox(LIMITS, way).run(task("say_where_it_is"), b"")
    assert end is End.ANSWERED
    environment, listed, descriptors = json.loads(answer)
    assert environment.keys() <= {"LC_CTYPE", "LD_LIBRARY_PATH"}, "Python sets the first itself"
    assert listed == []
    assert descriptors == [0, 1, 2]


def test_its_complaints_are_heard_by_nobody(way: Way, capfd: pytest.CaptureFixture[str]) -> None:
    assert Sandbox(LIMITS, way).run(task("complain"), b"") == (End.BROKEN, b"")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("what", "limits", "end"),
    [
        ("talk_for_ever", LIMITS, End.TOO_MUCH),
        ("sleep_for_ever", BRIEF, End.TOO_LONG),
        ("shut_up_and_stay", BRIEF, End.TOO_LONG),
        ("kill_itself", LIMITS, End.BROKEN),
    ],
)
def test_it_is_ended(way: Way, what: str, limits: Limits, end: End) -> None:
    assert Sandbox(limits, way).run(task(what), b"") == (end, b"")


def test_it_takes_no_more_memory_than_it_may(way: Way) -> None:
    sandbox = Sandbox(LIMITS, way)
    assert sandbox.run(task("take_memory", 100), b"")[0] is End.ANSWERED
    assert sandbox.run(task("take_memory", 300), b"") == (End.BROKEN, b"")


def test_what_it_starts_does_not_outlive_it() -> None:
    """Where the kernel gives it processes of its own; even what left the group ends with them."""
    way = first_that_works()
    assert way.unshare, "this machine has no namespaces: run the suite where it has"
    orders = task("fork_and_stay", may_fork=True)
    Sandbox(BRIEF, way).run(orders, b"")
    assert not processes_that_run("fork_and_stay")


@pytest.mark.parametrize("what", ["look_at", "write_to"])
def test_no_file_opens_to_it(way: Way, what: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    path = tmp_path / "file"
    path.write_bytes(b"words")
    path.chmod(0o666)
    end, answer = Sandbox(LIMITS, way).run(task(what, str(path)), b"")
    assert (end, answer) == (End.ANSWERED, b"PermissionError")
    assert path.read_bytes() == b"words"


def test_it_reaches_nobody(way: Way) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        orders = task("call", listener.getsockname()[1])
        end, answer = Sandbox(LIMITS, way).run(orders, b"")
    assert end is End.ANSWERED
    assert answer in {b"ConnectionRefusedError", b"OSError", b"PermissionError"}


def test_to_close_is_to_kill(way: Way) -> None:
    sandbox = Sandbox(LIMITS, way)
    ends: list[tuple[End, bytes]] = []
    orders = task("sleep_for_ever")
    running = Thread(target=lambda: ends.append(sandbox.run(orders, b"")))
    running.start()
    while not sandbox.is_busy:
        time.sleep(0.01)
    sandbox.close()
    running.join(LIMITS.seconds_max)
    assert ends == [(End.BROKEN, b"")]
    assert sandbox.run(task("say_little"), b"")[0] is not End.ANSWERED
