"""An entry of the ledger: one fact at one position; and what an append consists of."""

from typing import NamedTuple
from uuid import UUID

from domain.value import Fact


class Entry(NamedTuple):
    """A fact at its `position` in the clinic's ledger; it made the aggregate's `version`."""

    clinic_id: int
    position: int
    aggregate_id: UUID
    version: int
    fact: Fact


class NewEntry(NamedTuple):
    """A fact and its sealed bytes, before it has a position."""

    version: int
    fact: Fact
    sealed: bytes


class IdempotencyClaim(NamedTuple):
    """An Idempotency-Key as one caller used it: HMAC-SHA256 digests under a secret of the clinic."""

    user_id: int
    key_digest: bytes
    request_digest: bytes


class Attachment(NamedTuple):
    """A sealed file: `digest` is the SHA-256 (hex) of `sealed`; the fact names it."""

    digest: str
    sealed: bytes


class Addition(NamedTuple):
    """What one command appends: all of it or nothing."""

    clinic_id: int
    aggregate_id: UUID
    entries: tuple[NewEntry, ...]
    attachments: tuple[Attachment, ...] = ()
    claim: IdempotencyClaim | None = None
