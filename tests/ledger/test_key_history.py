"""Keys with a history: each has its fact, and once destroyed nothing is recorded about the person."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError, ProgrammingError
from psycopg.rows import TupleRow

from domain.aggregates import aggregate_id
from domain.data_keys import DataKeyMade, DataKeysDestroyed
from domain.note import NOTE
from domain.person import PERSON
from domain.refusals import PersonIsErased, PersonIsUnknown
from domain.value import PSYCHOTHERAPY, THE_CLINIC, THE_WORKER, Fact, KeyScope, Kind, Subject
from ledger.clear_facts import clear_facts
from ledger.keys import CHECKED_SECONDS
from tests.databases import Database, Program, running
from tests.projections.stories import StoryFact, addition_of
from tests.samples import (
    ADAM,
    ALMA,
    CLARA,
    CLINIC,
    DAVID,
    KEY_FACTS,
    NOON,
    NOTE_ID,
    create,
    drafted,
    present,
    put_person,
    save,
    soft_deleted,
)
from tests.wholeness import assert_whole

Owner = psycopg.Connection[TupleRow]
CHECKOUT: Final = Path(__file__).parents[2]
SAVES: Final = 1_000

SAVE_UNTIL_REFUSED: Final = """
import sys
from pathlib import Path
from domain.note import NOTE
from domain.refusals import PersonIsErased
from tests.databases import running
from tests.samples import CLINIC, create
with running(sys.argv[1], Path(sys.argv[2])) as program:
    print("ready", flush=True)
    saved = refused = 0
    for note_id in range(int(sys.argv[3]), int(sys.argv[4])):
        record_type = 2 - note_id % 2
        try:
            program.ledger.record(CLINIC, NOTE, note_id, create(record_type=record_type))
            saved += 1
        except PersonIsErased:
            refused += 1
        if note_id == int(sys.argv[3]) + 20:
            print("under way", flush=True)
    print(saved, refused, flush=True)
"""


def key_facts(program: Program, person_id: int = CLARA.user_id) -> list[Fact]:
    """What is told of a person's keys."""
    aggregate = aggregate_id(Kind.DATA_KEYS, person_id)
    return [one.fact for one in clear_facts(program.datastore, CLINIC, aggregate)]


def destroy(program: Program, person_id: int = CLARA.user_id) -> int:
    """Adam erases somebody."""
    return program.keys.destroy(CLINIC, person_id, ADAM, NOON)


def rows_of(owner: Owner, person_id: int = CLARA.user_id) -> list[TupleRow]:
    return owner.execute(
        "SELECT key_id, wrapped IS NULL, destroyed_at IS NULL, made_position, kek, kek_epoch"
        " FROM ledger.data_keys WHERE person_id = %s ORDER BY scope",
        (person_id,),
    ).fetchall()


class TestFacts:
    """A key and its fact are made together."""

    def test_each_key_has_a_fact_at_the_position_that_its_row_names(
        self, program: Program, owner: Owner
    ) -> None:
        program.ledger.record(CLINIC, NOTE, 1, create())
        program.ledger.record(CLINIC, NOTE, 2, create(record_type=PSYCHOTHERAPY))
        made = [fact for fact in key_facts(program) if isinstance(fact, DataKeyMade)]
        rows = rows_of(owner)
        assert [(fact.key_id, fact.scope) for fact in made] == [
            (rows[0][0], KeyScope.GENERAL),
            (rows[1][0], KeyScope.PSYCHOTHERAPY),
        ]
        assert [row[3] for row in rows] == [2, 4]
        assert {fact.by for fact in made} == {THE_WORKER}
        [clinics] = key_facts(program, THE_CLINIC)
        assert isinstance(clinics, DataKeyMade)
        assert_whole(owner)

    def test_the_row_names_the_key_encryption_key(
        self, program: Program, key_file: Path, owner: Owner
    ) -> None:
        program.ledger.record(CLINIC, NOTE, 1, create())
        [row] = rows_of(owner)
        assert f'"current": "{row[4]}"' in key_file.read_text()
        assert row[5] == 1

    def test_a_scope_whose_row_was_taken_away_gets_no_second_key(
        self, program: Program, owner: Owner
    ) -> None:
        program.ledger.record(CLINIC, NOTE, 1, create())
        before = key_facts(program)
        owner.execute("DELETE FROM ledger.data_keys WHERE person_id = %s", (CLARA.user_id,))
        time.sleep(CHECKED_SECONDS)
        with pytest.raises(PersonIsErased):
            program.ledger.record(CLINIC, NOTE, 2, create())
        assert (key_facts(program), rows_of(owner)) == (before, [])
        assert_whole(owner)

    def test_where_the_fact_is_refused_there_is_no_key(
        self, program: Program, owner: Owner
    ) -> None:
        program.ledger.record(CLINIC, NOTE, 1, create())
        owner.execute("ALTER TABLE ledger.entries ADD CHECK (kind <> 'data-key-made/1') NOT VALID")
        with pytest.raises(IntegrityError):
            program.keys.for_sealing(CLINIC, Subject(DAVID.user_id))
        assert rows_of(owner, DAVID.user_id) == []


