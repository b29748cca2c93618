"""A directory from CSV: refused whole with every error named, or recorded whole, once."""

from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.rows import TupleRow

from domain.person import PERSON
from domain.relationship import RELATIONSHIP
from domain.session import SESSION, EventStatus
from domain.value import Role
from ledger.ledger import Ledger
from runtime import directory_import
from runtime.directory_csv import COLUMNS, FileIsWrongError, Line, UserRow, parse, read
from runtime.seed import OPERATOR
from tests.samples import NOON, present
from tests.wholeness import positions

HEADER = (
    "kind,id,full_name,role,therapist_user_id,client_user_id,is_active,"
    "therapist_client_id,session_start_time,session_end_time,event_status\n"
)
USER = "user,11,Alma Arends,therapist,,,,,,,\n"
CLIENT = "client,21,Clara Claes,,,,,,,,\n"
TREATS = "relationship,31,,,11,21,,,,,\n"
SEES = "session,41,,,11,21,,31,2026-03-02T09:00:00+01:00,2026-03-02T09:50:00+01:00,Completed\n"
WHOLE = HEADER + SEES + TREATS + CLIENT + USER
"""Whoever names somebody comes before them: the order of the rows does not matter."""


def wrongs(text: str) -> list[tuple[int, str]]:
    """Line and column of each error; no error quotes a name."""
    with pytest.raises(FileIsWrongError) as wrong:
        parse(text.encode())
    assert "Mabel" not in str(wrong.value)
    return [(line, column) for line, column, _ in wrong.value.wrongs]


def take_in(ledger: Ledger, text: str) -> int:
    """Checked and recorded; how many rows made a fact."""
    lines = parse(text.encode())
    directory_import.check(ledger, 1, lines, OPERATOR, NOON, lambda _: None)
    return directory_import.record(ledger, 1, lines, OPERATOR, NOON, lambda _: None)


def refused(ledger: Ledger, text: str) -> list[tuple[int, str]]:
    """Line and column of each error of a file that says nothing wrong by itself."""
    with pytest.raises(FileIsWrongError) as wrong:
        take_in(ledger, text)
    return [(line, column) for line, column, _ in wrong.value.wrongs]


class TestReading:
    def test_rows_come_in_the_order_in_which_they_are_recorded(self) -> None:
        lines = parse(WHOLE.encode())
        assert [(line, row.id) for line, row in lines] == [(5, 11), (4, 21), (3, 31), (2, 41)]

    @pytest.mark.parametrize(
        "written",
        [
            WHOLE.encode("utf-8-sig"),
            WHOLE.replace("\n", "\r\n").encode(),
            WHOLE.replace("\n", "\n\n").encode(),
            WHOLE.replace("kind,id", "Kind, ID ").encode(),
            WHOLE.replace("Alma Arends", '"Alma Arends"').rstrip("\n").encode(),
        ],
    )
    def test_other_ways_to_write_it(self, written: bytes, tmp_path: Path) -> None:
        file = tmp_path / "directory.csv"
        file.write_bytes(written)
        assert [row for _, row in read(file)] == [row for _, row in parse(WHOLE.encode())]

    def test_columns_that_no_row_needs_may_be_missing(self) -> None:
        text = "id,kind,role,full_name\n11,user,ml,Größe\n"
        assert parse(text.encode()) == [Line(2, UserRow(id=11, full_name="Größe", role="ml"))]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", [(1, "id"), (1, "kind")]),
            ("kind,full_name\n", [(1, "id")]),
            ("kind,id,Mabel\n", [(1, "")]),
            ("kind,id,id\n", [(1, "id")]),
            (HEADER + "Mabel,1,,,,,,,,,\n", [(2, "kind")]),
            (HEADER + ",1,,,,,,,,,\n", [(2, "kind")]),
            (HEADER + "user,1\n", [(2, "")]),
            (HEADER + USER + 'user,2,"Mab"el,,,,,,,,\n', [(3, "")]),
            (HEADER + "user,Mabel,,,,,,,,,\n", [(2, "full_name"), (2, "id"), (2, "role")]),
            (HEADER + "user,0,Mabel,ml,,,,,,,\n", [(2, "id")]),
            (HEADER + f"user,{2**53},Mabel,ml,,,,,,,\n", [(2, "id")]),
            (HEADER + "user,1,Mabel,client,,,,,,,\n", [(2, "role")]),
            (HEADER + "user,1,Mabel\0,ml,,,,,,,\n", [(2, "full_name")]),
            (HEADER + f"user,1,{'Mabel' * 41},ml,,,,,,,\n", [(2, "full_name")]),
            (HEADER + "client,1,Mabel,ml,,,,,,,\n", [(2, "role")]),
            (HEADER + "relationship,1,,,2,3,Mabel,,,,\n", [(2, "is_active")]),
            (HEADER + SEES.replace("+01:00,2", ",2"), [(2, "session_start_time")]),
            (HEADER + SEES.replace("2026-03-02T09:00:00+01:00", "1"), [(2, "session_start_time")]),
            (HEADER + SEES.replace("2026", "0001"), [(2, "session_end_time"), (2, "session_start_time")]),
            (HEADER + SEES.replace("Completed", "Mabel"), [(2, "event_status")]),
            (HEADER + USER + CLIENT.replace("21", "11"), [(3, "id")]),
            (HEADER + 'user,1,"Ma\nbel",ml,,,,,,,\n' + TREATS + TREATS, [(5, "id")]),
        ],
    )  # fmt: skip
    def test_errors_name_line_and_column(self, text: str, expected: list[tuple[int, str]]) -> None:
        assert wrongs(text) == expected

    def test_not_utf_8(self) -> None:
        with pytest.raises(FileIsWrongError, match="line 2: this is not UTF-8"):
            parse((HEADER + USER.replace("Alma", "Größe")).encode("latin-1"))

    @given(st.binary() | st.text().map(lambda text: (HEADER + text).encode("utf-8", "replace")))
    def test_whatever_comes_is_read_or_refused(self, written: bytes) -> None:
        try:
            parse(written)
        except FileIsWrongError as wrong:
            assert wrong.wrongs

    def test_the_columns_are_those_that_are_documented(self) -> None:
        assert set(COLUMNS) == set(HEADER.strip().split(","))


