"""What a view is: a table without words; and how its rows are written and read, by name.

A view indexes entries by position; a read joins the ledger's rows and opens them in the process.
Its statements name tables without a schema: the search path says whether they write the live
view (`views`) or one that is being built beside it (`rebuilding`).

The columns of a view are written in two places: in the SQL that lays its table, and in its typed
row. A test compares the two, in the database's catalogue. Rows are inserted as JSON, which
PostgreSQL reads with the table's own row type: `json_populate_recordset(NULL::the_table, …)` puts
each value into the column of its name. `by_name` does the same for rows that are read.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar, cast

from psycopg import Cursor
from psycopg.rows import RowMaker, no_result
from pydantic_core import to_json

from domain.aggregate import Aggregate
from domain.value import Fact
from ledger.appender import ViewWriter
from ledger.entry import Entry

RowT = TypeVar("RowT", bound=NamedTuple)
FactT = TypeVar("FactT", bound=Fact)


class View(NamedTuple):
    """One table that can be thrown away and rebuilt from the ledger.

    `name` is the operator's; `table` is the SQL that lays the table `table_name`; `row` has a field
    for each of its columns.
    """

    name: str
    table_name: str
    table: str
    row: type[NamedTuple]
    write: ViewWriter


def entries_of(
    entries: Iterable[Entry], *aggregates: Aggregate[Any, Any, FactT]
) -> Iterator[tuple[Entry, FactT]]:
    """The entries of these aggregates, each with its fact; entries of other aggregates are left out.

    A view's `write` has a `case` for each of these facts, and ends in `assert_never`. So mypy names
    each view in which a new fact was forgotten.
    """
    fact_types = {fact for aggregate in aggregates for fact in aggregate.fact_types}
    for entry in entries:
        # The class itself is looked up: pydantic's isinstance is slow where the answer is no.
        if type(entry.fact) in fact_types:
            yield entry, cast(FactT, entry.fact)


def as_json(rows: Iterable[NamedTuple]) -> str:
    """Rows for `json_populate_recordset`."""
    return to_json([row._asdict() for row in rows]).decode()


def by_name(row_type: type[RowT]) -> Callable[[Cursor[Any]], RowMaker[RowT]]:
    """A row factory for psycopg: it gives each field the value of the column with its name.

    The columns may come in any order; a column without a field is left out. Raises ValueError where
    a field has no column.
    """

    def factory(cursor: Cursor[Any]) -> RowMaker[RowT]:
        result = cursor.pgresult
        if result is None or not result.nfields:
            return no_result
        return _maker(row_type, tuple(result.fname(n) for n in range(result.nfields)))

    return factory


@lru_cache
def _maker(row_type: type[RowT], columns: tuple[bytes | None, ...]) -> RowMaker[RowT]:
    places = [columns.index(field.encode()) for field in row_type._fields]
    # What `row_type._make` does, without a Python function that every row would call.
    make: RowMaker[RowT] = partial(tuple.__new__, row_type)
    if places == list(range(len(columns))):
        return make
    pick = itemgetter(*places)
    return lambda values: make(pick(values))
