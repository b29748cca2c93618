"""An entry of the ledger: one fact at one position, and what is about to become one."""

from typing import NamedTuple
from uuid import UUID

from domain.value import Fact


class Entry(NamedTuple):
    """A fact and where it stands: `position` in its clinic's ledger, `version` in its aggregate."""

    clinic_id: int
    position: int
    aggregate_id: UUID
    version: int
    fact: Fact


class NewEntry(NamedTuple):
    """A sealed fact that waits for its position."""

    version: int
    fact: Fact
    state: bytes


class IdempotencyClaim(NamedTuple):
    """An Idempotency-Key as one caller used it: digests only, made with a key of the clinic's."""

    user_id: int
    key_digest: bytes
    request_digest: bytes


class Attachment(NamedTuple):
    """A sealed file: `digest` is the SHA-256 (hex) of `sealed`, and stands in the fact."""

    digest: str
    sealed: bytes


class Addition(NamedTuple):
    """What one save appends: all of it or nothing."""

    clinic_id: int
    aggregate_id: UUID
    entries: tuple[NewEntry, ...]
    attachments: tuple[Attachment, ...] = ()
    claim: IdempotencyClaim | None = None
