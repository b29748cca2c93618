"""The only door to the ledger: record a command, read what an aggregate's facts make, open entries."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple
from uuid import UUID

from eventsourcing.persistence import EventStore
from psycopg.rows import tuple_row

from domain import (
    generation,
    note,
    note_facts,
    person,
    record_type,
    relationship,
    session,
    soap_note,
)
from domain.note import CreateNote
from domain.refusals import AttachmentIsUnknown, IdempotencyKeyWasUsed, SomebodyWasFaster
from domain.value import Fact, Kind, Subject, aggregate_id, kind_and_number
from ledger.appender import Appender, IdempotencyClaimTaken, LostRace
from ledger.codec import FactMapper, StoredFact, entry_associated_data, open_fact, read_clear
from ledger.database import Datastore
from ledger.entry import Addition, Attachment, IdempotencyClaim, NewEntry
from ledger.ids import Ids
from ledger.keys import Keys
from ledger.locks import try_lock
from ledger.sealing import decrypt_and_verify_commitment, digest, key_id_bytes, seal, take_apart
from ledger.store import Recorder

DECISIONS_MAX: Final = 50


class Life(NamedTuple):
    """How an aggregate answers a command, and what a fact makes of it."""

    decide: Callable[[Any, Any], Sequence[Fact]]
    evolve: Callable[[Any, Any], Any]


LIVES: Final[dict[Kind, Life]] = {
    Kind.NOTE: Life(note.decide, note_facts.evolve),
    Kind.SOAP_NOTE: Life(soap_note.decide, note_facts.evolve),
    Kind.SESSION: Life(session.decide, session.evolve),
    Kind.PERSON: Life(person.decide, person.evolve),
    Kind.RELATIONSHIP: Life(relationship.decide, relationship.evolve),
    Kind.RECORD_TYPE: Life(record_type.decide, record_type.evolve),
    Kind.GENERATION: Life(generation.decide, generation.evolve),
}


class Recorded(NamedTuple):
    """What a command came to: the aggregate after it, and the position of its first new fact.

    `position` is None where the command made no new fact, because it was asked before.
    """

    number: int
    state: Any
    position: int | None


class SealedEntry(NamedTuple):
    """An entry's columns as a view's query joins them."""

    aggregate_id: UUID
    version: int
    kind: str
    state: bytes


class Ledger:
    """Records and reads, for every clinic."""

    def __init__(self, datastore: Datastore, keys: Keys, appender: Appender) -> None:
        self._datastore = datastore
        self._keys = keys
        self._appender = appender
        self._stores: dict[int, EventStore[UUID]] = {}
        self.ids = Ids(datastore)

    def record(
        self,
        clinic_id: int,
        kind: Kind,
        number: int,
        command: Any,
        attachments: Sequence[Attachment] = (),
        claim: IdempotencyClaim | None = None,
    ) -> Recorded:
        """Decide the command and append its facts, deciding again as often as a race is lost.

        Raises the decider's refusals, SomebodyWasFaster, IdempotencyKeyWasUsed.
        """
        life, aggregate = LIVES[kind], aggregate_id(kind, number)
        # A new note's id is new: nothing to read. Were it not, the append would lose its race.
        state = None if isinstance(command, CreateNote) else self.state(clinic_id, kind, number)
        for _ in range(DECISIONS_MAX):
            if claim and (before := self._claimed(clinic_id, claim)):
                return before
            facts = life.decide(state, command)
            if not facts:
                return Recorded(number, state, None)
            addition = self._addition(clinic_id, aggregate, state, facts, attachments, claim)
            try:
                position = self._appender.append(addition)
            except (LostRace, IdempotencyClaimTaken):
                state = self.state(clinic_id, kind, number)
                continue
            for fact in facts:
                state = life.evolve(state, fact)
            return Recorded(number, state, position)
        raise SomebodyWasFaster

    def state(self, clinic_id: int, kind: Kind, number: int) -> Any:
        """The aggregate as its facts tell it, None where it has none."""
        state, evolve = None, LIVES[kind].evolve
        for stored in self._store(clinic_id).get(aggregate_id(kind, number)):
            assert isinstance(stored, StoredFact)
            state = evolve(state, stored.fact)
        return state

    def position(self, clinic_id: int, kind: Kind, number: int, version: int) -> int:
        """Where the aggregate's entry of that version stands."""
        found = self._entry(clinic_id, kind, number, version)
        assert found is not None, "a version that the aggregate has"
        return found[0]

    def read_clear(self, clinic_id: int, kind: Kind, number: int, version: int) -> Fact | None:
        """That fact of the aggregate without its words, None where there is none."""
        found = self._entry(clinic_id, kind, number, version)
        return read_clear(found[1].kind, found[1].state) if found else None

    def read(self, clinic_id: int, kind: Kind, number: int, version: int) -> Fact | None:
        """That fact of the aggregate with its words, None where there is none."""
        found = self._entry(clinic_id, kind, number, version)
        return self.open(clinic_id, [found[1]])[0] if found else None

    def _entry(
        self, clinic_id: int, kind: Kind, number: int, version: int
    ) -> tuple[int, SealedEntry] | None:
        aggregate = aggregate_id(kind, number)
        with self._datastore.get_connection() as conn:
            row = (
                conn.cursor(row_factory=tuple_row, binary=True)
                .execute(
                    "SELECT position, kind, state FROM ledger.entries"
                    " WHERE clinic_id = %s AND aggregate_id = %s AND version = %s",
                    (clinic_id, aggregate, version),
                )
                .fetchone()
            )
        return (row[0], SealedEntry(aggregate, version, row[1], row[2])) if row else None

    def open(self, clinic_id: int, sealed: Sequence[SealedEntry]) -> list[Fact]:
        """The entries' facts with their words, in the given order."""
        key_ids = [key_id_bytes(entry.state) for entry in sealed]
        named = {key_id: UUID(bytes=key_id) for key_id in set(key_ids)}
        secrets = self._keys.for_opening(clinic_id, set(named.values()))
        return [
            open_fact(
                secrets[named[key_id]],
                entry_associated_data(clinic_id, entry.aggregate_id, entry.version, entry.kind),
                entry.kind,
                entry.state,
            )
            for entry, key_id in zip(sealed, key_ids, strict=True)
        ]

    def seal_file(self, clinic_id: int, subject: Subject, content: bytes) -> Attachment:
        """A file's bytes, sealed for the person that it is about."""
        key = self._keys.for_sealing(clinic_id, subject)
        sealed = seal(key, _file_associated_data(clinic_id), b"", content)
        return Attachment(digest(sealed), sealed)

    def open_file(self, clinic_id: int, file_digest: str) -> bytes:
        """The bytes of an attachment. Raises AttachmentIsUnknown."""
        with self._datastore.get_connection() as conn:
            row = (
                conn.cursor(row_factory=tuple_row, binary=True)
                .execute(
                    "SELECT sealed FROM ledger.attachments WHERE clinic_id = %s AND digest = %s",
                    (clinic_id, file_digest),
                )
                .fetchone()
            )
        if row is None:
            raise AttachmentIsUnknown
        key_id = take_apart(row[0]).key_id
        secret = self._keys.for_opening(clinic_id, {key_id})[key_id]
        return decrypt_and_verify_commitment(secret, _file_associated_data(clinic_id), row[0])

    @contextmanager
    def try_lock(self, clinic_id: int, *what: object) -> Iterator[bool]:
        """Whether nobody else is in this block for the same thing, in any process."""
        with try_lock(self._datastore, "alone", clinic_id, *what) as conn:
            yield conn is not None

    def _store(self, clinic_id: int) -> EventStore[UUID]:
        store = self._stores.get(clinic_id)
        if store is None:
            mapper, recorder = (
                FactMapper(clinic_id, self._keys),
                Recorder(self._datastore, clinic_id),
            )
            store = self._stores[clinic_id] = EventStore(mapper, recorder)
        return store

    def _addition(
        self,
        clinic_id: int,
        aggregate: UUID,
        state: Any,
        facts: Sequence[Fact],
        attachments: Sequence[Attachment],
        claim: IdempotencyClaim | None,
    ) -> Addition:
        before = state.version if state else 0
        mapper = self._store(clinic_id).mapper
        entries = tuple(
            NewEntry(
                version, fact, mapper.to_stored_event(StoredFact(aggregate, version, fact)).state
            )
            for version, fact in enumerate(facts, before + 1)
        )
        named = {name for fact in facts for name in getattr(fact, "attachments", ())}
        kept = tuple(attachment for attachment in attachments if attachment.digest in named)
        return Addition(clinic_id, aggregate, entries, kept, claim)

    def _claimed(self, clinic_id: int, claim: IdempotencyClaim) -> Recorded | None:
        """What the caller's Idempotency-Key made before, if it was used."""
        with self._datastore.get_connection() as conn:
            row = (
                conn.cursor(row_factory=tuple_row, binary=True)
                .execute(
                    "SELECT aggregate_id, request_digest FROM ledger.claims"
                    " WHERE clinic_id = %s AND user_id = %s AND key_digest = %s",
                    (clinic_id, claim.user_id, claim.key_digest),
                )
                .fetchone()
            )
        if row is None:
            return None
        if row[1] != claim.request_digest:
            raise IdempotencyKeyWasUsed("Idempotency-Key")
        kind, number = kind_and_number(row[0])
        return Recorded(number, self.state(clinic_id, kind, number), None)


def _file_associated_data(clinic_id: int) -> bytes:
    return b"noteledger file 1\0" + clinic_id.to_bytes(8, "big")
