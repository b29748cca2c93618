"""Whether the ledger is whole, its tables are as they were laid, and the views say what it says.

`noteledger check` asks this beside the running service; no start does, for it reads every entry. It
changes nothing: what it makes is a transaction that is rolled back, and temporary tables.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, Final

import psycopg
from psycopg import Connection
from psycopg.rows import tuple_row

from ledger.catalogue import role_faults
from ledger.continuity import LedgerIsBrokenError, Reason, breaks, clinic_ids
from ledger.database import LEDGER_ROLE
from ledger.stopped import read_stopped
from projections.comparison import CannotBeBuiltError, RowComparison
from projections.laid import catalogue_differences, unchanged_layout
from projections.rebuild import BUILDING_LOCK
from projections.stored import EntryIsUnreadableError, heads
from runtime.checks import CONNECT_SECONDS_MAX, Finding, Level
from runtime.embedded import ServerAddress

NAMED_MAX: Final = 50
"""Objects of the catalogue that are named."""
_UNDER_WAY: Final = "A migration or a rebuild is under way."
_RESTORE: Final = "Restore the database from a backup; docs/operating.md says how to look closer."


def whole_findings(address: ServerAddress) -> Iterator[Finding]:
    """Catalogue, entries and views, in this order. The database must have today's schema."""
    yield from _catalogue_findings(address.owner_url)
    with closing(_connected(address.app_url)) as conn:
        try:
            conn.execute("SET ROLE noteledger_app")
            conn.execute("SELECT set_config('noteledger.role', %s, false)", (LEDGER_ROLE,))
            whole = yield from _entry_findings(conn)
            yield from _stopped_findings(conn)
            with unchanged_layout(conn, BUILDING_LOCK):
                yield from _view_findings(conn, whole)
        except psycopg.errors.InsufficientPrivilege as error:
            sentence = f"The program's role lacks a right: {error.diag.message_primary}."
            fix = "Run `noteledger migrate`; the role also needs TEMPORARY on the database."
            yield Finding(Level.WRONG, "rights", sentence, fix)
        except psycopg.errors.LockNotAvailable:
            yield Finding(Level.WRONG, "views", _UNDER_WAY, "Check again when it has ended.")


def _connected(url: str) -> Connection[Any]:
    return psycopg.connect(
        url, autocommit=True, row_factory=tuple_row, connect_timeout=CONNECT_SECONDS_MAX
    )


def _catalogue_findings(owner_url: str) -> Iterator[Finding]:
    try:
        with closing(_connected(owner_url)) as conn:
            faults = role_faults(conn)
            found = catalogue_differences(conn)
    except psycopg.errors.InsufficientPrivilege:
        sentence = "Tables, grants and policies were not compared: that is the owner's to do."
        fix = "Say in NOTELEDGER_OWNER_DATABASE_URL how the owner signs in."
        yield Finding(Level.ADVICE, "schema", sentence, fix)
        return
    except psycopg.errors.LockNotAvailable:
        yield Finding(Level.WRONG, "schema", _UNDER_WAY, "Check again when it has ended.")
        return
    except psycopg.OperationalError:
        return  # said already: the owner cannot sign in
    for fault in faults:
        fix = "ALTER ROLE, REVOKE or ALTER … OWNER: it only adds to the ledger, and reads."
        yield Finding(Level.WRONG, "rights", fault, fix)
    for difference in found[:NAMED_MAX]:
        fix = "docs/operating.md says how to put it right."
        yield Finding(Level.WRONG, "schema", _capital(difference.sentence()), fix)
    if len(found) > NAMED_MAX:
        sentence = f"{len(found) - NAMED_MAX} more objects are not as they were laid."
        yield Finding(Level.WRONG, "schema", sentence)
    if not faults and not found:
        sentence = "Tables, grants, policies and keys are as this program lays them."
        yield Finding(Level.RIGHT, "schema", sentence)


def _entry_findings(conn: Connection[Any]) -> Generator[Finding, None, list[int]]:
    """Returns the clinics whose ledgers are whole."""
    whole, entries = [], 0
    for clinic_id in clinic_ids(conn):
        found = breaks(conn, clinic_id)
        for one in found:
            yield Finding(Level.WRONG, "ledger", one.sentence(), _RESTORE)
        if all(one.reason is Reason.CUT for one in found):
            whole.append(clinic_id)
            entries += heads(conn).get(clinic_id, 0)
    if len(whole) == len(clinic_ids(conn)):
        sentence = f"{entries} entries stand without a gap, and each version follows the last."
        yield Finding(Level.RIGHT, "ledger", sentence)
    return whole


def _stopped_findings(conn: Connection[Any]) -> Iterator[Finding]:
    for clinic_id, follower, position, reason in read_stopped(conn):
        sentence = f"{follower} has stopped at position {position} of clinic {clinic_id}: {reason}."
        fix = "It goes on by itself, some seconds after the ledger is whole again."
        yield Finding(Level.WRONG, "work", sentence, fix)


def _view_findings(conn: Connection[Any], whole: Sequence[int]) -> Iterator[Finding]:
    """The rows of clinics whose ledgers are not whole are not compared: a rebuild would refuse, too."""
    is_right = True
    try:
        rows = RowComparison(conn)
        for clinic_id in sorted(rows.clinic_ids() | set(clinic_ids(conn))):
            if clinic_id not in whole and clinic_id in clinic_ids(conn):
                is_right = False
                sentence = f"The rows of clinic {clinic_id} were not compared with its ledger."
                yield Finding(Level.ADVICE, "views", sentence, "Its ledger is not whole.")
                continue
            for difference in rows.differences(clinic_id):
                is_right = False
                fix = f"`noteledger rebuild {difference.view}` makes the view anew from the ledger."
                yield Finding(Level.WRONG, "views", difference.sentence(), fix)
    except (LedgerIsBrokenError, EntryIsUnreadableError, CannotBeBuiltError) as error:
        is_right = False
        yield Finding(Level.WRONG, "views", str(error), _RESTORE)
    if is_right:
        yield Finding(Level.RIGHT, "views", "All rows of the views are what the ledger says.")


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
