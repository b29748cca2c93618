"""Rows by name: each view's typed row is its table, and what is read finds its field by name."""

import importlib
import pkgutil
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg.rows import TupleRow, scalar_row

import projections
from projections.rebuild import VIEWS
from projections.view import View, by_name

Owner = psycopg.Connection[TupleRow]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_the_row_has_the_fields_that_the_table_has_columns(view: View, owner: Owner) -> None:
    """What a row lacks would be written as NULL, and what it has too much would not be written."""
    columns = (
        owner.cursor(row_factory=scalar_row)
        .execute(
            """
            SELECT attname FROM pg_attribute
            WHERE attrelid = %(table)s::regclass AND attnum > 0 AND NOT attisdropped
            """,
            {"table": f"views.{view.table_name}"},
        )
        .fetchall()
    )
    assert sorted(view.row._fields) == sorted(columns)


class Pair(NamedTuple):
    """A row of two columns."""

    left: int
    right: str


class TestByName:
    """How a column finds its field."""

    @pytest.mark.parametrize(
        "columns",
        [
            "1 AS left, 'one' AS right",
            "'one' AS right, 1 AS left",
            "NULL AS before, 'one' AS right, NULL AS between, 1 AS left, NULL AS after",
        ],
    )
    def test_whatever_the_order_and_whatever_else_was_selected(
        self, owner: Owner, columns: str
    ) -> None:
        cursor = owner.cursor(row_factory=by_name(Pair))
        found = cursor.execute(f"SELECT {columns}".encode()).fetchall()
        assert found == [Pair(left=1, right="one")]
        assert [type(one) for one in found] == [Pair]

    def test_a_field_without_a_column_is_an_error(self, owner: Owner) -> None:
        cursor: psycopg.Cursor[Any] = owner.cursor(row_factory=by_name(Pair))
        with pytest.raises(ValueError, match="tuple"):
            cursor.execute("SELECT 1 AS left, 'one' AS write").fetchall()

    def test_a_statement_without_rows_gives_none(self, owner: Owner) -> None:
        cursor = owner.cursor(row_factory=by_name(Pair))
        assert cursor.execute("CREATE TEMPORARY TABLE pairs ()").rowcount == -1


def test_each_view_is_in_the_list() -> None:
    modules = [
        importlib.import_module(f"projections.{name}")
        for _, name, _ in pkgutil.iter_modules(projections.__path__)
    ]
    declared = {
        value.name
        for module in modules
        for value in vars(module).values()
        if isinstance(value, View)
    }
    assert declared == {view.name for view in VIEWS}
