"""How fast the service is, beside how fast it could be at most: `python -m tests.benchmarks.service`.

Database, service and floors run on one core, the load on another. Prints requests a second, p50
and p99, and the ratios to the floors of the same run; absolute figures belong to the machine.
"""

import argparse
import base64
import itertools
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import psycopg

from runtime.embedded import embedded_postgres
from tests.benchmarks import floors
from tests.benchmarks.http_load import Measured, drive, request
from tests.benchmarks.seeding import CLIENTS, RECORD_TYPE, Seeded, client_ids, seeded_system

BASE: Final = "/apis/therapistnotes"
TEXT: Final = ("The client reports sleeping better since the last session. " * 20)[:1000]
WRITE_CONNECTIONS: Final = 32
READ_CONNECTIONS: Final = 32
JSON: Final = "application/json"


class Target(NamedTuple):
    """A server under load."""

    address: tuple[str, int]
    seconds: float


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def on_core(core: int, *command: str, env: dict[str, str] | None = None) -> Iterator[None]:
    """Run a program on one core until the block ends."""

    process = subprocess.Popen([sys.executable, "-m", *command], env={**os.environ, **(env or {})})
    os.sched_setaffinity(process.pid, {core})
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def wait_for(address: tuple[str, int], seconds: float = 60) -> None:
    """Until somebody listens."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(address, timeout=1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


# --- what is sent


def basic(login: str, token: str) -> dict[str, str]:
    """The header of HTTP Basic."""
    return {"Authorization": "Basic " + base64.b64encode(f"{login}:{token}".encode()).decode()}


def multipart(metadata: dict[str, object]) -> tuple[dict[str, str], bytes]:
    """A save's form."""
    boundary = "-----------bench"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n'
        f"{json.dumps(metadata)}\r\n--{boundary}--\r\n"
    ).encode()
    return {"Content-Type": f"multipart/form-data; boundary={boundary}"}, body


def creates(seeded: Seeded) -> Iterator[bytes]:
    """New notes of 1 KB, of all clients in turn."""
    for client in itertools.cycle(client_ids()):
        therapist = seeded.therapist_of(client)
        headers, body = multipart(
            {
                "data": TEXT,
                "record_type": RECORD_TYPE,
                "client_user_id": client,
                "therapist_user_id": therapist.user_id,
                "therapist_client_id": seeded.relationship_of(client),
            }
        )
        yield request(
            "POST", f"{BASE}/recordtype/", headers | basic(therapist.login, therapist.token), body
        )


def reads(seeded: Seeded) -> Iterator[bytes]:
    """Current notes by client and type, the 10 newest entries, the partial history, by chance."""
    chance = random.Random(1)  # noqa: S311 - the same mix each time
    paths = (f"{BASE}/data/", f"{BASE}/data/history/", f"{BASE}/soap/data/partialhistory/")
    prepared = []
    for client in client_ids():
        therapist = seeded.therapist_of(client)
        body = json.dumps({"record_type_id": RECORD_TYPE, "client_user_id": client}).encode()
        headers = basic(therapist.login, therapist.token) | {"Content-Type": JSON}
        prepared += [request("POST", path, headers, body) for path in paths]
    while True:
        yield chance.choice(prepared)


def mixed(seeded: Seeded) -> Iterator[bytes]:
    """80 % reads, 20 % new notes."""
    reading, writing = reads(seeded), creates(seeded)
    for n in itertools.count():
        yield next(writing) if n % 5 == 4 else next(reading)


def floor_inserts() -> Iterator[bytes]:
    """The same amount of text, as JSON."""
    for client in itertools.cycle(range(CLIENTS)):
        body = json.dumps({"client": client, "text": TEXT}).encode()
        yield request("POST", "/insert", {"Content-Type": JSON}, body)


def floor_selects() -> Iterator[bytes]:
    """10 rows of as much text."""
    chance = random.Random(1)  # noqa: S311 - the same mix each time
    prepared = [request("GET", f"/select/{client}") for client in range(CLIENTS)]
    while True:
        yield chance.choice(prepared)


# --- the run


def measure_floors(owner_url: str, core: int, seconds: float) -> dict[str, Measured]:
    """Constant, grouped insert, select."""
    with psycopg.connect(owner_url, autocommit=True) as conn:
        conn.execute(floors.TABLE.encode())
        conn.execute(
            "INSERT INTO floor_notes (client, text)"
            " SELECT n %% %s, %s FROM generate_series(1, 10 * %s) AS n",
            (CLIENTS, TEXT, CLIENTS),
        )
        conn.execute("VACUUM ANALYZE")
    address = ("127.0.0.1", free_port())
    with on_core(core, "tests.benchmarks.floors", owner_url, str(address[1])):
        wait_for(address)
        constant = itertools.repeat(request("GET", "/constant"))
        return {
            "floor: constant": drive(address, constant, READ_CONNECTIONS, seconds),
            "floor: grouped insert": drive(address, floor_inserts(), WRITE_CONNECTIONS, seconds),
            "floor: one select": drive(address, floor_selects(), READ_CONNECTIONS, seconds),
        }


def measure_service(
    app_url: str, state: Path, core: int, seconds: float, seeded: Seeded
) -> dict[str, Measured]:
    """Creating notes, reads alone, and the mix."""
    address = ("127.0.0.1", free_port())
    env = {"NOTELEDGER_DATABASE_URL": app_url, "NOTELEDGER_STATE": str(state)}
    command = ("runtime.cli", "serve", "--port", str(address[1]))
    with on_core(core, *command, env=env):
        wait_for(address)
        loads: dict[str, tuple[Callable[[Seeded], Iterator[bytes]], int]] = {
            "reads": (reads, READ_CONNECTIONS),
            "80 % reads, 20 % creates": (mixed, READ_CONNECTIONS),
            "create notes": (creates, WRITE_CONNECTIONS),
        }
        return {
            name: drive(address, load(seeded), connections, seconds)
            for name, (load, connections) in loads.items()
        }


def show(measured: dict[str, Measured]) -> None:
    """The table, then the ratios."""
    print(f"{'':28}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'failures':>10}")
    for name, one in measured.items():
        print(
            f"{name:28}{one.requests_per_second:12,.0f}{one.p50_ms:10.2f}{one.p99_ms:10.2f}"
            f"{one.failures:10}"
        )
    for name, floor in (
        ("create notes", "floor: grouped insert"),
        ("reads", "floor: one select"),
        ("80 % reads, 20 % creates", "floor: one select"),
    ):
        ratio = measured[name].requests_per_second / measured[floor].requests_per_second
        print(f"{name} / {floor.removeprefix('floor: ')}: {ratio:.2f}")


def main() -> None:
    """Seed, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8, help="length of each measurement")
    seconds = parser.parse_args().seconds
    server_core, load_core = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, {load_core})
    with tempfile.TemporaryDirectory(prefix="noteledger-bench-") as directory:
        Path(directory).chmod(0o711)  # started by root, the server runs as somebody else
        state = Path(directory)
        with embedded_postgres(state / "state", cpu=server_core) as address:
            with seeded_system(address, state / "state") as seeded:
                pass
            measured = measure_floors(address.owner_url, server_core, seconds)
            measured |= measure_service(
                address.app_url, state / "state", server_core, seconds, seeded
            )
    show(measured)


if __name__ == "__main__":
    main()
