"""Following the ledgers: in order, in batches, by one process at a time, whatever stands in them."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import TupleRow

from domain.data_keys import DataKeyMade
from domain.note import NOTE
from ledger import bookmark
from ledger.bookmark import Follower, TryLater
from ledger.continuity import Reason
from ledger.database import Datastore
from ledger.entry import Entry
from ledger.ledger import Ledger
from ledger.locks import try_lock
from ledger.stopped import Stopped, stopped
from tests.samples import CLINIC, ELSEWHERE, KEY_FACTS, create

Owner = psycopg.Connection[TupleRow]
SECONDS = 60.0


class Taken:
    """What a follower was handed; `refuse` raises where the test wants it to.

    `positions` are counted after the facts of the data keys, which are taken as well.
    """

    def __init__(self, refuse: Callable[[Entry], None] = lambda _: None) -> None:
        self.positions: list[tuple[int, int]] = []
        self.batches: list[int] = []
        self.refuse = refuse

    def __call__(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self.refuse(entry)
        self.batches.append(len(entries))
        for entry in entries:
            assert entry.fact.words is None
            if not isinstance(entry.fact, DataKeyMade):
                self.positions.append((entry.clinic_id, entry.position - KEY_FACTS))


def write_notes(ledger: Ledger, number: int, clinic_id: int = CLINIC, first: int = 1) -> None:
    """So many notes, one entry each."""
    for note_id in range(first, first + number):
        ledger.record(clinic_id, NOTE, note_id, create())


def take_all(datastore: Datastore, taken: Taken, name: str = "test") -> None:
    """Follow until there is no more news."""
    follower = Follower(datastore, name, taken)
    with datastore.get_connection() as conn:
        while follower.take_news(conn):
            pass


@contextmanager
def in_a_thread(follower: Follower) -> Iterator[Thread]:
    """Following in the block."""
    stop = Event()
    thread = Thread(target=follower.follow, args=(stop,), daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(SECONDS)
        assert not thread.is_alive()


def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    waiting = threading.Event()
    for _ in range(int(SECONDS / 0.02)):
        if condition():
            return
        waiting.wait(0.02)
    pytest.fail("it did not happen")


def test_every_entry_is_taken_once_and_in_order(
    ledger: Ledger, datastore: Datastore, owner: Owner
) -> None:
    owner.execute("INSERT INTO ledger.ledger_head (clinic_id) VALUES (%s)", (ELSEWHERE,))
    write_notes(ledger, 3)
    write_notes(ledger, 2, ELSEWHERE)
    taken = Taken()
    take_all(datastore, taken)
    write_notes(ledger, 1, first=4)
    take_all(datastore, taken)

    assert sorted(taken.positions, key=lambda taken: taken[0]) == [
        *((CLINIC, position) for position in (1, 2, 3, 4)),
        *((ELSEWHERE, position) for position in (1, 2)),
    ]


def test_two_followers_have_a_bookmark_each(ledger: Ledger, datastore: Datastore) -> None:
    write_notes(ledger, 2)
    one, other = Taken(), Taken()
    take_all(datastore, one, "one")
    take_all(datastore, other, "other")
    assert one.positions == other.positions == [(CLINIC, 1), (CLINIC, 2)]


@pytest.mark.parametrize("cut", [1, 2, 4])
def test_whoever_dies_while_taking_makes_the_next_take_the_batch_again(
    ledger: Ledger, datastore: Datastore, cut: int
) -> None:
    write_notes(ledger, 4)
    before = Taken()

    def die(entries: Sequence[Entry]) -> None:
        before(entries[: cut + KEY_FACTS])
        raise KeyboardInterrupt

    with (
        datastore.get_connection() as conn,
        pytest.raises(KeyboardInterrupt),
    ):
        Follower(datastore, "test", die).take_news(conn)
    again = Taken()
    take_all(datastore, again)
    assert [position for _, position in before.positions] == list(range(1, cut + 1))
    assert [position for _, position in again.positions] == [1, 2, 3, 4]


def test_what_is_not_there_now_is_waited_for(ledger: Ledger, datastore: Datastore) -> None:
    write_notes(ledger, 1)
    is_away = Event()
    is_away.set()

    def refuse(entry: Entry) -> None:
        if is_away.is_set():
            raise TryLater

    taken = Taken(refuse)
    with pytest.raises(TryLater):
        take_all(datastore, taken)
    is_away.clear()
    take_all(datastore, taken)
    assert taken.positions == [(CLINIC, 1)]


def test_an_entry_that_cannot_be_taken_is_set_aside_and_no_other(
    ledger: Ledger, datastore: Datastore, owner: Owner
) -> None:
    write_notes(ledger, 3)

    def refuse(entry: Entry) -> None:
        if entry.position == KEY_FACTS + 2:
            raise ValueError("with words about a person")

    taken = Taken(refuse)
    take_all(datastore, taken)
    assert taken.positions == [(CLINIC, 1), (CLINIC, 3)]
    rows = owner.execute("SELECT clinic_id, follower, position, error FROM ledger.set_aside")
    assert rows.fetchall() == [(CLINIC, "test", KEY_FACTS + 2, "ValueError")]


def test_an_entry_of_a_newer_program_is_set_aside(
    ledger: Ledger, datastore: Datastore, owner: Owner
) -> None:
    write_notes(ledger, 2)
    owner.execute("UPDATE ledger.entries SET kind = 'not-known-yet/1' WHERE position = 3")
    taken = Taken()
    take_all(datastore, taken)
    assert taken.positions == [(CLINIC, 2)]
    rows = owner.execute("SELECT position, error FROM ledger.set_aside").fetchall()
    assert rows == [(KEY_FACTS + 1, "FactTypeIsUnknownError")]


def test_what_was_set_aside_is_tried_again_when_somebody_leads_anew(
    ledger: Ledger, datastore: Datastore, owner: Owner
) -> None:
    write_notes(ledger, 2)
    owner.execute("UPDATE ledger.entries SET kind = 'not-known-yet/1' WHERE position = 3")
    taken = Taken()
    take_all(datastore, taken)
    follower = Follower(datastore, "test", taken)
    with datastore.get_connection() as conn:
        follower.retake(conn)
        assert owner.execute("SELECT position FROM ledger.set_aside").fetchall() == [
            (KEY_FACTS + 1,)
        ]
        owner.execute("UPDATE ledger.entries SET kind = 'note-drafted/2' WHERE position = 3")
        follower.retake(conn)
    assert taken.positions == [(CLINIC, 2), (CLINIC, 1)]
    assert owner.execute("SELECT position FROM ledger.set_aside").fetchall() == []


def test_long_ledgers_are_taken_in_batches(
    ledger: Ledger, datastore: Datastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bookmark, "BATCH", 3)
    write_notes(ledger, 8)
    taken = Taken()
    take_all(datastore, taken)
    assert taken.batches == [3, 3, 3, 1]
    assert [position for _, position in taken.positions] == list(range(1, 9))


class TestLeading:
    """One at a time; another where the first has gone."""

    def test_one_follows_while_the_others_stand_by(
        self, ledger: Ledger, datastore: Datastore
    ) -> None:
        taken = Taken()
        with try_lock(datastore, "follower", "test") as conn:
            assert conn is not None
            with in_a_thread(Follower(datastore, "test", taken)):
                write_notes(ledger, 1)
                Event().wait(0.5)
                assert taken.positions == []

    def test_news_are_taken_as_they_come(self, ledger: Ledger, datastore: Datastore) -> None:
        taken = Taken()
        with in_a_thread(Follower(datastore, "test", taken)):
            for note_id in range(1, 4):
                write_notes(ledger, 1, first=note_id)
                until(lambda wanted=note_id: len(taken.positions) == wanted)  # type: ignore[misc]

    def test_a_leader_that_loses_its_connection_loses_the_lead(
        self, ledger: Ledger, datastore: Datastore, owner: Owner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bookmark, "STAND_BY_SECONDS", 0.05)
        taken = Taken()
        with in_a_thread(Follower(datastore, "test", taken)):
            write_notes(ledger, 1)
            until(lambda: len(taken.positions) == 1)
            owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
                " AND pid <> pg_backend_pid()"
            )
            write_notes(ledger, 1, first=2)
            until(lambda: taken.positions == [(CLINIC, 1), (CLINIC, 2)])


class TestBrokenLedger:
    """The follower stops before a gap, for that clinic only, says where, and goes on once it is mended."""

    @pytest.fixture(autouse=True)
    def _two_clinics(self, ledger: Ledger, owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bookmark, "LOOK_AGAIN_SECONDS", 0.0)
        owner.execute("INSERT INTO ledger.ledger_head (clinic_id) VALUES (%s)", (ELSEWHERE,))
        write_notes(ledger, 5)
        write_notes(ledger, 2, ELSEWHERE)

    @pytest.mark.parametrize(
        ("damage", "where", "reason"),
        [
            ("DELETE FROM ledger.entries WHERE position = 3 + 2", 3, Reason.MISSING),
            ("DELETE FROM ledger.entries WHERE position = 5 + 2", 5, Reason.MISSING),
            ("UPDATE ledger.ledger_head SET position = 9 WHERE clinic_id = 1", 6, Reason.MISSING),
            ("UPDATE ledger.entries SET version = 4 WHERE position = 4 + 2", 4, Reason.VERSION),
        ],
    )
    def test_it_stops_there(
        self, datastore: Datastore, owner: Owner, damage: str, where: int, reason: Reason
    ) -> None:
        owner.execute(damage.encode())
        taken = Taken()
        take_all(datastore, taken)
        before = [(CLINIC, position) for position in range(1, where)]
        assert sorted(taken.positions) == [*before, (ELSEWHERE, 1), (ELSEWHERE, 2)]
        assert stopped(datastore) == [Stopped(CLINIC, "test", where + KEY_FACTS, reason)]

    def test_entries_that_were_read_and_are_gone(
        self, ledger: Ledger, datastore: Datastore, owner: Owner
    ) -> None:
        taken = Taken()
        take_all(datastore, taken)
        owner.execute("DELETE FROM ledger.entries WHERE clinic_id = 1 AND position > 5")
        owner.execute("UPDATE ledger.ledger_head SET position = 5 WHERE clinic_id = 1")
        write_notes(ledger, 1, ELSEWHERE, first=3)
        take_all(datastore, taken)
        assert (ELSEWHERE, 3) in taken.positions
        assert stopped(datastore) == [Stopped(CLINIC, "test", 4 + KEY_FACTS, Reason.CUT)]

    def test_it_goes_on_once_it_is_mended(self, datastore: Datastore, owner: Owner) -> None:
        owner.execute("CREATE TEMP TABLE kept AS SELECT * FROM ledger.entries WHERE position = 3")
        owner.execute("DELETE FROM ledger.entries WHERE position = 3")
        taken = Taken()
        follower = Follower(datastore, "test", taken)
        with datastore.get_connection() as conn:
            while follower.take_news(conn):
                pass
            assert stopped(datastore)
            owner.execute("INSERT INTO ledger.entries SELECT * FROM kept")
            while follower.take_news(conn):
                pass
        assert [one for one in taken.positions if one[0] == CLINIC] == [
            (CLINIC, position) for position in range(1, 6)
        ]
        assert stopped(datastore) == []

    def test_the_next_leader_looks_at_what_the_last_one_stopped_at(
        self, datastore: Datastore, owner: Owner
    ) -> None:
        take_all(datastore, Taken())
        owner.execute(
            "INSERT INTO ledger.stopped_followers (clinic_id, follower, position, reason)"
            " VALUES (1, 'test', 4, 'once')"
        )
        with in_a_thread(Follower(datastore, "test", Taken())):
            until(lambda: stopped(datastore) == [])

    def test_it_is_logged_once(
        self, datastore: Datastore, owner: Owner, caplog: pytest.LogCaptureFixture
    ) -> None:
        owner.execute("DELETE FROM ledger.entries WHERE clinic_id = 1 AND position = 3")
        follower = Follower(datastore, "test", Taken())
        with datastore.get_connection() as conn:
            for _ in range(4):
                follower.take_news(conn)
        [line] = [line for line in caplog.messages if "stops" in line]
        assert line == f"the follower test stops: Clinic 1, position 3: {Reason.MISSING}."


class TestLocks:
    """Advisory locks by name."""

    def test_a_lock_is_one_holders_and_free_afterwards(self, datastore: Datastore) -> None:
        with try_lock(datastore, "a", 1) as first, try_lock(datastore, "a", 1) as second:
            assert first is not None
            assert second is None
        with try_lock(datastore, "a", 1) as again:
            assert again is not None

    def test_other_names_are_other_locks(self, datastore: Datastore) -> None:
        with try_lock(datastore, "a", 11) as one, try_lock(datastore, "a1", 1) as other:
            assert one is not None
            assert other is not None

    def test_an_error_in_the_block_lets_go(self, datastore: Datastore) -> None:
        with pytest.raises(KeyError), try_lock(datastore, UUID(int=1)):
            raise KeyError
        with try_lock(datastore, UUID(int=1)) as again:
            assert again is not None
