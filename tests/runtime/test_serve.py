"""`noteledger serve`, really run: started, doubled, killed, on both kinds of database."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import psycopg
import pytest
from httpx2 import BasicAuth, Client

from runtime import demo
from runtime.embedded import ServerAddress, attach_or_start
from runtime.seed import RECORD_TYPES
from tests.brokers import valkey_of
from tests.databases import Database, fresh_database, owner_of, short_directory
from tests.runtime.command_line import Service, noteledger, on, serving
from tests.runtime.embedded_states import gone, postmaster_of, within

THERAPIST = f"therapist:{demo.PASSWORD}"


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    """A state directory in which a service was started once and ended in order."""
    with short_directory() as directory:
        with serving("--state", directory / "s") as service:
            assert service.end(signal.SIGTERM) == 0
        yield directory / "s"


@pytest.fixture(scope="module")
def service(state: Path) -> Iterator[Service]:
    """A service on it, for tests that leave it as it is."""
    with serving("--state", state) as service:
        yield service
        service.end(signal.SIGTERM)


def positions(state: Path) -> list[int]:
    """All entries' positions."""
    with attach_or_start(state) as address, psycopg.connect(address.owner_url) as conn:
        rows = conn.execute("SELECT position FROM ledger.entries ORDER BY position").fetchall()
    return [position for (position,) in rows]


class TestRunning:
    def test_it_says_where_and_answers(self, service: Service, state: Path) -> None:
        assert str(state.resolve()) in service.output
        assert json.loads(service.get("/readyz")) == {"status": "ready"}

    def test_the_demo_is_there(self, service: Service) -> None:
        assert service.process.stdout is not None
        assert "Demo log-ins" in service.process.stdout.readline()
        sessions = json.loads(service.get("/directory/sessions/", THERAPIST))
        assert {session["client_user_id"] for session in sessions} == {201, 202}
        admin = f"admin:{demo.PASSWORD}"
        clients = json.loads(service.get("/directory/clients/", admin))
        assert [client["id"] for client in clients] == [201, 202, 203, 204]
        types = json.loads(service.get("/apis/therapistnotes/recordtype/meta/", THERAPIST))
        assert len(types) == len(RECORD_TYPES)

    def test_no_more_headers_than_needed(self, service: Service) -> None:
        with socket.create_connection(("127.0.0.1", int(service.url.rpartition(":")[2]))) as raw:
            raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = raw.makefile("rb").read().lower()
        assert b"200 ok" in answer
        assert b"\r\nserver:" not in answer

    def test_a_second_one_is_refused_and_the_first_goes_on(
        self, service: Service, state: Path
    ) -> None:
        result = noteledger("serve", "--port", "0", "--state", state)
        assert result.code == 1
        assert result.out == ""
        assert "uses this state directory" in result.error
        assert str(service.process.pid) in result.error
        assert service.get("/readyz")

    def test_tools_work_beside_it(self, service: Service, state: Path) -> None:
        added = noteledger("token", "create", "reader", "--role", "auditor", "--state", state)
        assert added.code == 0
        log_in = f"reader:{added.out.strip()}"
        assert service.get("/apis/therapistnotes/data/", log_in) == "[]"
        assert noteledger("user", "disable", "reader", "--state", state).code == 0
        assert "disabled" in noteledger("user", "list", "--state", state).out

    def test_a_port_in_use(self, service: Service) -> None:
        port = service.url.rpartition(":")[2]
        with short_directory() as directory:
            result = noteledger("serve", "--port", port, "--state", directory / "s")
        assert result.code == 1
        assert f"port {port}" in result.error


class TestEnding:
    @pytest.fixture
    def own(self) -> Iterator[Path]:
        with short_directory() as directory:
            yield directory / "s"

    def test_ctrl_c_ends_it_in_order(self, own: Path) -> None:
        with serving("--state", own) as service:
            servers = postmaster_of(own), valkey_of(own)
            assert service.end(signal.SIGINT) == 0
        assert [gone(server) for server in servers] == [True, True]

    def test_event_streams_do_not_hold_it_up(self, own: Path) -> None:
        """Cut off after the time that answers are given, the stream would lack its end."""
        log_in = BasicAuth("therapist", demo.PASSWORD)
        with (
            serving("--state", own) as service,
            Client(base_url=service.url, auth=log_in, trust_env=False, timeout=60) as http,
            http.stream("GET", "/events/") as answer,
        ):
            lines = answer.iter_lines()
            assert next(lines).startswith("id: ")
            assert service.end(signal.SIGTERM) == 0
            assert not any(line.startswith("data") for line in lines)

    def test_killed_and_started_again(self, own: Path) -> None:
        with serving("--state", own) as service:
            assert service.end(signal.SIGKILL) == -signal.SIGKILL
        with serving("--state", own) as service:
            before = positions(own)
            assert service.get("/directory/sessions/", THERAPIST)
            assert service.end(signal.SIGTERM) == 0
        assert before == list(range(1, len(before) + 1)) == positions(own)

    def test_without_its_broker_it_goes_on_and_the_broker_comes_back(self, own: Path) -> None:
        with serving("--state", own) as service:
            broker = valkey_of(own)
            os.kill(broker, signal.SIGKILL)
            assert within(60, lambda: gone(broker) and not gone(valkey_of(own)))
            assert service.get("/directory/sessions/", THERAPIST)
            assert service.end(signal.SIGTERM) == 0

    def test_without_its_server_it_ends_and_starts_again(self, own: Path) -> None:
        with serving("--state", own) as service:
            os.kill(postmaster_of(own), signal.SIGKILL)
            assert service.process.wait(60) == 1
        with serving("--state", own) as service:
            assert service.get("/directory/sessions/", THERAPIST)
            assert service.end(signal.SIGTERM) == 0


class TestOperatorsDatabase:
    def test_never_laid_by_itself(self, server: ServerAddress, key_file: Path) -> None:
        with fresh_database(server) as database, owner_of(database.owner_url) as owner:
            owner.execute("DROP SCHEMA ledger CASCADE")
            owner.execute("DROP SCHEMA views CASCADE")
            env = on(database, key_file)
            result = noteledger("serve", "--port", "0", env=env)
            assert (result.code, result.out) == (1, "")
            assert "noteledger migrate" in result.error
            assert not key_file.exists()
            assert noteledger("migrate", env=env).code == 0
            with serving(env=env) as service:
                assert json.loads(service.get("/readyz")) == {"status": "ready"}
                with pytest.raises(HTTPError, match="401"):
                    service.get("/directory/sessions/", THERAPIST)
                assert service.end(signal.SIGTERM) == 0
            [(entries,)] = owner.execute("SELECT count(*) FROM ledger.entries").fetchall()
            assert entries == len(RECORD_TYPES) + 1, "and the fact of the clinic's own key"

    def test_a_lost_key_file_is_missed(self, database: Database, key_file: Path) -> None:
        env = on(database, key_file)
        with serving(env=env) as service:
            assert service.process.stdout is not None
            assert "jobs wait in memory" in service.process.stdout.readline()
            service.end(signal.SIGTERM)
        key_file.unlink()
        result = noteledger("serve", "--port", "0", env=env)
        assert result.code == 1
        assert "is gone" in result.error
        assert not key_file.exists()
