"""The only door to the ledger: races, stale versions, claims and files."""

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from threading import Barrier, Event
from typing import TYPE_CHECKING, assert_type

import psycopg
import pytest
from psycopg.rows import TupleRow

from domain.generation import GENERATION
from domain.note import NOTE, NoteCommand
from domain.note_facts import Note
from domain.refusals import (
    AttachmentIsUnknown,
    IdempotencyKeyWasUsed,
    NoteIsDeleted,
    NoteIsUnknown,
    NotTheAuthor,
    SomebodyWasFaster,
    VersionIsStale,
)
from domain.relationship import RELATIONSHIP, AnyRelationshipFact
from domain.session import SESSION, Session
from domain.soap_note import SOAP_NOTE
from domain.value import Kind, Subject
from ledger.appender import Appender
from ledger.database import Datastore
from ledger.entry import Addition, IdempotencyClaim
from ledger.keys import KeyIsMissingError, Keys
from ledger.ledger import Ledger, Recorded
from ledger.sealing import SealBrokenError, digest
from ledger.store import Recorder
from tests.databases import Database, Program, running
from tests.projections.stories import StoryFact, append
from tests.samples import (
    ALMA,
    ALMA_TREATS_CLARA,
    BRUNO,
    CLARA,
    CLINIC,
    DAVID,
    ELSEWHERE,
    KEY_FACTS,
    LETTER,
    NOTE_ID,
    SESSION_ID,
    X_RAY,
    after,
    amend,
    caller,
    create,
    delete,
    new_file,
    present,
    put_relationship,
    put_session,
    save,
    text_of,
    withdraw,
)
from tests.wholeness import after_keys, assert_whole, positions
from tests.work_samples import GENERATION_ID, request_generation, requested

Owner = psycopg.Connection[TupleRow]
OF_CLARA = Subject(CLARA.user_id)
CLAIM = IdempotencyClaim(ALMA.user_id, b"a key", b"a request")
CHECKOUT = Path(__file__).parents[2]

SAVE_ELSEWHERE = """
import sys
from pathlib import Path
from domain.note import NOTE
from domain.value import Kind
from tests.databases import running
from tests.samples import ALMA, CLINIC, caller, create
with running(sys.argv[1], Path(sys.argv[2])) as program:
    for line in sys.stdin:
        note_id = int(line)
        program.ledger.record(CLINIC, NOTE, note_id, create())
        found = program.notes.find(caller(ALMA), Kind.NOTE, note_id - 1)
        print(note_id, found is not None, flush=True)
"""


