"""Two clinics in which everything has happened that a view takes in."""

from typing import Final

import psycopg
from psycopg.rows import TupleRow

from domain.generation import GENERATION
from domain.note import NOTE
from domain.person import PERSON
from domain.record_type import RECORD_TYPE
from domain.relationship import RELATIONSHIP
from domain.session import SESSION
from domain.value import Kind
from tests.databases import Program
from tests.projections import stories
from tests.projections.stories import Step, What
from tests.samples import (
    CLARA,
    CLINIC,
    ELSEWHERE,
    PROGRESS,
    after,
    create,
    delete,
    enter_directory,
    put_person,
    put_record_type,
    put_relationship,
    put_session,
)
from tests.work_samples import (
    GENERATION_ID,
    cancel,
    fail,
    finish,
    put_transcript,
    record_draft,
    request_again,
    request_generation,
    start,
)

_WHAT: Final[list[What]] = ["save", "save", "amend", "save", "withdraw", "save"]
A_STORY: Final = [
    Step(what, n % 4, n % 5, f"text {n}", n % 7, n % 3 == 0, n % 2 == 0, n % 4 == 0)
    for n, what in enumerate(_WHAT * 8)
]


def live(program: Program, owner: psycopg.Connection[TupleRow]) -> None:
    """Let it happen in CLINIC, and in ELSEWHERE, which is opened for it."""
    owner.execute("INSERT INTO ledger.ledger_head (clinic_id) VALUES (%s)", (ELSEWHERE,))
    for clinic in (CLINIC, ELSEWHERE):
        record = program.ledger.record
        enter_directory(program.ledger, clinic)
        record(clinic, PERSON, CLARA.user_id, put_person(CLARA, "Clara Cools"))
        record(clinic, RELATIONSHIP, 103, put_relationship(is_active=False))
        record(clinic, SESSION, 201, put_session(starts_at=after(60)))
        record(clinic, RECORD_TYPE, PROGRESS, put_record_type(is_active=False))
        for kind in (Kind.NOTE, Kind.SOAP_NOTE):
            stories.append(program, stories.facts_of(A_STORY, kind, first_note=1), clinic)
        record(clinic, SESSION, 201, put_transcript())
        record(clinic, SESSION, 201, put_transcript("I slept badly."))
        commands = (request_generation(), start(), record_draft(), finish(), request_again())
        for command in (*commands, fail(2), request_again(), cancel()):
            record(clinic, GENERATION, GENERATION_ID, command)
        record(clinic, NOTE, 9, create())
        record(clinic, NOTE, 9, delete())