class TestRecording:
    def test_recorded_once(self, ledger: Ledger, owner: psycopg.Connection[TupleRow]) -> None:
        assert take_in(ledger, WHOLE) == 4
        assert take_in(ledger, WHOLE) == 0
        assert present(ledger.state(1, PERSON, 11)).role is Role.THERAPIST
        assert present(present(ledger.state(1, PERSON, 21)).words).full_name == "Clara Claes"
        assert present(ledger.state(1, RELATIONSHIP, 31)).is_active
        assert present(ledger.state(1, SESSION, 41)).event_status is EventStatus.COMPLETED
        assert len(positions(owner)) == 4

    def test_later_files_stand_on_what_is_there(self, ledger: Ledger) -> None:
        assert take_in(ledger, HEADER + USER + CLIENT) == 2
        assert take_in(ledger, HEADER + TREATS) == 1
        assert take_in(ledger, HEADER + SEES) == 1
        changed = SEES.replace("09:50", "10:00").replace("Completed", "Reviewed")
        assert take_in(ledger, HEADER + changed) == 1
        assert take_in(ledger, HEADER + TREATS.replace("21,,", "21,false,")) == 1
        assert not present(ledger.state(1, RELATIONSHIP, 31)).is_active

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (CLIENT + TREATS, [(3, "therapist_user_id")]),
            (USER + TREATS, [(3, "client_user_id")]),
            (USER.replace("therapist", "auditor") + CLIENT + TREATS, [(4, "therapist_user_id")]),
            (USER + CLIENT + SEES, [(4, "therapist_client_id")]),
            (USER + CLIENT + TREATS + SEES.replace("09:50", "08:50"), [(5, "session_end_time")]),
            (
                USER + CLIENT + CLIENT.replace("21", "22") + TREATS + SEES.replace(",21", ",22"),
                [(6, "therapist_client_id")],
            ),
        ],
    )
    def test_what_is_named_is_there(
        self, ledger: Ledger, text: str, expected: list[tuple[int, str]]
    ) -> None:
        assert refused(ledger, HEADER + text) == expected
        assert ledger.state(1, PERSON, 11) is None
        assert ledger.state(1, PERSON, 21) is None

    def test_what_is_fixed_stays(self, ledger: Ledger) -> None:
        take_in(ledger, WHOLE)
        auditor, other = USER.replace("therapist", "auditor"), CLIENT.replace("21", "22")
        assert refused(ledger, HEADER + auditor) == [(2, "role")]
        assert refused(ledger, HEADER + CLIENT.replace("21", "11")) == [(2, "kind")]
        assert refused(ledger, HEADER + other + TREATS.replace("21", "22")) == [
            (3, "client_user_id")
        ]
        assert ledger.state(1, PERSON, 22) is None
