"""Data keys, and the file that holds the key that they are wrapped with."""

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.value import THE_CLINIC, KeyScope, Subject
from ledger.database import Datastore
from ledger.key_encryption import KeyDoesNotUnwrapError, LocalKeyFile
from ledger.keys import KeyIsMissingError, Keys
from tests.databases import Database
from tests.samples import CLARA, CLINIC, DAVID, ELSEWHERE

OF_CLARA = Subject(CLARA.user_id)
OF_CLARAS_PSYCHOTHERAPY = Subject(CLARA.user_id, KeyScope.PSYCHOTHERAPY)
OF_DAVID = Subject(DAVID.user_id)
PLACE = b"a place"

Owner = psycopg.Connection[tuple[Any, ...]]


def open_elsewhere(owner: Owner) -> None:
    owner.execute("INSERT INTO ledger.ledger_head (clinic_id) VALUES (%s)", (ELSEWHERE,))


class TestKeyFile:
    def test_only_its_owner_reads_it(self, key_file: Path) -> None:
        before = os.umask(0)
        try:
            LocalKeyFile.open_or_create(key_file)
        finally:
            os.umask(before)
        assert stat.S_IMODE(key_file.stat().st_mode) == 0o600

    def test_it_is_made_once(self, key_file: Path) -> None:
        wrapped = LocalKeyFile.open_or_create(key_file).wrap(b"secret", PLACE)
        text = key_file.read_text()
        assert LocalKeyFile.open_or_create(key_file).unwrap(wrapped, PLACE) == b"secret"
        assert key_file.read_text() == text

    def test_of_many_starts_at_once_one_makes_it(self, key_file: Path) -> None:
        at_once = Barrier(8)

        def start() -> LocalKeyFile:
            at_once.wait()
            return LocalKeyFile.open_or_create(key_file)

        with ThreadPoolExecutor(8) as threads:
            files = [made.result() for made in [threads.submit(start) for _ in range(8)]]
        wrapped = files[0].wrap(b"secret", PLACE)
        assert {file.unwrap(wrapped, PLACE) for file in files} == {b"secret"}
        assert list(key_file.parent.iterdir()) == [key_file], "nothing half made is left beside it"

    def test_no_two_wrappings_are_alike(self, key_file: Path) -> None:
        file = LocalKeyFile.open_or_create(key_file)
        assert file.wrap(b"secret", PLACE) != file.wrap(b"secret", PLACE)

    def test_a_wrapped_key_unwraps_at_its_place_only(self, key_file: Path) -> None:
        file = LocalKeyFile.open_or_create(key_file)
        with pytest.raises(KeyDoesNotUnwrapError):
            file.unwrap(file.wrap(b"secret", PLACE), b"another place")

    def test_another_file_does_not_unwrap_it(self, key_file: Path) -> None:
        wrapped = LocalKeyFile.open_or_create(key_file).wrap(b"secret", PLACE)
        other = LocalKeyFile.open_or_create(key_file.with_name("other.json"))
        with pytest.raises(KeyDoesNotUnwrapError, match="not the one that it was wrapped with"):
            other.unwrap(wrapped, PLACE)

    @pytest.mark.parametrize("length", [0, 15, 16, 17, 27, 28, 30, 49])
    def test_half_a_wrapped_key_does_not_unwrap(self, key_file: Path, length: int) -> None:
        file = LocalKeyFile.open_or_create(key_file)
        with pytest.raises(KeyDoesNotUnwrapError):
            file.unwrap(file.wrap(b"secret", PLACE)[:length], PLACE)

    def test_a_key_of_an_earlier_epoch_still_unwraps(self, key_file: Path) -> None:
        wrapped = LocalKeyFile.open_or_create(key_file).wrap(b"secret", PLACE)
        kept = json.loads(key_file.read_text())
        kept["current"] = name = uuid4().hex
        kept["keys"][name] = "01" * 32
        key_file.write_text(json.dumps(kept))
        rotated = LocalKeyFile(key_file)
        assert rotated.unwrap(wrapped, PLACE) == b"secret"
        assert rotated.wrap(b"secret", PLACE)[:16].hex() == name

    def test_it_names_the_key_that_wrapped_and_its_epoch(self, key_file: Path) -> None:
        first = LocalKeyFile.open_or_create(key_file).wrap(b"secret", PLACE)
        kept = json.loads(key_file.read_text())
        kept["current"] = name = uuid4().hex
        kept["keys"][name] = "01" * 32
        key_file.write_text(json.dumps(kept))
        rotated = LocalKeyFile(key_file)
        assert rotated.name_of(first) == (first[:16].hex(), 1)
        assert rotated.name_of(rotated.wrap(b"secret", PLACE)) == (name, 2)
        with pytest.raises(KeyDoesNotUnwrapError):
            rotated.name_of(b"x" * 60)

    def test_a_file_and_a_wrapped_key_of_the_first_format_are_read(self, key_file: Path) -> None:
        """Frozen: made once by this program, never again."""
        name = "6e6f74656c6467658572000000000001"
        key_file.write_text(
            json.dumps({"format": 1, "current": name, "keys": {name: "0123456789abcdef" * 4}})
        )
        wrapped = bytes.fromhex(
            "6e6f74656c6467658572000000000001"
            "746d626534a75a73b9eebff3477d681e195fbe6558d64e9c66ca63218b00221d"
            "21762f2fc1066b0332834bf020052962cea61f6f14ebcce01fb60473",
        )
        assert LocalKeyFile(key_file).unwrap(wrapped, PLACE) == bytes(range(32))


