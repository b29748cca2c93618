"""The guard: one program runs for as long as the process that started it lives, and no longer.

`Guarded` is the starter's side of a pipe; run as a script, this file is the other side. Whatever
ends the starter, kill -9 included, closes the pipe, and the guard stops the program. If the guard
itself is killed, Linux interrupts the program in its stead (on macOS it goes on, and its lock with
it). The script uses the standard library only and runs as whoever started it; the program may run
as another user.
"""

import argparse
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, NoReturn, Self

# What PostgreSQL takes them for: fast shutdown, immediate shutdown; the last is for what is stuck.
STOPPING = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))
STOP_SECONDS_MAX = sum(seconds for _, seconds in STOPPING) + 5.0
STARTER_IS_LOOKED_AT_SECONDS = 1.0
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the guard ends with its program only
PR_SET_PDEATHSIG = 1


class User(NamedTuple):
    """The system user that a program runs as, where that is not our own."""

    name: str
    uid: int
    gid: int


class Guarded:
    """The starter's side: a running program, and the pipe that keeps it running.

    `lock` is the descriptor of a locked file. The guard, the program and all its children inherit
    it: the lock is free when the last of them is gone, however they went.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        user: User | None,
        lock: int,
        log: int,
        cpu: int | None = None,
    ) -> None:
        options = [] if user is None else [f"--uid={user.uid}", f"--gid={user.gid}"]
        options += [] if cpu is None else [f"--cpu={cpu}"]
        read_end, self._pipe = os.pipe()  # close-on-exec: no other child of ours keeps it open
        try:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__, *options, "--", *command],
                stdin=read_end,
                stdout=log,
                stderr=log,
                pass_fds=[lock],
                start_new_session=True,  # Ctrl-C in the terminal is for the starter alone
                cwd="/",
                env=_environment(),
            )
        except BaseException:
            os.close(self._pipe)
            raise
        finally:
            os.close(read_end)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def exit_code(self) -> int | None:
        """What the program ended with; `None` while it runs."""
        return self._guard.poll()

    def wait(self, seconds: float) -> int:
        """Until the program ends by itself. Raises `subprocess.TimeoutExpired`."""
        return self._guard.wait(seconds)

    def stop(self) -> None:
        """End the program and wait for it."""
        with suppress(BrokenPipeError):  # the guard has ended already
            os.write(self._pipe, b".")  # a fork of ours may hold the pipe open: send a byte, too
        os.close(self._pipe)
        try:
            self._guard.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait(5.0)


def _environment() -> dict[str, str]:
    """Nothing that could be a secret; only what a Python in an unusual place needs to start."""
    kept = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    found = {name: os.environ[name] for name in kept if name in os.environ}
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **found}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("--cpu", type=int)
    parser.add_argument("command", nargs="+")
    asked = parser.parse_args()
    starter, guard = os.getppid(), os.getpid()
    wakeups = _watch_children()
    program = os.fork()
    if program == 0:
        _become(asked, guard)
    return _watch(program, starter, wakeups)


def _watch_children() -> int:
    """A descriptor to read when a child has ended. Ignores the signals that are for the starter."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    wakeups, wakeup_end = os.pipe()
    os.set_blocking(wakeup_end, False)
    signal.set_wakeup_fd(wakeup_end)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return wakeups


def _become(asked: argparse.Namespace, guard: int) -> NoReturn:
    """In the child: turn into the program. Never returns, so that there are not two guards."""
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.umask(0o077)
        for number in (*IGNORED, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        if asked.cpu is not None and sys.platform == "linux":
            os.sched_setaffinity(0, {asked.cpu})
        ask_for_signal = _parent_death_signal()  # while we may still read Python's own files
        if asked.uid is not None:
            os.setgroups([])
            os.setgid(asked.gid)
            os.setuid(asked.uid)
        ask_for_signal(signal.SIGINT)  # only now: a change of user undoes it
        if os.getppid() != guard:  # it ended before we had asked
            os._exit(127)
        os.execv(asked.command[0], asked.command)  # noqa: S606
    except Exception as error:
        os.write(2, f"guard: cannot start {asked.command[0]}: {error}\n".encode())
    finally:
        os._exit(127)


def _parent_death_signal() -> Callable[[int], object]:
    """Asks Linux for a signal to this process when its parent dies; elsewhere, asks for nothing."""
    if sys.platform == "linux":
        with suppress(ImportError):  # a Python built without it: the pipe alone must do
            from ctypes import CDLL  # noqa: PLC0415

            prctl = CDLL(None).prctl
            return lambda number: prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    return lambda number: None


def _watch(program: int, starter: int, wakeups: int) -> int:
    """Until the program ends, or its starter does and then the program, with a stronger signal each time."""
    while (code := _exit_code(program)) is None and _starter_is_there(starter, wakeups):
        pass
    for number, seconds in STOPPING:
        if code is not None:
            break
        os.kill(program, number)  # not yet waited for: this is still its own process id
        code = _exit_code_within(program, seconds)
    return 1 if code is None else code if code >= 0 else 128 - code


def _starter_is_there(starter: int, wakeups: int) -> bool:
    """Waits for something to happen. Also looks at the starter itself: a fork may hold its pipe."""
    stdin = 0
    ready, _, _ = select.select([stdin, wakeups], [], [], STARTER_IS_LOOKED_AT_SECONDS)
    if wakeups in ready:
        os.read(wakeups, 64)
    return stdin not in ready and os.getppid() == starter


def _exit_code_within(program: int, seconds: float) -> int | None:
    deadline = time.monotonic() + seconds
    while (code := _exit_code(program)) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return code


def _exit_code(program: int) -> int | None:
    found, status = os.waitpid(program, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


if __name__ == "__main__":
    sys.exit(main())
