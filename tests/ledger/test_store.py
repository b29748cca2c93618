"""Our recorder, held to the library's own cases, and to what it promises beyond them.

The cases are those of `eventsourcing.tests.persistence` (eventsourcing 9.5). Of them, these cannot
apply:

- `AggregateRecorderTestCase`: asserts that `insert_events` returns None; ours is an application
  recorder, and returns positions. What else it asks, `ApplicationRecorderTestCase` asks too.
- `TrackingRecorderTestCase`, `ProcessRecorderTestCase`: we have no tracking recorder. A follower's
  bookmark is a row of its own, moved in the follower's transaction.
- `InfrastructureFactoryTestCase`: chooses recorders by environment variables and topics; here
  `runtime/wiring.py` builds the one that there is.
- `MapperTestCase`s with cipher and compressor: `codec.FactMapper` seals by itself (`test_codec.py`).
- `TranscoderTestCase`: facts are pydantic models and need no transcodings.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Event
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.persistence import ApplicationRecorder, IntegrityError, StoredEvent
from eventsourcing.tests import persistence as cases
from psycopg.rows import TupleRow

from ledger.database import Datastore
from ledger.store import Recorder
from runtime.embedded import ServerAddress
from tests.databases import Database, fresh_database
from tests.samples import CLINIC, ELSEWHERE


@pytest.fixture
def recorder(database: Database) -> Iterator[Recorder]:
    """One clinic's recorder."""
    with Datastore(database.app_url) as datastore:
        yield Recorder(datastore, CLINIC)


@pytest.fixture
def handed_over(request: pytest.FixtureRequest, recorder: Recorder) -> None:
    """The library's cases are unittest's, which take no fixtures."""
    request.instance.recorder = recorder


@pytest.mark.usefixtures("handed_over")
class TestApplicationRecorder(cases.ApplicationRecorderTestCase[Recorder]):
    """Source: `eventsourcing.tests.persistence.ApplicationRecorderTestCase`."""

    recorder: Recorder

    def create_recorder(self) -> Recorder:
        return self.recorder

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


@pytest.mark.usefixtures("handed_over")
class TestNonInterleavingNotificationIDs(cases.NonInterleavingNotificationIDsBaseCase):
    """Source: `eventsourcing.tests.persistence.NonInterleavingNotificationIDsBaseCase`."""

    recorder: Recorder

    def create_recorder(self) -> ApplicationRecorder:
        return self.recorder


def events(aggregate: UUID, versions: range = range(1, 2)) -> list[StoredEvent]:
    """Events that nobody will open."""
    return [StoredEvent(aggregate, version, "topic", b"state") for version in versions]


class TestPositions:
    """Beyond the library's cases: gapless, and in the order of commits."""

    def test_a_lost_race_leaves_no_gap(self, recorder: Recorder) -> None:
        aggregate = uuid4()
        assert recorder.insert_events(events(aggregate)) == [1]
        with pytest.raises(IntegrityError):
            recorder.insert_events([*events(uuid4()), *events(aggregate)])
        assert recorder.insert_events(events(uuid4(), range(1, 4))) == [2, 3, 4]
        assert recorder.max_notification_id() == 4

    def test_each_clinic_counts_for_itself(
        self, recorder: Recorder, owner: psycopg.Connection[TupleRow]
    ) -> None:
        owner.execute("INSERT INTO ledger.ledger_head (clinic_id) VALUES (%s)", (ELSEWHERE,))
        elsewhere = Recorder(recorder.datastore, ELSEWHERE)
        aggregate = uuid4()
        assert recorder.insert_events(events(aggregate, range(1, 4))) == [1, 2, 3]
        assert elsewhere.max_notification_id() is None
        assert elsewhere.insert_events(events(aggregate)) == [1]
        assert len(elsewhere.select_events(aggregate)) == 1
        assert len(recorder.select_events(aggregate)) == 3
        assert len(elsewhere.select_notifications(None, 10)) == 1

    def test_a_position_is_seen_only_with_all_before_it(
        self, recorder: Recorder, database: Database
    ) -> None:
        """Sixteen writers on two datastores; a reader looks all the time."""
        done, seen = Event(), [0]

        def look() -> None:
            for _ in count():
                was_done = done.is_set()
                found = [
                    notification.id
                    for notification in recorder.select_notifications(
                        seen[-1], 1_000, inclusive_of_start=False
                    )
                ]
                assert found == list(range(seen[-1] + 1, seen[-1] + 1 + len(found)))
                seen.extend(found)
                if was_done and not found:
                    return

        def write(datastore: Datastore, size: int) -> list[int]:
            own = Recorder(datastore, CLINIC)
            positions: list[int] = []
            for _ in range(12):
                positions += own.insert_events(events(uuid4(), range(1, size + 1))) or []
            return positions

        with Datastore(database.app_url) as another, ThreadPoolExecutor(17) as threads:
            looking = threads.submit(look)
            writing = [
                threads.submit(write, (recorder.datastore, another)[n % 2], 1 + n % 3)
                for n in range(16)
            ]
            written = [position for writer in writing for position in writer.result()]
            done.set()
            looking.result()
        assert sorted(written) == seen[1:] == list(range(1, len(written) + 1))

    def test_a_set_back_head_is_noticed_at_the_next_append(
        self, recorder: Recorder, owner: psycopg.Connection[TupleRow]
    ) -> None:
        recorder.insert_events(events(uuid4(), range(1, 4)))
        owner.execute("UPDATE ledger.ledger_head SET position = 1")
        with pytest.raises(IntegrityError):
            recorder.insert_events(events(uuid4()))


