"""Every aggregate, and what follows from the list: UUIDs, and which class a stored fact is read as."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from domain.aggregate import Aggregate
from domain.data_keys import DATA_KEYS
from domain.generation import GENERATION
from domain.note import NOTE, NoteAggregate
from domain.person import PERSON
from domain.record_type import RECORD_TYPE
from domain.relationship import RELATIONSHIP
from domain.session import SESSION
from domain.soap_note import SOAP_NOTE
from domain.value import Fact, Kind

AnyAggregate = Aggregate[Any, Any, Any]
"""For code that knows the kind at run time only: it has no types for state, command and facts."""

AGGREGATES: Final[tuple[AnyAggregate, ...]] = (
    NOTE,
    SOAP_NOTE,
    SESSION,
    PERSON,
    RELATIONSHIP,
    RECORD_TYPE,
    GENERATION,
    DATA_KEYS,
)
NOTE_AGGREGATES: Final[Mapping[Kind, NoteAggregate]] = {
    aggregate.kind: aggregate for aggregate in (NOTE, SOAP_NOTE)
}
"""The two kinds of notes: the same states, commands and facts."""

FACT_TYPES: Final[Mapping[str, type[Fact]]] = {
    fact.fact_type: fact for aggregate in AGGREGATES for fact in aggregate.fact_types
}
"""By stored name."""

_BY_KIND: Final = {aggregate.kind: aggregate for aggregate in AGGREGATES}
_BY_NUMBER: Final = {aggregate.number: aggregate for aggregate in AGGREGATES}
_VERSION_8: Final = 8 << 76
_VARIANT: Final = 0b10 << 62
_LOW_62_BITS: Final = (1 << 62) - 1


def aggregate_of(kind: Kind) -> AnyAggregate:
    """The aggregate of this kind."""
    return _BY_KIND[kind]


def aggregate_id(kind: Kind, number: int) -> UUID:
    """The UUIDv8 (RFC 9562, section 5.8) of an aggregate: its kind in the high bits, its id in the low.

    Such ids grow with time within a kind, so that new rows land on the index's last page.
    """
    return UUID(int=_BY_KIND[kind].number << 80 | _VERSION_8 | _VARIANT | number)


def kind_and_number(aggregate: UUID) -> tuple[Kind, int]:
    """The inverse of `aggregate_id`. Raises KeyError for a UUID that it did not make."""
    return _BY_NUMBER[aggregate.int >> 80].kind, aggregate.int & _LOW_62_BITS
