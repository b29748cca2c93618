"""A state directory, who owns it, and the files in it that are nobody else's."""

import fcntl
import logging
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.guard import User

WAIT_IS_LOGGED_SECONDS = 2.0

logger = logging.getLogger(__name__)


class EmbeddedServerError(Exception):
    """An embedded server cannot run here; the message says why and how to fix it."""


class StateIsInUse(Exception):
    """Another `noteledger serve` uses this state directory: stop it, or choose another one."""

    def __init__(self, state: Path, owner: str) -> None:
        super().__init__(f"{type(self).__doc__} ({state} is held by process {owner}.)")


def state_directory(state: Path) -> Path:
    """The directory, resolved; made if it is missing. One that was there before stays as it is.

    0711 where root makes it: the server's user must come through to its own directory. Each file in
    it is 0600 and each directory 0700, so there is nothing to see on the way.
    """
    state = state.resolve()
    state.parent.mkdir(parents=True, exist_ok=True)
    if not state.is_dir():
        state.mkdir(mode=0o700, exist_ok=True)
        state.chmod(0o711 if os.geteuid() == 0 else 0o700)  # whatever the umask
    return state


def private_directory(path: Path, user: User | None) -> Path:
    """Made 0700 for the user; refused where it is someone else's or open to others."""
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    owner = os.geteuid() if user is None else user.uid
    if user is not None and found.st_uid == os.geteuid():  # new, or we crashed just here
        os.chown(path, user.uid, user.gid, follow_symlinks=False)
        found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
        raise EmbeddedServerError(
            f"{path} must be a directory of uid {owner} with mode 0700, and it is not. "
            "Give it back to that user, or move it out of the way."
        )
    return path


def open_private(path: Path, flags: int) -> int:
    """A descriptor of a 0600 file; it is its directory's owner's, even if root makes it."""
    descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    if os.geteuid() == 0 and os.fstat(descriptor).st_nlink == 1:
        owner = path.parent.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


def write_private(path: Path, text: str) -> None:
    """Whole and on disk, or not there. Writers come one at a time, and overwrite a half one."""
    half = path.with_name(path.name + ".new")
    with os.fdopen(open_private(half, os.O_WRONLY | os.O_TRUNC), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    half.rename(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Renames in it are on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path, seconds: float, reason: str) -> Iterator[int]:
    """Holds the lock; yields its descriptor. A child that inherits it holds the lock on.

    Raises `TimeoutError` after `seconds`; `reason` goes on the log when it takes long.
    """
    descriptor = open_private(path, os.O_RDWR)
    try:
        asked_at, is_logged = time.monotonic(), False
        while not _lock_now(descriptor):
            waited = time.monotonic() - asked_at
            if waited > seconds:
                raise TimeoutError(path)
            if waited > WAIT_IS_LOGGED_SECONDS and not is_logged:
                logger.warning("waiting: %s", reason)
                is_logged = True
            time.sleep(0.02)
        yield descriptor
    finally:
        os.close(descriptor)  # not LOCK_UN: that would take it from those who inherited it


def _lock_now(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def owned(lock_path: Path) -> Iterator[None]:
    """One owner at a time. The kernel lets go of the lock however the owner ends.

    Raises `StateIsInUse` with the owner's process id.
    """
    state = lock_path.parent
    try:
        lock = open_private(lock_path, os.O_RDWR)  # close-on-exec: no child holds it on
    except PermissionError as forbidden:
        raise EmbeddedServerError(
            f"{state} is another user's. Run as that user, or choose a directory of your own."
        ) from forbidden
    with os.fdopen(lock, "r+") as file:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            raise StateIsInUse(state, file.read().strip() or "(starting)") from taken
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
