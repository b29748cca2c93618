"""What changed, and for whom: entries as short changes of notes, sessions and generations, without words.

Nothing is stored for it and no key is needed: a page of changes is a page of entries. Who may
learn of a change is who may read what changed, by `domain/access.py`.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from psycopg.rows import tuple_row

from domain.access import Action, DirectoryAction, NoteAccess, may_use_directory, refusal
from domain.aggregates import kind_and_number
from domain.generation import (
    GenerationCancelled,
    GenerationFact,
    GenerationFailed,
    GenerationFinished,
    GenerationRequested,
    GenerationStarted,
)
from domain.note_facts import (
    HistoryEntryAmended,
    HistoryEntryWithdrawn,
    NoteApproved,
    NoteDeidentified,
    NoteDrafted,
    NoteFact,
    NoteProcessingAskedAgain,
    NoteProcessingFailed,
    NoteSoftDeleted,
    NoteVersion,
)
from domain.relationship import RelationshipBegan, RelationshipEnded
from domain.session import EventStatus, SessionScheduled, SessionStatusAdvanced, SessionStatusSet
from domain.value import Caller, Fact, Kind, Role
from domain.work import JobName, WhyFailed
from ledger.codec import read_clear
from ledger.database import Datastore

log = logging.getLogger("noteledger.changes")

PAGE_ENTRIES: Final = 500


class What(StrEnum):
    """What happened."""

    DRAFTED = "drafted"
    APPROVED = "approved"
    DELETED = "deleted"
    ENTRY_AMENDED = "entry-amended"
    ENTRY_WITHDRAWN = "entry-withdrawn"
    DEIDENTIFIED = "deidentified"
    ASKED_AGAIN = "asked-again"
    EVENT_STATUS = "event-status"
    REQUESTED = "requested"
    STARTED = "started"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


_WHAT: Final[dict[type[Fact], What]] = {
    NoteDrafted: What.DRAFTED,
    NoteApproved: What.APPROVED,
    NoteSoftDeleted: What.DELETED,
    HistoryEntryAmended: What.ENTRY_AMENDED,
    HistoryEntryWithdrawn: What.ENTRY_WITHDRAWN,
    NoteDeidentified: What.DEIDENTIFIED,
    NoteProcessingFailed: What.FAILED,
    NoteProcessingAskedAgain: What.ASKED_AGAIN,
    SessionStatusSet: What.EVENT_STATUS,
    SessionStatusAdvanced: What.EVENT_STATUS,
    GenerationRequested: What.REQUESTED,
    GenerationStarted: What.STARTED,
    GenerationFinished: What.FINISHED,
    GenerationFailed: What.FAILED,
    GenerationCancelled: What.CANCELLED,
}


def _names(*facts: type[Fact]) -> list[str]:
    """Stored names without their shapes' versions: entries of all shapes are read."""
    return [fact.fact_type.partition("/")[0] for fact in facts]


_RELATIONSHIPS: Final = _names(RelationshipBegan, RelationshipEnded)
_READ: Final = _names(*_WHAT) + _RELATIONSHIPS
_NAME_THEIR_THERAPIST: Final = (NoteVersion, GenerationFact)
_THERAPIST_IS_ELSEWHERE: Final = _names(
    *(fact for fact in _WHAT if not issubclass(fact, _NAME_THEIR_THERAPIST))
)
"""Their aggregate's first fact names the therapist, for good."""


class Change(NamedTuple):
    """What happened at a position, and to whom it matters. `version` is that of the note it is about."""

    position: int
    about: Kind
    number: int
    what: What
    client_user_id: int
    therapist_user_id: int
    record_type: int | None = None
    version: int | None = None
    event_status: EventStatus | None = None
    soap_note_id: int | None = None
    job: JobName | None = None
    why: WhyFailed | None = None


class Page(NamedTuple):
    """The changes up to `position`, oldest first; and whether anybody's relationships changed as well."""

    position: int
    changes: list[Change]
    has_relationships: bool


class Treatments(NamedTuple):
    """Each therapist's clients, as the ledger had it when it had come to `position`."""

    position: int
    clients_of: Mapping[int, frozenset[int]]


def told(caller: Caller, changes: Iterable[Change], clients: frozenset[int]) -> list[Change]:
    """Of the changes those that the caller may learn of, as they may.

    `clients` are those whom the caller treats. Most of what happens in a clinic is nothing to a
    given therapist, so that is asked first, and quickly: many streams ask it of each change.
    """
    if caller.role is Role.THERAPIST:
        me = caller.user_id
        changes = [
            change
            for change in changes
            if change.therapist_user_id == me or change.client_user_id in clients
        ]
    seen = (_as_seen(caller, change, change.client_user_id in clients) for change in changes)
    return [change for change in seen if change]


def _as_seen(caller: Caller, change: Change, is_callers_client: bool) -> Change | None:
    if change.about is Kind.NOTE or change.about is Kind.SOAP_NOTE:
        return change if _may_learn_of_note(caller, change, is_callers_client) else None
    if caller.role is Role.THERAPIST:
        is_their_own = change.therapist_user_id == caller.user_id
        return change if is_their_own or is_callers_client else None
    if not may_use_directory(caller.role, DirectoryAction.READ_PEOPLE):
        return None
    # That a draft was made is no secret of the clinic's; which note it became is for its readers.
    return change._replace(soap_note_id=None) if caller.role is Role.ADMINISTRATOR else change


def _may_learn_of_note(caller: Caller, change: Change, is_callers_client: bool) -> bool:
    assert change.record_type is not None, "every fact of a note names its record type"
    is_deidentified = change.what is What.DEIDENTIFIED
    action = Action.READ_DEIDENTIFIED if is_deidentified else Action.READ
    note = NoteAccess(change.about, change.record_type, change.therapist_user_id, is_callers_client)
    return refusal(caller, action, note) is None