class TestRecord:
    def test_a_save_is_one_position(self, ledger: Ledger) -> None:
        recorded = ledger.record(CLINIC, NOTE, NOTE_ID, create())
        assert (recorded.number, recorded.position, recorded.state.version) == (
            NOTE_ID,
            KEY_FACTS + 1,
            1,
        )

    def test_what_was_recorded_is_what_the_facts_tell(self, ledger: Ledger) -> None:
        ledger.record(CLINIC, NOTE, NOTE_ID, create())
        approve = save("slept badly", is_approved=True)
        commands: Sequence[NoteCommand] = (approve, amend(1), save("slept"), withdraw(4))
        for version, command in enumerate(commands, 2):
            recorded = ledger.record(CLINIC, NOTE, NOTE_ID, command)
            after = present(ledger.state(CLINIC, NOTE, NOTE_ID))
            assert recorded.state.version == after.version == version
            assert dict(recorded.state.entries) == dict(after.entries)
            assert (recorded.state.amended.keys(), recorded.state.withdrawn) == (
                after.amended.keys(),
                after.withdrawn,
            )

    def test_a_decision_holds_the_words_of_what_it_was_made_on(self, ledger: Ledger) -> None:
        ledger.record(CLINIC, NOTE, NOTE_ID, create())
        saved = ledger.record(CLINIC, NOTE, NOTE_ID, save("slept badly")).state.saved
        assert saved == present(ledger.state(CLINIC, NOTE, NOTE_ID)).saved
        assert ledger.record(CLINIC, NOTE, NOTE_ID, withdraw(1)).state.saved.words is None

    def test_the_same_save_again_takes_no_position(self, ledger: Ledger, owner: Owner) -> None:
        ledger.record(CLINIC, NOTE, NOTE_ID, create())
        again = ledger.record(CLINIC, NOTE, NOTE_ID, save(at=after(1)))
        assert (again.position, again.state.version) == (None, 1)
        assert positions(owner) == after_keys(1)

    def test_a_refusal_takes_no_position(self, ledger: Ledger, owner: Owner) -> None:
        ledger.record(CLINIC, NOTE, NOTE_ID, create())
        with pytest.raises(NotTheAuthor):
            ledger.record(CLINIC, NOTE, NOTE_ID, save("slept badly", by=BRUNO))
        with pytest.raises(NoteIsUnknown):
            ledger.record(CLINIC, NOTE, 2, save())
        assert positions(owner) == after_keys(1)

    def test_a_stale_if_match_is_refused(self, ledger: Ledger) -> None:
        ledger.record(CLINIC, NOTE, NOTE_ID, create())
        ledger.record(CLINIC, NOTE, NOTE_ID, save("slept badly", if_version=1))
        with pytest.raises(VersionIsStale):
            ledger.record(CLINIC, NOTE, NOTE_ID, save("slept", if_version=1))

    def test_an_id_that_is_taken_loses_no_note(self, ledger: Ledger) -> None:
        """A sequence that was set back."""
        ledger.record(CLINIC, NOTE, NOTE_ID, create("slept well"))
        with pytest.raises(SomebodyWasFaster):
            ledger.record(CLINIC, NOTE, NOTE_ID, create("slept badly"))
        assert text_of(present(ledger.state(CLINIC, NOTE, NOTE_ID)).saved) == "slept well"

    def test_nor_a_generation(self, ledger: Ledger) -> None:
        ledger.record(CLINIC, GENERATION, GENERATION_ID, request_generation())
        with pytest.raises(SomebodyWasFaster):
            ledger.record(CLINIC, GENERATION, GENERATION_ID, request_generation())
        assert present(ledger.state(CLINIC, GENERATION, GENERATION_ID)).version == 1

    def test_a_fact_of_another_aggregate_is_not_taken_for_the_notes(
        self, program: Program, owner: Owner
    ) -> None:
        """Its bytes are right, but the entry is not one that `record` would have made."""
        strange = StoryFact(Kind.NOTE, NOTE_ID, 1, requested(), ends_batch=True)
        append(program, [strange])
        for read in (program.ledger.read, program.ledger.read_clear):
            with pytest.raises(AssertionError, match="its own facts"):
                read(CLINIC, NOTE, NOTE_ID, 1)
        with pytest.raises(AssertionError, match="its own facts"):
            program.ledger.state(CLINIC, NOTE, NOTE_ID)

    def test_several_facts_of_one_command_stand_together(
        self, ledger: Ledger, owner: Owner
    ) -> None:
        ended = put_relationship(is_active=False)
        recorded = ledger.record(CLINIC, RELATIONSHIP, ALMA_TREATS_CLARA, ended)
        assert (recorded.position, recorded.state.version) == (KEY_FACTS + 1, 2)
        assert positions(owner) == after_keys(2)

    def test_notes_soap_notes_and_clinics_do_not_mix(self, ledger: Ledger, owner: Owner) -> None:
        owner.execute("INSERT INTO ledger.ledger_head (clinic_id) VALUES (%s)", (ELSEWHERE,))
        notes = [(CLINIC, NOTE), (CLINIC, SOAP_NOTE), (ELSEWHERE, NOTE)]
        for number, (clinic, aggregate) in enumerate(notes):
            ledger.record(clinic, aggregate, NOTE_ID, create(f"text {number}"))
        texts = [
            text_of(present(ledger.state(clinic, aggregate, NOTE_ID)).saved)
            for clinic, aggregate in notes
        ]
        assert texts == ["text 0", "text 1", "text 2"]
        assert ledger.state(ELSEWHERE, SOAP_NOTE, NOTE_ID) is None
        assert_whole(owner)