class TestDestroying:
    """A fence is placed, the keys are gone, and the fact tells of it: all at once, and once."""

    def test_keys_become_tombstones_and_a_fence_stands(
        self, program: Program, owner: Owner
    ) -> None:
        program.ledger.record(CLINIC, NOTE, 1, create())
        [row] = rows_of(owner)
        position = destroy(program)
        assert rows_of(owner) == [(row[0], True, False, *row[3:])]
        fences = owner.execute("SELECT * FROM ledger.fences").fetchall()
        assert fences == [(CLINIC, CLARA.user_id, position)]
        destroyed = key_facts(program)[-1]
        assert isinstance(destroyed, DataKeysDestroyed)
        assert (destroyed.by, destroyed.at, destroyed.key_ids) == (ADAM, NOON, (row[0],))
        assert position == KEY_FACTS + 2
        assert_whole(owner)

    def test_asked_again_it_answers_the_same(self, program: Program, owner: Owner) -> None:
        program.ledger.record(CLINIC, NOTE, 1, create())
        position = destroy(program)
        assert destroy(program) == position
        assert len(key_facts(program)) == 2

    def test_a_fence_that_was_taken_away_is_placed_where_it_stood(
        self, program: Program, owner: Owner
    ) -> None:
        program.ledger.record(CLINIC, NOTE, 1, create())
        position = destroy(program)
        owner.execute("DELETE FROM ledger.fences")
        with pytest.raises(PersonIsErased):
            program.ledger.record(CLINIC, NOTE, 2, create(record_type=PSYCHOTHERAPY))
        assert destroy(program) == position

    @pytest.mark.parametrize("person_id", [999, THE_CLINIC, DAVID.user_id])
    def test_a_fence_for_an_unknown_person_is_refused(
        self, program: Program, owner: Owner, person_id: int
    ) -> None:
        program.ledger.record(CLINIC, NOTE, 1, create())
        before = owner.execute("SELECT count(*) FROM ledger.entries").fetchone()
        with pytest.raises(PersonIsUnknown) as refused:
            destroy(program, person_id)
        assert refused.value.field == "person_id"
        assert owner.execute("SELECT * FROM ledger.fences").fetchall() == []
        assert owner.execute("SELECT count(*) FROM ledger.entries").fetchone() == before

    def test_the_others_are_left_alone(self, program: Program) -> None:
        program.ledger.record(CLINIC, PERSON, DAVID.user_id, put_person(DAVID))
        program.ledger.record(CLINIC, NOTE, 1, create())
        destroy(program)
        person = present(program.ledger.state(CLINIC, PERSON, DAVID.user_id))
        assert person.words

    def test_if_it_cannot_be_told_nothing_is_destroyed(
        self, program: Program, owner: Owner
    ) -> None:
        program.ledger.record(CLINIC, NOTE, 1, create())
        owner.execute("ALTER TABLE ledger.fences ADD CHECK (person_id = 0)")
        with pytest.raises(IntegrityError):
            destroy(program)
        assert len(key_facts(program)) == 1
        assert present(program.ledger.state(CLINIC, NOTE, 1)).saved.words

    @pytest.mark.parametrize(
        "change",
        [
            "SET wrapped = '\\x00'",
            "SET wrapped = '\\x00', destroyed_at = NULL WHERE destroyed_at IS NOT NULL",
            "SET destroyed_at = now() WHERE destroyed_at IS NOT NULL",
            "SET made_position = 7",
            "SET kek_epoch = 7",
        ],
    )
    def test_the_running_program_changes_nothing_else(
        self, program: Program, owner: Owner, change: str
    ) -> None:
        program.ledger.record(CLINIC, NOTE, 1, create())
        destroy(program)
        before = owner.execute("SELECT * FROM ledger.data_keys ORDER BY key_id").fetchall()
        with (
            pytest.raises(ProgrammingError, match="changed in no other way"),
            program.datastore.get_connection() as conn,
        ):
            conn.execute(f"UPDATE ledger.data_keys {change}".encode())
        after = owner.execute("SELECT * FROM ledger.data_keys ORDER BY key_id").fetchall()
        assert after == before


