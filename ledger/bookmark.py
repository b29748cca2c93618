"""Follow the ledgers of all clinics: handle entries in batches, then move the bookmark.

If we crash between the two, the batch is handled again: so handling an entry twice must do no harm.
One process leads at a time, under a lock that belongs to its connection; the others stand by. An
entry that cannot be handled is set aside where an operator sees it (`ledger.set_aside`), and the
follower goes on: it neither stops there nor skips the entry without a trace.

Where a clinic's ledger is not whole, the follower stops for that clinic, before the gap, and goes on
with the others (`ledger.stopped_followers`). It looks again every few seconds: once the ledger is
whole again, it goes on by itself.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row, tuple_row

from ledger.codec import read_clear
from ledger.continuity import Break, Reason, first_break
from ledger.database import UNREACHABLE, Datastore
from ledger.entry import Entry
from ledger.locks import try_lock
from ledger.stopped import put_stopped, remove_stopped, stopped_clinics

log = logging.getLogger("noteledger.ledger")

BATCH: Final = 500
POLL_SECONDS: Final = 0.1
STAND_BY_SECONDS: Final = 2.0
LOOK_AGAIN_SECONDS: Final = 5.0
"""Until the follower looks again at a ledger that was not whole."""

Take = Callable[[Sequence[Entry]], None]


class TryLater(Exception):
    """What the follower needs to handle these entries is not available now."""


class _Row(NamedTuple):
    position: int
    aggregate_id: UUID
    version: int
    fact_type: str
    sealed: bytes


class Follower:
    """Gives every entry, without its words, to `take`; those of a clinic in their order."""

    def __init__(self, datastore: Datastore, name: str, take: Take) -> None:
        self._datastore = datastore
        self._name = name
        self._take = take
        self._look_again_at: dict[int, float] = {}
        """By stopped clinic, on the monotonic clock. Used by the leading thread only."""

    def follow(self, stop: threading.Event) -> None:
        """Lead, or stand by, until `stop` is set."""
        while not stop.is_set():
            try:
                with try_lock(self._datastore, "follower", self._name) as conn:
                    if conn:
                        self._lead(conn, stop)
            except (TryLater, *UNREACHABLE) as late:
                log.warning("the follower %s waits: %s", self._name, type(late).__name__)
            except Exception:
                log.exception("the follower %s met an error, and begins again", self._name)
            stop.wait(STAND_BY_SECONDS)

    def _lead(self, conn: Connection[Any], stop: threading.Event) -> None:
        self._look_again_at = dict.fromkeys(stopped_clinics(conn, self._name), 0.0)
        self.retake(conn)
        while not stop.is_set():
            if not self.take_news(conn):
                stop.wait(POLL_SECONDS)

    def retake(self, conn: Connection[Any]) -> None:
        """Handle again what was set aside: this program may be newer than the one that could not."""
        rows = (
            conn.cursor(row_factory=tuple_row, binary=True)
            .execute(
                "SELECT e.clinic_id, e.position, e.aggregate_id, e.version, e.kind, e.state"
                " FROM ledger.set_aside s JOIN ledger.entries e"
                "  ON e.clinic_id = s.clinic_id AND e.position = s.position"
                " WHERE s.follower = %s ORDER BY e.clinic_id, e.position",
                (self._name,),
            )
            .fetchall()
        )
        for clinic_id, *row in rows:
            entry = self._read(conn, clinic_id, _Row(*row))
            if entry and self._take_each(conn, [entry]):
                conn.execute(
                    "DELETE FROM ledger.set_aside"
                    " WHERE clinic_id = %s AND follower = %s AND position = %s",
                    (clinic_id, self._name, entry.position),
                )

    def take_news(self, conn: Connection[Any]) -> bool:
        """Handle one batch of each clinic that has new entries; whether there were any."""
        now = time.monotonic()
        resting = [clinic for clinic, again_at in self._look_again_at.items() if again_at > now]
        news = (
            conn.cursor(row_factory=tuple_row)
            .execute(
                """
                SELECT h.clinic_id, coalesce(b.position, 0), h.position FROM ledger.ledger_head h
                LEFT JOIN ledger.bookmarks b
                    ON b.clinic_id = h.clinic_id AND b.follower = %(follower)s
                WHERE (h.position <> coalesce(b.position, 0) OR h.clinic_id = ANY(%(stopped)s))
                AND h.clinic_id <> ALL(%(resting)s) ORDER BY h.clinic_id
                """,
                {
                    "follower": self._name,
                    "stopped": list(self._look_again_at),
                    "resting": resting,
                },
            )
            .fetchall()
        )
        had_news = [self._take_batch(conn, *clinic) for clinic in news]
        return any(had_news)

    def _take_batch(self, conn: Connection[Any], clinic_id: int, after: int, head: int) -> bool:
        """Handle the next entries, as far as the ledger is whole; whether there were any."""
        rows = (
            conn.cursor(row_factory=class_row(_Row), binary=True)
            .execute(
                "SELECT position, aggregate_id, version, kind AS fact_type, state AS sealed"
                " FROM ledger.entries"
                " WHERE clinic_id = %s AND position > %s ORDER BY position LIMIT %s",
                (clinic_id, after, BATCH),
            )
            .fetchall()
        )
        if head < after:
            broken: Break | None = Break(clinic_id, head + 1, Reason.CUT)
        else:
            broken = first_break(conn, clinic_id, after, head, [row.position for row in rows])
        if broken:
            rows = [row for row in rows if row.position < broken.position]
        if rows:
            self._take_rows(conn, clinic_id, rows)
        if broken:
            self._stop_clinic(conn, broken)
        elif self._look_again_at.pop(clinic_id, None) is not None:
            remove_stopped(conn, self._name, clinic_id)
        return bool(rows)

    def _take_rows(self, conn: Connection[Any], clinic_id: int, rows: Sequence[_Row]) -> None:
        entries = [entry for row in rows if (entry := self._read(conn, clinic_id, row)) is not None]
        try:
            self._take(entries)
        except (TryLater, *UNREACHABLE):
            raise
        except Exception:
            self._take_each(conn, entries)
        # If we crash here, the next leader handles this batch again.
        conn.execute(
            "INSERT INTO ledger.bookmarks AS b (clinic_id, follower, position)"
            " VALUES (%(clinic_id)s, %(follower)s, %(position)s)"
            " ON CONFLICT (clinic_id, follower) DO UPDATE"
            " SET position = greatest(b.position, excluded.position)",
            {"clinic_id": clinic_id, "follower": self._name, "position": rows[-1].position},
        )

    def _stop_clinic(self, conn: Connection[Any], broken: Break) -> None:
        """If we crash before this is stored, the next leader finds the same."""
        if broken.clinic_id not in self._look_again_at:
            log.error("the follower %s stops: %s", self._name, broken.sentence())
        put_stopped(conn, self._name, broken)
        self._look_again_at[broken.clinic_id] = time.monotonic() + LOOK_AGAIN_SECONDS

    def _read(self, conn: Connection[Any], clinic_id: int, row: _Row) -> Entry | None:
        try:
            fact = read_clear(row.fact_type, row.sealed)
        except Exception as error:  # whatever is wrong with the bytes, the next entry is not it
            self._set_aside(conn, clinic_id, row.position, error)
            return None
        return Entry(clinic_id, row.position, row.aggregate_id, row.version, fact)

    def _take_each(self, conn: Connection[Any], entries: Sequence[Entry]) -> bool:
        """Handle each entry by itself, and set aside those that fail; whether none failed."""
        all_taken = True
        for entry in entries:
            try:
                self._take([entry])
            except (TryLater, *UNREACHABLE):
                raise
            except Exception as error:
                self._set_aside(conn, entry.clinic_id, entry.position, error)
                all_taken = False
        return all_taken

    def _set_aside(
        self, conn: Connection[Any], clinic_id: int, position: int, error: Exception
    ) -> None:
        """Only the error's class name is stored: its text may quote words."""
        name = type(error).__name__
        log.error("%s set entry %d of clinic %d aside: %s", self._name, position, clinic_id, name)
        conn.execute(
            "INSERT INTO ledger.set_aside (clinic_id, follower, position, error)"
            " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (clinic_id, self._name, position, name),
        )