if TYPE_CHECKING:

    def the_types_refuse(ledger: Ledger) -> None:
        """For mypy, which fails on a `type: ignore` that it does not need."""
        ledger.record(CLINIC, NOTE, NOTE_ID, put_session())  # type: ignore[misc]
        ledger.record(CLINIC, Kind.NOTE, NOTE_ID, create())  # type: ignore[arg-type]
        assert_type(ledger.record(CLINIC, NOTE, NOTE_ID, create()), Recorded[Note])
        assert_type(ledger.state(CLINIC, SESSION, SESSION_ID), Session | None)
        assert_type(ledger.read(CLINIC, RELATIONSHIP, 1, 1), AnyRelationshipFact | None)


class TestRaces:
    """Many at the same moment: each is decided again on what the others made."""

    def test_every_save_of_one_note_is_there(
        self, program: Program, database: Database, key_file: Path, owner: Owner
    ) -> None:
        """Sixteen threads in two processes save the same note, twice each."""
        program.ledger.record(CLINIC, NOTE, NOTE_ID, create("text"))
        with (
            running(database.app_url, key_file) as other,
            ThreadPoolExecutor(16) as threads,
        ):
            at_once = Barrier(16)

            def save_twice(n: int) -> list[Recorded[Note]]:
                at_once.wait()
                ledger = (program, other)[n % 2].ledger
                texts = [f"text {n}.{k}" for k in (1, 2)]
                return [ledger.record(CLINIC, NOTE, NOTE_ID, save(text)) for text in texts]

            recorded = [one for two in threads.map(save_twice, range(16)) for one in two]
        assert sorted(one.state.version for one in recorded) == list(range(2, 34))
        by_position = sorted(recorded, key=lambda one: one.position or 0)
        assert all(a.state.version < b.state.version for a, b in pairwise(by_position))
        note = present(program.ledger.state(CLINIC, NOTE, NOTE_ID))
        assert (note.version, set(note.entries)) == (33, set(range(1, 34)))
        assert {text_of(one.state.saved) for one in recorded} == {
            f"text {n}.{k}" for n in range(16) for k in (1, 2)
        }
        assert_whole(owner)

    def test_of_many_with_the_same_version_before_them_one_saves(
        self, ledger: Ledger, owner: Owner
    ) -> None:
        ledger.record(CLINIC, NOTE, NOTE_ID, create("text"))
        at_once = Barrier(8)

        def save_on_sight(n: int) -> bool:
            at_once.wait()
            try:
                ledger.record(CLINIC, NOTE, NOTE_ID, save(f"text {n}", if_version=1))
            except VersionIsStale:
                return False
            return True

        with ThreadPoolExecutor(8) as threads:
            assert sum(threads.map(save_on_sight, range(8))) == 1
        assert positions(owner) == after_keys(2)

    def test_a_save_that_races_a_deletion_is_before_it_or_refused(
        self, ledger: Ledger, owner: Owner
    ) -> None:
        for note_id in range(1, 9):
            ledger.record(CLINIC, NOTE, note_id, create())
            at_once = Barrier(2)

            def race(
                command: NoteCommand, note_id: int = note_id, at_once: Barrier = at_once
            ) -> bool:
                at_once.wait()
                try:
                    ledger.record(CLINIC, NOTE, note_id, command)
                except NoteIsDeleted:
                    return False
                return True

            with ThreadPoolExecutor(2) as threads:
                saved = threads.submit(race, save("slept badly"))
                deleted = threads.submit(race, delete())
                assert deleted.result()
                versions = 2 + saved.result()
            note = present(ledger.state(CLINIC, NOTE, note_id))
            assert (note.version, note.is_deleted) == (versions, True)
        assert_whole(owner)

    def test_the_same_session_put_by_many_is_scheduled_once(
        self, ledger: Ledger, owner: Owner
    ) -> None:
        with ThreadPoolExecutor(8) as threads:
            put = [
                threads.submit(ledger.record, CLINIC, SESSION, 201, put_session()) for _ in range(8)
            ]
            assert {one.result().state.version for one in put} == {1}
        assert positions(owner) == after_keys(1)

    def test_who_loses_every_race_is_told(
        self, datastore: Datastore, keys: Keys, program: Program
    ) -> None:
        class AlwaysBeaten(Appender):
            """Somebody else saves just before each append."""

            def append(self, addition: Addition) -> int:
                note_id = NOTE_ID
                text = f"text {len(addition.entries[0].sealed)} {addition.entries[0].version}"
                program.ledger.record(CLINIC, NOTE, note_id, save(text))
                return super().append(addition)

        program.ledger.record(CLINIC, NOTE, NOTE_ID, create())
        beaten = AlwaysBeaten(datastore, [])
        beaten.start()
        try:
            with pytest.raises(SomebodyWasFaster):
                Ledger(datastore, keys, beaten).record(CLINIC, NOTE, NOTE_ID, save("mine"))
        finally:
            beaten.stop()