class TestSubscription:
    def test_it_comes_to_entries_of_its_topics_only(self, recorder: Recorder) -> None:
        aggregate = uuid4()
        for version, topic in enumerate(["a", "b", "a"], 1):
            recorder.insert_events([StoredEvent(aggregate, version, topic, b"")])
        with recorder.subscribe(topics=["a"]) as subscription:
            assert [next(subscription).id for _ in range(2)] == [1, 3]

    def test_it_waits_for_what_comes(self, recorder: Recorder) -> None:
        with recorder.subscribe() as subscription, ThreadPoolExecutor(1) as threads:
            coming = threads.submit(next, subscription)
            recorder.insert_events(events(uuid4()))
            assert coming.result(timeout=60).id == 1


@pytest.fixture(scope="module")
def untouched(server: ServerAddress) -> Iterator[Database]:
    """One for all that is refused."""
    with fresh_database(server) as fresh:
        yield fresh


class TestRights:
    """The running program's role adds entries. It changes none, and owns nothing."""

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE ledger.entries SET state = ''",
            "DELETE FROM ledger.entries",
            "TRUNCATE ledger.entries",
            "ALTER TABLE ledger.entries DROP CONSTRAINT entries_version",
            "ALTER TABLE ledger.entries DISABLE TRIGGER ALL",
            "DROP TABLE ledger.entries",
            "DROP SCHEMA ledger CASCADE",
            "CREATE TABLE ledger.more ()",
            "CREATE TABLE views.more ()",
            "GRANT UPDATE ON ledger.entries TO noteledger_app; UPDATE ledger.entries SET kind = ''",
            "LOCK TABLE ledger.entries",
            "UPDATE ledger.attachments SET sealed = ''",
            "DELETE FROM ledger.attachments",
            "UPDATE ledger.data_keys SET person_id = 7",
            "UPDATE ledger.data_keys SET key_id = gen_random_uuid()",
            "UPDATE ledger.data_keys SET made_at = now()",
            "TRUNCATE ledger.data_keys",
            "UPDATE ledger.data_key_changes SET changes = 0",
            "DELETE FROM ledger.fences",
            "UPDATE ledger.fences SET position = 1",
            "DELETE FROM ledger.data_keys",
            "INSERT INTO ledger.ledger_head VALUES (7)",
            "DELETE FROM ledger.ledger_head",
            "UPDATE ledger.claims SET version = 2",
            "INSERT INTO ledger.schema_version VALUES (99)",
            "DROP TABLE views.history",
            "ALTER TABLE views.history DISABLE ROW LEVEL SECURITY",
            "DROP POLICY read_by_whom_it_concerns ON views.history",
            "SET session_replication_role TO replica",
            "DELETE FROM ledger.id_counters",
        ],
    )
    def test_refused(self, untouched: Database, statement: str) -> None:
        with (
            psycopg.connect(untouched.app_url) as conn,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            conn.execute(statement.encode())

    def test_it_owns_nothing(self, owner: psycopg.Connection[TupleRow]) -> None:
        owned = owner.execute(
            "SELECT relname FROM pg_class WHERE relowner = 'noteledger_app'::regrole"
            " UNION ALL SELECT nspname FROM pg_namespace WHERE nspowner = 'noteledger_app'::regrole"
            " UNION ALL SELECT proname FROM pg_proc WHERE proowner = 'noteledger_app'::regrole"
            " UNION ALL SELECT datname FROM pg_database WHERE datdba = 'noteledger_app'::regrole"
        ).fetchall()
        assert owned == []

    def test_it_is_nobody_special(self, owner: psycopg.Connection[TupleRow]) -> None:
        special = owner.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
            " FROM pg_roles WHERE rolname = 'noteledger_app'"
        ).fetchone()
        assert special == (False, False, False, False, False)

    def test_an_owners_url_works_as_that_role_too(self, database: Database) -> None:
        """Where the operator gives one URL for all, each connection puts the role on."""
        with Datastore(database.owner_url) as datastore, datastore.get_connection() as conn:
            row = conn.execute("SELECT current_user AS role").fetchone()
        assert row == {"role": "noteledger_app"}
