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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final

import psycopg

from runtime.embedded import ServerAddress, embedded_postgres
from tests.benchmarks import floors
from tests.benchmarks.http_load import Measured, drive, request
from tests.benchmarks.seeding import (
    CLIENTS,
    CREATED_TYPE,
    SEEDED_TYPE,
    Seeded,
    client_ids,
    seeded_system,
)

BASE: Final = "/apis/therapistnotes"
TEXT: Final = ("The client reports sleeping better since the last session. " * 20)[:1000]
CONNECTIONS: Final = 32
CONSTANT: Final = "floor: constant"
SELECT: Final = "floor: one select"
INSERT: Final = "floor: grouped insert"
READS: Final = "reads"
MIX: Final = "80 % reads, 20 % creates"
CREATES: Final = "create notes"
JSON: Final = "application/json"


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
    """New notes of 1 KB, of all clients in turn; of a type that the reads do not ask for."""
    for client in itertools.cycle(client_ids()):
        therapist = seeded.therapist_of(client)
        headers, body = multipart(
            {
                "data": TEXT,
                "record_type": CREATED_TYPE,
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
        body = json.dumps({"record_type_id": SEEDED_TYPE, "client_user_id": client}).encode()
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


def fill_floor(owner_url: str) -> None:
    """10 rows of each client for the select."""
    with psycopg.connect(owner_url, autocommit=True) as conn:
        conn.execute(floors.TABLE.encode())
        conn.execute(
            "INSERT INTO floor_notes (client, text)"
            " SELECT n %% %s, %s FROM generate_series(1, 10 * %s) AS n",
            (CLIENTS, TEXT, CLIENTS),
        )
        conn.execute("VACUUM ANALYZE")


def measure(
    address: ServerAddress, state: Path, core: int, rounds: int, seconds: float, seeded: Seeded
) -> dict[str, list[Measured]]:
    """Floors and service in turn, round by round, so that a slow minute of the machine hits both."""
    floor, service = ("127.0.0.1", free_port()), ("127.0.0.1", free_port())
    env = {"NOTELEDGER_DATABASE_URL": address.app_url, "NOTELEDGER_STATE": str(state)}
    serve = ("runtime.cli", "serve", "--port", str(service[1]))
    floor_module = ("tests.benchmarks.floors", address.owner_url, str(floor[1]))
    measured: dict[str, list[Measured]] = {}
    with on_core(core, *floor_module), on_core(core, *serve, env=env):
        wait_for(floor)
        wait_for(service)
        loads = {
            CONSTANT: (floor, itertools.repeat(request("GET", "/constant"))),
            SELECT: (floor, floor_selects()),
            READS: (service, reads(seeded)),
            MIX: (service, mixed(seeded)),
            INSERT: (floor, floor_inserts()),
            CREATES: (service, creates(seeded)),
        }
        for _ in range(rounds):
            for name, (target, load) in loads.items():
                one = drive(target, load, CONNECTIONS, seconds)
                measured.setdefault(name, []).append(one)
    return measured


def show(measured: dict[str, list[Measured]]) -> None:
    """Medians over the rounds; the ratios are medians of the rounds' own ratios."""
    print(f"{'':28}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'failures':>10}")
    for name, all_of_it in measured.items():
        rate = median(one.requests_per_second for one in all_of_it)
        p50 = median(one.p50_ms for one in all_of_it)
        p99 = median(one.p99_ms for one in all_of_it)
        failures = sum(one.failures for one in all_of_it)
        print(f"{name:28}{rate:12,.0f}{p50:10.2f}{p99:10.2f}{failures:10}")
    for name, floor in ((CREATES, INSERT), (READS, SELECT), (MIX, SELECT)):
        ratios = sorted(
            one.requests_per_second / of.requests_per_second
            for one, of in zip(measured[name], measured[floor], strict=True)
        )
        label = f"{name} / {floor.removeprefix('floor: ')}"
        print(f"{label}: {median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f})")


def main() -> None:
    """Seed, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="length of each measurement")
    asked = parser.parse_args()
    server_core, load_core = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, {load_core})
    with tempfile.TemporaryDirectory(prefix="noteledger-bench-") as directory:
        Path(directory).chmod(0o711)  # started by root, the server runs as somebody else
        state = Path(directory) / "state"
        with embedded_postgres(state, cpu=server_core) as address:
            with seeded_system(address, state) as seeded:
                pass
            fill_floor(address.owner_url)
            measured = measure(address, state, server_core, asked.rounds, asked.seconds, seeded)
    show(measured)


if __name__ == "__main__":
    main()
