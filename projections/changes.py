"""The change stream: entries as short changes of notes, sessions and generations, without words.

Nothing is stored for it and no key is needed: a page of changes is a page of entries. A caller may see a
change if they may read what changed, by `domain/access.py`.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from psycopg.rows import tuple_row

from domain.access import Action, DirectoryAction, NoteAccess, may_use_directory, refusal
from domain.aggregates import FACT_TYPES, kind_and_number
from domain.change import ChangeType
from domain.generation_facts import GenerationFact
from domain.note_facts import NoteFact, NoteVersion
from domain.relationship import RELATIONSHIP
from domain.session import EventStatus, SessionScheduled
from domain.value import Caller, Fact, Kind, Role
from domain.work import JobName, WhyFailed
from ledger.codec import read_clear
from ledger.database import Datastore

log = logging.getLogger("noteledger.changes")

PAGE_ENTRIES: Final = 500


def _stored_names(facts: Iterable[type[Fact]]) -> list[str]:
    """Without the shape's version: entries of all shapes are read."""
    return [fact.fact_type.partition("/")[0] for fact in facts]


_NAME_THEIR_THERAPIST: Final = (NoteVersion, GenerationFact)
_CHANGES: Final = [fact for fact in FACT_TYPES.values() if fact.change]
_THERAPIST_IS_ELSEWHERE: Final = _stored_names(
    fact for fact in _CHANGES if not issubclass(fact, _NAME_THEIR_THERAPIST)
)
"""The first fact of their aggregate names the therapist, who never changes."""
_RELATIONSHIPS: Final = _stored_names(RELATIONSHIP.fact_types)
_READ: Final = _stored_names(_CHANGES) + _RELATIONSHIPS


class Change(NamedTuple):
    """What happened at a position. The fields from `version` on are those of `ChangeDetails`."""

    position: int
    about: Kind
    number: int
    what: ChangeType
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
    """Each therapist's clients, by the ledger up to `position`."""

    position: int
    clients_of: Mapping[int, frozenset[int]]


def visible_changes(
    caller: Caller, changes: Iterable[Change], clients: frozenset[int]
) -> list[Change]:
    """The changes that the caller may see, without what they may not see of them.

    `clients` are those whom the caller treats. Most changes of a clinic concern other therapists, so
    these are left out first, by a quick comparison: many streams ask it of each change.
    """
    if caller.role is Role.THERAPIST:
        me = caller.user_id
        changes = [
            change
            for change in changes
            if change.therapist_user_id == me or change.client_user_id in clients
        ]
    visible = (_as_visible(caller, change, change.client_user_id in clients) for change in changes)
    return [change for change in visible if change]


def _as_visible(caller: Caller, change: Change, is_callers_client: bool) -> Change | None:
    if change.about is Kind.NOTE or change.about is Kind.SOAP_NOTE:
        return change if _may_see_note(caller, change, is_callers_client) else None
    if caller.role is Role.THERAPIST:
        is_their_own = change.therapist_user_id == caller.user_id
        return change if is_their_own or is_callers_client else None
    if not may_use_directory(caller.role, DirectoryAction.READ_PEOPLE):
        return None
    # An administrator may see that a draft was made, but not which note it became.
    return change._replace(soap_note_id=None) if caller.role is Role.ADMINISTRATOR else change


def _may_see_note(caller: Caller, change: Change, is_callers_client: bool) -> bool:
    assert change.record_type is not None, "every fact of a note names its record type"
    is_deidentified = change.what is ChangeType.DEIDENTIFIED
    action = Action.READ_DEIDENTIFIED if is_deidentified else Action.READ
    note = NoteAccess(change.about, change.record_type, change.therapist_user_id, is_callers_client)
    return refusal(caller, action, note) is None


class Changes:
    """Reads all changes of a clinic; `visible_changes` says which of them a caller may see."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    def heads(self, clinic_ids: Sequence[int]) -> dict[int, int]:
        """The newest position of each clinic's ledger."""
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
        """The clinic's active relationships, and the position up to which they hold."""
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
        """The next changes after position `after`, up to `upto`; at most PAGE_ENTRIES entries are read."""
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
# Each entry is cut off where its ciphertext begins (the layout is in `ledger/sealing.py`): words may be
# long, and are not read here.
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
    fact_type: str,
    clear: bytes,
    first_type: str | None,
    first_clear: bytes | None,
) -> Change | None:
    try:
        fact = read_clear(fact_type, clear)
        first = read_clear(first_type, first_clear) if first_type and first_clear else fact
        return _of_fact(position, aggregate, version, fact, first)
    except Exception as error:
        # One entry that cannot be read must not stop the stream; the log names it for an operator.
        name = type(error).__name__
        log.error(
            "clinic %d, position %d is left out of the change stream: %s", clinic_id, position, name
        )
        return None


def _of_fact(position: int, aggregate: UUID, version: int, fact: Fact, first: Fact) -> Change:
    about, number = kind_and_number(aggregate)
    assert fact.change is not None, "no other facts are read"
    assert isinstance(first, NoteVersion | SessionScheduled | GenerationFact)
    return Change(
        position,
        about,
        number,
        fact.change,
        first.client_user_id,
        first.therapist_user_id,
        fact.record_type if isinstance(fact, NoteFact) else None,
        **fact.change_details(version)._asdict(),
    )