class TestDataKeys:
    def test_a_person_has_one_key(self, keys: Keys) -> None:
        assert keys.for_sealing(CLINIC, OF_CLARA) == keys.for_sealing(CLINIC, OF_CLARA)

    def test_each_person_scope_and_clinic_has_its_own(self, keys: Keys, owner: Owner) -> None:
        open_elsewhere(owner)
        made = [
            keys.for_sealing(CLINIC, OF_CLARA),
            keys.for_sealing(CLINIC, OF_CLARAS_PSYCHOTHERAPY),
            keys.for_sealing(CLINIC, OF_DAVID),
            keys.for_sealing(CLINIC, Subject(THE_CLINIC)),
            keys.for_sealing(ELSEWHERE, OF_CLARA),
        ]
        assert len({key.key_id for key in made}) == len({key.secret for key in made}) == len(made)
        assert {len(key.secret) for key in made} == {32}

    def test_they_are_found_again_by_another_process(
        self, keys: Keys, key_file: Path, database: Database
    ) -> None:
        key = keys.for_sealing(CLINIC, OF_CLARA)
        with Datastore(database.app_url) as datastore:
            other = Keys(datastore, LocalKeyFile(key_file))
            assert other.for_opening(CLINIC, {key.key_id}) == {key.key_id: key.secret}
            assert other.for_sealing(CLINIC, OF_CLARA) == key

    def test_many_that_need_a_new_key_at_once_get_the_same(
        self, key_file: Path, database: Database
    ) -> None:
        file = LocalKeyFile.open_or_create(key_file)
        at_once = Barrier(8)
        with Datastore(database.app_url) as one, Datastore(database.app_url) as two:
            processes = [Keys(one, file), Keys(two, file)]

            def need(n: int) -> bytes:
                at_once.wait()
                return processes[n % 2].for_sealing(CLINIC, OF_CLARA).secret

            with ThreadPoolExecutor(8) as threads:
                assert len(set(threads.map(need, range(8)))) == 1

    def test_a_key_that_never_was_is_missed_by_name(self, keys: Keys) -> None:
        known = keys.for_sealing(CLINIC, OF_CLARA).key_id
        with pytest.raises(KeyIsMissingError, match="1 of the data keys"):
            keys.for_opening(CLINIC, {known, uuid4()})

    def test_another_clinics_key_is_not_found(self, keys: Keys, owner: Owner) -> None:
        open_elsewhere(owner)
        key = keys.for_sealing(ELSEWHERE, OF_CLARA)
        with pytest.raises(KeyIsMissingError):
            keys.for_opening(CLINIC, {key.key_id})

    def test_the_wrong_key_file_is_told_by_name(
        self, keys: Keys, key_file: Path, database: Database
    ) -> None:
        key = keys.for_sealing(CLINIC, OF_CLARA)
        wrong = LocalKeyFile.open_or_create(key_file.with_name("wrong.json"))
        with Datastore(database.app_url) as datastore, pytest.raises(KeyDoesNotUnwrapError):
            Keys(datastore, wrong).for_opening(CLINIC, {key.key_id})

    @pytest.mark.parametrize(
        "change",
        [
            "SET person_id = 22",
            "SET scope = 'psychotherapy'",
            "SET clinic_id = 2",
            "SET key_id = '00000000-0000-4000-8000-000000000000'",
        ],
    )
    def test_a_key_that_was_moved_does_not_unwrap(
        self, change: str, keys: Keys, key_file: Path, database: Database, owner: Owner
    ) -> None:
        keys.for_sealing(CLINIC, OF_CLARA)
        moved = f"UPDATE ledger.data_keys {change} WHERE person_id = 21 RETURNING clinic_id, key_id"
        row = owner.execute(moved.encode()).fetchone()
        assert row is not None
        with Datastore(database.app_url) as datastore, pytest.raises(KeyDoesNotUnwrapError):
            Keys(datastore, LocalKeyFile(key_file)).for_opening(row[0], {UUID(str(row[1]))})

    def test_no_secret_is_stored(self, keys: Keys, owner: Owner) -> None:
        secret = keys.for_sealing(CLINIC, OF_CLARA).secret
        rows = owner.execute("SELECT wrapped FROM ledger.data_keys").fetchall()
        assert not any(secret in row[0] for row in rows)

    def test_a_clinics_secrets_are_one_for_each_purpose(
        self, keys: Keys, key_file: Path, database: Database, owner: Owner
    ) -> None:
        open_elsewhere(owner)
        secret = keys.clinic_secret(CLINIC, "cursors")
        with Datastore(database.app_url) as datastore:
            assert (
                Keys(datastore, LocalKeyFile(key_file)).clinic_secret(CLINIC, "cursors") == secret
            )
        assert keys.clinic_secret(CLINIC, "claims") != secret
        assert keys.clinic_secret(ELSEWHERE, "cursors") != secret
