"""The jobs that were requested and are not done: the relay sends them, the sweeper sends them again.

The ledger holds the requests and the results. This table saves reading it from its beginning. A row
too many costs one look at the aggregate, which finds nothing to do.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from psycopg.rows import tuple_row

from domain.aggregates import aggregate_id, kind_and_number
from domain.work import JobName, WhyFailed
from handlers.policies import Job
from ledger.database import Datastore

SENT_AGAIN_SECONDS: Final = 30
"""An open job is sent again after this time, then after twice this time, and so on."""
DOUBLINGS_MAX: Final = 7
"""... so that it is sent once in about an hour at least."""
SWEPT_AT_ONCE: Final = 1_000


class OpenJobs:
    """The table `ledger.open_jobs`."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    def ask(self, asked: Iterable[tuple[Job, int]]) -> None:
        """Add jobs, each with the position of the fact that requested it.

        A job that is open already stays as it is; if a later fact requests it, it begins anew.
        """
        asked = list(asked)
        clinics, names, aggregates, versions = _columns(job for job, _ in asked)
        with self._datastore.get_connection() as conn:
            conn.execute(
                "INSERT INTO ledger.open_jobs AS o"
                " (clinic_id, job, aggregate_id, version, asked_position, asked_at)"
                " SELECT clinic_id, job, aggregate_id, version, position, now()"
                " FROM unnest(%s::bigint[], %s::text[], %s::uuid[], %s::bigint[], %s::bigint[])"
                "  AS new (clinic_id, job, aggregate_id, version, position)"
                " ON CONFLICT (clinic_id, job, aggregate_id, version) DO UPDATE"
                " SET asked_position = excluded.asked_position, asked_at = excluded.asked_at,"
                "  starts = 0, why = NULL WHERE o.asked_position < excluded.asked_position",
                (clinics, names, aggregates, versions, [position for _, position in asked]),
            )

    def sent(self, jobs: Iterable[Job]) -> None:
        """Note that the jobs were put into the queue."""
        clinics, names, aggregates, versions = _columns(jobs)
        with self._datastore.get_connection() as conn:
            conn.execute(
                "UPDATE ledger.open_jobs AS o SET sent_at = now(), sends = sends + 1"
                " FROM unnest(%s::bigint[], %s::text[], %s::uuid[], %s::bigint[])"
                "  AS sent (clinic_id, job, aggregate_id, version)"
                " WHERE (o.clinic_id, o.job, o.aggregate_id, o.version)"
                "  = (sent.clinic_id, sent.job, sent.aggregate_id, sent.version)",
                (clinics, names, aggregates, versions),
            )

    def overdue(self) -> list[Job]:
        """The jobs that were sent long enough ago, the oldest first, at most `SWEPT_AT_ONCE`."""
        with self._datastore.get_connection() as conn:
            rows = (
                conn.cursor(row_factory=tuple_row)
                .execute(
                    "SELECT clinic_id, job, aggregate_id, version FROM ledger.open_jobs"
                    " WHERE coalesce(sent_at, asked_at) < now() - %(base)s * interval '1 second'"
                    "  * power(2, least(greatest(sends - 1, 0), %(doublings)s))"
                    " ORDER BY asked_at LIMIT %(limit)s",
                    {
                        "base": SENT_AGAIN_SECONDS,
                        "doublings": DOUBLINGS_MAX,
                        "limit": SWEPT_AT_ONCE,
                    },
                )
                .fetchall()
            )
        return [
            Job(clinic_id, JobName(name), *kind_and_number(aggregate), version)
            for clinic_id, name, aggregate, version in rows
        ]

    def start(self, job: Job) -> int:
        """Count a start of the job. Returns the number of starts, with this one."""
        with self._datastore.get_connection() as conn:
            row = (
                conn.cursor(row_factory=tuple_row)
                .execute(
                    "INSERT INTO ledger.open_jobs AS o"
                    " (clinic_id, job, aggregate_id, version, asked_position, asked_at, sent_at,"
                    "  sends, starts)"
                    " VALUES (%s, %s, %s, %s, 0, now(), now(), 1, 1)"
                    " ON CONFLICT (clinic_id, job, aggregate_id, version)"
                    " DO UPDATE SET starts = o.starts + 1 RETURNING starts",
                    _key(job),
                )
                .fetchone()
            )
        assert row is not None
        return int(row[0])

    def take_back_start(self, job: Job) -> None:
        """Do not count the last start: the worker had to stop, or the database was away."""
        with self._datastore.get_connection() as conn:
            conn.execute(
                "UPDATE ledger.open_jobs SET starts = starts - 1 WHERE clinic_id = %s"
                " AND job = %s AND aggregate_id = %s AND version = %s",
                _key(job),
            )

    def broke(self, job: Job, why: WhyFailed) -> None:
        """Note the reason why the last start failed; the job is tried again."""
        with self._datastore.get_connection() as conn:
            conn.execute(
                "UPDATE ledger.open_jobs SET why = %s WHERE clinic_id = %s"
                " AND job = %s AND aggregate_id = %s AND version = %s",
                (why, *_key(job)),
            )

    def why(self, job: Job) -> WhyFailed | None:
        """The reason of the last failed start. None where each start ended its worker."""
        with self._datastore.get_connection() as conn:
            row = (
                conn.cursor(row_factory=tuple_row)
                .execute(
                    "SELECT why FROM ledger.open_jobs WHERE clinic_id = %s"
                    " AND job = %s AND aggregate_id = %s AND version = %s",
                    _key(job),
                )
                .fetchone()
            )
        return WhyFailed(row[0]) if row and row[0] else None

    def close(self, job: Job) -> None:
        """Remove the job: it is done, or given up, or not wanted."""
        with self._datastore.get_connection() as conn:
            conn.execute(
                "DELETE FROM ledger.open_jobs WHERE clinic_id = %s"
                " AND job = %s AND aggregate_id = %s AND version = %s",
                _key(job),
            )

    def count(self) -> int:
        """The number of open jobs."""
        with self._datastore.get_connection() as conn:
            row = (
                conn.cursor(row_factory=tuple_row)
                .execute("SELECT count(*) FROM ledger.open_jobs")
                .fetchone()
            )
        return int(row[0]) if row else 0

    def oldest_seconds(self) -> float | None:
        """The age of the oldest open job, None where there is none."""
        with self._datastore.get_connection() as conn:
            row = (
                conn.cursor(row_factory=tuple_row)
                .execute(
                    "SELECT extract(epoch FROM now() - min(asked_at))::float8 FROM ledger.open_jobs"
                )
                .fetchone()
            )
        return row[0] if row else None


def _key(job: Job) -> tuple[object, ...]:
    return job.clinic_id, job.name, aggregate_id(job.kind, job.number), job.version


def _columns(jobs: Iterable[Job]) -> Sequence[list[Any]]:
    rows = [_key(job) for job in jobs]
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[], [], [], []]
