"""Takes a directory file into the ledger: checked against what is there, then recorded row by row.

Each row is a command; one that says what holds already makes no fact. So an import that was
interrupted is run again, and one that is run twice changes nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from domain.aggregates import aggregate_of
from domain.person import PERSON, PutPerson
from domain.refusals import (
    ClientIsUnknown,
    Refused,
    RelationshipIsUnknown,
    TherapistIsUnknown,
)
from domain.relationship import RELATIONSHIP, PutRelationship
from domain.session import PutSession
from domain.value import By, Role
from ledger.ledger import Ledger
from runtime.directory_csv import (
    AGGREGATES,
    ClientRow,
    FileIsWrongError,
    Line,
    RelationshipRow,
    Row,
    SessionRow,
    UserRow,
    Wrong,
)

_COLUMN_OF_FIELD: Final = {"starts_at": "session_start_time", "ends_at": "session_end_time"}

Progress = Callable[[int], None]


def check(
    ledger: Ledger,
    clinic_id: int,
    lines: Sequence[Line],
    by: By,
    at: datetime,
    progress: Progress,
) -> None:
    """Raises FileIsWrongError where the ledger would refuse a row, or a row names what is not there."""
    directory = _Directory(ledger, clinic_id, lines)
    wrongs: list[Wrong] = []
    for done, (line, row) in enumerate(lines, 1):
        for refused in _refusals(ledger, clinic_id, directory, row, command(row, by, at)):
            column = _column(row, refused.field or "")
            wrongs.append(Wrong(line, column, refused.sentence()))
        progress(done)
    if wrongs:
        raise FileIsWrongError(wrongs)


def record(
    ledger: Ledger,
    clinic_id: int,
    lines: Sequence[Line],
    by: By,
    at: datetime,
    progress: Progress,
) -> int:
    """Record the rows; how many of them made a fact. Raises the deciders' refusals."""
    news = 0
    for done, (_, row) in enumerate(lines, 1):
        aggregate = aggregate_of(AGGREGATES[type(row)])
        recorded = ledger.record(clinic_id, aggregate, row.id, command(row, by, at))
        news += recorded.position is not None
        progress(done)
    return news


def command(row: Row, by: By, at: datetime) -> Any:
    """What the row asks of the ledger."""
    about: dict[str, Any] = {"by": by, "at": at}
    fields = row.model_dump(exclude={"id"})
    match row:
        case UserRow():
            return PutPerson(**about, **fields)
        case ClientRow():
            return PutPerson(**about, role=Role.CLIENT, **fields)
        case RelationshipRow():
            return PutRelationship(**about, **fields)
        case SessionRow():
            about |= row.model_dump(exclude={"id", "session_start_time", "session_end_time"})
            times = (row.session_start_time, row.session_end_time)
            return PutSession(**about, starts_at=times[0], ends_at=times[1])
        case _:
            raise AssertionError(f"{type(row).__name__} is no kind of row")


class _Directory:
    """The directory as it will be: the file's rows, and behind them the ledger."""

    def __init__(self, ledger: Ledger, clinic_id: int, lines: Sequence[Line]) -> None:
        self._ledger = ledger
        self._clinic_id = clinic_id
        self._roles: dict[int, Role | None] = {}
        self._pairs: dict[int, tuple[int, int] | None] = {}
        for _, row in lines:
            match row:
                case UserRow():
                    self._roles[row.id] = Role(row.role)
                case ClientRow():
                    self._roles[row.id] = Role.CLIENT
                case RelationshipRow():
                    self._pairs[row.id] = (row.therapist_user_id, row.client_user_id)
                case _:
                    pass

    def role(self, user_id: int) -> Role | None:
        if user_id not in self._roles:
            person = self._ledger.outline(self._clinic_id, PERSON, user_id)
            self._roles[user_id] = person.role if person else None
        return self._roles[user_id]

    def pair(self, therapist_client_id: int) -> tuple[int, int] | None:
        """Therapist and client."""
        if therapist_client_id not in self._pairs:
            found = self._ledger.outline(self._clinic_id, RELATIONSHIP, therapist_client_id)
            pair = (found.therapist_user_id, found.client_user_id) if found else None
            self._pairs[therapist_client_id] = pair
        return self._pairs[therapist_client_id]


def _refusals(
    ledger: Ledger, clinic_id: int, directory: _Directory, row: Row, asked: Any
) -> Iterator[Refused]:
    if isinstance(row, RelationshipRow | SessionRow):
        if directory.role(row.therapist_user_id) is not Role.THERAPIST:
            yield TherapistIsUnknown("therapist_user_id")
        if directory.role(row.client_user_id) is not Role.CLIENT:
            yield ClientIsUnknown("client_user_id")
    if isinstance(row, SessionRow):
        pair = (row.therapist_user_id, row.client_user_id)
        if directory.pair(row.therapist_client_id) != pair:
            yield RelationshipIsUnknown("therapist_client_id")
    aggregate = aggregate_of(AGGREGATES[type(row)])
    try:
        aggregate.decide(row.id, ledger.state(clinic_id, aggregate, row.id), asked)
    except Refused as refused:
        yield refused


def _column(row: Row, field: str) -> str:
    if field == "role" and isinstance(row, ClientRow):
        return "kind"
    return _COLUMN_OF_FIELD.get(field, field)
