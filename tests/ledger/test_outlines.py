"""Outlines: the states of clear facts, kept between saves, right whatever happens to the rows."""

from typing import Any

import psycopg
from psycopg.rows import TupleRow

from domain.note import NOTE
from domain.note_facts import Note, NoteDrafted
from domain.person import PERSON
from domain.saves import Saves
from ledger.ledger import Ledger
from ledger.outlines import held_facts
from tests.databases import Database, Program, running
from tests.samples import (
    CLARA,
    CLINIC,
    NOTE_ID,
    amend,
    create,
    drafted,
    present,
    put_person,
    save,
    withdraw,
)

Owner = psycopg.Connection[TupleRow]


def without_words(note: Note) -> Note:
    """What an outline of the note is."""
    amended = {n: fact.model_copy(update={"words": None}) for n, fact in note.amended.items()}
    saved = note.saved.model_copy(update={"words": None})
    return note.model_copy(update={"saved": saved, "amended": amended})


def test_an_outline_is_the_state_without_its_words(ledger: Ledger) -> None:
    ledger.record(CLINIC, NOTE, NOTE_ID, create())
    for command in (save("slept badly"), amend(1), save("slept"), amend(4), withdraw(4)):
        ledger.record(CLINIC, NOTE, NOTE_ID, command)
        whole = present(ledger.state(CLINIC, NOTE, NOTE_ID))
        assert ledger.outline(CLINIC, NOTE, NOTE_ID) == without_words(whole)


def test_what_is_kept_and_what_is_read_anew_are_the_same(
    program: Program, database: Database, key_file: Any
) -> None:
    program.ledger.record(CLINIC, NOTE, NOTE_ID, create())
    with running(database.app_url, key_file) as other:
        for n in range(5):
            writer = (program, other)[n % 2]
            writer.ledger.record(CLINIC, NOTE, NOTE_ID, save(f"slept {n}"))
            kept = program.ledger.state(CLINIC, NOTE, NOTE_ID)
            with running(database.app_url, key_file) as fresh:
                assert kept == fresh.ledger.state(CLINIC, NOTE, NOTE_ID)


def test_only_the_words_that_are_asked_for_come(ledger: Ledger) -> None:
    ledger.record(CLINIC, NOTE, NOTE_ID, create())
    ledger.record(CLINIC, NOTE, NOTE_ID, amend(1))
    note = present(ledger.state(CLINIC, NOTE, NOTE_ID, lambda note: [note.amended[1]]))
    assert note.saved.words is None
    assert note.amended[1].words is not None


def test_after_a_restore_nothing_is_taken_from_what_was_kept(ledger: Ledger, owner: Owner) -> None:
    """The backup is older than what the process has seen; then it went on differently."""
    ledger.record(CLINIC, NOTE, NOTE_ID, create())
    ledger.record(CLINIC, NOTE, NOTE_ID, save("what the backup does not hold", is_approved=True))
    assert present(ledger.outline(CLINIC, NOTE, NOTE_ID)).is_approved
    _restore(owner)
    assert present(ledger.outline(CLINIC, NOTE, NOTE_ID)).version == 1
    ledger.record(CLINIC, NOTE, NOTE_ID, save("slept well"))
    assert not present(ledger.outline(CLINIC, NOTE, NOTE_ID)).is_approved


def _restore(owner: Owner) -> None:
    owner.execute("DELETE FROM ledger.entries WHERE version = 2")
    owner.execute("DELETE FROM views.history WHERE version = 2")
    owner.execute("UPDATE views.current_notes SET version = 1, position = 1")
    owner.execute("UPDATE ledger.ledger_head SET position = 1")


def test_a_state_holds_its_facts(ledger: Ledger) -> None:
    ledger.record(CLINIC, PERSON, CLARA.user_id, put_person(CLARA, "Clara Claessen"))
    person = present(ledger.state(CLINIC, PERSON, CLARA.user_id))
    assert list(held_facts(person)) == [person.named]


def test_saves_share_what_was_before() -> None:
    """A note of n saves is built in n steps; its states do not copy each other."""
    note = NOTE.evolve(None, drafted())
    before = note.entries
    for _ in range(2_000):
        note = NOTE.evolve(note, drafted())
    assert before == {1: type(drafted())}
    assert (len(note.entries), note.entries.newest) == (2_001, 2_001)
    assert list(note.entries) == list(range(2_001, 0, -1))


def test_a_version_that_is_no_save_is_not_there() -> None:
    saves = Saves(4, NoteDrafted, Saves(1, NoteDrafted))
    assert [version in saves for version in (1, 2, 4, 5)] == [True, False, True, False]
