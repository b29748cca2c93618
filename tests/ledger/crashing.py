"""A program that kills itself at one moment of an append, and at the next, until none is left.

Run as `python -m tests.ledger.crashing DATABASE_URL KEY_FILE`, which starts a process for each
moment. A moment is before and after each statement, and before and after COMMIT. Each process has
one save acknowledged, and dies in the next.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

from psycopg import Cursor, Transaction
from psycopg.rows import DictRow

from domain.note import NOTE
from ledger.database import LedgerConnection
from ledger.entry import IdempotencyClaim
from tests.databases import running
from tests.samples import ALMA, CLINIC, X_RAY, create, drafted, new_file


class Life:
    """How many moments are left; without a number, no end is set."""

    moments_left: int | None = None

    @classmethod
    def moment(cls) -> None:
        """One passes."""
        if cls.moments_left is None:
            return
        cls.moments_left -= 1
        if cls.moments_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalCursor(Cursor[DictRow]):
    """May die before and after a statement."""

    def execute(self, *args: Any, **kwargs: Any) -> "MortalCursor":
        Life.moment()
        super().execute(*args, **kwargs)
        Life.moment()
        return self


class MortalConnection(LedgerConnection):
    """May die before and after COMMIT."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cursor_factory = MortalCursor

    @contextmanager
    def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> Iterator[Transaction]:
        with super().transaction(savepoint_name, force_rollback) as transaction:
            yield transaction
            Life.moment()
        Life.moment()


def acknowledged_note(step: int) -> int:
    """The note whose save is acknowledged in the process that dies at its moment `step`."""
    return 2 * step - 1


def dying_note(step: int) -> int:
    """The note in whose save it dies."""
    return 2 * step


def claim(step: int) -> IdempotencyClaim:
    """The Idempotency-Key that comes with it."""
    return IdempotencyClaim(ALMA.user_id, b"key of %d" % step, b"request")


def _live_until(step: int, url: str, key_file: Path) -> None:
    # The pool does not grow: that a connection is set up is no moment of an append.
    with running(url, key_file, pool_size=2, max_overflow=0) as program:
        program.datastore.pool.connection_class = MortalConnection
        first = acknowledged_note(step)
        program.ledger.record(CLINIC, NOTE, first, create())
        os.write(1, b"acknowledged %d\n" % first)
        note_id = dying_note(step)
        xray = program.ledger.seal_file(CLINIC, drafted().subject(), b"\x89PNG")
        with_file = create(new_files=(new_file(X_RAY, xray.digest),))
        program.datastore.pool.wait()
        Life.moments_left = step
        program.ledger.record(CLINIC, NOTE, note_id, with_file, (xray,), claim(step))
        os.write(1, b"survived %d\n" % step)
        os._exit(0)


def _die_at_every_moment(url: str, key_file: Path) -> None:
    for step in count(1):
        process = os.fork()
        if process == 0:
            _live_until(step, url, key_file)
        _, status = os.waitpid(process, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            return


_USAGE: Final = 3

if __name__ == "__main__" and len(sys.argv) == _USAGE:
    _die_at_every_moment(sys.argv[1], Path(sys.argv[2]))
