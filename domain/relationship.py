"""A therapist–client relationship: while it is active, the therapist may read the client's notes.

It is made for one therapist and one client, may end, and may begin again.
"""

from typing import ClassVar, Final, assert_never

from domain.access import DirectoryAction, may_use_directory
from domain.aggregate import Aggregate, State, no_words
from domain.change import ChangeType
from domain.refusals import NotPermitted, RelationshipIsFixed
from domain.value import Command, Fact, Id, Kind, Subject

# --- facts


class RelationshipFact(Fact):
    """What every fact of a relationship holds."""

    therapist_client_id: Id
    therapist_user_id: Id
    client_user_id: Id

    def subject(self) -> Subject:
        """The client."""
        return Subject(self.client_user_id)


class RelationshipBegan(RelationshipFact):
    """The therapist treats the client from now on."""

    fact_type: ClassVar[str] = "relationship-began/1"
    change: ClassVar[ChangeType | None] = None


class RelationshipEnded(RelationshipFact):
    """The therapist treats the client no longer."""

    fact_type: ClassVar[str] = "relationship-ended/1"
    change: ClassVar[ChangeType | None] = None


AnyRelationshipFact = RelationshipBegan | RelationshipEnded

# --- what they make


class Relationship(State):
    """A relationship as its facts make it."""

    therapist_user_id: int
    client_user_id: int
    is_active: bool


def evolve(relationship: Relationship | None, fact: AnyRelationshipFact) -> Relationship:
    """The relationship after the fact."""
    match fact:
        case RelationshipBegan():
            is_active = True
        case RelationshipEnded():
            is_active = False
        case _:
            assert_never(fact)
    return Relationship(
        version=relationship.version + 1 if relationship else 1,
        therapist_user_id=fact.therapist_user_id,
        client_user_id=fact.client_user_id,
        is_active=is_active,
    )


# --- commands


class PutRelationship(Command):
    """The relationship shall be so."""

    therapist_user_id: Id
    client_user_id: Id
    is_active: bool = True


def decide(
    number: int, relationship: Relationship | None, command: PutRelationship
) -> list[AnyRelationshipFact]:
    """The facts that make it so, none where it is so already."""
    if not may_use_directory(command.by.role, DirectoryAction.MANAGE_PEOPLE):
        raise NotPermitted
    for field in ("therapist_user_id", "client_user_id"):
        if relationship and getattr(relationship, field) != getattr(command, field):
            raise RelationshipIsFixed(field)
    about = command.model_dump(exclude={"is_active"}) | {"therapist_client_id": number}
    facts: list[AnyRelationshipFact] = []
    if relationship is None:
        facts.append(RelationshipBegan(**about))
    elif command.is_active and not relationship.is_active:
        return [RelationshipBegan(**about)]
    if not command.is_active and (relationship is None or relationship.is_active):
        facts.append(RelationshipEnded(**about))
    return facts


RELATIONSHIP: Final[Aggregate[Relationship, PutRelationship, AnyRelationshipFact]] = Aggregate(
    Kind.RELATIONSHIP, 5, AnyRelationshipFact, decide, evolve, no_words
)
