"""A record type: the operator's list of what kinds of notes there are.

Type 1 is always psychotherapy notes; the others may be renamed, retired and brought back.
"""

from typing import Any, ClassVar, Final, assert_never

from domain.access import DirectoryAction, may_use_directory
from domain.aggregate import Aggregate, State, no_words
from domain.change import ChangeType
from domain.refusals import NotPermitted
from domain.value import Command, Fact, Id, Kind

# --- facts


class RecordTypeDefined(Fact):
    """Notes of this type may be written, under this name (no words about a person)."""

    fact_type: ClassVar[str] = "record-type-defined/1"
    change: ClassVar[ChangeType | None] = None
    record_type: Id
    name: str
    description: str


class RecordTypeRetired(Fact):
    """No new notes of this type are written."""

    fact_type: ClassVar[str] = "record-type-retired/1"
    change: ClassVar[ChangeType | None] = None
    record_type: Id


AnyRecordTypeFact = RecordTypeDefined | RecordTypeRetired

# --- what they make


class RecordType(State):
    """A record type as its facts make it."""

    name: str
    description: str
    is_active: bool


def evolve(record_type: RecordType | None, fact: AnyRecordTypeFact) -> RecordType:
    """The record type after the fact."""
    match fact:
        case RecordTypeDefined(name=name, description=description):
            version = record_type.version + 1 if record_type else 1
            return RecordType(version=version, name=name, description=description, is_active=True)
        case RecordTypeRetired():
            assert record_type is not None, "a record type's first fact defines it"
            retired = {"version": record_type.version + 1, "is_active": False}
            return record_type.model_copy(update=retired)
        case _:
            assert_never(fact)


# --- commands


class PutRecordType(Command):
    """The record type shall be so."""

    name: str
    description: str
    is_active: bool = True


def decide(
    number: int, record_type: RecordType | None, command: PutRecordType
) -> list[AnyRecordTypeFact]:
    """The facts that make it so, none where it is so already."""
    if not may_use_directory(command.by.role, DirectoryAction.MANAGE_PEOPLE):
        raise NotPermitted
    about: dict[str, Any] = {"by": command.by, "at": command.at, "record_type": number}
    defined = RecordTypeDefined(**about, name=command.name, description=command.description)
    is_so = record_type is not None and (record_type.name, record_type.description) == (
        command.name,
        command.description,
    )
    is_active = record_type is not None and record_type.is_active
    facts: list[AnyRecordTypeFact] = []
    if not is_so or (command.is_active and not is_active):
        facts.append(defined)
    if not command.is_active and (is_active or facts):
        facts.append(RecordTypeRetired(**about))
    return facts


RECORD_TYPE: Final[Aggregate[RecordType, PutRecordType, AnyRecordTypeFact]] = Aggregate(
    Kind.RECORD_TYPE, 6, AnyRecordTypeFact, decide, evolve, no_words
)
