"""The form in which each aggregate is declared, once: `NOTE` in `note.py`, `SESSION` in `session.py`, ...

`aggregates.py` lists them all; whatever else must know them derives it from there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import UnionType
from typing import Generic, Protocol, TypeVar, get_args

from domain.value import Command, Fact, Kind


class Versioned(Protocol):
    """What an aggregate's facts make of it, whatever else it holds."""

    @property
    def version(self) -> int:
        """How many facts the aggregate has."""
        ...


StateT = TypeVar("StateT", bound=Versioned)
CommandT = TypeVar("CommandT", bound=Command)
FactT = TypeVar("FactT", bound=Fact)


@dataclass(frozen=True)
class Aggregate(Generic[StateT, CommandT, FactT]):
    """What a thing is called, which facts it has, how it answers a command, and what a fact makes of it.

    `number` is the kind in the UUID of every stored aggregate: once given, it is never
    changed and never given again. `facts` is the union that `decide` answers from and `evolve` takes.
    `decide` gets the aggregate's own number, its state (None while it has no facts) and the command;
    it raises `Refused`. `evolve` refuses nothing.
    """

    kind: Kind
    number: int
    facts: UnionType
    decide: Callable[[int, StateT | None, CommandT], Sequence[FactT]]
    evolve: Callable[[StateT | None, FactT], StateT]

    @cached_property
    def fact_types(self) -> tuple[type[FactT], ...]:
        """The classes of `facts`."""
        return get_args(self.facts)
