"""A person in the directory: registered once, in one role, and perhaps renamed.

Therapists, clients, auditors, administrators and the ML service are all persons, so that every
id in a fact leads to somebody. The name is sealed under the person's own key.
"""

from typing import Any, ClassVar, Final, assert_never

from domain.access import DirectoryAction, may_use_directory
from domain.aggregate import Aggregate
from domain.refusals import NotPermitted, RoleIsFixed
from domain.value import Command, Fact, Id, Kind, Role, Subject, Value, Words

# --- facts


class PersonWords(Words):
    """What is said about a person: the name in full."""

    full_name: str


class PersonFact(Fact):
    """What every fact of a person names."""

    user_id: Id
    words: PersonWords | None = None

    def subject(self) -> Subject:
        """The person."""
        return Subject(self.user_id)


class PersonRegistered(PersonFact):
    """The person is known from now on."""

    fact_type: ClassVar[str] = "person-registered/1"
    role: Role


class PersonRenamed(PersonFact):
    """The person goes by another name."""

    fact_type: ClassVar[str] = "person-renamed/1"


AnyPersonFact = PersonRegistered | PersonRenamed

# --- what they make


class Person(Value):
    """A person as the facts tell it."""

    version: int
    role: Role
    words: PersonWords | None


def evolve(person: Person | None, fact: AnyPersonFact) -> Person:
    """The person after the fact."""
    match fact:
        case PersonRegistered(role=role, words=words):
            return Person(version=1, role=role, words=words)
        case PersonRenamed(words=words):
            assert person is not None, "a person's first fact registers them"
            return person.model_copy(update={"version": person.version + 1, "words": words})
        case _:
            assert_never(fact)


# --- commands


class PutPerson(Command):
    """The person shall be known so."""

    role: Role
    full_name: str


def decide(number: int, person: Person | None, command: PutPerson) -> list[AnyPersonFact]:
    """The facts that make the person known so, none where they are already."""
    if not may_use_directory(command.by.role, DirectoryAction.MANAGE_PEOPLE):
        raise NotPermitted
    words = PersonWords(full_name=command.full_name)
    about: dict[str, Any] = {"by": command.by, "at": command.at, "user_id": number}
    if person is None:
        return [PersonRegistered(**about, role=command.role, words=words)]
    if person.role is not command.role:
        raise RoleIsFixed("role")
    if person.words == words:
        return []
    return [PersonRenamed(**about, words=words)]


PERSON: Final[Aggregate[Person, PutPerson, AnyPersonFact]] = Aggregate(
    Kind.PERSON, 4, AnyPersonFact, decide, evolve
)
