"""Group commit: concurrent saves wait in a queue, one thread appends all that wait in ONE transaction.

A save returns only after its transaction is durable. If we crash before COMMIT took effect,
nothing of the batch is there and nobody was told otherwise; if after it, all of it is there, and
whoever did not get the answer finds it by asking again. Where the answer to COMMIT was lost on
the way, or a key is taken, the rows are read back: bytes that are ours (each carries a random
nonce) say that the append is done, foreign ones that this save, and no other, lost a race.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from itertools import groupby
from typing import Any, Final, NamedTuple

from eventsourcing.persistence import (
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
)
from psycopg import Cursor
from psycopg.rows import tuple_row

from ledger.database import Datastore
from ledger.entry import Addition, Entry
from ledger.store import insert_entries, take_positions

log = logging.getLogger("noteledger.appender")

BATCH_MAX: Final = 256
BATCH_WAIT_SECONDS: Final = 0.002
ATTEMPTS_MAX: Final = 8
RETRY_SECONDS: Final = 0.25
GIVE_UP_SECONDS: Final = 15.0
"""How long a save waits for a database that does not answer, at the least."""

ViewWriter = Callable[[Cursor[Any], Sequence[Entry]], None]


class LostRace(Exception):
    """Another save took this version of the aggregate first; nothing of this one was stored."""


class IdempotencyClaimTaken(Exception):
    """The Idempotency-Key was used before; nothing of this save was stored."""


class AppenderIsStoppedError(Exception):
    """The service is stopping; nothing of this save was stored."""


class _Waiting(NamedTuple):
    addition: Addition
    answer: "Future[int]"


class Appender:
    """One thread that appends. Several processes may each have one: the head row orders them."""

    def __init__(self, datastore: Datastore, view_writers: Sequence[ViewWriter]) -> None:
        self._datastore = datastore
        self._view_writers = view_writers
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="appender", daemon=True)
        self._door = threading.Lock()
        self._is_stopping = False
        self._last_batch_size = 1

    def start(self) -> None:
        """Take up work."""
        self._thread.start()

    def stop(self) -> None:
        """Append what waits, then end."""
        with self._door:
            self._is_stopping = True
            self._queue.put(None)
        self._thread.join()

    def append(self, addition: Addition) -> int:
        """The position of the addition's first entry, once it is durable.

        Raises LostRace, IdempotencyClaimTaken, AppenderIsStoppedError, or the library's PersistenceError
        where the database cannot be reached.
        """
        waiting = _Waiting(addition, Future())
        with self._door:  # what comes after the None that ends the thread would wait for ever
            if self._is_stopping:
                raise AppenderIsStoppedError(AppenderIsStoppedError.__doc__)
            self._queue.put(waiting)
        return waiting.answer.result()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = self._batch_with(first)
            try:
                self._append_all(batch)
            except Exception as error:
                # Whatever broke, those who wait are told; the thread lives on for the next batch.
                log.exception("a batch of %d saves failed", len(batch))
                _refuse(batch, error)

    def _batch_with(self, first: _Waiting) -> list[_Waiting]:
        """All that wait now; and where saves come in a crowd, those who are just about to."""
        batch = [first]
        deadline = time.monotonic() + BATCH_WAIT_SECONDS
        while len(batch) < BATCH_MAX:
            left = deadline - time.monotonic() if len(batch) < self._last_batch_size else 0.0
            try:
                waiting = self._queue.get(timeout=left) if left > 0 else self._queue.get_nowait()
            except queue.Empty:
                break
            if waiting is None:
                self._queue.put(None)
                break
            batch.append(waiting)
        self._last_batch_size = len(batch)
        return batch

    def _append_all(self, batch: Sequence[_Waiting]) -> None:
        pending = _without_rivals(batch)
        give_up_at = time.monotonic() + GIVE_UP_SECONDS
        for attempt in range(ATTEMPTS_MAX):
            is_last = attempt == ATTEMPTS_MAX - 1 or time.monotonic() > give_up_at
            try:
                if attempt:
                    pending = self._sort_out(pending)
                if pending:
                    self._append_together(pending)
            except (OperationalError, InterfaceError, InternalError) as error:
                if is_last:
                    _refuse(pending, error)
                    return
                time.sleep(RETRY_SECONDS * attempt)
            except IntegrityError as error:
                if is_last:
                    self._append_each(pending, error)
                    return
            except Exception as error:
                self._append_each(pending, error)
                return
            else:
                return

    def _append_each(self, pending: Sequence[_Waiting], error: Exception) -> None:
        """One of the batch cannot be stored: it is refused, and no other with it."""
        if len(pending) == 1:
            _refuse(pending, error)
            return
        for waiting in pending:
            self._append_all([waiting])

    def _append_together(self, pending: Sequence[_Waiting]) -> None:
        with self._datastore.as_ledger() as conn, conn.transaction():
            cursor = conn.cursor(row_factory=tuple_row)
            firsts = write_additions(
                cursor, [waiting.addition for waiting in pending], self._view_writers
            )
        for waiting, first in zip(pending, firsts, strict=True):
            waiting.answer.set_result(first)

    def _sort_out(self, pending: Sequence[_Waiting]) -> list[_Waiting]:
        """Answer those whose fate is known; the others are still to be appended."""
        still_pending = []
        with self._datastore.as_ledger() as conn:
            cursor = conn.cursor(row_factory=tuple_row, binary=True)
            for waiting in pending:
                if waiting.answer.done():  # by a look that was interrupted before its end
                    continue
                found = _first_entry(cursor, waiting.addition)
                if found and found[1] == waiting.addition.entries[0].state:
                    waiting.answer.set_result(found[0])
                elif _claim_is_taken(cursor, waiting.addition):
                    waiting.answer.set_exception(IdempotencyClaimTaken())
                elif found:
                    waiting.answer.set_exception(LostRace())
                else:
                    still_pending.append(waiting)
        return still_pending


def write_additions(
    cursor: Cursor[Any], additions: Sequence[Addition], view_writers: Iterable[ViewWriter]
) -> list[int]:
    """Everything that the additions bring, inside the caller's transaction; their first positions.

    Clinics are taken in the order of their ids, so that two processes never wait for each other.
    """
    in_order = sorted(enumerate(additions), key=lambda numbered: numbered[1].clinic_id)
    firsts = [0] * len(additions)
    written: list[Entry] = []
    for clinic_id, numbered in groupby(in_order, key=lambda numbered: numbered[1].clinic_id):
        of_clinic = list(numbered)
        new = [
            (number, addition.aggregate_id, entry)
            for number, addition in of_clinic
            for entry in addition.entries
        ]
        first = take_positions(cursor, clinic_id, len(new))
        for position, (number, aggregate_id, entry) in enumerate(new, first):
            firsts[number] = firsts[number] or position
            written.append(Entry(clinic_id, position, aggregate_id, entry.version, entry.fact))
        insert_entries(
            cursor,
            clinic_id,
            first,
            [aggregate_id for _, aggregate_id, _ in new],
            [entry.version for _, _, entry in new],
            [entry.fact.fact_type for _, _, entry in new],
            [entry.state for _, _, entry in new],
        )
    _insert_claims(cursor, [addition for addition in additions if addition.claim])
    _insert_attachments(cursor, [addition for addition in additions if addition.attachments])
    for write in view_writers:
        write(cursor, written)
    return firsts


def _insert_claims(cursor: Cursor[Any], additions: Sequence[Addition]) -> None:
    for addition in additions:
        assert addition.claim is not None
        cursor.execute(
            "INSERT INTO ledger.claims"
            " (clinic_id, user_id, key_digest, request_digest, aggregate_id, version)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (
                addition.clinic_id,
                *addition.claim,
                addition.aggregate_id,
                addition.entries[0].version,
            ),
        )


def _insert_attachments(cursor: Cursor[Any], additions: Sequence[Addition]) -> None:
    for addition in additions:
        for attachment in addition.attachments:
            cursor.execute(
                "INSERT INTO ledger.attachments (clinic_id, digest, sealed) VALUES (%s, %s, %b)",
                (addition.clinic_id, attachment.digest, attachment.sealed),
            )


def _without_rivals(batch: Sequence[_Waiting]) -> list[_Waiting]:
    """Of several saves on the same version or claim, the first; the others lost the race."""
    seen: set[object] = set()
    winners = []
    for waiting in batch:
        addition = waiting.addition
        version = (addition.clinic_id, addition.aggregate_id, addition.entries[0].version)
        claim = addition.claim and (addition.clinic_id, addition.claim[:2])
        if version in seen or (claim and claim in seen):
            waiting.answer.set_exception(LostRace())
            continue
        seen |= {version, claim}
        winners.append(waiting)
    return winners


def _refuse(pending: Iterable[_Waiting], error: Exception) -> None:
    for waiting in pending:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)


def _first_entry(cursor: Cursor[Any], addition: Addition) -> tuple[int, bytes] | None:
    return cursor.execute(
        "SELECT position, state FROM ledger.entries"
        " WHERE clinic_id = %s AND aggregate_id = %s AND version = %s",
        (addition.clinic_id, addition.aggregate_id, addition.entries[0].version),
    ).fetchone()


def _claim_is_taken(cursor: Cursor[Any], addition: Addition) -> bool:
    if addition.claim is None:
        return False
    row = cursor.execute(
        "SELECT 1 FROM ledger.claims WHERE clinic_id = %s AND user_id = %s AND key_digest = %s",
        (addition.clinic_id, addition.claim.user_id, addition.claim.key_digest),
    ).fetchone()
    return row is not None
