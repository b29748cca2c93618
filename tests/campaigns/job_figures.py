"""What a campaign of kills came to: by victim and kind of job, and all that is wrong."""

import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from domain.work import JobName
from handlers.policies import Job
from tests.campaigns.asked_jobs import Asked
from tests.campaigns.job_watch import Ends, doubled


class Victim(StrEnum):
    """What is killed, and when."""

    WORKER = "worker"
    WORKER_TOLD_TO_STOP = "worker-told-to-stop"
    RELAY = "relay"
    BROKER = "broker"
    BROKER_WITH_THE_JOB = "broker-with-the-job"
    POSTGRESQL = "postgresql"


@dataclass
class Kill:
    """One kill, at the job that it was meant for; `is_hit` None: the commit times will tell."""

    asked: Asked
    at: float
    is_hit: bool | None = None

    def hit(self, ends: Ends) -> bool:
        """Whether the job was under way."""
        if self.is_hit is not None:
            return self.is_hit
        return all(at > self.at for at in ends.done.get(self.asked.job, []))


@dataclass
class Typical:
    """Seconds that a kind of job takes, undisturbed: until it is sent, begun and closed."""

    until_sent: float
    until_begun: float
    until_closed: float


@dataclass
class Cell:
    """What a victim's kills came to for a kind of job. Of the jobs, `asked` has those not killed, too."""

    victim: Victim
    name: JobName
    kills: list[Kill] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def hits(self, ends: Ends) -> list[Kill]:
        """The kills that struck."""
        return [kill for kill in self.kills if kill.hit(ends)]


@dataclass
class Figures:
    """What a campaign came to."""

    cells: list[Cell] = field(default_factory=list)
    typical: dict[JobName, Typical] = field(default_factory=dict)
    wrong: Counter[str] = field(default_factory=Counter)
    ends: Ends = field(default_factory=Ends.none)
    away_seconds: list[float] = field(default_factory=list)
    """How long PostgreSQL was not there."""
    seconds: float = 0.0

    def all_asked(self) -> Iterator[Job]:
        """Every job of every request."""
        for cell in self.cells:
            for asked in cell.asked:
                yield from asked.jobs


# --- what is printed

HEAD: Final = (
    f"{'victim':22}{'job':18}{'kills':>6}{'hits':>6}{'asked':>7}{'done':>6}{'lost':>6}{'doubled':>9}"
    f"{'median s':>10}{'max s':>8}"
)


def line(cell: Cell, ends: Ends) -> str:
    """A victim, a kind of job, what came of it, and the seconds from a hit to the job's end."""
    jobs = [asked.job for asked in cell.asked]
    done = sum(len(ends.done.get(job, ())) == 1 for job in jobs)
    lost = sum(job not in ends.done for job in jobs)
    twice = sum(doubled(ends, job) for job in jobs)
    waits = [
        ends.done[kill.asked.job][0] - kill.at
        for kill in cell.hits(ends)
        if kill.asked.job in ends.done
    ] or [0.0]
    return (
        f"{cell.victim:22}{cell.name:18}{len(cell.kills):6}{len(cell.hits(ends)):6}{len(jobs):7}"
        f"{done:6}{lost:6}{twice:9}{statistics.median(waits):10.2f}{max(waits):8.2f}"
    )


def table(figures: Figures) -> str:
    """The figures, a line for each victim and kind of job."""
    lines = [f"{figures.seconds:.0f} s; undisturbed, in ms until sent, then begun, then closed:"]
    for name, typical in figures.typical.items():
        steps = (typical.until_sent, typical.until_begun, typical.until_closed)
        lines.append(f"  {name:18}" + "".join(f"{1000 * step:8.0f}" for step in steps))
    lines += [HEAD, *(line(cell, figures.ends) for cell in figures.cells)]
    if away := figures.away_seconds:
        median = statistics.median(away)
        lines.append(f"PostgreSQL was away for {median:.2f} s (median), {max(away):.2f} s (max)")
    lines += [f"{what:22}{count}" for what, count in figures.wrong.items()]
    return "\n".join(lines)
