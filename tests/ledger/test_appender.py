"""Group commit: who is refused, who goes through, and what happens when the answer is lost."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest
from eventsourcing.persistence import DataError, IntegrityError
from psycopg import Cursor
from psycopg.rows import TupleRow

from domain.aggregates import aggregate_id
from domain.note import NOTE
from domain.note_facts import NoteDrafted
from domain.value import Kind
from ledger.appender import (
    Appender,
    AppenderIsStoppedError,
    IdempotencyClaimTaken,
    LostRace,
    ViewWriter,
)
from ledger.codec import entry_associated_data, seal_fact
from ledger.database import Datastore
from ledger.entry import Addition, Entry, IdempotencyClaim, NewEntry
from ledger.keys import Keys
from projections.rebuild import VIEWS
from tests.databases import Database, Program, running
from tests.ledger.wire import Cut, wire_to
from tests.samples import ALMA, CLINIC, ELSEWHERE, KEY_FACTS, caller, create, drafted
from tests.wholeness import after_keys, assert_whole, positions

Owner = psycopg.Connection[TupleRow]

WRITE_VIEWS: list[ViewWriter] = [view.write for view in VIEWS]
CLAIM = IdempotencyClaim(ALMA.user_id, b"key", b"request")


class Poisonous(NoteDrafted):
    """PostgreSQL stores no NUL in a text. `seal_fact` refuses it: only the appender is tested with it."""

    fact_type: ClassVar[str] = "poi\0son/1"


def addition(
    keys: Keys,
    note_id: int,
    version: int = 1,
    *,
    fact: type[NoteDrafted] = NoteDrafted,
    clinic_id: int = CLINIC,
    claim: IdempotencyClaim | None = None,
) -> Addition:
    """A draft and its sealed bytes; its class may be another one."""
    draft = drafted(note_id=note_id)
    aggregate = aggregate_id(Kind.NOTE, note_id)
    key = keys.for_sealing(clinic_id, draft.subject())
    where = entry_associated_data(clinic_id, aggregate, version, draft.fact_type)
    entry = NewEntry(version, fact(**dict(draft)), seal_fact(key, where, draft))
    return Addition(clinic_id, aggregate, (entry,), (), claim)


def appended_in_one_batch(
    datastore: Datastore, additions: Sequence[Addition], writers: Sequence[ViewWriter] = WRITE_VIEWS
) -> list[int | type[Exception]]:
    """Each addition's position after the facts of the keys, or its refusal.

    All wait already when the appender starts.
    """
    appender = Appender(datastore, writers)
    with ThreadPoolExecutor(len(additions)) as threads:
        answers: list[Future[int]] = []
        for number, waiting in enumerate(additions, 1):
            answers.append(threads.submit(appender.append, waiting))
            while appender._queue.qsize() < number:
                time.sleep(0.001)
        appender.start()
        raised = [answer.exception() for answer in answers]
        appender.stop()
    return [
        type(error) if isinstance(error, Exception) else answer.result() - KEY_FACTS
        for answer, error in zip(answers, raised, strict=True)
    ]


class TestOneBatch:
    def test_all_go_through_in_their_order(
        self, datastore: Datastore, keys: Keys, owner: Owner
    ) -> None:
        batch = [addition(keys, note_id) for note_id in range(1, 41)]
        assert appended_in_one_batch(datastore, batch) == list(range(1, 41))
        assert len(_transactions(owner)) == 1, "one transaction for all"
        assert_whole(owner)

    def test_who_lost_a_race_is_refused_alone(
        self, datastore: Datastore, keys: Keys, owner: Owner
    ) -> None:
        appended_in_one_batch(datastore, [addition(keys, 2)])
        batch = [addition(keys, note_id) for note_id in (1, 2, 3)]
        assert appended_in_one_batch(datastore, batch) == [2, LostRace, 3]
        assert_whole(owner)

    def test_of_two_on_the_same_version_the_first_wins(
        self, datastore: Datastore, keys: Keys, owner: Owner
    ) -> None:
        batch = [addition(keys, note_id) for note_id in (1, 1, 2)]
        assert appended_in_one_batch(datastore, batch) == [1, LostRace, 2]
        assert_whole(owner)

    def test_two_versions_of_one_note(self, datastore: Datastore, keys: Keys, owner: Owner) -> None:
        batch = [addition(keys, 1, version) for version in (1, 2, 3)]
        assert appended_in_one_batch(datastore, batch) == [1, 2, 3]
        assert_whole(owner)

    def test_who_uses_a_taken_claim_is_refused_alone(
        self, datastore: Datastore, keys: Keys, owner: Owner
    ) -> None:
        appended_in_one_batch(datastore, [addition(keys, 1, claim=CLAIM)])
        batch = [addition(keys, 2), addition(keys, 3, claim=CLAIM), addition(keys, 4)]
        assert appended_in_one_batch(datastore, batch) == [2, IdempotencyClaimTaken, 3]
        assert_whole(owner)

    def test_of_two_with_the_same_claim_one_wins(
        self, datastore: Datastore, keys: Keys, owner: Owner
    ) -> None:
        other = CLAIM._replace(user_id=12)
        batch = [addition(keys, n, claim=claim) for n, claim in enumerate([CLAIM, CLAIM, other], 1)]
        assert appended_in_one_batch(datastore, batch) == [1, LostRace, 2]
        assert_whole(owner)

    def test_clinics_count_each_for_itself(
        self, datastore: Datastore, keys: Keys, owner: Owner
    ) -> None:
        owner.execute("INSERT INTO ledger.ledger_head (clinic_id) VALUES (%s)", (ELSEWHERE,))
        batch = [
            addition(keys, n, clinic_id=clinic)
            for n, clinic in enumerate([ELSEWHERE, CLINIC, ELSEWHERE, CLINIC], 1)
        ]
        assert appended_in_one_batch(datastore, batch) == [1, 1, 2, 2]
        assert_whole(owner)

    def test_a_clinic_that_is_not_there_is_refused_alone(
        self, datastore: Datastore, keys: Keys, owner: Owner
    ) -> None:
        nowhere = addition(keys, 2)._replace(clinic_id=7)
        batch = [addition(keys, 1), nowhere, addition(keys, 3)]
        first, refused, last = appended_in_one_batch(datastore, batch)
        assert isinstance(refused, type)
        assert (first, last) == (1, 2)
        assert_whole(owner)


class TestPoison:
    """One that cannot be stored is refused, and no other with it."""

    def test_what_the_database_cannot_hold(
        self, datastore: Datastore, keys: Keys, owner: Owner
    ) -> None:
        batch = [addition(keys, 1), addition(keys, 2, fact=Poisonous), addition(keys, 3)]
        assert appended_in_one_batch(datastore, batch) == [1, DataError, 2]
        assert_whole(owner)

    def test_what_a_view_does_not_take_in(
        self, datastore: Datastore, keys: Keys, owner: Owner
    ) -> None:
        def stumble(_: Cursor[Any], entries: Sequence[Entry]) -> None:
            if any(entry.aggregate_id == aggregate_id(Kind.NOTE, 2) for entry in entries):
                raise ValueError

        batch = [addition(keys, note_id) for note_id in (1, 2, 3)]
        found = appended_in_one_batch(datastore, batch, [*WRITE_VIEWS, stumble])
        assert found == [1, ValueError, 2]
        assert_whole(owner)

    def test_what_a_view_holds_already(
        self, datastore: Datastore, keys: Keys, owner: Owner
    ) -> None:
        """A taken key that is not the entry's own: no race, and it does not go away."""

        def write_twice(cursor: Cursor[Any], entries: Sequence[Entry]) -> None:
            for entry in entries:
                if entry.aggregate_id == aggregate_id(Kind.NOTE, 2):
                    cursor.execute("INSERT INTO history SELECT * FROM history LIMIT 1")

        batch = [addition(keys, note_id) for note_id in (1, 2, 3)]
        found = appended_in_one_batch(datastore, batch, [*WRITE_VIEWS, write_twice])
        assert found == [1, IntegrityError, 2]
        assert_whole(owner)


