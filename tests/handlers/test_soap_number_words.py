"""Numbers in words and in digits are the same numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.soap.number_words import possible, stated


@pytest.mark.parametrize(
    ("text", "numbers", "also_possible"),
    [
        ("a score of 17", {"17"}, set()),
        ("seventeen", {"17"}, set()),
        ("twenty-one days", {"21"}, {"20", "1"}),
        ("two hundred and fifty milligrams", {"250"}, {"2", "50"}),
        ("one twenty eight over eighty", {"128", "80"}, {"1", "20", "8", "28"}),
        ("twenty twenty three", {"2023"}, {"20", "3", "23"}),
        ("two, three times", {"2", "3"}, set()),
        ("one of them", set(), {"1"}),
        ("3.5 mg on 05/14", {"3.5", "05", "14"}, set()),
        ("nobody and nothing", set(), set()),
    ],
)
def test_numbers_of_a_text(text: str, numbers: set[str], also_possible: set[str]) -> None:
    assert stated(text) == numbers
    assert numbers | also_possible <= possible(text)


@given(st.text(alphabet="onetwhrfivsxlugdy 0123456789-,.", max_size=60))
def test_what_is_stated_is_possible(text: str) -> None:
    assert stated(text) <= possible(text)
