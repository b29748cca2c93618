"""Group commit: concurrent saves wait in a queue; one thread appends all of them in one transaction.

A save returns only when its transaction is durable. If we crash before COMMIT took effect, nothing
of the batch is stored and no save of it has returned. If we crash after it, the whole batch is
stored; a caller who got no answer asks again, and finds the work done. Where the answer to COMMIT
is lost, or a row's key is taken, the rows are read back. Sealed bytes that equal ours prove that our
append took effect, for each carries a random nonce. Other bytes prove that this one save lost a race.
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
from ledger.fences import about
from ledger.store import insert_entries, take_positions

log = logging.getLogger("noteledger.appender")

BATCH_MAX: Final = 256
BATCH_WAIT_SECONDS: Final = 0.002
ATTEMPTS_MAX: Final = 8
RETRY_SECONDS: Final = 0.25
GIVE_UP_SECONDS: Final = 15.0
"""The shortest time after which a save is given up because the database does not answer."""

ViewWriter = Callable[[Cursor[Any], Sequence[Entry]], None]


class LostRace(Exception):
    """Another save has stored this version of the aggregate; nothing of this one was stored."""


class IdempotencyClaimTaken(Exception):
    """The Idempotency-Key was used before; nothing of this save was stored."""


class AppenderIsStoppedError(Exception):
    """The service is stopping; nothing of this save was stored."""


class _Waiting(NamedTuple):
    addition: Addition
    answer: "Future[int]"


class Appender:
    """One thread that appends. Several processes may each have one: the clinic's head row orders them."""

    def __init__(self, datastore: Datastore, view_writers: Sequence[ViewWriter]) -> None:
        self._datastore = datastore
        self._view_writers = view_writers
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        """Saves in the order in which they came; None, which is always the last, ends the thread."""
        self._thread = threading.Thread(target=self._run, name="appender", daemon=True)
        self._stop_lock = threading.Lock()
        """Held to read `_is_stopping` and put a save, or to set it and put None: no save follows None."""
        self._is_stopping = False
        """Owned by `_stop_lock`."""
        self._last_batch_size = 1
        """Used by the thread only."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Append all saves that wait, end the thread, and return when it has ended."""
        with self._stop_lock:
            self._is_stopping = True
            self._queue.put(None)
        self._thread.join()

    def append(self, addition: Addition) -> int:
        """The position of the addition's first entry, once it is durable.

        Raises LostRace, IdempotencyClaimTaken, AppenderIsStoppedError, or the library's PersistenceError
        where the database cannot be reached.
        """
        waiting = _Waiting(addition, Future())
        with self._stop_lock:  # a save that is put after None would wait for ever
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
                # Every save of the batch gets an answer, and the thread goes on with the next batch.
                log.exception("a batch of %d saves failed", len(batch))
                _refuse(batch, error)

    def _batch_with(self, first: _Waiting) -> list[_Waiting]:
        """All saves that wait now. After a large batch, wait a moment for as many as it had.

        Those callers have just got their answers, and often save again at once.
        """
        batch = [first]
        deadline = time.monotonic() + BATCH_WAIT_SECONDS
        while len(batch) < BATCH_MAX:
            left = deadline - time.monotonic() if len(batch) < self._last_batch_size else 0.0
            try:
                waiting = self._queue.get(timeout=left) if left > 0 else self._queue.get_nowait()
            except queue.Empty:
                break
            if waiting is None:
                self._queue.put(None)  # `_run` ends by it when this batch is done
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
        """A save of the batch cannot be stored: append each by itself, so that only that one fails."""
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
        # Durable. If we crash here, the callers get no answer, ask again, and find it stored.
        for waiting, first in zip(pending, firsts, strict=True):
            waiting.answer.set_result(first)

    def _sort_out(self, pending: Sequence[_Waiting]) -> list[_Waiting]:
        """Answer the saves that are stored or have lost; return those that are still to be appended."""
        still_pending = []
        with self._datastore.as_ledger() as conn:
            cursor = conn.cursor(row_factory=tuple_row, binary=True)
            for waiting in pending:
                if waiting.answer.done():  # by an earlier call, which the database then interrupted
                    continue
                found = _first_entry(cursor, waiting.addition)
                if found and found[1] == waiting.addition.entries[0].sealed:
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
    """Write the additions inside the caller's transaction; return the first position of each.

    Clinics are locked in the order of their ids, so that two processes cannot deadlock. Raises
    PersonIsErased where an entry is about somebody who was erased.
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
            [entry.sealed for _, _, entry in new],
            about([entry for _, _, entry in new]),
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
    """Of several saves of the same version or claim, the first; the others are answered with LostRace."""
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
