"""The list of aggregates against the domain's own classes: nothing that is declared is left out."""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import TypeVar, get_args, get_type_hints
from uuid import RFC_4122

import pytest
from hypothesis import given
from hypothesis import strategies as st

import domain
from domain.access import Action, CommandOnNote
from domain.aggregate import Aggregate
from domain.aggregates import (
    AGGREGATES,
    FACT_TYPES,
    NOTE_AGGREGATES,
    AnyAggregate,
    aggregate_id,
    aggregate_of,
    kind_and_number,
)
from domain.change import ChangeType
from domain.note import NOTE
from domain.value import MAX_ID, Command, Fact, Kind

ClassT = TypeVar("ClassT")
NUMBERS = st.integers(1, MAX_ID)


def _modules() -> list[ModuleType]:
    return [
        importlib.import_module(f"domain.{found.name}")
        for found in pkgutil.iter_modules(domain.__path__)
    ]


def _subclasses(base: type[ClassT]) -> Iterator[type[ClassT]]:
    for subclass in base.__subclasses__():
        if subclass.__module__.startswith("domain."):
            yield subclass
            yield from _subclasses(subclass)


MODULES = _modules()
DECLARED: dict[str, AnyAggregate] = {
    f"{module.__name__}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, Aggregate)
}
FACTS: list[type[Fact]] = [
    fact for fact in _subclasses(Fact) if not fact.__subclasses__() or hasattr(fact, "fact_type")
]
COMMANDS: list[type[Command]] = [
    command for command in _subclasses(Command) if not command.__subclasses__()
]


@pytest.mark.parametrize("name", DECLARED)
def test_each_aggregate_of_the_domain_is_in_the_list(name: str) -> None:
    assert any(listed is DECLARED[name] for listed in AGGREGATES)
    assert name.endswith(f".{DECLARED[name].kind.name}")


def test_each_kind_is_one_aggregates() -> None:
    assert [aggregate.kind for aggregate in AGGREGATES] == list(Kind)
    assert all(aggregate_of(aggregate.kind) is aggregate for aggregate in AGGREGATES)
    assert {kind: aggregate_of(kind) for kind in (Kind.NOTE, Kind.SOAP_NOTE)} == NOTE_AGGREGATES


@pytest.mark.parametrize("aggregate", AGGREGATES, ids=lambda aggregate: aggregate.kind)
def test_the_facts_are_those_that_it_decides_and_that_it_is_made_of(
    aggregate: AnyAggregate,
) -> None:
    decided = get_type_hints(aggregate.decide)["return"]
    assert get_args(decided) == (aggregate.facts,)
    assert aggregate.facts in get_type_hints(aggregate.evolve).values()
    assert set(aggregate.fact_types) == set(get_args(aggregate.facts))


@pytest.mark.parametrize("fact", FACTS)
def test_each_fact_belongs_to_the_aggregates_of_its_module(fact: type[Fact]) -> None:
    of_its_module = [one for one in AGGREGATES if one.evolve.__module__ == fact.__module__]
    assert of_its_module
    assert [one for one in AGGREGATES if fact in one.fact_types] == of_its_module


def test_each_stored_name_is_one_facts() -> None:
    assert sorted(FACT_TYPES) == sorted(fact.fact_type for fact in FACTS)
    assert all(FACT_TYPES[fact.fact_type] is fact for fact in FACTS)


@pytest.mark.parametrize("fact", FACTS)
def test_each_fact_says_for_itself_what_the_change_stream_says_of_it(fact: type[Fact]) -> None:
    assert "change" in vars(fact)
    assert fact.change is None or fact.change in ChangeType


def test_the_change_stream_uses_each_type() -> None:
    assert {fact.change for fact in FACTS} == {None, *ChangeType}


def commands_of(aggregate: AnyAggregate) -> tuple[type[Command], ...]:
    """Those that `decide` takes."""
    asked = get_type_hints(aggregate.decide)["command"]
    return get_args(asked) or (asked,)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_asked_of_some_aggregate(command: type[Command]) -> None:
    assert any(command in commands_of(aggregate) for aggregate in AGGREGATES)


@pytest.mark.parametrize("command", commands_of(NOTE), ids=lambda command: command.__name__)
def test_each_command_on_a_note_says_which_right_it_needs(command: type[Command]) -> None:
    assert issubclass(command, CommandOnNote)
    assert vars(command)["action"] in Action


def test_no_command_on_a_note_only_reads() -> None:
    needed = {vars(command)["action"] for command in commands_of(NOTE)}
    assert needed == set(Action) - {Action.READ, Action.READ_DEIDENTIFIED}


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
    assert {aggregate.kind.value: aggregate.number for aggregate in AGGREGATES} == {
        "note": 1,
        "soap-note": 2,
        "session": 3,
        "person": 4,
        "relationship": 5,
        "record-type": 6,
        "generation": 7,
        "data-keys": 20,
    }