class TestBehindAFence:
    """Nothing is recorded about the person any more, and what was said is None."""

    def test_words_are_gone_and_what_is_clear_stays(self, program: Program) -> None:
        program.ledger.record(CLINIC, NOTE, 1, create(is_approved=True))
        destroy(program)
        time.sleep(CHECKED_SECONDS)
        note = present(program.ledger.state(CLINIC, NOTE, 1))
        assert (note.saved.words, note.saved.client_user_id) == (None, CLARA.user_id)
        assert present(program.ledger.read(CLINIC, NOTE, 1, 1)).words is None

    def test_saves_are_refused_at_once_whatever_the_cache_knows(
        self, program: Program, database: Database, key_file: Path, owner: Owner
    ) -> None:
        with running(database.app_url, key_file) as other:
            for note_id, process in ((1, program), (2, other)):
                process.ledger.record(CLINIC, NOTE, note_id, create())
            key = other.keys.for_sealing(CLINIC, Subject(CLARA.user_id))
            destroy(program)
            assert other.keys._by_subject.get((CLINIC, Subject(CLARA.user_id))) == key
            with pytest.raises(PersonIsErased):
                other.ledger.record(CLINIC, NOTE, 2, save("slept badly"))
            with pytest.raises(PersonIsErased):
                other.ledger.record(CLINIC, NOTE, 3, create(record_type=PSYCHOTHERAPY))
        assert len(rows_of(owner)) == 1
        assert_whole(owner)

    def test_a_save_under_a_key_whose_row_is_gone_is_refused(
        self, program: Program, owner: Owner
    ) -> None:
        facts = [StoryFact(Kind.NOTE, NOTE_ID, 1, drafted(), ends_batch=True)]
        addition = addition_of(program, facts)
        owner.execute("DELETE FROM ledger.data_keys WHERE person_id = %s", (CLARA.user_id,))
        with pytest.raises(PersonIsErased):
            program.appender.append(addition)
        assert_whole(owner)

    def test_in_a_batch_it_is_refused_alone(self, program: Program) -> None:
        brunos = create(client=DAVID, therapist=ALMA)
        for note_id, command in ((1, create()), (2, brunos)):
            program.ledger.record(CLINIC, NOTE, note_id, command)
        facts = [StoryFact(Kind.NOTE, 1, 2, soft_deleted(), ends_batch=True)]
        addition = addition_of(program, facts)
        destroy(program)
        with pytest.raises(PersonIsErased):
            program.appender.append(addition)
        assert program.ledger.record(CLINIC, NOTE, 3, brunos).position

    @pytest.mark.parametrize("how", ["destroyed", "deleted", "truncated"])
    def test_both_caches_of_every_process_forget_within_a_second(
        self, program: Program, database: Database, key_file: Path, owner: Owner, how: str
    ) -> None:
        """No time is asserted: the wait is the longest one that the program promises."""
        program.ledger.record(CLINIC, NOTE, 1, create())
        with running(database.app_url, key_file) as other:
            subject = Subject(CLARA.user_id)
            key = other.keys.for_sealing(CLINIC, subject)
            assert other.keys.for_opening(CLINIC, {key.key_id}) == {key.key_id: key.secret}
            if how == "destroyed":
                destroy(program)
            elif how == "deleted":
                owner.execute("DELETE FROM ledger.data_keys")
            else:
                owner.execute("TRUNCATE ledger.data_keys")
            time.sleep(1)
            assert other.keys.for_opening(CLINIC, {key.key_id}) == {}
            assert (CLINIC, subject) not in other.keys._by_subject
            with pytest.raises(PersonIsErased):
                other.keys.for_sealing(CLINIC, subject)

    def test_a_known_key_is_not_asked_for_again(self, program: Program, owner: Owner) -> None:
        key = program.keys.for_sealing(CLINIC, Subject(CLARA.user_id))
        owner.execute("ALTER TABLE ledger.data_keys RENAME TO away")
        time.sleep(CHECKED_SECONDS)
        assert program.keys.for_sealing(CLINIC, Subject(CLARA.user_id)) == key
        assert program.keys.for_opening(CLINIC, {key.key_id}) == {key.key_id: key.secret}

    def test_of_1000_saves_that_race_a_fence_none_is_behind_it(
        self, program: Program, database: Database, key_file: Path, owner: Owner
    ) -> None:
        """Two processes save; a third erases. Whatever was saved stands before the fence."""
        program.ledger.record(CLINIC, PERSON, CLARA.user_id, put_person(CLARA))
        halves = ((1, 1 + SAVES // 2), (1 + SAVES // 2, 1 + SAVES))
        with _saving(database, key_file, halves) as both:
            for process in both:
                assert process.stdout.readline() == "ready\n"
            for process in both:
                assert process.stdout.readline() == "under way\n"
            fence = destroy(program)
            told = [process.communicate(timeout=120)[0].split() for process in both]
        saved, refused = (sum(map(int, column)) for column in zip(*told, strict=True))
        assert (saved + refused, saved > 0, refused > 0) == (SAVES, True, True)
        entries = owner.execute(
            "SELECT count(*), max(position) FROM ledger.entries WHERE kind LIKE 'note-drafted/%%'"
        ).fetchone()
        assert entries is not None
        assert (entries[0], entries[1] < fence) == (saved, True)
        keys = owner.execute("SELECT max(made_position) FROM ledger.data_keys").fetchone()
        assert keys is not None
        assert keys[0] < fence
        assert all(row[1] for row in rows_of(owner))
        assert_whole(owner)


@contextmanager
def _saving(
    database: Database, key_file: Path, halves: tuple[tuple[int, int], ...]
) -> Iterator[list[Any]]:
    processes = [
        subprocess.Popen(
            (
                sys.executable,
                "-c",
                SAVE_UNTIL_REFUSED,
                database.app_url,
                str(key_file),
                *map(str, half),
            ),
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for half in halves
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()
