"""All access to the ledger: record a command, read an aggregate's state, open entries and files.

Which commands an aggregate takes, which facts and which state it has, its declaration says
(`domain/aggregates.py`); the types here follow it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Generic, NamedTuple
from uuid import UUID

from eventsourcing.persistence import EventStore, StoredEvent
from psycopg.rows import tuple_row

from domain.aggregate import Aggregate, CommandT, FactT, StateT
from domain.aggregates import aggregate_id, kind_and_number
from domain.refusals import (
    AttachmentIsUnknown,
    IdempotencyKeyWasUsed,
    PersonIsErased,
    SomebodyWasFaster,
)
from domain.value import Fact, Subject
from ledger.appender import Appender, IdempotencyClaimTaken, LostRace
from ledger.codec import FactMapper, StoredFact, entry_associated_data, open_fact, read_clear
from ledger.database import Datastore
from ledger.entry import Addition, Attachment, IdempotencyClaim, NewEntry
from ledger.ids import Ids
from ledger.keys import Keys
from ledger.locks import try_lock
from ledger.outlines import Outline, Outlines, SealedEntry, held_facts
from ledger.sealing import decrypt_and_verify_commitment, digest, key_id_bytes, seal, take_apart
from ledger.store import Recorder

DECISIONS_MAX: Final = 50
"""How often a command is decided where each time another save was stored first."""


class Recorded(NamedTuple, Generic[StateT]):
    """The result of a command: the aggregate's number, its state after it, and its first fact's position.

    `position` is None where the command made no fact, because what it asks for is so already.
    """

    number: int
    state: StateT
    position: int | None


class Ledger:
    """The ledgers of all clinics."""

    def __init__(
        self,
        datastore: Datastore,
        keys: Keys,
        appender: Appender,
        on_open: Callable[[int], None] = lambda number: None,
    ) -> None:
        """`on_open` is called with the number of entries or files that are opened."""
        self._on_open = on_open
        self._datastore = datastore
        self._keys = keys
        self._appender = appender
        self._stores: dict[int, EventStore[UUID]] = {}
        """By clinic. No lock: two threads may make the same store, and either one serves."""
        self._outlines = Outlines(datastore)
        self.ids = Ids(datastore)

    def record(
        self,
        clinic_id: int,
        aggregate: Aggregate[StateT, CommandT, FactT],
        number: int,
        command: CommandT,
        attachments: Sequence[Attachment] = (),
        claim: IdempotencyClaim | None = None,
    ) -> Recorded[StateT]:
        """Decide the command and append its facts; decide again whenever another save was stored first.

        The facts are durable when this returns. If we crash before, all of them are stored or none: a
        caller who got no answer sends the command again (one that makes a new note, with the same claim).
        Attachments that no fact names are not stored. Raises the aggregate's refusals, SomebodyWasFaster
        after DECISIONS_MAX lost races, IdempotencyKeyWasUsed, and PersonIsErased where the facts are about
        somebody who was erased.
        """
        uuid = aggregate_id(aggregate.kind, number)
        # A new number has no facts, so none are read. If it has some, the append loses its race.
        state = None if command.begins else self._decided_on(clinic_id, aggregate, number, command)
        for _ in range(DECISIONS_MAX):
            if claim and (before := self._claimed(clinic_id, aggregate, claim)):
                return before
            facts = aggregate.decide(number, state, command)
            if not facts:
                return Recorded(number, _after(aggregate, state, facts), None)
            entries = self._sealed(clinic_id, uuid, state, facts)
            addition = _addition(clinic_id, uuid, entries, attachments, claim)
            try:
                position = self._appender.append(addition)
            except (LostRace, IdempotencyClaimTaken):
                state = self._decided_on(clinic_id, aggregate, number, command)
                continue
            return Recorded(number, _after(aggregate, state, facts), position)
        raise SomebodyWasFaster

    def outline(
        self, clinic_id: int, aggregate: Aggregate[StateT, CommandT, FactT], number: int
    ) -> StateT | None:
        """The state that the aggregate's clear facts make: it has no words. None where it has no facts."""
        found = self._outlines.read(clinic_id, aggregate, number)
        return found.state if found else None

    def state(
        self,
        clinic_id: int,
        aggregate: Aggregate[StateT, CommandT, FactT],
        number: int,
        words_of: Callable[[StateT], Iterable[Fact | None]] = held_facts,
    ) -> StateT | None:
        """The state that the aggregate's facts make, None where it has no facts.

        `words_of` says of which of the facts that the state holds the words are needed: of all, where
        it is not given. Only those are opened.
        """
        found = self._outlines.read(clinic_id, aggregate, number)
        return self._opened(clinic_id, found, words_of(found.state)) if found else None

    def _decided_on(
        self,
        clinic_id: int,
        aggregate: Aggregate[StateT, CommandT, FactT],
        number: int,
        command: CommandT,
    ) -> StateT | None:
        """The state with the words that the decision on this command needs, and no others."""
        found = self._outlines.read(clinic_id, aggregate, number)
        if found is None:
            return None
        return self._opened(clinic_id, found, aggregate.words_for(found.state, command))

    def _opened(
        self, clinic_id: int, outline: Outline[StateT], facts: Iterable[Fact | None]
    ) -> StateT:
        mapper = self._store(clinic_id).mapper
        entries = outline.entries_of(facts)
        self._on_open(len(entries))
        opened = {}
        for clear, entry in entries.items():
            stored = mapper.to_domain_event(StoredEvent(*entry))
            assert isinstance(stored, StoredFact)
            opened[clear] = stored.fact
        return outline.with_facts(opened)

    def position(
        self,
        clinic_id: int,
        aggregate: Aggregate[StateT, CommandT, FactT],
        number: int,
        version: int,
    ) -> int:
        """The position of the fact that made this version. The version must exist."""
        found = self._entry(clinic_id, aggregate_id(aggregate.kind, number), version)
        assert found is not None, "a version that the aggregate has"
        return found[0]

    def read_clear(
        self,
        clinic_id: int,
        aggregate: Aggregate[StateT, CommandT, FactT],
        number: int,
        version: int,
    ) -> FactT | None:
        """The fact that made this version, without its words; None where there is none."""
        found = self._entry(clinic_id, aggregate_id(aggregate.kind, number), version)
        return _of(aggregate, read_clear(found[1].fact_type, found[1].sealed)) if found else None

    def read(
        self,
        clinic_id: int,
        aggregate: Aggregate[StateT, CommandT, FactT],
        number: int,
        version: int,
    ) -> FactT | None:
        """The fact that made this version, with its words; None where there is none."""
        found = self._entry(clinic_id, aggregate_id(aggregate.kind, number), version)
        return _of(aggregate, self.open(clinic_id, [found[1]])[0]) if found else None

    def _entry(
        self, clinic_id: int, aggregate: UUID, version: int
    ) -> tuple[int, SealedEntry] | None:
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
        """The entries' facts with their words, in the given order; without words where the key is gone."""
        self._on_open(len(sealed))
        key_ids = [key_id_bytes(entry.sealed) for entry in sealed]
        named = {key_id: UUID(bytes=key_id) for key_id in set(key_ids)}
        secrets = self._keys.for_opening(clinic_id, set(named.values()))
        return [
            _opened(clinic_id, secrets.get(named[key_id]), entry)
            for entry, key_id in zip(sealed, key_ids, strict=True)
        ]

    def clear(self, clinic_id: int, sealed: Sequence[SealedEntry]) -> list[Fact]:
        """The entries' facts without their words, in the given order: no key is needed."""
        return [read_clear(entry.fact_type, entry.sealed) for entry in sealed]

    def seal_file(self, clinic_id: int, subject: Subject, content: bytes) -> Attachment:
        """A file's bytes, sealed with the subject's key; stored with the save whose fact names the digest."""
        key = self._keys.for_sealing(clinic_id, subject)
        sealed = seal(key, _file_associated_data(clinic_id), b"", content)
        return Attachment(digest(sealed), sealed)

    def open_file(self, clinic_id: int, file_digest: str) -> bytes:
        """The bytes of an attachment. Raises AttachmentIsUnknown, PersonIsErased."""
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
        self._on_open(1)
        key_id = take_apart(row[0]).key_id
        secret = self._keys.for_opening(clinic_id, {key_id}).get(key_id)
        if secret is None:
            raise PersonIsErased
        return decrypt_and_verify_commitment(secret, _file_associated_data(clinic_id), row[0])

    @contextmanager
    def try_lock(self, clinic_id: int, *name: object) -> Iterator[bool]:
        """Whether the lock of this name was free; it is held for the block, against all processes."""
        with try_lock(self._datastore, "alone", clinic_id, *name) as conn:
            yield conn is not None

    def _store(self, clinic_id: int) -> EventStore[UUID]:
        store = self._stores.get(clinic_id)
        if store is None:
            mapper = FactMapper(clinic_id, self._keys)
            store = EventStore(mapper, Recorder(self._datastore, clinic_id))
            self._stores[clinic_id] = store
        return store

    def _sealed(
        self, clinic_id: int, aggregate: UUID, state: StateT | None, facts: Sequence[Fact]
    ) -> tuple[NewEntry, ...]:
        before = state.version if state else 0
        mapper = self._store(clinic_id).mapper
        return tuple(
            NewEntry(
                version, fact, mapper.to_stored_event(StoredFact(aggregate, version, fact)).state
            )
            for version, fact in enumerate(facts, before + 1)
        )

    def _claimed(
        self,
        clinic_id: int,
        aggregate: Aggregate[StateT, CommandT, FactT],
        claim: IdempotencyClaim,
    ) -> Recorded[StateT] | None:
        """The result of the command that used this claim, if one has. Raises IdempotencyKeyWasUsed."""
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
        kind, number = kind_and_number(row[0])
        if row[1] != claim.request_digest or kind is not aggregate.kind:
            raise IdempotencyKeyWasUsed("Idempotency-Key")
        state = self.state(clinic_id, aggregate, number)
        assert state is not None, "a claim is stored with the facts that it was made for"
        return Recorded(number, state, None)


