"""Facts to sealed bytes and back: stored names, shape versions, upcasting.

A stored name resolves through `FACT_TYPES`, a closed registry: no module is imported because a row
names it. Clear fields and words are JSON; the words are sealed (`sealing.py`), bound to clinic,
aggregate, version and kind.
"""

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final
from uuid import UUID

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent
from pydantic_core import from_json, to_json

from domain.aggregates import FACT_TYPES
from domain.value import Fact
from ledger.keys import Keys
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
    """Shape 1 left the event status to the reader: every new session was scheduled."""
    return shape | {"event_status": "Scheduled"}


def _files_without_text(shape: Shape) -> Shape:
    """Shape 1 kept files that nobody had read: a file's newer fields say so where they are absent."""
    return shape


UPCASTS: Final[dict[str, tuple[str, Callable[[Shape], Shape]]]] = {
    "session-scheduled/1": ("session-scheduled/2", _session_scheduled_1),
    "note-drafted/1": ("note-drafted/2", _files_without_text),
    "note-approved/1": ("note-approved/2", _files_without_text),
}
"""Old stored name → the name and shape that follow it. A shape once stored is never forgotten."""


class KindIsUnknownError(Exception):
    """The ledger holds a fact that this version of the program does not know: run a newer one."""


@dataclass(frozen=True)
class StoredFact:
    """A fact on its way into or out of the store, in the form that the library asks for."""

    originator_id: UUID
    originator_version: int
    fact: Fact


_PLACE: Final = Struct(">q16sq").pack


def entry_associated_data(clinic_id: int, aggregate_id: UUID, version: int, kind: str) -> bytes:
    """Where an entry's bytes belong; sealed in as associated data."""
    where = _PLACE(clinic_id, aggregate_id.bytes, version)
    return b"noteledger entry 1\0" + where + kind.encode()


def seal_fact(
    key: DataKey, associated_data: bytes, fact: Fact, nonce: bytes | None = None
) -> bytes:
    """The stored bytes of a fact at a `place`."""
    clear = fact.__pydantic_serializer__.to_json(fact, exclude={"words"})
    words = fact.words
    plaintext = words.__pydantic_serializer__.to_json(words) if words else b"null"
    return seal(key, associated_data, clear, plaintext, nonce)


def read_clear(kind: str, state: bytes) -> Fact:
    """The fact without its words: needs no key, and is all that the views read."""
    return _fact(kind, clear_part(state), b"null")


def open_fact(secret: bytes, associated_data: bytes, kind: str, state: bytes) -> Fact:
    """The fact with its words, for a reader."""
    return _fact(kind, clear_part(state), decrypt(secret, associated_data, state))


def _fact(kind: str, clear: bytes, words: bytes) -> Fact:
    whole = clear[:-1] + b',"words":' + words + b"}"
    fact = FACT_TYPES.get(kind)
    if fact is None:
        kind, whole = _upcast(kind, whole)
        fact = FACT_TYPES[kind]
    return fact.__pydantic_validator__.validate_json(whole)  # type: ignore[no-any-return]


def _upcast(kind: str, whole: bytes) -> tuple[str, bytes]:
    shape = from_json(whole)
    while kind not in FACT_TYPES:
        if kind not in UPCASTS:
            raise KindIsUnknownError(kind)
        kind, upcast = UPCASTS[kind]
        shape = upcast(shape)
    return kind, to_json(shape)


class FactMapper(Mapper[UUID]):
    """The library's mapper, bound to one clinic: its own `Cipher` sees neither person nor place."""

    def __init__(self, clinic_id: int, keys: Keys) -> None:
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
        return StoredEvent(
            aggregate, version, fact.fact_type, seal_fact(key, associated_data, fact)
        )

    def to_domain_event(self, stored_event: StoredEvent) -> StoredFact:
        """Open, and check the commitment: what is decided next stands on these facts."""
        aggregate, version = stored_event.originator_id, stored_event.originator_version
        assert isinstance(aggregate, UUID)
        associated_data = entry_associated_data(
            self.clinic_id, aggregate, version, stored_event.topic
        )
        key_id = take_apart(stored_event.state).key_id
        secret = self.keys.for_opening(self.clinic_id, {key_id})[key_id]
        words = decrypt_and_verify_commitment(secret, associated_data, stored_event.state)
        fact = _fact(stored_event.topic, clear_part(stored_event.state), words)
        return StoredFact(aggregate, version, fact)
