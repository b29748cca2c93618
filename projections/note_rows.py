"""How notes are read: the one statement and the one row that all readers of notes share.

Each reader says which rows it wants: a whole SELECT of its view, called `found`. The statement
below stands around that SELECT. It joins the entry of the save, the entry of its amendment and
the session, and looks up whether the client is the caller's. The two texts are put together once,
on import, from constants; otherwise seven statements would repeat the same lines. (A view in the
database would stay bound to a table that a rebuild drops.)

PostgreSQL plans both SELECTs as one. So it uses the index that fits `found`, and reads no more
rows than the reader asks for.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from domain import access
from domain.access import Action, NoteAccess
from domain.note_facts import HistoryEntryAmended, NoteVersion
from domain.value import Caller, Fact, Kind
from ledger.database import Datastore
from ledger.outlines import SealedEntry
from projections.view import by_name

_READ: Final = """
    WITH found AS ({found})
    SELECT found.note_id, found.record_type, found.therapist_user_id,
        EXISTS (
            SELECT FROM relationships r
            WHERE r.clinic_id = %(clinic_id)s AND r.therapist_user_id = %(user_id)s
            AND r.client_user_id = found.client AND r.is_active
        ) AS is_callers_client,
        found.created_by, found.created_at,
        s.starts_at AS session_starts_at, s.ends_at AS session_ends_at,
        e.position, e.aggregate_id, e.version, e.kind AS saved_type, e.state AS saved_sealed,
        a.version AS amendment_version, a.kind AS amendment_type, a.state AS amendment_sealed
    FROM found
    JOIN entries e ON e.clinic_id = %(clinic_id)s AND e.position = found.position
    LEFT JOIN sessions s
        ON s.clinic_id = %(clinic_id)s AND s.session_id = found.therapist_session_id
    LEFT JOIN entries a
        ON a.clinic_id = %(clinic_id)s AND a.position = found.amended_at_position
    ORDER BY found.ascending, found.descending DESC LIMIT %(limit)s::bigint
"""


def reading(found: str) -> str:
    """The whole statement around `found`.

    `found` selects note_id, record_type, therapist_user_id, therapist_session_id, position, and

    - `client`: the client's id. A reader of one client's rows selects its parameter here, not the
      column: PostgreSQL then looks up once, not for each row, whether the client is the caller's;
    - `amended_at_position`: the position of the save's amendment; NULL where there is none, or where
      the reader does not show it;
    - `created_by`, `created_at`: NULL in the history, which does not have them;
    - `ascending`, `descending`: what the rows are sorted by; one of the two is NULL.
    """
    return _READ.format(found=found)


class NoteRow(NamedTuple):
    """A save and its amendment, if there is one: both still sealed.

    `record_type`, `therapist_user_id` and `is_callers_client` decide who may read it. `position`,
    `version` and `aggregate_id` are those of the save's entry; the amendment is an entry of the same
    aggregate. `created_by` and `created_at` are None in a row of the history.
    """

    note_id: int
    record_type: int
    therapist_user_id: int
    is_callers_client: bool
    created_by: int | None
    created_at: datetime | None
    session_starts_at: datetime | None
    session_ends_at: datetime | None
    position: int
    aggregate_id: UUID
    version: int
    saved_type: str
    saved_sealed: bytes
    amendment_version: int | None
    amendment_type: str | None
    amendment_sealed: bytes | None

    def save(self) -> SealedEntry:
        """The save's entry."""
        return SealedEntry(
            aggregate_id=self.aggregate_id,
            version=self.version,
            fact_type=self.saved_type,
            sealed=self.saved_sealed,
        )

    def amendment(self) -> SealedEntry | None:
        """The amendment's entry."""
        if not (self.amendment_version and self.amendment_type and self.amendment_sealed):
            return None
        return SealedEntry(
            aggregate_id=self.aggregate_id,
            version=self.amendment_version,
            fact_type=self.amendment_type,
            sealed=self.amendment_sealed,
        )


OpenedRow = tuple[NoteRow, NoteVersion, HistoryEntryAmended | None]
"""A row, and its save and amendment opened."""


FactsOf = Callable[[int, Sequence[SealedEntry]], list[Fact]]
"""The facts of a clinic's entries, in their order."""


class NoteRows:
    """Reads notes: finds the rows, leaves out what the caller may not read, and makes facts of the rest.

    `facts_of` makes them: `Ledger.open` with their words, `Ledger.clear` without.
    """

    def __init__(self, datastore: Datastore, facts_of: FactsOf) -> None:
        self._datastore = datastore
        self._facts_of = facts_of

    def read(
        self,
        statement: str,
        caller: Caller,
        kind: Kind,
        filters: Mapping[str, object],
        limit: int | None = None,
    ) -> Iterator[OpenedRow]:
        """The rows that the caller may read, opened, in the order of the statement; at most `limit`.

        `statement` was made by `reading`; `filters` are the parameters of its `found`.
        """
        params = {
            "clinic_id": caller.clinic_id,
            "user_id": caller.user_id,
            "kind": kind.value,
            "limit": limit,
            **filters,
        }
        with self._datastore.as_caller(caller) as conn:
            cursor = conn.cursor(row_factory=by_name(NoteRow), binary=True)
            rows = cursor.execute(statement, params).fetchall()
        permitted = _permitted(caller, kind, rows)
        amendments = [row.amendment() for row in permitted]
        sealed = [row.save() for row in permitted] + [one for one in amendments if one]
        # Saves and amendments are opened together, so that their keys are fetched at once.
        facts: Iterator[Any] = iter(self._facts_of(caller.clinic_id, sealed))
        saves = [next(facts) for _ in permitted]
        for row, saved, amendment in zip(permitted, saves, amendments, strict=True):
            yield row, saved, next(facts) if amendment else None


def _permitted(caller: Caller, kind: Kind, rows: Sequence[NoteRow]) -> list[NoteRow]:
    """The rows that the caller may read: the first wall; row-level security is the second.

    Many rows of a page share what decides. The access function is asked once for each such case.
    """
    answers: dict[tuple[int, int, bool], bool] = {}
    permitted = []
    for row in rows:
        case = (row.record_type, row.therapist_user_id, row.is_callers_client)
        if case not in answers:
            answers[case] = _may_read(caller, kind, row)
        if answers[case]:
            permitted.append(row)
    return permitted


def _may_read(caller: Caller, kind: Kind, row: NoteRow) -> bool:
    note = NoteAccess(
        kind,
        record_type=row.record_type,
        therapist_user_id=row.therapist_user_id,
        is_callers_client=row.is_callers_client,
    )
    return access.refusal(caller, Action.READ, note) is None
