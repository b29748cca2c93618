"""given(facts).when(command).then(facts): a decider's tests, written as histories."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, NamedTuple

import pytest

from domain.aggregates import AnyAggregate
from domain.refusals import Refused
from domain.value import Fact


class Asked(NamedTuple):
    """A command, and the aggregate that it was asked of."""

    aggregate: AnyAggregate
    number: int
    state: Any
    command: Any

    def then(self, facts: Sequence[Fact]) -> None:
        """It makes exactly these facts."""
        assert list(self._decide()) == list(facts)

    def refused(self, refusal: type[Refused], field: str | None = None) -> None:
        """It is refused by this name, and the refusal names this field."""
        with pytest.raises(Refused) as caught:
            self._decide()
        assert (type(caught.value), caught.value.field) == (refusal, field)

    def _decide(self) -> Sequence[Fact]:
        facts: Sequence[Fact] = self.aggregate.decide(self.number, self.state, self.command)
        return facts


class Given(NamedTuple):
    """What has happened so far."""

    aggregate: AnyAggregate
    number: int
    state: Any

    def when(self, command: Any) -> Asked:
        """Somebody asks."""
        return Asked(self.aggregate, self.number, self.state, command)


def histories(aggregate: AnyAggregate, number: int) -> Callable[[Sequence[Fact]], Given]:
    """The word `given` for the aggregate of this number."""

    def given(facts: Sequence[Fact]) -> Given:
        return Given(aggregate, number, reduce(aggregate.evolve, facts, None))

    return given
