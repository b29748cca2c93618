"""Current notes, the 10 newest and the partial history, held against a naive model of the facts."""

from itertools import count
from typing import Any

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from psycopg.rows import TupleRow

from domain.aggregates import NOTE_AGGREGATES
from domain.note import NOTE
from domain.value import By, Kind, Role
from ledger.outlines import SealedEntry
from projections.partial_history import partial_history
from projections.view import by_name
from tests.databases import Program
from tests.projections import stories
from tests.projections.stories import STEPS, Step
from tests.samples import (
    ALMA,
    CLINIC,
    NOON,
    PROGRESS,
    amend,
    caller,
    create,
    delete,
    enter_directory,
    save,
    withdraw,
)
from tests.wholeness import all_views, assert_whole

Owner = psycopg.Connection[TupleRow]
KINDS = st.sampled_from([Kind.NOTE, Kind.SOAP_NOTE])
ALMA_READS = caller(ALMA)

# Forty saves in three instants, every third one approved: more than the partial history considers.
LONG_STORY = [
    Step("save", n % 3, n % 3, f"text {n}", 1, n % 3 == 0, n % 2 == 0, n % 5 == 0)
    for n in range(40)
]
AMENDED_STORY = [
    *LONG_STORY,
    *(Step("amend", n % 3, 9, "amended", n // 3 + 1, False, False, n % 2 == 0) for n in range(12)),
    *(Step("withdraw", n % 3, 9, "", n // 3 + 2, False, False, n % 2 == 0) for n in range(6)),
]


def test_readers_see_what_the_facts_say(program: Program, owner: Owner) -> None:
    """Each example is a client of its own, whose notes are told in batches of any size."""
    enter_directory(program.ledger)
    numbers = count(1)

    @given(steps=st.lists(STEPS, max_size=60), kind=KINDS)
    @example(steps=LONG_STORY, kind=Kind.SOAP_NOTE)
    @example(steps=AMENDED_STORY, kind=Kind.SOAP_NOTE)
    @settings(max_examples=80)
    def holds(steps: list[Step], kind: Kind) -> None:
        n = next(numbers)
        client, first_note = By(user_id=1_000 + n, role=Role.CLIENT), 10 * n
        told = stories.facts_of(steps, kind, first_note, client)
        entries = stories.append(program, told)
        _assert_read(program, kind, client, first_note, entries)

    holds()
    assert_whole(owner)


def _assert_read(
    program: Program, kind: Kind, client: By, first_note: int, entries: list[Any]
) -> None:
    history = stories.shown(entries, NOON)
    current = stories.current(entries, history)
    which = (ALMA_READS, kind, client.user_id, PROGRESS)

    found = program.history.newest(*which, limit=10)
    assert [stories.as_shown(entry) for entry in found] == stories.newest(history, 10)

    of_client = program.notes.of_client(*which)
    plain = [note._replace(amended_text=None) for note in current]
    assert [stories.as_current(note)._replace(amended_text=None) for note in of_client] == plain

    page = program.notes.page_amended(ALMA_READS, kind, after=first_note - 1, limit=10)
    assert [stories.as_current(note) for note in page] == current

    for entry in entries:
        one = program.history.find(ALMA_READS, kind, entry.position)
        expected = [shown for shown in history if shown.position == entry.position]
        assert ([stories.as_shown(one)] if one else []) == expected

    if kind is Kind.SOAP_NOTE:
        part = partial_history(program.rows, ALMA_READS, client.user_id, PROGRESS)
        assert [stories.as_shown(entry) for entry in part] == stories.partial(history)


class TestPages:
    """Lists are read in parts, and the parts make the whole."""

    def test_notes_by_id(self, program: Program) -> None:
        for note_id in range(1, 8):
            program.ledger.record(CLINIC, NOTE, note_id, create())
        found: list[int] = []
        while page := program.notes.page(ALMA_READS, Kind.NOTE, found[-1] if found else 0, 3):
            found += [note.note_id for note in page]
        assert found == [1, 2, 3, 4, 5, 6, 7]

    def test_history_newest_first(self, program: Program) -> None:
        program.ledger.record(CLINIC, NOTE, 1, create("text"))
        for n in range(6):
            program.ledger.record(CLINIC, NOTE, 1, save(f"text {n}"))
        found: list[int] = []
        while page := program.history.page(ALMA_READS, Kind.NOTE, found[-1] if found else None, 3):
            found += [entry.position for entry in page]
        assert found == [9, 8, 7, 6, 5, 4, 3]


COMMANDS: list[Any] = [
    create("text 1", by=ALMA, is_approved=False),
    save("text 2"),
    save("text 3", is_approved=True),
    save("text 4"),
    amend(1, "text 1, amended"),
    amend(1, "text 1, amended again"),
    amend(4, "text 4, amended"),
    withdraw(2),
    withdraw(1),
    save("text 5"),
    delete(),
]


@pytest.mark.parametrize("kind", [Kind.NOTE, Kind.SOAP_NOTE])
def test_a_note_that_comes_in_one_batch_is_read_as_one_that_came_bit_by_bit(
    program: Program, owner: Owner, kind: Kind
) -> None:
    for length in range(2, len(COMMANDS) + 1):
        for version, command in enumerate(COMMANDS[:length], 1):
            assert (
                program.ledger.record(CLINIC, NOTE_AGGREGATES[kind], 1, command).state.version
                == version
            )
        bit_by_bit = all_views(owner)
        facts = _opened(program, owner, kind)

        _forget_all(owner)
        assert program.appender.append(stories.addition_of(program, facts)) == 3
        assert all_views(owner) == bit_by_bit
        assert_whole(owner)
        _forget_all(owner)


def _forget_all(owner: Owner) -> None:
    owner.execute(
        "DELETE FROM ledger.entries WHERE position > 2;"
        "TRUNCATE views.current_notes, views.history; UPDATE ledger.ledger_head SET position = 2"
    )


def _opened(program: Program, owner: Owner, kind: Kind) -> list[stories.StoryFact]:
    sealed = owner.cursor(row_factory=by_name(SealedEntry)).execute(
        """
        SELECT aggregate_id, version, kind AS fact_type, state AS sealed FROM ledger.entries
        WHERE kind <> 'data-key-made/1' ORDER BY version
        """
    )
    opened = program.ledger.open(CLINIC, sealed.fetchall())
    return [
        stories.StoryFact(kind, 1, version, fact, False) for version, fact in enumerate(opened, 1)
    ]