class TestSeveralProcesses:
    def test_thirty_two_writers_and_a_reader(
        self, program: Program, database: Database, key_file: Path, owner: Owner
    ) -> None:
        """Positions are gapless, in the order of commits, and what is acknowledged is read at once."""
        done = Event()

        def look() -> None:
            recorder, last = Recorder(program.datastore, CLINIC), 0
            while not done.is_set():
                for notification in recorder.select_notifications(
                    last, 500, inclusive_of_start=False
                ):
                    assert notification.id == last + 1
                    last = notification.id

        with (
            running(database.app_url, key_file) as other,
            ThreadPoolExecutor(33) as threads,
        ):
            processes = (program, other)

            def write(n: int) -> list[int]:
                mine, theirs = processes[n % 2], processes[1 - n % 2]
                written = []
                for note_id in range(n * 6 + 1, n * 6 + 7):
                    recorded = mine.ledger.record(CLINIC, NOTE, note_id, create())
                    found = theirs.notes.find(caller(ALMA), Kind.NOTE, note_id)
                    assert found is not None
                    assert found.position == recorded.position
                    written.append(found.position)
                assert all(a < b for a, b in pairwise(written))
                return written

            looking = threads.submit(look)
            told = sorted(p for written in threads.map(write, range(32)) for p in written)
            done.set()
            looking.result()
        assert told == positions(owner) == after_keys(32 * 6)
        assert_whole(owner)

    def test_another_process_of_the_system(
        self, program: Program, database: Database, key_file: Path, owner: Owner
    ) -> None:
        """Two processes save in turns, and each reads what the other has just saved."""
        with subprocess.Popen(
            (sys.executable, "-c", SAVE_ELSEWHERE, database.app_url, str(key_file)),
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin
            assert process.stdout
            for note_id in range(1, 21, 2):
                program.ledger.record(CLINIC, NOTE, note_id, create())
                process.stdin.write(f"{note_id + 1}\n")
                process.stdin.flush()
                assert process.stdout.readline() == f"{note_id + 1} True\n"
                assert program.notes.find(caller(ALMA), Kind.NOTE, note_id + 1)
            process.stdin.close()
        assert process.returncode == 0
        assert positions(owner) == after_keys(20)
        assert_whole(owner)


class TestClaims:
    """An Idempotency-Key: the same one, on the same request, makes one note."""

    def test_the_same_key_and_request_answer_the_same_note(
        self, ledger: Ledger, owner: Owner
    ) -> None:
        ledger.record(CLINIC, NOTE, 1, create(), claim=CLAIM)
        again = ledger.record(CLINIC, NOTE, 2, create(), claim=CLAIM)
        assert (again.number, again.position) == (1, None)
        assert again.state == ledger.state(CLINIC, NOTE, 1)
        assert positions(owner) == after_keys(1)

    def test_it_answers_the_note_as_it_is_by_now(self, ledger: Ledger) -> None:
        ledger.record(CLINIC, NOTE, 1, create(), claim=CLAIM)
        ledger.record(CLINIC, NOTE, 1, save("slept badly"))
        again = ledger.record(CLINIC, NOTE, 2, create(), claim=CLAIM)
        assert again.state.version == 2

    def test_the_same_key_on_another_request_is_refused(self, ledger: Ledger, owner: Owner) -> None:
        ledger.record(CLINIC, NOTE, 1, create(), claim=CLAIM)
        other = CLAIM._replace(request_digest=b"another request")
        with pytest.raises(IdempotencyKeyWasUsed) as caught:
            ledger.record(CLINIC, NOTE, 2, create(), claim=other)
        assert caught.value.field == "Idempotency-Key"
        assert positions(owner) == after_keys(1)

    def test_nor_does_it_answer_with_a_note_of_another_kind(self, ledger: Ledger) -> None:
        ledger.record(CLINIC, NOTE, 1, create(), claim=CLAIM)
        with pytest.raises(IdempotencyKeyWasUsed):
            ledger.record(CLINIC, SOAP_NOTE, 1, create(), claim=CLAIM)
        assert ledger.state(CLINIC, SOAP_NOTE, 1) is None

    def test_a_key_belongs_to_one_user(self, ledger: Ledger) -> None:
        ledger.record(CLINIC, NOTE, 1, create(), claim=CLAIM)
        brunos = create(by=BRUNO, therapist=BRUNO, client=DAVID)
        claim = CLAIM._replace(user_id=BRUNO.user_id)
        assert ledger.record(CLINIC, NOTE, 2, brunos, claim=claim).number == 2

    def test_a_refused_save_uses_no_key(self, ledger: Ledger) -> None:
        with pytest.raises(NotTheAuthor):
            ledger.record(CLINIC, NOTE, 1, create(by=BRUNO), claim=CLAIM)
        assert ledger.record(CLINIC, NOTE, 1, create(), claim=CLAIM).position == KEY_FACTS + 1

    def test_many_at_the_same_moment_make_one_note(
        self, program: Program, database: Database, key_file: Path, owner: Owner
    ) -> None:
        at_once = Barrier(16)
        with (
            running(database.app_url, key_file) as other,
            ThreadPoolExecutor(16) as threads,
        ):

            def send(n: int) -> Recorded[Note]:
                ledger = (program, other)[n % 2].ledger
                at_once.wait()
                return ledger.record(CLINIC, NOTE, n + 1, create(), claim=CLAIM)

            sent = list(threads.map(send, range(16)))
        assert len({one.number for one in sent}) == 1
        assert sorted(one.position or 0 for one in sent) == [0] * 15 + [KEY_FACTS + 1]
        assert positions(owner) == after_keys(1)
        assert_whole(owner)


class TestFiles:
    def test_a_file_comes_back(self, ledger: Ledger) -> None:
        content = bytes(range(256)) * 100
        xray = ledger.seal_file(CLINIC, OF_CLARA, content)
        command = create(new_files=(new_file(X_RAY, xray.digest),))
        recorded = ledger.record(CLINIC, NOTE, NOTE_ID, command, (xray,))
        assert recorded.state.saved.attachments == (xray.digest,)
        assert ledger.open_file(CLINIC, xray.digest) == content

    @pytest.mark.parametrize("content", [b"", b"\0"])
    def test_small_files_come_back_too(self, ledger: Ledger, content: bytes) -> None:
        file = ledger.seal_file(CLINIC, OF_CLARA, content)
        command = create(new_files=(new_file(X_RAY, file.digest),))
        ledger.record(CLINIC, NOTE, NOTE_ID, command, (file,))
        assert ledger.open_file(CLINIC, file.digest) == content

    def test_a_file_is_stored_only_where_a_fact_names_it(
        self, ledger: Ledger, owner: Owner
    ) -> None:
        xray, letter = (ledger.seal_file(CLINIC, OF_CLARA, content) for content in (b"1", b"2"))
        command = create(new_files=(new_file(X_RAY, xray.digest),))
        ledger.record(CLINIC, NOTE, NOTE_ID, command, (xray, letter))
        assert _stored_files(owner) == [xray.digest]
        with pytest.raises(AttachmentIsUnknown):
            ledger.open_file(CLINIC, letter.digest)

    def test_the_same_file_again_is_not_kept_twice(self, ledger: Ledger, owner: Owner) -> None:
        first, again, letter = (
            ledger.seal_file(CLINIC, OF_CLARA, content) for content in (b"1", b"1", b"2")
        )
        command = create(new_files=(new_file(X_RAY, first.digest),))
        ledger.record(CLINIC, NOTE, NOTE_ID, command, (first,))
        files = (new_file(X_RAY, again.digest), new_file(LETTER, letter.digest))
        saved = ledger.record(CLINIC, NOTE, NOTE_ID, save(new_files=files), (again, letter))
        assert saved.state.saved.attachments == (first.digest, letter.digest)
        assert _stored_files(owner) == sorted((first.digest, letter.digest))

    def test_a_refused_save_stores_no_file(self, ledger: Ledger, owner: Owner) -> None:
        xray = ledger.seal_file(CLINIC, OF_CLARA, b"1")
        command = create(by=BRUNO, new_files=(new_file(X_RAY, xray.digest),))
        with pytest.raises(NotTheAuthor):
            ledger.record(CLINIC, NOTE, NOTE_ID, command, (xray,))
        assert _stored_files(owner) == []

    def test_its_name_is_the_digest_of_what_is_stored(self, ledger: Ledger) -> None:
        xray = ledger.seal_file(CLINIC, OF_CLARA, b"words")
        assert xray.digest == digest(xray.sealed)
        assert b"words" not in xray.sealed

    def test_a_file_that_was_changed_does_not_open(self, ledger: Ledger, owner: Owner) -> None:
        xray = ledger.seal_file(CLINIC, OF_CLARA, b"words")
        command = create(new_files=(new_file(X_RAY, xray.digest),))
        ledger.record(CLINIC, NOTE, NOTE_ID, command, (xray,))
        owner.execute("UPDATE ledger.attachments SET sealed = set_byte(sealed, 70, 0)")
        with pytest.raises(SealBrokenError):
            ledger.open_file(CLINIC, xray.digest)

    def test_another_clinic_does_not_find_it(self, ledger: Ledger) -> None:
        xray = ledger.seal_file(CLINIC, OF_CLARA, b"words")
        command = create(new_files=(new_file(X_RAY, xray.digest),))
        ledger.record(CLINIC, NOTE, NOTE_ID, command, (xray,))
        with pytest.raises(AttachmentIsUnknown):
            ledger.open_file(ELSEWHERE, xray.digest)


class TestChangedRows:
    """What somebody finds who changed the entries behind our back."""

    @pytest.mark.parametrize(
        "change",
        [
            "SET version = 3 WHERE version = 2",
            "SET kind = 'note-approved/3'",
            "SET state = set_byte(state, 100, get_byte(state, 100) # 1)",
            "SET state = substring(state FROM 1 FOR 200)",
        ],
    )
    def test_they_do_not_open(self, ledger: Ledger, owner: Owner, change: str) -> None:
        ledger.record(CLINIC, NOTE, NOTE_ID, create())
        ledger.record(CLINIC, NOTE, NOTE_ID, save("slept badly"))
        owner.execute(f"UPDATE ledger.entries {change}".encode())
        with pytest.raises(SealBrokenError):
            ledger.state(CLINIC, NOTE, NOTE_ID)

    def test_another_clinics_entries_do_not_open_here(self, ledger: Ledger, owner: Owner) -> None:
        ledger.record(CLINIC, NOTE, NOTE_ID, create())
        owner.execute("UPDATE ledger.entries SET clinic_id = 2 WHERE kind LIKE 'note-%'")
        with pytest.raises(KeyIsMissingError):
            ledger.state(ELSEWHERE, NOTE, NOTE_ID)


def _stored_files(owner: Owner) -> Sequence[str]:
    found = owner.execute("SELECT digest FROM ledger.attachments ORDER BY digest").fetchall()
    return [name for (name,) in found]
