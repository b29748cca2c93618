"""How soon after an outage of PostgreSQL a program gets connections again, by how long it lasted.

python -m tests.benchmarks.outage --seconds 2 20 45
"""

import argparse
import time

from ledger.database import UNREACHABLE, Datastore
from tests.campaigns.installation import Postgres
from tests.databases import short_directory

PAUSE_SECONDS = 0.2


def main() -> None:
    """Print, for each outage, the seconds from the server's return to the first statement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, nargs="+", default=[2, 20, 45])
    with short_directory() as directory:
        postgres = Postgres(directory / "p")
        with Datastore(postgres.address.app_url) as datastore:
            for seconds in parser.parse_args().seconds:
                waited, failures = _wait(postgres, datastore, seconds)
                print(f"after {seconds:.0f} s: {waited:.1f} s, {failures} failures", flush=True)
        postgres.end()


def _wait(postgres: Postgres, datastore: Datastore, seconds: float) -> tuple[float, int]:
    assert _answers(datastore)
    postgres.kill(postgres.family())
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        _answers(datastore)
        time.sleep(PAUSE_SECONDS)
    postgres.come_back()
    began, failures = time.monotonic(), 0
    while not _answers(datastore):
        failures += 1
    return time.monotonic() - began, failures


def _answers(datastore: Datastore) -> bool:
    try:
        with datastore.get_connection() as conn:
            conn.execute("SELECT 1")
    except UNREACHABLE:
        return False
    return True


if __name__ == "__main__":
    main()