class TestLostAnswer:
    """The wire is cut around COMMIT: whoever waits is answered, and nothing is there twice."""

    @pytest.mark.parametrize("cut", Cut)
    def test_a_lone_save(self, cut: Cut, database: Database, key_file: Path, owner: Owner) -> None:
        with _on_a_wire(database, key_file) as (wire, program):
            wire.cut_at_next_commit(cut)
            assert program.ledger.record(CLINIC, NOTE, 1, create()).position == KEY_FACTS + 1
            assert wire.cuts == 1
            assert program.ledger.record(CLINIC, NOTE, 2, create()).position == KEY_FACTS + 2
        assert positions(owner) == after_keys(2)
        assert_whole(owner)

    @pytest.mark.parametrize("cut", Cut)
    def test_three_times_in_a_row(
        self, cut: Cut, database: Database, key_file: Path, owner: Owner
    ) -> None:
        """Where the first was stored, the others never come to a COMMIT that stores it again."""
        with _on_a_wire(database, key_file) as (wire, program):
            wire.cut_at_next_commit(cut, cut, cut)
            recorded = program.ledger.record(CLINIC, NOTE, 1, create(), claim=CLAIM)
            assert recorded.position == KEY_FACTS + 1
        assert positions(owner) == after_keys(1)
        assert_whole(owner)

    @pytest.mark.parametrize("cut", Cut)
    def test_a_whole_batch_with_a_lost_race_in_it(
        self, cut: Cut, database: Database, key_file: Path, owner: Owner
    ) -> None:
        with _on_a_wire(database, key_file) as (wire, program):
            program.ledger.record(CLINIC, NOTE, 2, create())
            batch = [addition(program.keys, note_id) for note_id in (1, 2, 3)]
            wire.cut_at_next_commit(cut, cut)
            found = appended_in_one_batch(program.datastore, batch)
            assert sorted(map(str, found)) == sorted(map(str, [2, LostRace, 3]))
        assert_whole(owner)

    def test_a_crowd_on_a_bad_wire(self, database: Database, key_file: Path, owner: Owner) -> None:
        with _on_a_wire(database, key_file) as (wire, program), ThreadPoolExecutor(8) as threads:
            wire.cut_at_next_commit(*(Cut.AFTER_COMMIT, Cut.BEFORE_COMMIT) * 2)
            recorded = [
                threads.submit(program.ledger.record, CLINIC, NOTE, n, create())
                for n in range(1, 41)
            ]
            told = sorted(record.result().position or 0 for record in recorded)
        assert told == positions(owner) == after_keys(40)
        assert_whole(owner)