def _opened(clinic_id: int, secret: bytes | None, entry: SealedEntry) -> Fact:
    if secret is None:  # destroyed with whoever the words were about
        return read_clear(entry.fact_type, entry.sealed)
    where = entry_associated_data(clinic_id, entry.aggregate_id, entry.version, entry.fact_type)
    return open_fact(secret, where, entry.fact_type, entry.sealed)


def _of(aggregate: Aggregate[StateT, CommandT, FactT], fact: Fact) -> FactT:
    """The fact, typed as one of the aggregate's."""
    assert isinstance(fact, aggregate.fact_types), "an aggregate's entries hold its own facts"
    return fact


def _after(
    aggregate: Aggregate[StateT, CommandT, FactT], state: StateT | None, facts: Sequence[FactT]
) -> StateT:
    for fact in facts:
        state = aggregate.evolve(state, fact)
    assert state is not None, "a command makes no fact only where facts have done its work already"
    return state


def _addition(
    clinic_id: int,
    aggregate: UUID,
    entries: tuple[NewEntry, ...],
    attachments: Sequence[Attachment],
    claim: IdempotencyClaim | None,
) -> Addition:
    """The entries, and those of the attachments that their facts name."""
    named = {name for entry in entries for name in getattr(entry.fact, "attachments", ())}
    kept = tuple(attachment for attachment in attachments if attachment.digest in named)
    return Addition(clinic_id, aggregate, entries, kept, claim)


def _file_associated_data(clinic_id: int) -> bytes:
    return b"noteledger file 1\0" + clinic_id.to_bytes(8, "big")
