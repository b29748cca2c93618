"""This checkout's service beside another's: `python -m tests.benchmarks.paired OTHER_CHECKOUT`.

Both serve the same database, one is asked at a time, in turn, round by round: a slow minute of the
machine hits both. Prints for each load this checkout's requests a second and CPU time a request, and
its ratios to the other's. The other checkout must work with the same schema, and runs in this Python.
"""

import argparse
import itertools
import json
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from runtime.embedded import ServerAddress, embedded_postgres
from tests.benchmarks.http_load import drive, request
from tests.benchmarks.seeding import SEEDED_TYPE, Seeded, client_ids, seeded_system
from tests.benchmarks.service import (
    BASE,
    CONNECTIONS,
    JSON,
    basic,
    creates,
    free_port,
    on_core,
    reads,
    wait_for,
)

NOTES: Final = 2_000
"""Of those that are seeded, these ids are read one by one."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Figures(NamedTuple):
    """What a load came to."""

    requests_per_second: float
    cpu_us: float


def single_notes(seeded: Seeded) -> Iterator[bytes]:
    """Notes in their long form, by chance; read by the therapist of whichever client has them."""
    chance = random.Random(1)  # noqa: S311 - the same mix each time
    headers = [basic(therapist.login, therapist.token) for therapist in seeded.therapists]
    for id_ in iter(lambda: chance.randrange(1, NOTES), 0):
        yield request("GET", f"{BASE}/recordtype/{id_}/", chance.choice(headers))


def lists(seeded: Seeded) -> Iterator[bytes]:
    """Pages of 50 notes."""
    headers = [basic(therapist.login, therapist.token) for therapist in seeded.therapists]
    for header in itertools.cycle(headers):
        yield request("GET", f"{BASE}/data/?limit=50", header)


def soap_saves(seeded: Seeded) -> Iterator[bytes]:
    """New SOAP notes."""
    for client in itertools.cycle(client_ids()):
        therapist = seeded.therapist_of(client)
        body = {
            "data": "S: The client reports sleeping better.",
            "record_type": SEEDED_TYPE,
            "sender_role": "therapist",
            "is_approved": False,
            "client_user_id": client,
            "therapist_user_id": therapist.user_id,
            "therapist_client_id": seeded.relationship_of(client),
        }
        headers = basic(therapist.login, therapist.token) | {"Content-Type": JSON}
        text = json.dumps(body).encode()
        yield request("POST", f"{BASE}/soap/recordtype/", headers, text)


LOADS: Final[dict[str, Callable[[Seeded], Iterator[bytes]]]] = {
    "look-ups": reads,
    "single notes": single_notes,
    "pages of 50": lists,
    "create notes": creates,
    "create SOAP notes": soap_saves,
}


def _cpu_seconds(pid: int) -> float:
    """User and system time of the process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _measure(
    address: ServerAddress,
    state: Path,
    core: int,
    other: Path,
    seeded: Seeded,
    asked: argparse.Namespace,
) -> dict[str, list[tuple[Figures, Figures]]]:
    env = {"NOTELEDGER_DATABASE_URL": address.app_url, "NOTELEDGER_STATE": str(state)}
    measured: dict[str, list[tuple[Figures, Figures]]] = {}
    with ExitStack() as stack:
        services = []
        for checkout in (Path.cwd(), other):
            port = free_port()
            serve = ("runtime.cli", "serve", "--port", str(port))
            pid = stack.enter_context(on_core(core, *serve, env=env, checkout=checkout))
            wait_for(("127.0.0.1", port))
            services.append((port, pid))
        for round_, (name, load) in itertools.product(range(asked.rounds), LOADS.items()):
            figures = []
            # Who is asked first changes, since the second finds a warmer database.
            for port, pid in services if round_ % 2 else services[::-1]:
                before = _cpu_seconds(pid)
                one = drive(
                    ("127.0.0.1", port),
                    load(seeded),
                    CONNECTIONS,
                    asked.seconds,
                    expected=lambda status: status in {200, 201, 204, 404},
                )
                cpu = (_cpu_seconds(pid) - before) / (one.requests / 0.9)
                assert not one.failures, f"{one.failures} requests failed at {name}"
                figures.append(Figures(one.requests_per_second, cpu * 1e6))
            ours, others = figures if round_ % 2 else figures[::-1]
            measured.setdefault(name, []).append((ours, others))
    return measured


def _show(measured: dict[str, list[tuple[Figures, Figures]]]) -> None:
    print(f"{'':20}{'requests/s':>12}{'ratio':>8}{'CPU us':>10}{'ratio':>8}   ratios of the rounds")
    for name, rounds in measured.items():
        rates = [ours.requests_per_second / other.requests_per_second for ours, other in rounds]
        cpu = [ours.cpu_us / other.cpu_us for ours, other in rounds]
        rate = median(ours.requests_per_second for ours, _ in rounds)
        cpu_us = median(ours.cpu_us for ours, _ in rounds)
        spread = f"{min(rates):.2f} to {max(rates):.2f}"
        print(
            f"{name:20}{rate:12,.0f}{median(rates):8.2f}{cpu_us:10.0f}{median(cpu):8.2f}   {spread}"
        )


def main() -> None:
    """Seed, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, help="the checkout to compare with")
    parser.add_argument("--rounds", type=int, default=6)
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
            measured = _measure(address, state, server_core, asked.other.resolve(), seeded, asked)
    _show(measured)


if __name__ == "__main__":
    main()
