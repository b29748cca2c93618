"""Look for words outside of their seals: `python -m tests.campaigns.canaries --canaries 1000`.

Canary words are written wherever words can go, and the service is killed in between. Once the
background has done its work on them, each table is dumped as the database's superuser, and the
broker's memory, the metrics and every file of the servers (the broker's append-only file, which
holds every message that was sent, among them) and of the service but the key file are searched.
Exits 1 if one word is found, if one that should be kept cannot be opened with the keys, or if the
search does not find a word that was put there to be found.
"""

import argparse
import itertools
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from signal import SIGKILL
from typing import Final, NamedTuple

import redis

from runtime import wiring
from runtime.embedded import attach_or_start
from runtime.embedded_broker import attach_or_start_broker
from runtime.settings import Settings
from tests.campaigns.canary_search import (
    STEMS,
    Searched,
    forms,
    search,
    search_broker,
    search_files,
    search_pg_dump,
    search_tables,
    together,
)
from tests.campaigns.canary_words import (
    STEPS,
    Canaries,
    Word,
    at_the_command_line,
    while_the_database_is_gone,
)
from tests.campaigns.canary_work import done_jobs, draft, searched_metrics
from tests.campaigns.ledger_checks import CLINIC, opened
from tests.campaigns.running_service import Service, service
from tests.databases import owner_of

HITS_SHOWN_MAX: Final = 20
CONTROL: Final = f"{STEMS[1]}control"


class Figures(NamedTuple):
    """What a campaign came to; `control` is the search for what was put there to be found."""

    words: list[Word]
    jobs: int
    not_kept: list[Word]
    searched: list[Searched]
    control: list[Searched]
    seconds: float

    @property
    def is_right(self) -> bool:
        """Nothing is in the open, everything is kept, and the search sees."""
        in_the_open = any(searched.hits for searched in self.searched)
        sees = all(searched.hits for searched in self.control)
        return not in_the_open and not self.not_kept and sees


def campaign(count: int) -> Figures:
    """All of it, on a state directory of its own."""
    began = time.monotonic()
    with service() as running:
        running.start()
        canaries = _written(running, count)
        with attach_or_start(running.state) as address:
            jobs = done_jobs(address.owner_url)
        searched = list(_searched_alive(running, canaries))
        running.end()
        searched += _searched_files(running, "after the end")
        not_kept = _not_kept(running, canaries.words)
        control = list(_control(running))
    return Figures(canaries.words, jobs, not_kept, searched, control, time.monotonic() - began)


def _written(running: Service, count: int) -> Canaries:
    """In the middle of it, a backend of the server is killed, then the server, then the service."""
    canaries = Canaries(running)
    at_the_command_line(canaries)
    steps = itertools.cycle((draft, *STEPS))
    while len(canaries.words) < count // 2:
        next(steps)(canaries)
    os.kill(running.backends()[0], SIGKILL)
    running.wait_until_ready()
    os.kill(running.postmaster(), SIGKILL)
    while_the_database_is_gone(canaries)
    running.start()
    canaries.come_back()
    while len(canaries.words) < count:
        next(steps)(canaries)
    return canaries


# --- the search


def _searched_alive(running: Service, canaries: Canaries) -> Iterator[Searched]:
    with attach_or_start(running.state) as address:
        yield together("dump of all tables", search_tables(address.owner_url))
        yield search_pg_dump(address.owner_url)
    with attach_or_start_broker(running.state) as url:
        yield search_broker(url)
    yield searched_metrics(canaries)
    yield from _searched_files(running, "while it runs")
    yield search("what `directory import` said", b"\n".join(canaries.told))


def _searched_files(running: Service, when: str) -> Iterator[Searched]:
    state, home = running.state, running.state / "postgres"
    yield together(f"files of the server {when}", search_files(home))
    others = search_files(state, without=[state / "keys.json", home])
    yield together(f"state directory {when}", others)
    yield search(f"output of the service {when}", running.output.read_bytes())


def _not_kept(running: Service, words: Sequence[Word]) -> list[Word]:
    """Words that should be sealed, and that the keys do not bring to light."""
    with attach_or_start(running.state) as address, owner_of(address.owner_url) as conn:
        settings = Settings(state=running.state, key_file=running.state / "keys.json")
        with wiring.build(settings, address.app_url) as system:
            ledger = system.services.ledger
            said = [entry.fact.model_dump_json().encode() for entry in opened(conn, ledger)]
            said += [login.encode() for login, _ in system.services.accounts.all(CLINIC)]
            digests = conn.execute("SELECT digest FROM ledger.attachments").fetchall()
            said += [ledger.open_file(CLINIC, digest) for (digest,) in digests]
    light = b"\0".join(said)
    kept = [word for word in words if word.is_kept]
    return [word for word in kept if not any(form in light for form in forms(word.text).values())]


def _control(running: Service) -> Iterator[Searched]:
    """The same search, once a word stands in a table in the open: it must be found."""
    with attach_or_start(running.state) as address:
        with owner_of(address.owner_url) as conn:
            conn.execute("CREATE TABLE control (words text, bytes bytea)")
            conn.execute("INSERT INTO control VALUES (%s, %s)", (CONTROL, CONTROL.encode()))
        yield together("control: dump of all tables", search_tables(address.owner_url))
        yield search_pg_dump(address.owner_url)._replace(where="control: pg_dump")
        files: Path = running.state / "postgres"
        yield together("control: files of the server", search_files(files))
    with attach_or_start_broker(running.state) as url:
        with closing(redis.Redis.from_url(url)) as client:
            client.rpush("control", CONTROL)
        yield search_broker(url)._replace(where="control: memory of the broker")
        broker = running.state / "valkey"
        yield together("control: files of the broker", search_files(broker))


# --- what is printed


def table(figures: Figures) -> str:
    """The figures, a line for each."""
    places = Counter(word.place for word in figures.words)
    kept = sum(word.is_kept for word in figures.words)
    lines = [f"{len(figures.words)} words in {figures.seconds:.0f} s, written into:"]
    lines += [f"  {place:28}{count}" for place, count in places.items()]
    lines.append(f"jobs done with them: {figures.jobs}")
    lines.append(f"kept and opened with the keys: {kept - len(figures.not_kept)} of {kept}")
    lines += [f"  not kept: {word.place}: {word.text}" for word in figures.not_kept]
    lines.append(f"{'looked for in':42}{'bytes':>14}{'found':>8}")
    for searched in (*figures.searched, *figures.control):
        lines.append(f"{searched.where:42}{searched.bytes:14,}{len(searched.hits):8}")
    hits = [hit for searched in figures.searched for hit in searched.hits]
    for hit in hits[:HITS_SHOWN_MAX]:
        lines.append(f"FOUND in {hit.where} at {hit.offset} as {hit.form}: {hit.excerpt!r}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where no word is in the open."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--canaries", type=int, default=1_000)
    figures = campaign(parser.parse_args(arguments).canaries)
    print(table(figures))
    return 0 if figures.is_right else 1


if __name__ == "__main__":
    sys.exit(main())
