"""What must be true of a database whatever has happened to it, crashes included."""

from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from projections.rebuild import VIEWS, rebuild
from tests.samples import KEY_FACTS

Owner = psycopg.Connection[tuple[Any, ...]]
Rows = list[tuple[Any, ...]]


def assert_whole(owner: Owner) -> None:
    """Positions and versions are gapless, no claim or file hangs loose, and the views are right."""
    assert_gapless(owner)
    assert _claims_without_an_entry(owner) == []
    live = all_views(owner)
    for view in VIEWS:
        rebuild(owner, view, lambda _: None)
    assert all_views(owner) == live


def assert_gapless(owner: Owner) -> None:
    """Positions run from 1 to the head's in each clinic, and versions from 1 in each aggregate."""
    clinics = owner.execute(
        "SELECT h.position, count(e.position), min(e.position), max(e.position)"
        " FROM ledger.ledger_head h LEFT JOIN ledger.entries e USING (clinic_id)"
        " GROUP BY clinic_id, h.position"
    ).fetchall()
    for head, number, first, last in clinics:
        assert (number, first, last) == ((head, 1, head) if head else (0, None, None))
    gaps = owner.execute(
        "SELECT clinic_id, aggregate_id FROM ledger.entries GROUP BY clinic_id, aggregate_id"
        " HAVING min(version) <> 1 OR max(version) <> count(*)"
    ).fetchall()
    assert gaps == []


def all_views(owner: Owner) -> dict[str, Rows]:
    """Each view, row for row."""
    return {view.name: rows_of(owner, view.table_name) for view in VIEWS}


def rows_of(owner: Owner, view: str) -> Rows:
    """A view's rows, in the order of their keys."""
    found = owner.execute(SQL("SELECT * FROM views.{} ORDER BY 1, 2, 3").format(Identifier(view)))
    return found.fetchall()


def positions(owner: Owner) -> list[int]:
    """The position of each entry but the facts of data keys, in order, of all clinics."""
    found = owner.execute(
        "SELECT position FROM ledger.entries WHERE kind <> 'data-key-made/1'"
        " ORDER BY clinic_id, position"
    )
    return [position for (position,) in found.fetchall()]


def after_keys(number: int) -> list[int]:
    """The positions of so many entries that follow the facts of two data keys."""
    return list(range(KEY_FACTS + 1, KEY_FACTS + 1 + number))


def _claims_without_an_entry(owner: Owner) -> Rows:
    return owner.execute(
        "SELECT c.* FROM ledger.claims c LEFT JOIN ledger.entries e"
        " USING (clinic_id, aggregate_id, version) WHERE e.position IS NULL"
    ).fetchall()
