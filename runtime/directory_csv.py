"""A directory as a CSV file: read and checked whole, before anything of it is recorded.

One row is one entry; `kind` says of what. An error names line and column, never what stands there:
names are words about a person, and errors end up in logs and tickets.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from api.directory import Name
from api.inputs import InputDate, InputId
from api.people import StaffRole
from domain.session import EventStatus
from domain.value import Kind
from runtime.operator_errors import OperatorError

ERRORS_SHOWN_MAX: Final = 100


class Row(BaseModel):
    """What a row of one kind says; its fields are the columns that belong to the kind."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: InputId


class UserRow(Row):
    """Somebody who works here, or the ML service."""

    full_name: Name
    role: StaffRole


class ClientRow(Row):
    """A client."""

    full_name: Name


class RelationshipRow(Row):
    """A therapist and a client, and whether the treatment goes on."""

    therapist_user_id: InputId
    client_user_id: InputId
    is_active: bool = True


class SessionRow(Row):
    """A therapist, a client and a time; the relationship is one of the file's or of the directory's."""

    therapist_user_id: InputId
    client_user_id: InputId
    therapist_client_id: InputId
    session_start_time: InputDate
    session_end_time: InputDate
    event_status: EventStatus | None = None


ROWS: Final[dict[str, type[Row]]] = {
    "user": UserRow,
    "client": ClientRow,
    "relationship": RelationshipRow,
    "session": SessionRow,
}
"""In the order in which they are recorded: what a row names comes before it."""

AGGREGATES: Final[dict[type[Row], Kind]] = {
    UserRow: Kind.PERSON,
    ClientRow: Kind.PERSON,
    RelationshipRow: Kind.RELATIONSHIP,
    SessionRow: Kind.SESSION,
}

COLUMNS: Final = (
    "kind",
    *dict.fromkeys(name for row in ROWS.values() for name in row.model_fields),
)


class Wrong(NamedTuple):
    """What is wrong, and where; lines are counted from 1, the line of the column names."""

    line: int
    column: str
    sentence: str

    def __str__(self) -> str:
        where = f"line {self.line}" + (f", {self.column}" if self.column else "")
        return f"{where}: {self.sentence}"


class FileIsWrongError(OperatorError):
    """The file is not as it should be; nothing of it was recorded."""

    def __init__(self, wrongs: Iterable[Wrong]) -> None:
        self.wrongs = sorted(wrongs)
        shown = [str(wrong) for wrong in self.wrongs[:ERRORS_SHOWN_MAX]]
        more = len(self.wrongs) - len(shown)
        rest = [f"… and {more} more."] if more else []
        super().__init__("\n".join([str(type(self).__doc__), *shown, *rest]))


class Line(NamedTuple):
    """A row, and the line of the file that it begins on."""

    line: int
    row: Row


def read(path: Path) -> list[Line]:
    """The file's rows, as `parse` gives them."""
    return parse(path.read_bytes())


def parse(written: bytes) -> list[Line]:
    """The rows, in the order in which they are recorded. Raises FileIsWrongError with all errors."""
    lines: list[Line] = []
    wrongs: list[Wrong] = []
    for line, cells in _records(_text(written)):
        try:
            lines.append(Line(line, _row(line, cells)))
        except FileIsWrongError as wrong:
            wrongs += wrong.wrongs
    wrongs += _repeated(lines)
    if wrongs:
        raise FileIsWrongError(wrongs)
    order = list(ROWS.values())
    return sorted(lines, key=lambda line: order.index(type(line.row)))


def _text(written: bytes) -> str:
    """UTF-8, with or without a byte order mark."""
    try:
        return written.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = written.count(b"\n", 0, error.start) + 1
        raise FileIsWrongError([Wrong(line, "", "this is not UTF-8.")]) from None


def _records(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Line and filled cells of each row that has any."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    begins = 1
    try:
        columns = [name.strip().lower() for name in next(reader, [])]
        _check_columns(columns)
        begins = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if len(cells) != len(columns):
                    sentence = f"{len(cells)} cells, where {len(columns)} columns are named."
                    raise FileIsWrongError([Wrong(begins, "", sentence)])
                named = zip(columns, cells, strict=True)
                yield begins, {name: cell.strip() for name, cell in named if cell.strip()}
            begins = reader.line_num + 1
    except csv.Error:
        wrong = Wrong(begins, "", "the quotes or commas of this row are not those of CSV.")
        raise FileIsWrongError([wrong]) from None


def _check_columns(columns: list[str]) -> None:
    wrongs = [
        Wrong(
            1,
            "",
            f"column {number} has a name that is not known. The names are: {', '.join(COLUMNS)}.",
        )
        for number, name in enumerate(columns, 1)
        if name not in COLUMNS
    ]
    wrongs += [
        Wrong(1, name, "this column comes twice.") for name in COLUMNS if columns.count(name) > 1
    ]
    wrongs += [
        Wrong(1, name, "this column is missing.") for name in ("kind", "id") if name not in columns
    ]
    if wrongs:
        raise FileIsWrongError(wrongs)


def _row(line: int, cells: dict[str, str]) -> Row:
    kind = cells.pop("kind", "").lower()
    if kind not in ROWS:
        raise FileIsWrongError([Wrong(line, "kind", f"one of {', '.join(ROWS)}.")])
    try:
        return ROWS[kind].model_validate(cells)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        raise FileIsWrongError([_wrong(line, kind, one) for one in found]) from None


def _wrong(line: int, kind: str, error: Any) -> Wrong:
    column = str(error["loc"][0])
    match error["type"]:
        case "missing":
            sentence = f"a {kind} needs it."
        case "extra_forbidden":
            sentence = f"this is nothing that a {kind} has."
        case _:
            sentence = f"{error['msg'].removeprefix('Value error, ')}."
    return Wrong(line, column, sentence)


def _repeated(lines: list[Line]) -> Iterator[Wrong]:
    """Users and clients share their ids."""
    first: dict[tuple[Kind, int], int] = {}
    for line, row in lines:
        before = first.setdefault((AGGREGATES[type(row)], row.id), line)
        if before != line:
            yield Wrong(line, "id", f"this id is that of line {before}, too.")
