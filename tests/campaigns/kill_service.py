"""Kill the service under writers, again and again: `python -m tests.campaigns.kill_service`.

The service (embedded PostgreSQL, fsync on) is ended by SIGKILL at random moments; at some of them
it is the guard, the postmaster, one of the server's backends, or service and postmaster together.
Prints what was sent, acknowledged and found again, and exits 1 if anything is lost, doubled or half.
"""

import argparse
import os
import random
import signal
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import psycopg

from domain.value import Kind
from runtime.embedded import attach_or_start
from tests.campaigns import ledger_checks as checks
from tests.campaigns.http_client import Client, form_request, log_in
from tests.campaigns.ledger_checks import SaveFindings
from tests.campaigns.running_service import Service, service
from tests.campaigns.saves import WHOSE, Fate, KnownNote, Save, Shared
from tests.campaigns.writers import Writer
from tests.databases import owner_of, running

ALIVE_SECONDS: Final = (0.05, 1.5)
DYING_SECONDS: Final = (0.0, 0.5)
SECONDS_A_KILL_MAX: Final = 15
COMMON_NOTES: Final = 2
COMMON_TEXT: Final = "common"


class Victim(StrEnum):
    """What is killed."""

    SERVICE = "service"
    GUARD = "guard"
    POSTMASTER = "postmaster"
    SERVICE_AND_POSTMASTER = "service+postmaster"
    BACKEND = "backend"


OTHERS: Final = [victim for victim in Victim if victim is not Victim.SERVICE]


class TookTooLongError(Exception):
    """The campaign was not done in the time that it may take."""


@dataclass
class Figures:
    """What a campaign came to."""

    kills: Counter[Victim] = field(default_factory=Counter)
    restart_seconds: list[float] = field(default_factory=list)
    saves: list[Save] = field(default_factory=list)
    no_answer: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    entries: int = 0
    found_of_unanswered: int = 0
    seconds: float = 0.0
    fsync: str = ""


def campaign(kills: int, writers: int) -> Figures:
    """All of it, on a state directory of its own."""
    began, figures = time.monotonic(), Figures()
    with service() as killed:
        killed.start()
        cookies = {login: log_in(killed.port, login) for login in (*WHOSE, "ml")}
        shared = Shared(killed.port, cookies, threading.Event(), threading.Event())
        common = _common_notes(shared)
        with _writing(shared, common, writers) as crew:
            shared.is_up.set()
            for number in range(kills):
                if time.monotonic() > began + 120 + kills * SECONDS_A_KILL_MAX:
                    raise TookTooLongError(f"{number} of {kills} kills are done.")
                time.sleep(random.uniform(*ALIVE_SECONDS))  # noqa: S311
                _kill(killed, _victim(number), shared, figures)
                _look_quickly(killed, crew, figures)
                shared.is_up.set()
            time.sleep(ALIVE_SECONDS[1])
        for writer in crew:
            figures.saves += writer.saves
            figures.no_answer += writer.broken
        _look_closely(killed, shared, figures)
    figures.seconds = time.monotonic() - began
    return figures


