"""`noteledger inspect`: the facts of one aggregate as far as they are stored in the clear.

It needs no key file and opens nothing, so it works where a key is gone, too.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

from domain.aggregates import aggregate_id
from domain.value import By, Kind
from ledger.clear_facts import ClearFact, clear_facts
from ledger.database import Datastore
from runtime.checks import require_ready
from runtime.operator_errors import OperatorError


class NoSuchKind(OperatorError):
    """Nothing in the ledger is of this kind."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is no kind. The kinds are: {', '.join(Kind)}.")


class NothingIsRecorded(OperatorError):
    """The ledger has no fact about it."""

    def __init__(self, thing: "Thing") -> None:
        super().__init__(f"Clinic {thing.clinic_id} has no {thing.kind} {thing.number}.")


class Thing(NamedTuple):
    """What is inspected: one aggregate of one clinic."""

    clinic_id: int
    kind: Kind
    number: int


def thing(clinic_id: int, kind: str, number: int) -> Thing:
    """The thing by its kind's name. Raises NoSuchKind."""
    if kind not in set(Kind):
        raise NoSuchKind(kind)
    return Thing(clinic_id, Kind(kind), number)


def lines(app_url: str, thing: Thing) -> Iterator[str]:
    """A line for each fact, and one for each of its fields; read as they are taken.

    Raises NotReadyError, NothingIsRecorded, KindIsUnknownError.
    """
    require_ready(app_url)
    with closing(Datastore(app_url, pool_size=1)) as datastore:
        found = False
        aggregate = aggregate_id(thing.kind, thing.number)
        for clear_fact in clear_facts(datastore, thing.clinic_id, aggregate):
            found = True
            yield from _lines_of(clear_fact)
    if not found:
        raise NothingIsRecorded(thing)


def _lines_of(clear_fact: ClearFact) -> Iterator[str]:
    version, position, stored_as, fact = clear_fact
    by = _by(fact.by)
    yield f"version {version}  position {position}  {fact.at.isoformat()}  {by}  {stored_as}"
    fields = fact.model_dump(mode="json", exclude={"words", "by", "at"})
    for name, value in fields.items():
        yield f"    {name}: {json.dumps(value)}"


def _by(by: By) -> str:
    """The user or operator, and what else is recorded of how they came in."""
    who = f"operator {json.dumps(by.operator)}" if by.operator else f"user {by.user_id}"
    said = {"by": by.authentication, "account": by.account, "request": by.request_id}
    known = [f"{name} {value}" for name, value in said.items() if value is not None]
    return ", ".join([f"{who} ({by.role})", *known])
