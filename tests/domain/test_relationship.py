"""The life of a therapist–client relationship."""

from typing import Any

import pytest

from domain.refusals import NotPermitted, Refused, RelationshipIsFixed
from domain.relationship import RELATIONSHIP, RelationshipBegan, RelationshipEnded, evolve
from tests.domain.histories import histories
from tests.samples import (
    ADAM,
    ALMA,
    ALMA_TREATS_CLARA,
    AUDRA,
    BRUNO,
    CLARA,
    DAVID,
    ML,
    NOON,
    put_relationship,
)

given = histories(RELATIONSHIP, ALMA_TREATS_CLARA)

ABOUT: dict[str, Any] = {
    "by": ADAM,
    "at": NOON,
    "therapist_client_id": ALMA_TREATS_CLARA,
    "therapist_user_id": ALMA.user_id,
    "client_user_id": CLARA.user_id,
}
BEGAN, ENDED = RelationshipBegan(**ABOUT), RelationshipEnded(**ABOUT)


def test_it_begins() -> None:
    given([]).when(put_relationship()).then([BEGAN])


def test_it_begins_and_has_ended_already() -> None:
    given([]).when(put_relationship(is_active=False)).then([BEGAN, ENDED])


def test_it_ends() -> None:
    given([BEGAN]).when(put_relationship(is_active=False)).then([ENDED])


def test_it_is_taken_up_again() -> None:
    given([BEGAN, ENDED]).when(put_relationship()).then([BEGAN])


def test_what_is_so_already_makes_no_fact() -> None:
    given([BEGAN]).when(put_relationship()).then([])
    given([BEGAN, ENDED]).when(put_relationship(is_active=False)).then([])


REFUSALS: list[tuple[list[Any], Any, type[Refused], str | None]] = [
    *(([], put_relationship(by=by), NotPermitted, None) for by in (ALMA, CLARA, AUDRA, ML)),
    ([BEGAN], put_relationship(therapist=BRUNO), RelationshipIsFixed, "therapist_user_id"),
    ([BEGAN], put_relationship(client=DAVID), RelationshipIsFixed, "client_user_id"),
]


@pytest.mark.parametrize(("facts", "command", "refusal", "field"), REFUSALS)
def test_refusals(
    facts: list[Any], command: Any, refusal: type[Refused], field: str | None
) -> None:
    given(facts).when(command).refused(refusal, field)


def test_versions_count_the_facts() -> None:
    made = evolve(evolve(None, BEGAN), ENDED)
    assert (made.version, made.is_active) == (2, False)
