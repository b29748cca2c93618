"""given(facts).when(command).then(facts): a decider's tests, told as histories."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, NamedTuple

import pytest

from domain.refusals import Refused
from domain.value import Fact

Decide = Callable[[Any, Any], Sequence[Fact]]
Evolve = Callable[[Any, Any], Any]


class Asked(NamedTuple):
    """A command, and the thing that it was asked of."""

    decide: Decide
    state: Any
    command: Any

    def then(self, facts: Sequence[Fact]) -> None:
        """It makes exactly these facts."""
        assert list(self.decide(self.state, self.command)) == list(facts)

    def refused(self, refusal: type[Refused], field: str | None = None) -> None:
        """It is refused by this name, and the refusal names this field."""
        with pytest.raises(Refused) as caught:
            self.decide(self.state, self.command)
        assert (type(caught.value), caught.value.field) == (refusal, field)


class Given(NamedTuple):
    """What has happened so far."""

    decide: Decide
    state: Any

    def when(self, command: Any) -> Asked:
        """Somebody asks."""
        return Asked(self.decide, self.state, command)


def histories(decide: Decide, evolve: Evolve) -> Callable[[Sequence[Fact]], Given]:
    """The word `given` for one kind of thing."""

    def given(facts: Sequence[Fact]) -> Given:
        return Given(decide, reduce(evolve, facts, None))

    return given
