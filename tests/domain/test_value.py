"""Values stay what they are, and each refusal is a sentence."""

import pytest
from pydantic import ValidationError

from domain import refusals
from domain.refusals import Refused
from domain.value import PSYCHOTHERAPY, KeyScope, Subject
from tests.samples import CLARA, drafted


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
