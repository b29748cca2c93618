"""What the operations work with, as `runtime/wiring.py` built it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry

from domain.value import Caller
from handlers.documents import Documents
from ledger.accounts import Accounts
from ledger.browser_sessions import BrowserSessions
from ledger.keys import Keys
from ledger.ledger import Ledger
from ledger.stopped import Stopped
from projections.changes import Changes
from projections.generations import Generations
from projections.history import History
from projections.note_rows import NoteRows
from projections.notes import Notes
from projections.people import People
from projections.record_types import RecordTypes
from projections.references import References
from projections.relationships import Relationships
from projections.sessions import Sessions
from projections.transcripts import DraftSources


@dataclass(frozen=True)
class Limits:
    """What a request may bring, and how long a page of a list is."""

    text_bytes_max: int
    file_bytes_max: int
    files_max: int
    page_entries: int


@dataclass(frozen=True)
class StreamLimits:
    """How many event streams there may be, and the times that they keep (docs/events.md).

    `changes_kept` are a clinic's newest; who comes from further back reads pages of the ledger.
    """

    streams_max: int
    streams_each_max: int
    changes_kept: int = 2_000
    poll_seconds: float = 0.05
    poll_seconds_max: float = 0.2
    keep_alive_seconds: float = 15.0
    check_seconds: float = 45.0
    life_seconds: float = 600.0


@dataclass(frozen=True)
class Services:
    """Everything that an operation may need; each takes what it uses.

    `note_outlines` and `history_outlines` find the same as `notes` and `history`, and open no words.
    """

    ledger: Ledger
    keys: Keys
    accounts: Accounts
    browser_sessions: BrowserSessions
    note_rows: NoteRows
    notes: Notes
    history: History
    note_outlines: Notes
    history_outlines: History
    people: People
    relationships: Relationships
    sessions: Sessions
    record_types: RecordTypes
    references: References
    generations: Generations
    draft_sources: DraftSources
    metrics: CollectorRegistry
    changes: Changes
    documents: Documents
    limits: Limits
    stream_limits: StreamLimits
    clock: Callable[[], datetime]
    is_ready: Callable[[], bool]
    stopped: Callable[[], Sequence[Stopped]]
    is_https: bool
    anonymous: Caller | None
