"""The form in which each aggregate is declared, once: `NOTE` in `note.py`, `SESSION` in `session.py`, ...

`aggregates.py` lists them all; whatever else must know them derives it from there.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import UnionType
from typing import Generic, TypeVar, get_args

from domain.value import Command, Fact, Kind, Value


class State(Value):
    """What an aggregate's facts make of it, whatever else it holds. `version` counts them."""

    version: int


StateT = TypeVar("StateT", bound=State)
CommandT = TypeVar("CommandT", bound=Command)
FactT = TypeVar("FactT", bound=Fact)


@dataclass(frozen=True)
class Aggregate(Generic[StateT, CommandT, FactT]):
    """What a thing is called, which facts it has, how it answers a command, and what a fact makes of it.

    `number` is the kind in the UUID of every stored aggregate: once given, it is never
    changed and never given again. `facts` is the union that `decide` answers from and `evolve` takes.
    `decide` gets the aggregate's own number, its state (None while it has no facts) and the command;
    it raises `Refused`. `evolve` refuses nothing. `words_for` says of which of the facts that a state
    holds the words are needed to decide a command: no others are opened.
    """

    kind: Kind
    number: int
    facts: UnionType
    decide: Callable[[int, StateT | None, CommandT], Sequence[FactT]]
    evolve: Callable[[StateT | None, FactT], StateT]
    words_for: Callable[[StateT, CommandT], Iterable[Fact | None]]

    @cached_property
    def fact_types(self) -> tuple[type[FactT], ...]:
        """The classes of `facts`."""
        return get_args(self.facts)


def no_words(state: State, command: Command) -> tuple[()]:
    """For an aggregate whose decisions need no words."""
    return ()