def _victim(number: int) -> Victim:
    """Every third time not the service itself, but each of the others in turn."""
    return OTHERS[number // 3 % len(OTHERS)] if number % 3 == 2 else Victim.SERVICE


def _kill(killed: Service, victim: Victim, shared: Shared, figures: Figures) -> None:
    """Returns when the service is ready again: by itself where it lives, else started anew."""
    figures.kills[victim] += 1
    match victim:
        case Victim.SERVICE:
            killed.kill()
        case Victim.SERVICE_AND_POSTMASTER:
            postmaster = killed.postmaster()
            os.kill(killed.pid, signal.SIGKILL)
            os.kill(postmaster, signal.SIGKILL)
            killed.kill()
        case Victim.GUARD | Victim.POSTMASTER:
            pid = killed.guard() if victim is Victim.GUARD else killed.postmaster()
            os.kill(pid, signal.SIGKILL)
            time.sleep(random.uniform(*DYING_SECONDS))  # noqa: S311
            killed.kill()
        case Victim.BACKEND:
            os.kill(random.choice(killed.backends()), signal.SIGKILL)  # noqa: S311
            killed.wait_until_ready()
            return
    shared.is_up.clear()
    figures.restart_seconds.append(killed.start())


def _common_notes(shared: Shared) -> list[KnownNote]:
    notes = []
    for login, choices in WHOSE.items():
        with closing(Client(shared.port, shared.cookies[login])) as client:
            for therapist, of, relationship, _ in choices[:1] * COMMON_NOTES:
                whose = {"therapist_user_id": therapist, "client_user_id": of, "record_type": 2}
                whose["therapist_client_id"] = relationship
                answer = client.expect(form_request({"data": COMMON_TEXT, **whose}), 201)
                notes.append(KnownNote(Kind.NOTE, answer.json()["id"], whose, 1))
    return notes


@contextmanager
def _writing(shared: Shared, common: list[KnownNote], count: int) -> Iterator[list[Writer]]:
    """Writers at work in the block; afterwards each has had its last answer."""
    crew = [Writer(number, shared, common) for number in range(count)]
    for writer in crew:
        writer.start()
    try:
        yield crew
    finally:
        shared.is_over.set()
        shared.is_up.set()
        for writer in crew:
            writer.join(120)
    for writer in crew:
        if writer.mistake:
            raise writer.mistake


# --- the checks


def _look_quickly(killed: Service, crew: Sequence[Writer], figures: Figures) -> None:
    """After each kill: no gap, and each save of which the position was told is there."""
    acknowledged = {save.position for writer in crew for save in list(writer.saves)} - {None}
    with attach_or_start(killed.state) as address, owner_of(address.owner_url) as conn:
        figures.wrong["gaps"] += checks.gaps(conn)
        row = conn.execute(
            "SELECT count(*) FROM ledger.entries WHERE clinic_id = 1 AND position = ANY(%s)",
            (list(acknowledged),),
        ).fetchone()
        assert row is not None
        figures.wrong["lost"] += len(acknowledged) - row[0]


def _look_closely(killed: Service, shared: Shared, figures: Figures) -> None:
    """At the end: through the API, then in the tables with the service ended in order."""
    shown = checks.history_read(killed.port, [shared.cookies[login] for login in WHOSE])
    figures.wrong["exit code at the end"] = killed.end()
    key_file = killed.state / "keys.json"
    with (
        attach_or_start(killed.state) as address,
        owner_of(address.owner_url) as conn,
        running(address.app_url, key_file) as program,
    ):
        figures.fsync = _setting(conn, "fsync")
        entries = checks.opened(conn, program.ledger)
        figures.entries = len(entries)
        due = checks.history_shown(entries)
        _count_saves(figures, checks.check_saves(figures.saves, entries))
        halves = checks.halves(conn, program.ledger, entries)
        for sentence in halves[:5]:
            print("half:", sentence)
        stored = {text for entry in entries if (text := checks.text_of(entry.fact))}
        keys = sum(save.key is not None and save.text in stored for save in figures.saves)
        figures.wrong["half"] = len(halves) + abs(keys - checks.claims(conn))
        figures.wrong["gaps"] += checks.gaps(conn)
        figures.wrong["shown otherwise"] = len(due.items() ^ shown.items())
        figures.wrong["view differences"] = sum(checks.view_differences(conn).values())


def _setting(conn: psycopg.Connection[Any], name: str) -> str:
    row = conn.execute("SELECT current_setting(%s)", (name,)).fetchone()
    return str(row[0]) if row else ""


def _count_saves(figures: Figures, found: SaveFindings) -> None:
    figures.found_of_unanswered = found.found_of_unanswered
    figures.wrong["lost"] += len(found.lost)
    figures.wrong["doubled"] += len([text for text in found.doubled if text != COMMON_TEXT])
    figures.wrong["answered otherwise"] += sum(save.is_answered_otherwise for save in figures.saves)
    figures.wrong["misplaced"] += len(found.misplaced)
    figures.wrong["refused, yet stored"] += len(found.refused_and_stored)
    for save in (*found.lost, *found.misplaced, *found.refused_and_stored)[:5]:
        print("wrong:", save.act, save.fate.value, save.note_id, save.position, save.text[:40])


# --- what is printed


def table(figures: Figures, writers: int) -> str:
    """The figures, a line for each."""
    fates = Counter(save.fate for save in figures.saves)
    retried = sum(save.key is not None and save.attempts > 1 for save in figures.saves)
    restarts = figures.restart_seconds or [0.0]
    kills = ", ".join(f"{victim} {count}" for victim, count in sorted(figures.kills.items()))
    none = ", ".join(f"{why} {count}" for why, count in figures.no_answer.most_common(8))
    wrong = "\n".join(f"{what:22}{count}" for what, count in figures.wrong.items())
    return (
        f"{'kills':22}{figures.kills.total()}: {kills}\n"
        f"{'writers':22}{writers}, for {figures.seconds:.0f} s, fsync {figures.fsync}\n"
        f"{'saves sent':22}{len(figures.saves)}, and entries in the ledger {figures.entries}\n"
        f"{'acknowledged':22}{fates[Fate.ACKNOWLEDGED]}\n"
        f"{'refused':22}{fates[Fate.REFUSED]}\n"
        f"{'unanswered':22}{fates[Fate.UNANSWERED]}, found {figures.found_of_unanswered}\n"
        f"{'keys used again':22}{retried}\n"
        f"{'restart seconds':22}median {statistics.median(restarts):.2f}, max {max(restarts):.2f}\n"
        f"{'not done':22}{none}\n{wrong}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where nothing is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--writers", type=int, default=32)
    asked = parser.parse_args(arguments)
    figures = campaign(asked.kills, asked.writers)
    print(table(figures, asked.writers))
    return 1 if figures.wrong.total() else 0


if __name__ == "__main__":
    sys.exit(main())