class TestTerminatedBackends:
    def test_saves_go_through_all_the_same(
        self, program: Program, database: Database, owner: Owner
    ) -> None:
        """An operator ends every connection, three times, while eight threads save."""
        done = threading.Event()
        first_save = program.ledger.record(CLINIC, NOTE, 10_000, create())  # makes the keys
        acknowledged = [first_save.position or 0]

        def save(first: int) -> None:
            for n in range(first, 10_000, 8):
                if done.is_set():
                    return
                recorded = program.ledger.record(CLINIC, NOTE, n, create())
                acknowledged.append(recorded.position or 0)

        with ThreadPoolExecutor(8) as threads:
            saving = [threads.submit(save, first) for first in range(1, 9)]
            for _ in range(3):
                time.sleep(0.15)
                _terminate_others(owner)
            before = len(acknowledged)
            while len(acknowledged) < before + 40 and not any(s.done() for s in saving):
                time.sleep(0.01)
            done.set()
            for saved in saving:
                saved.result()
        assert sorted(acknowledged) == positions(owner)
        assert_whole(owner)

    def test_a_database_that_takes_nobody_for_a_while(
        self, program: Program, server_admin: Owner, owner: Owner
    ) -> None:
        program.ledger.record(CLINIC, NOTE, 1, create())
        name = owner.info.dbname
        server_admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        _terminate_others(owner)
        with ThreadPoolExecutor(1) as threads:
            saving = threads.submit(program.ledger.record, CLINIC, NOTE, 2, create())
            time.sleep(0.5)
            assert not saving.done()
            server_admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
            assert saving.result(timeout=60).position == KEY_FACTS + 2
        assert_whole(owner)


class TestStopping:
    def test_what_waits_is_appended(self, datastore: Datastore, keys: Keys, owner: Owner) -> None:
        appended_in_one_batch(datastore, [addition(keys, note_id) for note_id in range(1, 9)])
        assert positions(owner) == after_keys(8)

    def test_who_comes_after_is_told(self, datastore: Datastore, keys: Keys) -> None:
        appender = Appender(datastore, WRITE_VIEWS)
        appender.start()
        appender.stop()
        with pytest.raises(AppenderIsStoppedError, match="nothing of this save was stored"):
            appender.append(addition(keys, 1))

    def test_nobody_waits_for_ever(self, datastore: Datastore, keys: Keys, owner: Owner) -> None:
        """Whoever comes at the moment of stopping is either stored or told."""
        appender = Appender(datastore, WRITE_VIEWS)
        batch = [addition(keys, note_id) for note_id in range(1, 65)]
        with ThreadPoolExecutor(16) as threads:
            answers = [threads.submit(appender.append, waiting) for waiting in batch]
            appender.start()
            time.sleep(0.005)
            appender.stop()
            raised = [answer.exception(timeout=60) for answer in answers]
        assert {type(error) for error in raised} <= {type(None), AppenderIsStoppedError}
        assert positions(owner) == after_keys(raised.count(None))


@pytest.fixture
def server_admin(database: Database) -> Iterator[Owner]:
    """The owner's connection to another database."""
    with psycopg.connect(database.owner_url, dbname="postgres", autocommit=True) as conn:
        yield conn


@contextmanager
def _on_a_wire(database: Database, key_file: Path) -> Iterator[Any]:
    """A program whose connections and keys are there, so that the next COMMIT is an append's."""
    with wire_to(database.app_url) as (wire, url), running(url, key_file) as program:
        program.keys.for_sealing(CLINIC, drafted().subject())
        program.notes.find(caller(ALMA), Kind.NOTE, 1)
        yield wire, program


def _terminate_others(owner: Owner) -> None:
    owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


def _transactions(owner: Owner) -> list[TupleRow]:
    return owner.execute(
        "SELECT DISTINCT xmin::text FROM ledger.entries WHERE kind <> 'data-key-made/1'"
    ).fetchall()
