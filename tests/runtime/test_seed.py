"""Record types and the demo: seeded once, completed after a crash, and never over what somebody did."""

from collections.abc import Iterator
from itertools import islice
from unittest import mock

import psycopg
import pytest
from psycopg.rows import TupleRow

from domain.aggregates import aggregate_of
from domain.person import PERSON, PutPerson
from domain.record_type import RECORD_TYPE, PutRecordType
from domain.value import PSYCHOTHERAPY, Role
from ledger.accounts import Accounts
from ledger.ledger import Ledger
from runtime import demo
from runtime.seed import OPERATOR, RECORD_TYPES, clinics_to_seed, seed_record_types
from tests.databases import Program
from tests.samples import NOON, after, present

Owner = psycopg.Connection[TupleRow]


@pytest.fixture
def accounts(program: Program) -> Accounts:
    """The program's accounts."""
    return Accounts(program.datastore, program.keys)


def count(owner: Owner) -> int:
    """Entries of the ledger, without the facts of data keys."""
    [(entries,)] = owner.execute(
        "SELECT count(*) FROM ledger.entries WHERE kind <> 'data-key-made/1'"
    ).fetchall()
    return int(entries)


def rename(ledger: Ledger, name: str) -> None:
    """The operator renames record type 3."""
    command = PutRecordType(by=OPERATOR, at=NOON, name=name, description="")
    ledger.record(1, RECORD_TYPE, 3, command)


class TestRecordTypes:
    def test_seeded_once(self, program: Program, owner: Owner) -> None:
        assert clinics_to_seed(program.datastore) == [1]
        for _ in range(2):
            seed_record_types(program.ledger, 1, NOON)
            assert count(owner) == len(RECORD_TYPES)
        assert clinics_to_seed(program.datastore) == []

    def test_the_first_is_psychotherapy_and_ids_are_dense(self) -> None:
        numbers = [seed.record_type for seed in RECORD_TYPES]
        assert numbers == list(range(PSYCHOTHERAPY, len(RECORD_TYPES) + 1))

    def test_what_was_renamed_stays_so(self, program: Program) -> None:
        seed_record_types(program.ledger, 1, NOON)
        rename(program.ledger, "First talk")
        seed_record_types(program.ledger, 1, NOON)
        assert present(program.ledger.state(1, RECORD_TYPE, 3)).name == "First talk"

    def test_a_crash_in_between_is_mended(self, program: Program, owner: Owner) -> None:
        with mock.patch("runtime.seed.RECORD_TYPES", RECORD_TYPES[:4]):
            seed_record_types(program.ledger, 1, NOON)
        assert clinics_to_seed(program.datastore) == [1]
        seed_record_types(program.ledger, 1, NOON)
        assert count(owner) == len(RECORD_TYPES)


class TestDemo:
    @pytest.fixture(autouse=True)
    def _types(self, ledger: Ledger) -> Iterator[None]:
        seed_record_types(ledger, 1, NOON)
        yield

    def test_seeded_once_and_all_of_it(
        self, program: Program, accounts: Accounts, owner: Owner
    ) -> None:
        assert demo.may_seed_demo(program.datastore, program.ledger)
        demo.seed_demo(program.ledger, accounts, NOON)
        entries = count(owner)
        people, treats = len(demo.PEOPLE), len(demo.RELATIONSHIPS)
        assert entries == len(RECORD_TYPES) + people + treats + len(demo.SESSIONS)
        demo.seed_demo(program.ledger, accounts, after(60 * 24))
        assert count(owner) == entries
        assert sorted(demo.demo_logins(accounts)) == sorted(
            person.login for person in demo.PEOPLE if person.login
        )
        account = accounts.signed_in("therapist", demo.PASSWORD)
        assert account is not None
        assert account.caller[:3] == (1, 101, Role.THERAPIST)

    @pytest.mark.parametrize("recorded", [0, 1, 8, 12, 20])
    def test_a_crash_in_between_is_mended(
        self, program: Program, accounts: Accounts, owner: Owner, recorded: int
    ) -> None:
        for kind, number, command in islice(demo.commands(NOON), recorded):
            program.ledger.record(1, aggregate_of(kind), number, command)
        assert demo.may_seed_demo(program.datastore, program.ledger)
        demo.seed_demo(program.ledger, accounts, after(5))
        assert count(owner) == len(RECORD_TYPES) + len(list(demo.commands(NOON)))
        assert len(demo.demo_logins(accounts)) == 6

    def test_not_beside_anybody_elses_entry(self, program: Program) -> None:
        person = PutPerson(by=OPERATOR, at=NOON, role=Role.THERAPIST, full_name="Somebody")
        program.ledger.record(1, PERSON, 7, person)
        assert not demo.may_seed_demo(program.datastore, program.ledger)

    @pytest.mark.parametrize("user_id", [101, 104, 204])
    def test_not_beside_other_people_of_the_same_ids(self, program: Program, user_id: int) -> None:
        role = Role.CLIENT if user_id == 204 else Role.THERAPIST
        person = PutPerson(by=OPERATOR, at=NOON, role=role, full_name="Somebody")
        program.ledger.record(1, PERSON, user_id, person)
        assert not demo.may_seed_demo(program.datastore, program.ledger)

    def test_what_was_shut_out_stays_so(self, program: Program, accounts: Accounts) -> None:
        demo.seed_demo(program.ledger, accounts, NOON)
        accounts.disable("admin", NOON)
        assert demo.may_seed_demo(program.datastore, program.ledger)
        demo.seed_demo(program.ledger, accounts, NOON)
        assert "admin" not in demo.demo_logins(accounts)
        assert accounts.signed_in("admin", demo.PASSWORD) is None
