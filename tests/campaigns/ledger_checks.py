"""What must be true of a ledger after any crash, looked at without the code that wrote it.

What was saved is read with the ledger's own keys; what the views should hold is worked out entry
by entry, the plain way, and held against the tables, against their rebuild and against the API.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Identifier

from domain.aggregates import kind_and_number
from domain.note_facts import (
    AmendedWords,
    HistoryEntryAmended,
    HistoryEntryWithdrawn,
    NoteSoftDeleted,
    NoteVersion,
    NoteWords,
)
from domain.value import Fact, Kind, Reason
from ledger.ledger import Ledger
from ledger.outlines import SealedEntry
from projections.rebuild import VIEWS, rebuild
from tests.campaigns.http_client import BASE, Client, json_request
from tests.campaigns.saves import Fate, Save, room_of

CLINIC: Final = 1
BATCH: Final = 1_000
PAGE: Final = 1_000
Connected = Connection[TupleRow]


class Opened(NamedTuple):
    """An entry with its words."""

    position: int
    kind: Kind
    number: int
    version: int
    fact: Fact


class HistoryId(NamedTuple):
    """How the API names a history entry."""

    kind: Kind
    position: int


class SaveFindings(NamedTuple):
    """What was found of the saves; all but the first are wrong where they are not empty."""

    found_of_unanswered: int
    lost: list[Save]
    doubled: list[str]
    misplaced: list[Save]
    refused_and_stored: list[Save]
    of_nobody: list[int]


def opened(conn: Connected, ledger: Ledger) -> list[Opened]:
    """Every entry of the clinic, by position."""
    found: list[Opened] = []
    while True:
        rows = conn.execute(
            "SELECT position, aggregate_id, version, kind, state FROM ledger.entries"
            " WHERE clinic_id = %s AND position > %s ORDER BY position LIMIT %s",
            (CLINIC, found[-1].position if found else 0, BATCH),
        ).fetchall()
        if not rows:
            return found
        facts = ledger.open(CLINIC, [SealedEntry(*row[1:]) for row in rows])
        found += [
            Opened(row[0], *kind_and_number(row[1]), row[2], fact)
            for row, fact in zip(rows, facts, strict=True)
        ]


def text_of(fact: Fact) -> str | None:
    """What a save of the campaign said, in whatever field its fact keeps it."""
    match fact.words:
        case NoteWords(text=text) | AmendedWords(text=text) | Reason(reason=text):
            return text
        case _:
            return None


def check_saves(saves: Iterable[Save], entries: Sequence[Opened]) -> SaveFindings:
    """Each acknowledged save once and where its answer said; each other one once or not at all."""
    by_text: dict[str, list[Opened]] = {}
    for entry in entries:
        if (text := text_of(entry.fact)) is not None:
            by_text.setdefault(text, []).append(entry)
    by_fate: dict[Fate, list[Save]] = {fate: [] for fate in Fate}
    for save in saves:
        by_fate[save.fate].append(save)
    acknowledged = by_fate[Fate.ACKNOWLEDGED]
    sent = {save.text for of_fate in by_fate.values() for save in of_fate}
    return SaveFindings(
        found_of_unanswered=sum(save.text in by_text for save in by_fate[Fate.UNANSWERED]),
        lost=[save for save in acknowledged if save.text not in by_text],
        doubled=[text for text, found in by_text.items() if len(found) > 1],
        misplaced=[
            save
            for save in acknowledged
            if save.text in by_text and not _is_as_answered(save, by_text[save.text][0])
        ],
        refused_and_stored=[save for save in by_fate[Fate.REFUSED] if save.text in by_text],
        of_nobody=[found[0].position for text, found in by_text.items() if text not in sent],
    )


def _is_as_answered(save: Save, entry: Opened) -> bool:
    words = entry.fact.words
    files = {file.sha256 for file in words.files} if isinstance(words, NoteWords) else set()
    return (
        (entry.kind, entry.number) == (save.kind, save.note_id)
        and save.position in {None, entry.position}
        and save.files <= files
    )


def gaps(conn: Connected) -> int:
    """Positions between 1 and the head that no entry has, or that lie beyond; in one snapshot."""
    row = conn.execute(
        "SELECT count(*) FROM (SELECT generate_series(1, position) AS position"
        " FROM ledger.ledger_head WHERE clinic_id = %(clinic)s) AS due"
        " FULL JOIN (SELECT position FROM ledger.entries WHERE clinic_id = %(clinic)s) AS there"
        " USING (position) WHERE due IS NULL OR there IS NULL",
        {"clinic": CLINIC},
    ).fetchone()
    assert row is not None
    return int(row[0])


# --- what belongs together is there together


def halves(conn: Connected, ledger: Ledger, entries: Sequence[Opened]) -> list[str]:
    """Entries without their view rows, rows without their entry, and so on: each in a sentence."""
    return [
        *_view_halves(conn, entries),
        *_attachment_halves(conn, ledger, entries),
        *_claim_halves(conn),
    ]


def _view_halves(conn: Connected, entries: Sequence[Opened]) -> Iterator[str]:
    shown = history_shown(entries)
    rows = conn.execute("SELECT kind, position FROM views.history").fetchall()
    for kind, position in shown.keys() ^ {HistoryId(Kind(row[0]), row[1]) for row in rows}:
        yield f"history of {kind} at {position}: entry or row alone"
    newest: dict[tuple[Kind, int], int] = {}
    for entry in entries:
        if isinstance(entry.fact, NoteVersion):
            newest[entry.kind, entry.number] = entry.position
        elif isinstance(entry.fact, NoteSoftDeleted):
            del newest[entry.kind, entry.number]
    rows = conn.execute("SELECT kind, note_id, position FROM views.current_notes").fetchall()
    for of, number in newest.items() ^ {((Kind(row[0]), row[1]), row[2]) for row in rows}:
        yield f"current {of} at {number}: entry or row alone"


def _attachment_halves(conn: Connected, ledger: Ledger, entries: Sequence[Opened]) -> Iterator[str]:
    """Each file that a fact names is there and says what it said; there is no other."""
    rows = conn.execute("SELECT digest FROM ledger.attachments").fetchall()
    there = {row[0] for row in rows}
    named: dict[str, str] = {}
    for entry in entries:
        if isinstance(entry.fact, NoteVersion) and entry.fact.words:
            hashes = [file.sha256 for file in entry.fact.words.files]
            named |= dict(zip(entry.fact.attachments, hashes, strict=True))
    for digest in there ^ named.keys():
        yield f"attachment {digest}: fact or file alone"
    for digest in there & named.keys():
        if hashlib.sha256(ledger.open_file(CLINIC, digest)).hexdigest() != named[digest]:
            yield f"attachment {digest}: other bytes than were sent"


def _claim_halves(conn: Connected) -> Iterator[str]:
    rows = conn.execute(
        "SELECT aggregate_id, version FROM ledger.claims AS claim WHERE NOT EXISTS ("
        "  SELECT FROM ledger.entries AS entry WHERE (entry.clinic_id, entry.aggregate_id,"
        "  entry.version) = (claim.clinic_id, claim.aggregate_id, claim.version))"
    ).fetchall()
    yield from (f"claim on {row[0]} version {row[1]}: no entry" for row in rows)


def claims(conn: Connected) -> int:
    """Idempotency-Keys that are remembered."""
    row = conn.execute("SELECT count(*) FROM ledger.claims").fetchone()
    assert row is not None
    return int(row[0])


# --- what readers see


def history_shown(entries: Sequence[Opened]) -> dict[HistoryId, str]:
    """The text of each history entry that is to be shown, worked out the plain way."""
    texts: dict[tuple[Kind, int], dict[int, tuple[int, str]]] = {}
    for entry in entries:
        of_note = texts.setdefault((entry.kind, entry.number), {})
        match entry.fact:
            case NoteVersion():
                of_note[entry.version] = entry.position, text_of(entry.fact) or ""
            case HistoryEntryAmended(amended_version=version):
                of_note[version] = of_note[version][0], text_of(entry.fact) or ""
            case HistoryEntryWithdrawn(withdrawn_version=version):
                del of_note[version]
            case NoteSoftDeleted():
                of_note.clear()
            case _:
                pass
    return {
        HistoryId(kind, position): text
        for (kind, _), of_note in texts.items()
        for position, text in of_note.values()
    }


def history_read(port: int, cookies: Iterable[str]) -> dict[HistoryId, str]:
    """All that these callers are shown by the API."""
    found: dict[HistoryId, str] = {}
    for cookie in cookies:
        client = Client(port, cookie)
        for kind in (Kind.NOTE, Kind.SOAP_NOTE):
            path = f"{BASE}/{room_of(kind)}data/history/?limit={PAGE}"
            while path:
                answer = client.expect(json_request("GET", path), 200)
                found |= {HistoryId(kind, row["id"]): row["data"] for row in answer.json()}
                path = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
        client.close()
    return found


# --- rebuilt views


def view_differences(conn: Connected) -> dict[str, int]:
    """By view: rows that the live one or its rebuild has, and the other has not."""
    found = {}
    for view in VIEWS:
        live = _rows(conn, view.table_name)
        rebuild(conn, view, lambda _: None)
        rebuilt = _rows(conn, view.table_name)
        found[view.name] = ((live - rebuilt) + (rebuilt - live)).total()
    return found


def _rows(conn: Connected, table: str) -> Counter[tuple[Any, ...]]:
    return Counter(conn.execute(SQL("SELECT * FROM views.{}").format(Identifier(table))))
