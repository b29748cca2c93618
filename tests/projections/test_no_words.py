"""No word about a person stands in the database, in any table, in any encoding that we can think of."""

import base64
from collections.abc import Callable, Iterable
from typing import Any

import psycopg
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Identifier

from domain.aggregates import NOTE_AGGREGATES
from domain.note import NOTE, NoteCommand
from domain.note_facts import File
from domain.person import PERSON
from domain.value import PSYCHOTHERAPY, Kind, Subject
from ledger.entry import IdempotencyClaim
from tests.databases import Program
from tests.samples import (
    ALMA,
    CLARA,
    CLINIC,
    amend,
    create,
    delete,
    enter_directory,
    new_file,
    put_person,
    save,
    withdraw,
)

Owner = psycopg.Connection[TupleRow]


class Canaries:
    """Words that occur nowhere else, and remember that they were let out."""

    def __init__(self) -> None:
        self.released: list[str] = []

    def new(self, where: str) -> str:
        """One that says where it was put."""
        canary = f"kanarie-{where}-{len(self.released):04}-Zwölf"
        self.released.append(canary)
        return canary


def test_a_dump_holds_none(program: Program, owner: Owner) -> None:
    canaries = Canaries()
    enter_directory(program.ledger)
    _let_them_out(program, canaries)
    owner.execute("ANALYZE")  # the planner's statistics hold samples of what it saw
    dump = _dump(owner)
    assert len(dump) > 1_000_000, "system tables and all"
    assert len(canaries.released) > 50
    assert {canary for canary in canaries.released if _is_in(dump, canary)} == set()


CAGES: list[tuple[str, Callable[[str], str | bytes]]] = [
    ("text", lambda canary: f"about {canary}."),
    ("text", lambda canary: canary.upper()),
    ("text", lambda canary: canary.encode().hex()),
    ("text", lambda canary: base64.urlsafe_b64encode(b"[{" + canary.encode()).decode()),
    ("jsonb", lambda canary: f'{{"note": "about {canary}."}}'),
    ("bytea", lambda canary: b"\0" + canary.encode()),
    ("bytea", lambda canary: f"about {canary}".encode("utf-16")),
    ("bytea", lambda canary: f"about {canary}".encode("utf-16-be")),
    ("bytea", lambda canary: base64.b64encode(b"{" + canary.encode())),
]


def test_the_search_would_find_one(owner: Owner) -> None:
    canaries = Canaries()
    for n, (column, caged) in enumerate(CAGES):
        owner.execute(f"CREATE TABLE public.cage_{n} (kept {column})".encode())
        value = caged(canaries.new(f"cage{n}"))
        owner.execute(f"INSERT INTO public.cage_{n} VALUES (%s)".encode(), (value,))  # noqa: S608
    dump = _dump(owner)
    assert all(_is_in(dump, canary) for canary in canaries.released)
    assert not _is_in(dump, canaries.new("free"))


def _let_them_out(program: Program, canaries: Canaries) -> None:
    """Wherever somebody can put words in: texts, names, reasons, files, signatures."""
    record, new = program.ledger.record, canaries.new
    for who in (CLARA, ALMA):
        for _ in range(2):
            record(CLINIC, PERSON, who.user_id, put_person(who, new("name")))
    for kind, record_type in ((Kind.NOTE, 2), (Kind.NOTE, PSYCHOTHERAPY), (Kind.SOAP_NOTE, 2)):
        note_id = program.ledger.ids.next(CLINIC, kind)
        file = File(name=new("file"), media_type=new("type"), size=1, sha256=new("digest"))
        subject = Subject(CLARA.user_id)
        kept = program.ledger.seal_file(CLINIC, subject, new("content").encode() * 50)
        fields: dict[str, Any] = {"signature": new("signature"), "signer_name": new("signer")}
        commands: list[NoteCommand] = [
            create(
                new("text") * 200,
                record_type=record_type,
                ml_text=new("ml"),
                new_files=(new_file(file, kept.digest),),
            ),
            amend(1, new("amended"), reason=new("why")),
            save(new("text"), is_approved=True, **fields),
            save(new("text"), ml_text=new("ml")),
            withdraw(3 + 1, reason=new("why")),
            save(new("text")),
        ]
        for n, command in enumerate(commands):
            claim = IdempotencyClaim(ALMA.user_id, f"{kind} {record_type} {n}".encode(), b"request")
            record(CLINIC, NOTE_AGGREGATES[kind], note_id, command, () if n else (kept,), claim)
        record(CLINIC, NOTE_AGGREGATES[kind], note_id, delete(reason=new("why")))
    for n in range(3):
        note_id = program.ledger.ids.next(CLINIC, Kind.NOTE)
        record(CLINIC, NOTE, note_id, create(new(f"kept{n}")))


def _dump(owner: Owner) -> bytes:
    """Every table of every schema, as its superuser gets it."""
    tables = owner.execute(
        "SELECT nspname, relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE relkind IN ('r', 'm') ORDER BY 1, 2"
    ).fetchall()
    assert {schema for schema, _ in tables} >= {"ledger", "views", "pg_catalog"}
    dump = bytearray()
    for name in tables:
        copy = SQL("COPY (SELECT * FROM {}) TO STDOUT").format(Identifier(*name))
        with owner.cursor().copy(copy) as rows:
            for row in rows:
                dump += row
    return bytes(dump)


def _is_in(dump: bytes, canary: str) -> bool:
    dump = dump.lower()
    return any(form.lower() in dump for form in _forms(canary))


def _forms(canary: str) -> Iterable[bytes]:
    """The word as bytes, as hexadecimal digits (so bytea is written), and in Base64.

    Only its middle is looked for, so that no neighbour, accent or case can hide it.
    """
    word = canary[:-6]
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        raw = word.encode(encoding)
        yield raw
        yield raw.hex().encode()
        for shift in range(3):
            coded = base64.b64encode(bytes(shift) + raw)[4:-4]
            yield coded
            yield coded.hex().encode()
