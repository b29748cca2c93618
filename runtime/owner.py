"""What is done as the owner of the tables: the schema laid, views rebuilt, a clinic added."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import tuple_row

from ledger import schema
from projections.rebuild import VIEWS, Progress, lay_missing, outdated, rebuild
from projections.view import View
from runtime.checks import CONNECT_SECONDS_MAX
from runtime.operator_errors import OperatorError


class OwnerIsNeededError(OperatorError):
    """This is the owner's to do. Say in NOTELEDGER_OWNER_DATABASE_URL how the owner signs in."""


class SchemaIsNewerError(OperatorError):
    """A newer noteledger has laid this schema: run that one."""


class SchemaIsOlderError(OperatorError):
    """The schema is older than this program: run `noteledger migrate` first."""


class ViewIsUnknown(OperatorError):
    """There is no such view."""


@contextmanager
def as_owner(owner_url: str) -> Iterator[Connection[Any]]:
    """A connection in autocommit mode. Raises OwnerIsNeededError where the user is not the owner."""
    with psycopg.connect(
        owner_url, autocommit=True, row_factory=tuple_row, connect_timeout=CONNECT_SECONDS_MAX
    ) as conn:
        try:
            yield conn
        except psycopg.errors.InsufficientPrivilege as error:
            raise OwnerIsNeededError from error


def lay(owner_url: str, progress: Progress) -> None:
    """Bring schema and views to what this program knows. Whole or not at all, and again at will.

    Raises SchemaIsNewerError, OwnerIsNeededError, and the schema's RoleIsMissingError.
    """
    with as_owner(owner_url) as conn:
        _require_no_newer(conn)
        schema.lay(conn)
        lay_missing(conn, progress)


def plan(owner_url: str) -> list[str]:
    """What `lay` would do, a line each, in order; none where there is nothing to do. Changes nothing.

    Raises SchemaIsNewerError, OwnerIsNeededError.
    """
    with as_owner(owner_url) as conn:
        _require_no_newer(conn)
        steps = [f"step {step.version:03}: {step.title}" for step in schema.steps_ahead(conn)]
        views = [
            f"view {one.view.name}: {'laid' if one.is_missing else 'laid anew'} from the ledger"
            for one in outdated(conn)
        ]
    return steps + views


def _require_no_newer(conn: Connection[Any]) -> None:
    if schema.version(conn) > schema.VERSION:
        raise SchemaIsNewerError


def views_named(name: str | None) -> list[View]:
    """The view of that name, or all of them. Raises ViewIsUnknown."""
    if name is None:
        return list(VIEWS)
    if found := [view for view in VIEWS if view.name == name]:
        return found
    raise ViewIsUnknown(f"There is no view {name}: {', '.join(view.name for view in VIEWS)}.")


def rebuild_view(owner_url: str, view: View, progress: Progress) -> None:
    """Build the view anew from the ledger, beside the running service.

    Raises SchemaIsNewerError, SchemaIsOlderError, OwnerIsNeededError, and LedgerIsBrokenError where
    the ledger is not whole: the view stays as it was.
    """
    with as_owner(owner_url) as conn:
        _require_no_newer(conn)
        if schema.version(conn) < schema.VERSION:
            raise SchemaIsOlderError
        rebuild(conn, view, progress)


def entry_count(owner_url: str) -> int:
    """Entries of all clinics."""
    with as_owner(owner_url) as conn:
        _require_no_newer(conn)
        row = conn.execute("SELECT sum(position)::bigint FROM ledger.ledger_head").fetchone()
    return row[0] or 0 if row else 0


def add_clinic(owner_url: str) -> int:
    """The next clinic's number; its ledger is empty. Of two at once, each gets a number."""
    with as_owner(owner_url) as conn:
        while True:
            row = conn.execute(
                "INSERT INTO ledger.ledger_head (clinic_id)"
                " SELECT max(clinic_id) + 1 FROM ledger.ledger_head"
                " ON CONFLICT DO NOTHING RETURNING clinic_id"
            ).fetchone()
            if row:
                return int(row[0])
