"""Kill what works on jobs, in the middle of them: `python -m tests.campaigns.kill_jobs --kills 20`.

Separate programs (PostgreSQL with fsync, Valkey, the service, two workers, two followers) are given
jobs by HTTP requests, and a victim is killed while a job of a kind is under way:

- `worker`: kill -9 of the worker that holds the job; `worker-told-to-stop`: SIGTERM instead
- `relay`: kill -9 of the leading follower, between the save and the bookmark that passes it
- `broker`: kill -9 of Valkey, its memory erased, while a worker is at the job;
  `broker-with-the-job`: the same while the job waits in it
- `postgresql`: kill -9 of the postmaster and its backends; it is started again at once

A kill counts as a hit where the job was begun before it, and its result durable only after it (by
PostgreSQL's own commit times); for the relay, where the bookmark was still before the save
afterwards; for `broker-with-the-job`, where the job had been sent, and no start of it was counted.
Kills go on until there are `--kills` hits of each victim and kind of job, or four times as many
kills. They come a few together: then everything settles, so that a job may be hit twice.

Exits 1 if a job is not done once in effect, if anything failed, was left over or set aside, if a
program ended that nobody killed, if the views differ from their rebuild, or if a word of the notes
stands in a table, in what a program said or in the broker's file. It cannot show what a lost disk,
a lost network or a lost machine does; a `worker-told-to-stop` has time to finish what it began
(jobs that take longer than that are interrupted: tests/handlers/test_runs.py).
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final, assert_never

from domain.work import JobName
from handlers.policies import Job
from tests.campaigns.asked_jobs import Asked, Asking
from tests.campaigns.installation import Installation, installation
from tests.campaigns.job_figures import Cell, Figures, Kill, Typical, Victim, line, table
from tests.campaigns.job_watch import Look, Watch, doubled
from tests.databases import owner_of
from tests.wholeness import assert_whole

TOGETHER: Final = 5
KILLS_A_HIT_MAX: Final = 4
SETTLE_SECONDS_MAX: Final = 300.0
SEEN_SECONDS_MAX: Final = 60.0
TRIALS: Final = 5
LOOK_SECONDS: Final = 0.0005


class NothingMovesError(Exception):
    """A job was neither begun nor done, though nothing was killed."""


class Campaign:
    """Kills one installation's parts."""

    def __init__(self, running: Installation, watch: Watch) -> None:
        self.figures = Figures()
        self._running = running
        self._watch = watch
        self._asking = Asking(running.service.port)

    def try_out(self, name: JobName) -> None:
        """How long such a job takes, undisturbed. The first loads the models, and does not count."""
        trials = [self._trial(name) for _ in range(TRIALS + 1)][1:]
        self.figures.typical[name] = Typical(
            *(statistics.median(trial[step] for trial in trials) for step in range(3))
        )

    def _trial(self, name: JobName) -> tuple[float, float, float]:
        asked = self._asking.ask(name)
        marks = [time.time()]
        for holds in (lambda look: look.sends > 0, lambda look: look.starts > 0):
            self._see(asked.job, holds)
            marks.append(time.time())
        while self._watch.look(asked.job):
            time.sleep(LOOK_SECONDS)
        marks.append(time.time())
        if not self._watch.settles_within(SETTLE_SECONDS_MAX):
            raise NothingMovesError
        return marks[1] - marks[0], marks[2] - marks[1], marks[3] - marks[2]

    def strike(self, victim: Victim, name: JobName, hits: int) -> Cell:
        """Until there are so many hits."""
        cell = Cell(victim, name)
        self.figures.cells.append(cell)
        missing = hits
        while missing > 0 and len(cell.asked) < hits * KILLS_A_HIT_MAX:
            for _ in range(min(TOGETHER, missing)):
                self._strike_once(cell)
            self._running.wait_until_ready()
            self._watch.settles_within(SETTLE_SECONDS_MAX)
            missing = hits - len(cell.hits(self._watch.ends()))
        return cell

    def _strike_once(self, cell: Cell) -> None:
        self._running.wait_until_ready()
        family = self._running.postgres.family()
        typical = self.figures.typical[cell.name]
        asked = self._asking.ask(cell.name)
        cell.asked.append(asked)
        kill = self._kill(cell.victim, asked, typical, family)
        cell.kills += [kill] if kill else []

    # --- the victims

    def _kill(
        self, victim: Victim, asked: Asked, typical: Typical, family: Sequence[int]
    ) -> Kill | None:
        """None where the job was over too soon."""
        match victim:
            case Victim.WORKER | Victim.WORKER_TOLD_TO_STOP:
                return self._strike_worker(victim, asked, typical)
            case Victim.RELAY:
                return self._strike_relay(asked, typical)
            case Victim.BROKER:
                return self._strike_broker(asked, typical)
            case Victim.BROKER_WITH_THE_JOB:
                return self._strike_broker_with_the_job(asked, typical)
            case Victim.POSTGRESQL:
                return self._strike_postgresql(asked, typical, family)
            case _:
                assert_never(victim)

    def _strike_worker(self, victim: Victim, asked: Asked, typical: Typical) -> Kill | None:
        look = self._see(asked.job, lambda look: look.starts > 0 and bool(look.holder))
        if look is None or look.holder is None:
            return None
        program = self._running.programs[look.holder]
        _wait_for_a_moment(typical.until_closed)
        kill = Kill(asked, time.time())
        if victim is Victim.WORKER:
            program.kill()
        else:
            self.figures.wrong["exit codes"] += program.end() != 0
        program.start()
        return kill

    def _strike_relay(self, asked: Asked, typical: Typical) -> Kill | None:
        leader = self._watch.leader()
        if leader is None:  # the one before was killed just now: nobody has taken over
            self._see_leader()
            return None
        _wait_for_a_moment(typical.until_sent)
        kill = Kill(asked, time.time())
        self._running.programs[leader].kill()
        kill.is_hit = self._watch.position(asked.job) > self._watch.positions().relayed
        self._running.programs[leader].start()
        return kill

    def _strike_broker(self, asked: Asked, typical: Typical) -> Kill | None:
        if self._see(asked.job, lambda look: look.starts > 0) is None:
            return None
        _wait_for_a_moment(typical.until_closed)
        kill = Kill(asked, time.time())
        self._running.broker.kill_and_erase()
        return kill

    def _strike_broker_with_the_job(self, asked: Asked, typical: Typical) -> Kill | None:
        if self._see(asked.job, lambda look: look.sends > 0) is None:
            return None
        _wait_for_a_moment(typical.until_begun)
        kill = Kill(asked, time.time())
        self._running.broker.kill_and_erase()
        look = self._watch.look(asked.job)
        kill.is_hit = look is not None and look.sends > 0 and look.starts == 0
        return kill

    def _strike_postgresql(
        self, asked: Asked, typical: Typical, family: Sequence[int]
    ) -> Kill | None:
        if self._see(asked.job, lambda look: look.starts > 0) is None:
            return None
        _wait_for_a_moment(typical.until_closed)
        kill = Kill(asked, time.time())
        self._running.postgres.kill(family)
        self._running.postgres.come_back()
        self.figures.away_seconds.append(time.time() - kill.at)
        self._watch.connect_again()
        return kill

    # --- waiting

    def _see(self, job: Job, holds: Callable[[Look], bool]) -> Look | None:
        """The job as soon as this holds; None where it was over before anybody looked."""
        position = self._watch.position(job)
        deadline = time.monotonic() + SEEN_SECONDS_MAX
        while time.monotonic() < deadline:
            is_relayed = self._watch.positions().relayed >= position
            look = self._watch.look(job)
            if look and holds(look):
                return look
            if is_relayed and look is None:
                return None
            time.sleep(LOOK_SECONDS)
        raise NothingMovesError

    def _see_leader(self) -> None:
        deadline = time.monotonic() + SEEN_SECONDS_MAX
        while self._watch.leader() is None:
            if time.monotonic() > deadline:
                raise NothingMovesError
            time.sleep(LOOK_SECONDS)

    # --- the checks

    def look_closely(self) -> None:
        """At the end, with all programs ended in order."""
        wrong, asked = self.figures.wrong, list(self.figures.all_asked())
        self._running.wait_until_ready()
        wrong["open jobs"] += self._watch.count("open_jobs")
        wrong["exit codes"] += sum(code != 0 for code in self._running.end())
        ends = self.figures.ends = self._watch.ends()
        wrong["lost"] += sum(job not in ends.done for job in asked)
        wrong["doubled"] += sum(doubled(ends, job) for job in asked)
        wrong["failed"] += ends.failed.total()
        wrong["SOAP notes of nobody"] += len(
            ends.soap_notes.keys() - set(ends.of_generation.values())
        )
        wrong["set aside"] += self._watch.count("set_aside")
        wrong["words in the open"] += len(self._running.searched().hits)
        wrong["not whole"] += not self._is_whole()

    def _is_whole(self) -> bool:
        with owner_of(self._running.postgres.address.owner_url) as owner:
            try:
                assert_whole(owner)
            except AssertionError as difference:
                print(difference)
                return False
        return True


def _wait_for_a_moment(typical_seconds: float) -> None:
    time.sleep(random.uniform(0, typical_seconds))  # noqa: S311


def campaign(victims: Sequence[Victim], names: Sequence[JobName], kills: int) -> Figures:
    """All of it, on an installation of its own."""
    began = time.monotonic()
    with installation() as running:
        running.start()
        with Watch(running.postgres.address.owner_url) as watch:
            striking = Campaign(running, watch)
            for name in names:
                striking.try_out(name)
            for victim in victims:
                for name in names:
                    cell = striking.strike(victim, name, kills)
                    print(line(cell, watch.ends()), file=sys.stderr, flush=True)
            striking.look_closely()
    striking.figures.seconds = time.monotonic() - began
    return striking.figures


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where nothing is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="hits of each victim and job")
    parser.add_argument("--victim", type=Victim, action="append", choices=list(Victim))
    parser.add_argument("--job", type=JobName, action="append", choices=list(JobName))
    asked = parser.parse_args(arguments)
    figures = campaign(asked.victim or list(Victim), asked.job or list(JobName), asked.kills)
    print(table(figures))
    return 1 if figures.wrong.total() else 0


if __name__ == "__main__":
    sys.exit(main())
