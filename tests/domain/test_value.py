"""Values stay what they are, and each refusal is a sentence."""

import pytest
from pydantic import ValidationError

from domain import refusals
from domain.person import PERSON
from domain.record_type import RECORD_TYPE
from domain.refusals import NoteIsDeleted, Refused
from domain.relationship import RELATIONSHIP
from domain.session import SESSION
from domain.value import PSYCHOTHERAPY, THE_CLINIC, KeyScope, Subject
from tests.samples import (
    ALMA_TREATS_CLARA,
    CLARA,
    PROGRESS,
    SESSION_ID,
    drafted,
    put_person,
    put_record_type,
    put_relationship,
    put_session,
)


def test_psychotherapy_notes_have_a_key_of_their_own() -> None:
    assert drafted().subject() == Subject(CLARA.user_id, KeyScope.GENERAL)
    psychotherapy = drafted(record_type=PSYCHOTHERAPY)
    assert psychotherapy.subject() == Subject(CLARA.user_id, KeyScope.PSYCHOTHERAPY)


def test_facts_about_a_person_are_sealed_by_that_persons_key() -> None:
    about_clara = (
        *PERSON.decide(CLARA.user_id, None, put_person(CLARA)),
        *RELATIONSHIP.decide(ALMA_TREATS_CLARA, None, put_relationship()),
        *SESSION.decide(SESSION_ID, None, put_session()),
    )
    assert [fact.subject() for fact in about_clara] == [Subject(CLARA.user_id)] * 3


def test_facts_about_the_clinic_are_sealed_by_the_clinics_key() -> None:
    [defined] = RECORD_TYPE.decide(PROGRESS, None, put_record_type())
    assert defined.subject() == Subject(THE_CLINIC)


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


def test_a_refusals_sentence_is_its_docstring() -> None:
    sentence = "A deleted note can be read by an auditor, and changed by nobody."
    assert NoteIsDeleted.sentence() == sentence
