"""Compare the views' rows with what a rebuild would make of them, beside the running service.

The rows are made anew in temporary tables, clinic by clinic, and compared by ranges of keys. Before
each range the entries that came meanwhile are taken in, in the same snapshot as the range is read: a
save between the two is no difference. Each range and each batch of entries is a transaction of its
own, so no table lock is held longer; entries and rows are held in memory for one batch only.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg.rows import scalar_row, tuple_row
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from projections.rebuild import VIEWS
from projections.stored import heads, next_batch
from projections.view import View

RANGE_ROWS: Final = 10_000
DIFFERENCES_MAX: Final = 5
"""Differences of one view in one clinic that are named."""

Key = tuple[Any, ...]


class RowDifference(NamedTuple):
    """A row of a view that is not what the ledger makes: `key` by column; only ids and kinds."""

    view: str
    key: tuple[tuple[str, Any], ...]
    what: str

    def sentence(self) -> str:
        """For an operator."""
        key = ", ".join(f"{column} {value}" for column, value in self.key)
        return f"The view {self.view}, row {key}: {self.what}."


class CannotBeBuiltError(Exception):
    """The entries of a clinic cannot be made into rows; the message names them, and quotes nothing."""


class RowComparison:
    """Compares on one connection: as the running program's role, with the ledger's right to all rows.

    `conn` is in autocommit mode. It must hold BUILDING_LOCK: a view that changes places with a rebuilt
    one would look empty. Raises psycopg's InsufficientPrivilege where no temporary table may be made.
    """

    def __init__(self, conn: Connection[Any]) -> None:
        self._conn = conn
        self._done = 0
        conn.isolation_level = IsolationLevel.REPEATABLE_READ
        # Writers name tables without a schema: here they find the temporary ones.
        conn.execute("SET search_path TO pg_temp, views, ledger")
        self._keys: dict[str, list[str]] = {}
        for view in VIEWS:
            table = Identifier(view.table_name)
            conn.execute(
                SQL("CREATE TEMPORARY TABLE {} (LIKE views.{} INCLUDING INDEXES)").format(
                    table, table
                )
            )
            self._keys[view.name] = self._primary_key(view)

    def clinic_ids(self) -> set[int]:
        """The clinics of which a view has rows."""
        found: set[int] = set()
        for view in VIEWS:
            cursor = self._conn.cursor(row_factory=scalar_row)
            least: int | None = -(2**63)
            statement = SQL("SELECT min(clinic_id) FROM views.{} WHERE clinic_id > {}")
            while least is not None:
                after = statement.format(Identifier(view.table_name), Literal(least))
                least = cursor.execute(after).fetchone()
                found |= set() if least is None else {least}
        return found

    def differences(self, clinic_id: int) -> Iterator[RowDifference]:
        """The first DIFFERENCES_MAX of each view.

        Raises LedgerIsBrokenError, EntryIsUnreadableError and CannotBeBuiltError.
        """
        self._begin(clinic_id)
        for view in VIEWS:
            yield from islice(self._of_view(view, clinic_id), DIFFERENCES_MAX)

    def _begin(self, clinic_id: int) -> None:
        self._done = 0
        for view in VIEWS:
            self._conn.execute(SQL("TRUNCATE {}").format(Identifier(view.table_name)))
        is_more = True
        while is_more:
            with self._conn.transaction():
                is_more = self._take_batch(clinic_id)
        for view in VIEWS:
            self._conn.execute(SQL("ANALYZE {}").format(Identifier(view.table_name)))

    def _take_batch(self, clinic_id: int) -> bool:
        """Make rows of the next entries in the temporary tables; whether there were any."""
        head = heads(self._conn).get(clinic_id, 0)
        entries = next_batch(self._conn, clinic_id, self._done, head)
        if not entries:
            return False
        with self._conn.cursor(row_factory=tuple_row) as cursor:
            for view in VIEWS:
                try:
                    view.write(cursor, entries)
                except psycopg.errors.IntegrityError as error:
                    first, last = entries[0].position, entries[-1].position
                    raise CannotBeBuiltError(
                        f"Clinic {clinic_id}: the view {view.name} cannot be built from the entries"
                        f" {first} to {last} ({type(error).__name__})."
                    ) from error
        self._done = entries[-1].position
        return True

    def _of_view(self, view: View, clinic_id: int) -> Iterator[RowDifference]:
        after: Key | None = None
        while True:
            with self._conn.transaction():
                while self._take_batch(clinic_id):
                    pass
                last = self._end_of_range(view, clinic_id, after)
                found = self._compare(view, clinic_id, after, last)
            yield from found
            if last is None:
                return
            after = last

    def _end_of_range(self, view: View, clinic_id: int, after: Key | None) -> Key | None:
        """The key of the RANGE_ROWS-th next row, of the table that has it sooner; None: all the rest."""
        keys = _columns(self._keys[view.name])
        table = Identifier(view.table_name)
        where = self._range(view, clinic_id, after, None)
        statement = SQL(
            """
            SELECT {keys} FROM (
                (SELECT {keys} FROM views.{table} WHERE {where} ORDER BY {keys}
                    OFFSET {rows} LIMIT 1)
                UNION ALL
                (SELECT {keys} FROM pg_temp.{table} WHERE {where} ORDER BY {keys}
                    OFFSET {rows} LIMIT 1)
            ) ends ORDER BY {keys} LIMIT 1
            """
        ).format(keys=keys, table=table, where=where, rows=Literal(RANGE_ROWS - 1))
        row: Key | None = self._conn.cursor(row_factory=tuple_row).execute(statement).fetchone()
        return row

    def _compare(
        self, view: View, clinic_id: int, after: Key | None, last: Key | None
    ) -> list[RowDifference]:
        key, table = self._keys[view.name], Identifier(view.table_name)
        statement = SQL(
            """
            SELECT {live_or_made}, live.clinic_id IS NULL, made.clinic_id IS NULL,
                array_remove(ARRAY[{unlike}], NULL)
            FROM (SELECT * FROM views.{table} WHERE {where}) live
            FULL JOIN (SELECT * FROM pg_temp.{table} WHERE {where}) made USING ({keys})
            WHERE live.clinic_id IS NULL OR made.clinic_id IS NULL
            OR ({live}) IS DISTINCT FROM ({made})
            ORDER BY {live_or_made} LIMIT {limit}
            """
        ).format(
            live_or_made=_columns(key),
            unlike=SQL(", ").join(
                SQL("CASE WHEN live.{0} IS DISTINCT FROM made.{0} THEN {1} END").format(
                    Identifier(column), Literal(column)
                )
                for column in view.row._fields
            ),
            table=table,
            where=self._range(view, clinic_id, after, last),
            keys=_columns(key),
            live=_columns(view.row._fields, "live"),
            made=_columns(view.row._fields, "made"),
            limit=Literal(DIFFERENCES_MAX),
        )
        rows = self._conn.cursor(row_factory=tuple_row).execute(statement).fetchall()
        return [
            RowDifference(
                view.name,
                tuple(zip(key, row[:-3], strict=True)),
                _what(is_missing=row[-3], is_too_many=row[-2], unlike=row[-1]),
            )
            for row in rows
        ]

    def _range(self, view: View, clinic_id: int, after: Key | None, last: Key | None) -> Composable:
        keys = _columns(self._keys[view.name])
        bounds: list[Composable] = [SQL("clinic_id = {}").format(Literal(clinic_id))]
        if after is not None:
            bounds.append(SQL("({}) > ({})").format(keys, _values(after)))
        if last is not None:
            bounds.append(SQL("({}) <= ({})").format(keys, _values(last)))
        return SQL(" AND ").join(bounds)

    def _primary_key(self, view: View) -> list[str]:
        found = self._conn.cursor(row_factory=scalar_row).execute(
            """
            SELECT a.attname::text
            FROM pg_index i, unnest(i.indkey::int[]) WITH ORDINALITY AS k (attnum, n), pg_attribute a
            WHERE i.indrelid = to_regclass(%(table)s) AND i.indisprimary
            AND a.attrelid = i.indrelid AND a.attnum = k.attnum ORDER BY k.n
            """,
            {"table": f"pg_temp.{view.table_name}"},
        )
        key = found.fetchall()
        if not key:
            raise CannotBeBuiltError(f"The view {view.name} has no primary key.")
        return key


def _what(*, is_missing: bool, is_too_many: bool, unlike: Sequence[str]) -> str:
    if is_missing:
        return "it is missing"
    if is_too_many:
        return "the ledger has nothing of it"
    return f"not what the ledger says: {', '.join(unlike)}"


def _values(key: Key) -> Composed:
    return SQL(", ").join(map(Literal, key))


def _columns(names: Sequence[str], table: str | None = None) -> Composed:
    if table is None:
        return SQL(", ").join(map(Identifier, names))
    return SQL(", ").join(Identifier(table, name) for name in names)
