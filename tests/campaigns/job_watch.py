"""What the tables tell of jobs, from outside: where each stands, who holds it, and when it was done."""

import time
from collections import Counter
from contextlib import closing
from typing import Final, NamedTuple, Self

import psycopg
from psycopg.sql import SQL, Identifier

from domain.aggregates import aggregate_id, kind_and_number
from domain.generation_facts import GenerationFailed, GenerationFinished
from domain.note_facts import NoteDeidentified, NoteProcessingFailed
from domain.session import SessionStatusAdvanced
from domain.value import Fact, Kind
from domain.work import JobName
from handlers.policies import Job
from handlers.relay import FOLLOWER
from ledger.codec import read_clear
from ledger.locks import lock_key
from tests.campaigns.ledger_checks import CLINIC

_HOLDER: Final = (
    "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE locktype = 'advisory' AND granted AND objsubid = 1"
    "  AND (classid::bigint << 32 | objid::bigint) = %(lock)s"
)
_LOOK: Final = (
    f"SELECT sends, starts, ({_HOLDER}) FROM ledger.open_jobs"  # noqa: S608 (ours)
    " WHERE (clinic_id, job, aggregate_id, version) = (%(clinic)s, %(job)s, %(of)s, %(version)s)"
)
_FACTS: Final = (
    "SELECT aggregate_id, kind, state,"
    " CASE current_setting('track_commit_timestamp') WHEN 'on'"
    "  THEN extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 ELSE 'NaN' END"
    " FROM ledger.entries WHERE clinic_id = %s ORDER BY position"
)


class Look(NamedTuple):
    """Where an open job stands; `holder` is the program that is at it."""

    sends: int
    starts: int
    holder: str | None


class Ends(NamedTuple):
    """What became of the jobs: when each result was durable, and which failed.

    The times are as of `time.time`; NaN where the server does not keep those of its commits.
    """

    done: dict[Job, list[float]]
    failed: Counter[Job]
    soap_notes: Counter[int]
    """Entries of each SOAP note."""
    of_generation: dict[int, int]
    """Generation → the SOAP note that it was to draft."""

    @classmethod
    def none(cls) -> "Ends":
        """Nothing has ended."""
        return cls({}, Counter(), Counter(), {})


class Positions(NamedTuple):
    """Of the clinic's newest entry, and of the newest that the relay has done with."""

    head: int
    relayed: int


class Watch:
    """A connection of the database's owner."""

    def __init__(self, owner_url: str) -> None:
        self._url = owner_url
        self.conn = psycopg.connect(owner_url, autocommit=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.conn.close()

    def connect_again(self) -> None:
        """After the server was killed."""
        self.conn.close()
        self.conn = psycopg.connect(self._url, autocommit=True)

    def look(self, job: Job) -> Look | None:
        """None where it is not open: not asked for yet, or closed."""
        row = self.conn.execute(
            _LOOK,
            {
                "lock": lock_key("job", *job),
                "clinic": job.clinic_id,
                "job": job.name,
                "of": aggregate_id(job.kind, job.number),
                "version": job.version,
            },
        ).fetchone()
        return Look(*row) if row else None

    def leader(self) -> str | None:
        """The program that relays."""
        row = self.conn.execute(_HOLDER, {"lock": lock_key("follower", FOLLOWER)}).fetchone()
        return str(row[0]) if row else None

    def position(self, job: Job) -> int:
        """Of the entry that started the job: the version that it names, or the first request."""
        row = self.conn.execute(
            "SELECT position FROM ledger.entries"
            " WHERE (clinic_id, aggregate_id, version) = (%s, %s, %s)",
            (job.clinic_id, aggregate_id(job.kind, job.number), job.version),
        ).fetchone()
        assert row is not None
        return int(row[0])

    def positions(self) -> Positions:
        """Where ledger and relay are."""
        row = self.conn.execute(
            "SELECT h.position, coalesce(b.position, 0) FROM ledger.ledger_head h"
            " LEFT JOIN ledger.bookmarks b ON b.clinic_id = h.clinic_id AND follower = %s"
            " WHERE h.clinic_id = %s",
            (FOLLOWER, CLINIC),
        ).fetchone()
        assert row is not None
        return Positions(*row)

    def count(self, table: str) -> int:
        """Rows of a table of the ledger's."""
        statement = SQL("SELECT count(*) FROM ledger.{}")
        row = self.conn.execute(statement.format(Identifier(table))).fetchone()
        assert row is not None
        return int(row[0])

    def is_settled(self) -> bool:
        """Everything is relayed, and no job is open."""
        head, relayed = self.positions()
        return head == relayed and self.count("open_jobs") == 0

    def settles_within(self, seconds: float) -> bool:
        """Whether it comes to that."""
        deadline = time.monotonic() + seconds
        while not (settled := self.is_settled()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return settled

    def ends(self) -> Ends:
        """Read from the clear part of every entry."""
        ends = Ends.none()
        with closing(self.conn.execute(_FACTS, (CLINIC,))) as rows:
            for aggregate, kind, state, at in rows:
                of_kind, number = kind_and_number(aggregate)
                if of_kind is Kind.SOAP_NOTE:
                    ends.soap_notes[number] += 1
                _take(ends, of_kind, number, read_clear(kind, state), at)
        return ends


def _take(ends: Ends, kind: Kind, number: int, fact: Fact, at: float) -> None:
    match fact:
        case NoteDeidentified(of_version=version):
            done = Job(CLINIC, JobName.DEIDENTIFY, kind, number, version)
        case SessionStatusAdvanced(note=note):
            done = Job(CLINIC, JobName.SET_EVENT_STATUS, note.kind, note.note_id, note.version)
        case GenerationFinished(run=run, soap_note_id=soap_note_id):
            done = Job(CLINIC, JobName.WRITE_SOAP_NOTE, kind, number, run)
            ends.of_generation[number] = soap_note_id
        case NoteProcessingFailed(of_version=version, job=name):
            ends.failed[Job(CLINIC, name, kind, number, version)] += 1
            return
        case GenerationFailed(run=run):
            ends.failed[Job(CLINIC, JobName.WRITE_SOAP_NOTE, kind, number, run)] += 1
            return
        case _:
            return
    ends.done.setdefault(done, []).append(at)


def doubled(ends: Ends, job: Job) -> bool:
    """Whether it was done more than once, in any of its effects."""
    if job.name is JobName.WRITE_SOAP_NOTE and job.number in ends.of_generation:
        return ends.soap_notes[ends.of_generation[job.number]] != 1 or len(ends.done[job]) > 1
    return len(ends.done.get(job, ())) > 1
