"""A person in the directory: registered once, in one role, and perhaps renamed.

Therapists, clients, auditors, administrators and the ML service are all persons, so that every
user id in a fact belongs to a person. The name is sealed under the person's own key.
"""

from typing import Any, ClassVar, Final, assert_never

from domain.access import DirectoryAction, may_use_directory
from domain.aggregate import Aggregate, State
from domain.change import ChangeType
from domain.refusals import NotPermitted, RoleIsFixed
from domain.value import Command, Fact, Id, Kind, Role, Subject, Words

# --- facts


class PersonWords(Words):
    """The person's name in full."""

    full_name: str


class PersonFact(Fact):
    """What every fact of a person holds."""

    user_id: Id
    words: PersonWords | None = None

    def subject(self) -> Subject:
        """The person."""
        return Subject(self.user_id)


class PersonRegistered(PersonFact):
    """The person was entered in the directory."""

    fact_type: ClassVar[str] = "person-registered/1"
    change: ClassVar[ChangeType | None] = None
    role: Role


class PersonRenamed(PersonFact):
    """The person has another name."""

    fact_type: ClassVar[str] = "person-renamed/1"
    change: ClassVar[ChangeType | None] = None


AnyPersonFact = PersonRegistered | PersonRenamed

# --- what they make


class Person(State):
    """A person as their facts make them."""

    role: Role
    named: AnyPersonFact

    @property
    def words(self) -> PersonWords | None:
        """The name."""
        return self.named.words


def evolve(person: Person | None, fact: AnyPersonFact) -> Person:
    """The person after the fact."""
    match fact:
        case PersonRegistered(role=role):
            return Person(version=1, role=role, named=fact)
        case PersonRenamed():
            assert person is not None, "a person's first fact registers them"
            return person.model_copy(update={"version": person.version + 1, "named": fact})
        case _:
            assert_never(fact)


# --- commands


class PutPerson(Command):
    """The person shall have this role and name."""

    role: Role
    full_name: str


def decide(number: int, person: Person | None, command: PutPerson) -> list[AnyPersonFact]:
    """The facts that make it so, none where it is so already."""
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


def words_for(person: Person, command: PutPerson) -> list[Fact]:
    """A name is compared with the one before."""
    return [person.named]


PERSON: Final[Aggregate[Person, PutPerson, AnyPersonFact]] = Aggregate(
    Kind.PERSON, 4, AnyPersonFact, decide, evolve, words_for
)
