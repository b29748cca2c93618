"""Identities, and that values stay what they are."""

from uuid import RFC_4122

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain import refusals
from domain.refusals import Refused
from domain.value import (
    KIND_NUMBER,
    MAX_ID,
    PSYCHOTHERAPY,
    KeyScope,
    Kind,
    Subject,
    aggregate_id,
    kind_and_number,
)
from tests.samples import CLARA, drafted

NUMBERS = st.integers(1, MAX_ID)


@given(kind=st.sampled_from(Kind), number=NUMBERS)
def test_an_aggregates_id_tells_its_kind_and_number(kind: Kind, number: int) -> None:
    aggregate = aggregate_id(kind, number)
    assert kind_and_number(aggregate) == (kind, number)
    assert (aggregate.version, aggregate.variant) == (8, RFC_4122)


@given(kind=st.sampled_from(Kind), earlier=NUMBERS, later=NUMBERS)
def test_ids_grow_with_their_numbers(kind: Kind, earlier: int, later: int) -> None:
    ids = (aggregate_id(kind, earlier), aggregate_id(kind, later))
    assert (ids[0] < ids[1]) == (earlier < later)


def test_the_stored_numbers_of_the_kinds_never_change() -> None:
    assert {kind.value: number for kind, number in KIND_NUMBER.items()} == {
        "note": 1,
        "soap-note": 2,
        "session": 3,
        "person": 4,
        "relationship": 5,
        "record-type": 6,
        "generation": 7,
    }


def test_psychotherapy_notes_have_a_key_of_their_own() -> None:
    assert drafted().subject() == Subject(CLARA.user_id, KeyScope.GENERAL)
    psychotherapy = drafted(record_type=PSYCHOTHERAPY)
    assert psychotherapy.subject() == Subject(CLARA.user_id, KeyScope.PSYCHOTHERAPY)


def test_a_fact_does_not_change() -> None:
    fact = drafted()
    with pytest.raises(ValidationError):
        fact.note_id = 2  # type: ignore[misc]


def test_a_fact_knows_its_fields_and_no_others() -> None:
    with pytest.raises(ValidationError):
        drafted(mood="fine")


def _refusals() -> list[type[Refused]]:
    return [
        found
        for found in vars(refusals).values()
        if isinstance(found, type) and issubclass(found, Refused) and found is not Refused
    ]


@pytest.mark.parametrize("refusal", _refusals())
def test_each_refusal_is_one_sentence_to_the_user(refusal: type[Refused]) -> None:
    assert str(refusal()) == refusal.sentence()
    assert refusal.sentence().endswith(".")
    assert "\n" not in refusal.sentence()
