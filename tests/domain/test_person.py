"""The life of a person in the directory."""

from typing import Any

import pytest

from domain.person import PERSON, PersonRegistered, PersonRenamed, PersonWords, evolve
from domain.refusals import NotPermitted, Refused, RoleIsFixed
from domain.value import Role
from tests.domain.histories import histories
from tests.samples import ADAM, ALMA, AUDRA, CLARA, ML, NOON, after, put_person

given = histories(PERSON, CLARA.user_id)

REGISTERED = PersonRegistered(
    by=ADAM,
    at=NOON,
    user_id=CLARA.user_id,
    role=Role.CLIENT,
    words=PersonWords(full_name="Clara Claes"),
)
RENAMED = PersonRenamed(
    by=ADAM, at=after(1), user_id=CLARA.user_id, words=PersonWords(full_name="Clara Cools")
)


def test_they_are_registered() -> None:
    given([]).when(put_person(CLARA, "Clara Claes")).then([REGISTERED])


def test_they_are_renamed() -> None:
    given([REGISTERED]).when(put_person(CLARA, "Clara Cools", after(1))).then([RENAMED])


def test_the_name_that_they_have_makes_no_fact() -> None:
    given([REGISTERED]).when(put_person(CLARA, "Clara Claes", after(1))).then([])
    given([REGISTERED, RENAMED]).when(put_person(CLARA, "Clara Cools", after(1))).then([])


def test_an_earlier_name_is_taken_up_again() -> None:
    given([REGISTERED, RENAMED]).when(put_person(CLARA, "Clara Claes", after(2))).then(
        [RENAMED.model_copy(update={"at": after(2), "words": REGISTERED.words})]
    )


REFUSALS: list[tuple[list[Any], Any, type[Refused], str | None]] = [
    *(
        ([], put_person(CLARA).model_copy(update={"by": by}), NotPermitted, None)
        for by in (ALMA, CLARA, AUDRA, ML)
    ),
    (
        [REGISTERED],
        put_person(CLARA).model_copy(update={"role": Role.THERAPIST}),
        RoleIsFixed,
        "role",
    ),
]


@pytest.mark.parametrize(("facts", "command", "refusal", "field"), REFUSALS)
def test_refusals(
    facts: list[Any], command: Any, refusal: type[Refused], field: str | None
) -> None:
    given(facts).when(command).refused(refusal, field)


def test_versions_count_the_facts() -> None:
    made = evolve(evolve(None, REGISTERED), RENAMED)
    assert (made.version, made.role, made.words) == (2, Role.CLIENT, RENAMED.words)
