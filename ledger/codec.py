"""Facts to sealed bytes and back: stored names, shape versions, upcasting.

A stored name is looked up in `FACT_TYPES`, the facts of the listed aggregates: no module is imported
because a row names it. Clear fields and words are JSON; the words are sealed (`sealing.py`), bound to
clinic, aggregate, version and stored name.
"""

from collections.abc import Callable, Set
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final, Protocol
from uuid import UUID

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent
from pydantic_core import from_json, to_json

from domain.aggregates import FACT_TYPES
from domain.value import Fact, Subject
from ledger.sealing import (
    DataKey,
    clear_part,
    decrypt,
    decrypt_and_verify_commitment,
    seal,
    take_apart,
)

Shape = dict[str, Any]


def _session_scheduled_1(shape: Shape) -> Shape:
    """Shape 1 has no event status: every new session was scheduled."""
    return shape | {"event_status": "Scheduled"}


def _files_without_text(shape: Shape) -> Shape:
    """Shape 1 is of files that were not read: where a file's newer fields are absent, they say just that."""
    return shape


def _approval_without_digests(shape: Shape) -> Shape:
    """Shape 2 kept no digests of what was signed: where they are absent, they say just that."""
    return shape


UPCASTS: Final[dict[str, tuple[str, Callable[[Shape], Shape]]]] = {
    "session-scheduled/1": ("session-scheduled/2", _session_scheduled_1),
    "note-drafted/1": ("note-drafted/2", _files_without_text),
    "note-approved/1": ("note-approved/2", _files_without_text),
    "note-approved/2": ("note-approved/3", _approval_without_digests),
}
"""Old stored name → the name and shape that follow it. A shape once stored is never forgotten."""


class FactTypeIsUnknownError(Exception):
    """The ledger holds a fact that this version of the program does not know: run a newer one."""


class FactIsNotRegisteredError(Exception):
    """A fact of this class could not be read again: no aggregate lists it under its stored name."""


@dataclass(frozen=True)
class StoredFact:
    """A fact on its way into or out of the store, in the form that the library asks for."""

    originator_id: UUID
    originator_version: int
    fact: Fact


_READABLE: Final = frozenset(FACT_TYPES.values())
_WHERE: Final = Struct(">q16sq").pack


def entry_associated_data(
    clinic_id: int, aggregate_id: UUID, version: int, fact_type: str
) -> bytes:
    """Where an entry's bytes belong, and what they are read as: they decrypt nowhere else."""
    where = _WHERE(clinic_id, aggregate_id.bytes, version)
    return b"noteledger entry 1\0" + where + fact_type.encode()


def seal_fact(
    key: DataKey, associated_data: bytes, fact: Fact, nonce: bytes | None = None
) -> bytes:
    """The stored bytes of a fact. Raises FactIsNotRegisteredError for one that could not be read back."""
    if type(fact) not in _READABLE:
        raise FactIsNotRegisteredError(f"{type(fact).__name__}, {fact.fact_type}")
    clear = fact.__pydantic_serializer__.to_json(fact, exclude={"words"})
    words = fact.words
    plaintext = words.__pydantic_serializer__.to_json(words) if words else b"null"
    return seal(key, associated_data, clear, plaintext, nonce)


def read_clear(fact_type: str, sealed: bytes) -> Fact:
    """The fact without its words: needs no key, and is all that the views read."""
    return _fact(fact_type, clear_part(sealed), b"null")


def open_fact(secret: bytes, associated_data: bytes, fact_type: str, sealed: bytes) -> Fact:
    """The fact with its words, for a reader."""
    return _fact(fact_type, clear_part(sealed), decrypt(secret, associated_data, sealed))


def _fact(fact_type: str, clear: bytes, words: bytes) -> Fact:
    whole = clear[:-1] + b',"words":' + words + b"}"
    fact = FACT_TYPES.get(fact_type)
    if fact is None:
        fact_type, whole = _upcast(fact_type, whole)
        fact = FACT_TYPES[fact_type]
    return fact.__pydantic_validator__.validate_json(whole)  # type: ignore[no-any-return]


def _upcast(fact_type: str, whole: bytes) -> tuple[str, bytes]:
    shape = from_json(whole)
    while fact_type not in FACT_TYPES:
        if fact_type not in UPCASTS:
            raise FactTypeIsUnknownError(fact_type)
        fact_type, upcast = UPCASTS[fact_type]
        shape = upcast(shape)
    return fact_type, to_json(shape)


class DataKeys(Protocol):
    """Where the keys come from that facts are sealed and opened with (`keys.py`)."""

    def for_sealing(self, clinic_id: int, subject: Subject) -> DataKey:
        """The subject's key."""
        ...

    def for_opening(self, clinic_id: int, key_ids: Set[UUID]) -> dict[UUID, bytes]:
        """The secrets of these keys, without those that are gone."""
        ...


class FactMapper(Mapper[UUID]):
    """The library's mapper, bound to one clinic: its own `Cipher` gets neither subject nor associated data."""

    def __init__(self, clinic_id: int, keys: DataKeys) -> None:
        super().__init__(JSONTranscoder())
        self.clinic_id = clinic_id
        self.keys = keys

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        """Seal."""
        assert isinstance(domain_event, StoredFact)
        aggregate, version = domain_event.originator_id, domain_event.originator_version
        fact = domain_event.fact
        associated_data = entry_associated_data(self.clinic_id, aggregate, version, fact.fact_type)
        key = self.keys.for_sealing(self.clinic_id, fact.subject())
        sealed = seal_fact(key, associated_data, fact)
        return StoredEvent(aggregate, version, fact.fact_type, sealed)

    def to_domain_event(self, stored_event: StoredEvent) -> StoredFact:
        """Open, and check the commitment: the next decision is made on these facts.

        Where the key is gone, so are the words.
        """
        aggregate, version = stored_event.originator_id, stored_event.originator_version
        assert isinstance(aggregate, UUID)
        fact_type, sealed = stored_event.topic, stored_event.state
        associated_data = entry_associated_data(self.clinic_id, aggregate, version, fact_type)
        parts = take_apart(sealed)
        secret = self.keys.for_opening(self.clinic_id, {parts.key_id}).get(parts.key_id)
        if secret is None:
            return StoredFact(aggregate, version, read_clear(fact_type, sealed))
        words = decrypt_and_verify_commitment(secret, associated_data, sealed)
        return StoredFact(aggregate, version, _fact(fact_type, parts.clear, words))
