"""The life of a record type."""

from typing import Any

import pytest

from domain.record_type import RECORD_TYPE, RecordTypeDefined, RecordTypeRetired, evolve
from domain.refusals import NotPermitted, Refused
from tests.domain.histories import histories
from tests.samples import ADAM, ALMA, AUDRA, CLARA, ML, NOON, PROGRESS, put_record_type

given = histories(RECORD_TYPE, PROGRESS)

DEFINED = RecordTypeDefined(
    by=ADAM, at=NOON, record_type=PROGRESS, name="Progress note", description="How it goes."
)
RENAMED = DEFINED.model_copy(update={"name": "Session note"})
RETIRED = RecordTypeRetired(by=ADAM, at=NOON, record_type=PROGRESS)


def test_it_is_defined() -> None:
    given([]).when(put_record_type()).then([DEFINED])


def test_it_is_defined_and_not_yet_in_use() -> None:
    given([]).when(put_record_type(is_active=False)).then([DEFINED, RETIRED])


def test_it_is_named_anew() -> None:
    given([DEFINED]).when(put_record_type(name="Session note")).then([RENAMED])


def test_it_is_retired() -> None:
    given([DEFINED]).when(put_record_type(is_active=False)).then([RETIRED])


def test_a_retired_one_is_named_anew_and_stays_retired() -> None:
    given([DEFINED, RETIRED]).when(put_record_type(name="Session note", is_active=False)).then(
        [RENAMED, RETIRED]
    )


def test_it_is_taken_up_again() -> None:
    given([DEFINED, RETIRED]).when(put_record_type()).then([DEFINED])


def test_what_is_so_already_makes_no_fact() -> None:
    given([DEFINED]).when(put_record_type()).then([])
    given([DEFINED, RETIRED]).when(put_record_type(is_active=False)).then([])


@pytest.mark.parametrize("by", [ALMA, CLARA, AUDRA, ML])
def test_refusals(by: Any) -> None:
    refused: type[Refused] = NotPermitted
    given([]).when(put_record_type(by=by)).refused(refused)


def test_versions_count_the_facts() -> None:
    made = evolve(evolve(evolve(None, DEFINED), RETIRED), RENAMED)
    assert (made.version, made.name, made.is_active) == (3, "Session note", True)
