"""The event store: our recorder for `eventsourcing`, bound to one clinic, and its statements.

Each clinic has one row in `ledger_head`. Every append updates it first (UPDATE … RETURNING), so the
row is both lock and counter: positions are gapless, and commit order is position order. There is no
table lock, no NOTIFY and no sequence: appends of different clinics never wait for each other.
"""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from eventsourcing.persistence import (
    ApplicationRecorder,
    Notification,
    StoredEvent,
    Subscription,
)
from psycopg import Cursor
from psycopg.rows import tuple_row

from domain.refusals import PersonIsErased
from ledger.database import Datastore
from ledger.fences import NOBODY, About

POLL_SECONDS: Final = 0.1


def take_positions(cursor: Cursor[Any], clinic_id: int, count: int) -> int:
    """Lock the clinic's head until this transaction ends; the first of `count` new positions."""
    row = cursor.execute(
        "UPDATE ledger.ledger_head SET position = position + %(count)s"
        " WHERE clinic_id = %(clinic_id)s RETURNING position - %(count)s + 1",
        {"clinic_id": clinic_id, "count": count},
    ).fetchone()
    assert row is not None, f"clinic {clinic_id} has no ledger head"
    return int(row[0])


def lock_head(cursor: Cursor[Any], clinic_id: int) -> datetime:
    """Lock the clinic's head until this transaction ends, and take no position; the database's clock."""
    row = cursor.execute(
        "SELECT clock_timestamp() FROM ledger.ledger_head WHERE clinic_id = %s FOR UPDATE",
        (clinic_id,),
    ).fetchone()
    assert row is not None, f"clinic {clinic_id} has no ledger head"
    now: datetime = row[0]
    return now


def insert_entries(
    cursor: Cursor[Any],
    clinic_id: int,
    first_position: int,
    aggregate_ids: Sequence[UUID],
    versions: Sequence[int],
    fact_types: Sequence[str],
    sealed: Sequence[bytes],
    about: About = NOBODY,
) -> None:
    """Append entries at consecutive positions, in the given order; one statement for any number.

    The columns `kind` and `state` hold a fact's type and its sealed bytes. The caller holds the clinic's
    head, and this statement sees all that was committed before: behind a fence nothing is inserted.
    Raises PersonIsErased.
    """
    cursor.execute(
        "INSERT INTO ledger.entries (clinic_id, position, aggregate_id, version, kind, state)"
        " SELECT %(clinic_id)s, %(before)s + n, aggregate_id, version, kind, state"
        " FROM unnest(%(aggregate_ids)b::uuid[], %(versions)b::bigint[], %(fact_types)b::text[],"
        "  %(sealed)b::bytea[]) WITH ORDINALITY AS new (aggregate_id, version, kind, state, n)"
        " WHERE NOT EXISTS (SELECT FROM ledger.fences"
        "  WHERE clinic_id = %(clinic_id)s AND person_id = ANY(%(persons)b::bigint[]))"
        " AND cardinality(%(keys)b::uuid[]) = (SELECT count(*) FROM ledger.data_keys"
        "  WHERE clinic_id = %(clinic_id)s AND key_id = ANY(%(keys)b::uuid[])"
        "  AND wrapped IS NOT NULL)",
        {
            "clinic_id": clinic_id,
            "before": first_position - 1,
            "aggregate_ids": list(aggregate_ids),
            "versions": list(versions),
            "fact_types": list(fact_types),
            "sealed": list(sealed),
            "persons": list(about.persons),
            "keys": list(about.keys),
        },
    )
    if cursor.rowcount < len(sealed):
        raise PersonIsErased


