"""How soon a saved note is told, and what telling costs the saves: `python -m tests.benchmarks.events`.

Database and service run on one core, load and listeners on another. Saves alone and saves with
listeners are measured in turn. The delay is counted from the save's answer to the event's arrival
at a listener; a negative one (the event came before the answer was read) counts as 0.
"""

import argparse
import os
import selectors
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from threading import Event, Thread
from typing import Final, NamedTuple

from runtime.embedded import embedded_postgres
from tests.benchmarks.http_load import Measured, drive, request
from tests.benchmarks.seeding import Seeded, seeded_system
from tests.benchmarks.service import (
    CONNECTIONS,
    basic,
    creates,
    free_port,
    on_core,
    wait_for,
)

LISTENERS: Final = 200
GAP_SECONDS: Final = 0.1
_ID: Final = b'data: {"id":'

Address = tuple[str, int]


class Heard(NamedTuple):
    """When a listener received an event of which note."""

    note_id: int
    at: float


class Listeners:
    """Streams of all therapists in turn, read by one thread, which looks into nothing meanwhile."""

    def __init__(self, address: Address, seeded: Seeded, count: int) -> None:
        self._received: list[tuple[bytes, float]] = []
        self._stop = Event()
        self._selector = selectors.DefaultSelector()
        for number in range(count):
            therapist = seeded.therapists[number % len(seeded.therapists)]
            listener = socket.create_connection(address)
            asked = request("GET", "/events/", basic(therapist.login, therapist.token))
            listener.sendall(asked)
            first = listener.recv(65_536)
            assert first.startswith(b"HTTP/1.1 200"), first[:200]
            self._selector.register(listener, selectors.EVENT_READ)
        self._thread = Thread(target=self._read)
        self._thread.start()

    def stop(self) -> None:
        """Close them all."""
        self._stop.set()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()

    def heard(self) -> list[Heard]:
        """Events as they came; one that was cut in two on its way is left out."""
        return [
            Heard(int(number), at)
            for received, at in self._received
            for number, comma, _ in (part.partition(b",") for part in received.split(_ID)[1:])
            if comma
        ]

    def _read(self) -> None:
        while not self._stop.is_set():
            for key, _ in self._selector.select(timeout=0.1):
                assert isinstance(key.fileobj, socket.socket)
                self._received.append((key.fileobj.recv(1_048_576), time.perf_counter()))


@contextmanager
def listening(address: Address, seeded: Seeded, count: int) -> Iterator[Listeners]:
    """So many streams, all of them open."""
    listeners = Listeners(address, seeded, count)
    try:
        yield listeners
    finally:
        listeners.stop()


def delays_ms(address: Address, seeded: Seeded, saves: int, listeners: Listeners) -> list[float]:
    """One save after the other, with pauses; each listener's delay for each."""
    load = creates(seeded)
    answered: dict[int, float] = {}
    with socket.create_connection(address) as connection:
        for _ in range(saves):
            connection.sendall(next(load))
            answer = b""
            while b"}" not in answer:
                answer += connection.recv(65_536)
            at = time.perf_counter()
            answered[int(answer.split(b'{"id":', 1)[1].partition(b",")[0])] = at
            time.sleep(GAP_SECONDS)
    time.sleep(1.0)
    heard = [one for one in listeners.heard() if one.note_id in answered]
    return sorted(max(0.0, one.at - answered[one.note_id]) * 1000 for one in heard)


def show(alone: list[Measured], told: list[Measured], delays: list[float], saves: int) -> None:
    """Medians over the rounds; the ratio is the median of the rounds' own ratios."""
    for name, all_of_it in (("saves alone", alone), ("saves with listeners", told)):
        rate = median(one.requests_per_second for one in all_of_it)
        p50 = median(one.p50_ms for one in all_of_it)
        p99 = median(one.p99_ms for one in all_of_it)
        failures = sum(one.failures for one in all_of_it)
        print(f"{name:24}{rate:8,.0f} /s  p50 {p50:6.2f} ms  p99 {p99:6.2f} ms  {failures} failed")
    ratios = sorted(
        b.requests_per_second / a.requests_per_second for a, b in zip(alone, told, strict=True)
    )
    print(f"with / alone: {median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f})")
    p50, p99 = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
    print(f"save answered to event received: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    print(f"  ({len(delays)} events received of {saves} saves)")


def main() -> None:
    """Seed, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="length of each measurement")
    parser.add_argument("--listeners", type=int, default=LISTENERS)
    parser.add_argument("--saves", type=int, default=200, help="for the delay, one by one")
    asked = parser.parse_args()
    server_core, load_core = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, {load_core})
    with tempfile.TemporaryDirectory(prefix="noteledger-bench-") as directory:
        Path(directory).chmod(0o711)  # started by root, the server runs as somebody else
        state = Path(directory) / "state"
        with embedded_postgres(state, cpu=server_core) as database:
            with seeded_system(database, state) as seeded:
                pass
            address = ("127.0.0.1", free_port())
            env = {
                "NOTELEDGER_DATABASE_URL": database.app_url,
                "NOTELEDGER_STATE": str(state),
                "NOTELEDGER_STREAMS_MAX": str(asked.listeners),
                "NOTELEDGER_STREAMS_EACH_MAX": str(asked.listeners),
            }
            serve = ("runtime.cli", "serve", "--port", str(address[1]))
            with on_core(server_core, *serve, env=env):
                wait_for(address)
                alone, told, load = [], [], creates(seeded)
                for _ in range(asked.rounds):
                    alone.append(drive(address, load, CONNECTIONS, asked.seconds))
                    with listening(address, seeded, asked.listeners):
                        told.append(drive(address, load, CONNECTIONS, asked.seconds))
                with listening(address, seeded, asked.listeners) as listeners:
                    delays = delays_ms(address, seeded, asked.saves, listeners)
    show(alone, told, delays, asked.saves)


if __name__ == "__main__":
    main()
