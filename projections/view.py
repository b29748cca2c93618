"""What a view is: a table without words, its writes, and how its rows are opened for a reader.

A view indexes entries by position; a read joins the ledger's rows and opens them in the process.
Its statements name tables without a schema: the search path says whether they write the live
view (`views`) or one that is being built beside it (`rebuilding`).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from psycopg.rows import tuple_row

from domain import access
from domain.access import Action, NoteAccess
from domain.note_facts import HistoryEntryAmended, NoteVersion
from domain.value import Caller, Kind
from ledger.appender import ViewWriter
from ledger.database import Datastore
from ledger.ledger import Ledger, SealedEntry


class View(NamedTuple):
    """One table that can be thrown away and rebuilt from the ledger.

    `name` is the operator's; `table` is the SQL that lays the table `table_name`.
    """

    name: str
    table_name: str
    table: str
    write: ViewWriter


def columns(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Rows turned into one list a column, for `unnest`."""
    return [list(column) for column in zip(*rows, strict=True)]


class NoteRows:
    """Reads rows of notes: three columns say who may, eight are sealed entries, the rest is the view's.

    The three are record type, therapist and whether the client is the caller's; the eight are
    aggregate id, version, kind and state of the save, then of its amendment (or NULL).
    """

    def __init__(self, datastore: Datastore, ledger: Ledger) -> None:
        self._datastore = datastore
        self._ledger = ledger

    def read(
        self, statement: str, caller: Caller, kind: Kind, which: dict[str, Any]
    ) -> Iterator[tuple[Sequence[Any], NoteVersion, HistoryEntryAmended | None]]:
        """The view's columns, opened save and opened amendment of each row that the caller may read."""
        params = {"clinic_id": caller.clinic_id, "user_id": caller.user_id, "kind": kind.value}
        with self._datastore.as_caller(caller) as conn:
            cursor = conn.cursor(row_factory=tuple_row, binary=True)
            rows = cursor.execute(statement, params | which).fetchall()
        permitted = [row for row in rows if _may_read(caller, kind, row)]
        saves = [SealedEntry(*row[3:7]) for row in permitted]
        amendments = [SealedEntry(*row[7:11]) for row in permitted if row[7]]
        facts: Iterator[Any] = iter(self._ledger.open(caller.clinic_id, saves + amendments))
        opened = [next(facts) for _ in permitted]
        for row, saved in zip(permitted, opened, strict=True):
            yield row[11:], saved, next(facts) if row[7] else None


def _may_read(caller: Caller, kind: Kind, row: Sequence[Any]) -> bool:
    """The first wall; the views' row-level security is the second."""
    note = NoteAccess(kind, record_type=row[0], therapist_user_id=row[1], is_callers_client=row[2])
    return access.refusal(caller, Action.READ, note) is None