class Recorder(ApplicationRecorder):
    """The library's interface to one clinic's ledger; a notification id is a position."""

    def __init__(self, datastore: Datastore, clinic_id: int) -> None:
        self.datastore = datastore
        self.clinic_id = clinic_id

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Append at the next positions, which are returned; all or none (IntegrityError)."""
        if not stored_events:
            return None
        count = len(stored_events)
        with self.datastore.get_connection() as conn, conn.transaction():
            cursor = conn.cursor(row_factory=tuple_row)
            first = take_positions(cursor, self.clinic_id, count)
            insert_entries(
                cursor,
                self.clinic_id,
                first,
                [_uuid(event.originator_id) for event in stored_events],
                [event.originator_version for event in stored_events],
                [event.topic for event in stored_events],
                [event.state for event in stored_events],
            )
        return list(range(first, first + count))

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """One aggregate's entries, by version."""
        statement = _BACKWARDS if desc else _FORWARDS
        params = {
            "clinic_id": self.clinic_id,
            "aggregate_id": originator_id,
            "gt": gt,
            "lte": lte,
            "limit": limit,
        }
        with self.datastore.get_connection() as conn:
            cursor = conn.cursor(row_factory=tuple_row, binary=True)
            rows = cursor.execute(statement, params).fetchall()
        return [StoredEvent(*row) for row in rows]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Entries by position."""
        after = 0 if start is None else start - 1 if inclusive_of_start else start
        with self.datastore.get_connection() as conn:
            cursor = conn.cursor(row_factory=tuple_row, binary=True)
            rows = cursor.execute(
                "SELECT aggregate_id, version, kind, state, position FROM ledger.entries"
                " WHERE clinic_id = %(clinic_id)s AND position > %(after)s"
                " AND position <= coalesce(%(stop)s::bigint, 9223372036854775807)"
                " AND (cardinality(%(topics)s::text[]) = 0 OR kind = ANY(%(topics)s))"
                " ORDER BY position LIMIT %(limit)s",
                {
                    "clinic_id": self.clinic_id,
                    "after": after,
                    "stop": stop,
                    "topics": list(topics),
                    "limit": limit,
                },
            ).fetchall()
        return [Notification(*row) for row in rows]

    def max_notification_id(self) -> int | None:
        """The newest position, None while the ledger is empty."""
        with self.datastore.get_connection() as conn:
            row = (
                conn.cursor(row_factory=tuple_row)
                .execute(
                    "SELECT position FROM ledger.ledger_head WHERE clinic_id = %s",
                    (self.clinic_id,),
                )
                .fetchone()
            )
        return row[0] or None if row else None

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        """Entries as they come, by polling: no entry is missed, and no connection is held."""
        return PollingSubscription(self, gt, topics)


_FORWARDS: Final = """
    SELECT aggregate_id, version, kind, state FROM ledger.entries
    WHERE clinic_id = %(clinic_id)s AND aggregate_id = %(aggregate_id)s
    AND version > coalesce(%(gt)s::bigint, -1)
    AND version <= coalesce(%(lte)s::bigint, 9223372036854775807)
    ORDER BY version LIMIT %(limit)s
"""
_BACKWARDS: Final = """
    SELECT aggregate_id, version, kind, state FROM ledger.entries
    WHERE clinic_id = %(clinic_id)s AND aggregate_id = %(aggregate_id)s
    AND version > coalesce(%(gt)s::bigint, -1)
    AND version <= coalesce(%(lte)s::bigint, 9223372036854775807)
    ORDER BY version DESC LIMIT %(limit)s
"""


class PollingSubscription(Subscription[ApplicationRecorder]):
    """Polls for what comes after the last entry that it gave."""

    _BATCH: Final = 500

    def __init__(self, recorder: Recorder, gt: int | None, topics: Sequence[str]) -> None:
        super().__init__(recorder, gt, topics)
        self._fetched: list[Notification] = []

    def __next__(self) -> Notification:
        """The next entry; waits for it until the subscription is stopped."""
        while not self._has_been_stopped:
            if not self._fetched:
                self._fetched = list(
                    self._recorder.select_notifications(
                        self._last_notification_id,
                        self._BATCH,
                        topics=self._topics,
                        inclusive_of_start=False,
                    )
                )
            if self._fetched:
                notification = self._fetched.pop(0)
                self._last_notification_id = notification.id
                return notification
            time.sleep(POLL_SECONDS)
        raise StopIteration


def _uuid(originator_id: UUID | str) -> UUID:
    return originator_id if isinstance(originator_id, UUID) else UUID(originator_id)