class Changes:
    """Reads the changes of a clinic, whoever asks: `told` says who learns of them."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    def heads(self, clinic_ids: Sequence[int]) -> dict[int, int]:
        """How far each clinic's ledger has come."""
        with self._datastore.get_connection() as conn:
            rows = (
                conn.cursor(row_factory=tuple_row)
                .execute(
                    "SELECT clinic_id, position FROM ledger.ledger_head WHERE clinic_id = ANY(%s)",
                    (list(clinic_ids),),
                )
                .fetchall()
            )
        return dict(rows)

    def treatments(self, clinic_id: int) -> Treatments:
        """The active relationships of all the clinic."""
        with self._datastore.as_ledger() as conn:
            rows = (
                conn.cursor(row_factory=tuple_row)
                .execute(_TREATMENTS, {"clinic_id": clinic_id})
                .fetchall()
            )
        clients_of: defaultdict[int, set[int]] = defaultdict(set)
        for _, therapist, client in rows:
            if therapist is not None:
                clients_of[therapist].add(client)
        whole = {therapist: frozenset(clients) for therapist, clients in clients_of.items()}
        return Treatments(rows[0][0], whole)

    def page(self, clinic_id: int, after: int, upto: int) -> Page:
        """The next changes above `after`, none above `upto`."""
        with self._datastore.get_connection() as conn:
            cursor = conn.cursor(row_factory=tuple_row, binary=True)
            rows = cursor.execute(
                _PAGE,
                {
                    "clinic_id": clinic_id,
                    "after": after,
                    "upto": upto,
                    "names": _READ,
                    "elsewhere": _THERAPIST_IS_ELSEWHERE,
                    "limit": PAGE_ENTRIES,
                },
            ).fetchall()
        others = [row for row in rows if row[1] not in _RELATIONSHIPS]
        changes = [_change(clinic_id, row[0], *row[2:]) for row in others]
        return Page(
            rows[-1][0] if len(rows) == PAGE_ENTRIES else upto,
            [change for change in changes if change],
            has_relationships=len(others) < len(rows),
        )


_TREATMENTS: Final = """
    SELECT h.position, r.therapist_user_id, r.client_user_id
    FROM ledger_head h
    LEFT JOIN relationships r ON r.clinic_id = h.clinic_id AND r.is_active
    WHERE h.clinic_id = %(clinic_id)s
"""
# Of each entry all before its sealed words (the layout stands in `ledger/sealing.py`): those may be
# long, and are nothing to anybody here.
_PAGE: Final = """
    SELECT e.position, n.name, e.aggregate_id, e.version, e.kind,
        substring(e.state FOR 65 + (16777215
            & ('x' || encode(substring(e.state FROM 62 FOR 4), 'hex'))::bit(32)::int)),
        f.kind,
        substring(f.state FOR 65 + (16777215
            & ('x' || encode(substring(f.state FROM 62 FOR 4), 'hex'))::bit(32)::int))
    FROM ledger.entries e
    CROSS JOIN LATERAL (SELECT split_part(e.kind, '/', 1) AS name) n
    LEFT JOIN ledger.entries f
        ON n.name = ANY(%(elsewhere)s) AND f.clinic_id = e.clinic_id
        AND f.aggregate_id = e.aggregate_id AND f.version = 1
    WHERE e.clinic_id = %(clinic_id)s AND e.position > %(after)s AND e.position <= %(upto)s
    AND n.name = ANY(%(names)s)
    ORDER BY e.position LIMIT %(limit)s
"""


def _change(
    clinic_id: int,
    position: int,
    aggregate: UUID,
    version: int,
    kind: str,
    state: bytes,
    first_kind: str | None,
    first_state: bytes | None,
) -> Change | None:
    try:
        fact = read_clear(kind, state)
        first = read_clear(first_kind, first_state) if first_kind and first_state else fact
        return _of_fact(position, aggregate, version, fact, first)
    except Exception as error:
        # Whoever listens must not wait for ever behind one entry; the log names it to an operator.
        name = type(error).__name__
        log.error("clinic %d, position %d tells nobody anything: %s", clinic_id, position, name)
        return None


def _of_fact(position: int, aggregate: UUID, version: int, fact: Fact, first: Fact) -> Change:
    about, number = kind_and_number(aggregate)
    assert isinstance(first, NoteVersion | SessionScheduled | GenerationFact)
    change = Change(
        position,
        about,
        number,
        _WHAT[type(fact)],
        first.client_user_id,
        first.therapist_user_id,
        record_type=fact.record_type if isinstance(fact, NoteFact) else None,
    )
    match fact:
        case NoteVersion():
            return change._replace(version=version)
        case HistoryEntryAmended(amended_version=changed):
            return change._replace(version=changed)
        case HistoryEntryWithdrawn(withdrawn_version=changed):
            return change._replace(version=changed)
        case NoteDeidentified(of_version=of_version):
            return change._replace(version=of_version)
        case NoteProcessingFailed(of_version=of_version, job=job, why=why):
            return change._replace(version=of_version, job=job, why=why)
        case NoteProcessingAskedAgain(of_version=of_version, job=job):
            return change._replace(version=of_version, job=job)
        case SessionStatusSet(event_status=status) | SessionStatusAdvanced(event_status=status):
            return change._replace(event_status=status)
        case GenerationFinished(soap_note_id=soap_note_id):
            return change._replace(soap_note_id=soap_note_id)
        case GenerationFailed(why=why):
            return change._replace(why=why)
        case _:
            return change
