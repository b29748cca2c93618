"""What is remembered of a campaign's saves, and whose notes they are about."""

import threading
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from domain.value import Kind

WHOSE: Final = {
    "therapist": [(101, 201, 301, 402), (101, 202, 302, 403)],
    "therapist2": [(102, 203, 303, 404), (102, 204, 304, 405)],
}
"""Log-in → therapist, client, relationship and session of the demo."""


class Fate(Enum):
    """What the writer knows of a save."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNANSWERED = "unanswered"


@dataclass
class Save:
    """One save. The fields that an answer brings stay None where none came."""

    act: str
    kind: Kind
    text: str
    key: str | None = None
    files: frozenset[str] = frozenset()
    fate: Fate = Fate.UNANSWERED
    attempts: int = 0
    note_id: int | None = None
    position: int | None = None
    is_answered_otherwise: bool = False


class Shared(NamedTuple):
    """What all writers share with whoever kills the service."""

    port: int
    cookies: dict[str, str]
    is_up: threading.Event
    is_over: threading.Event


@dataclass
class KnownNote:
    """A note as its writer last saw it; `drafts` are history ids of versions not approved."""

    kind: Kind
    note_id: int
    whose: dict[str, int]
    version: int | None
    drafts: list[int] = field(default_factory=list)


def room_of(kind: Kind) -> str:
    """Where the paths of this kind of notes branch off."""
    return "soap/" if kind is Kind.SOAP_NOTE else ""
