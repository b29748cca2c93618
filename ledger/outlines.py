"""Outlines: what an aggregate's clear facts make of it. No key is needed, and nothing is opened.

An outline is kept between the saves of a process, so that a further save reads what came after it
and not the whole aggregate. Facts never change, so an outline that was right stays right; the entry
that it ends with is read again each time, and where it is another one (the database was restored
from a backup), the outline is thrown away. Kept are clear facts and sealed bytes, no words.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, Generic, NamedTuple
from uuid import UUID

from cachetools import LRUCache
from psycopg.rows import class_row

from domain.aggregate import Aggregate, CommandT, FactT, State, StateT
from domain.aggregates import aggregate_id
from domain.value import Fact
from ledger.codec import read_clear
from ledger.database import Datastore
from ledger.sealing import SealBrokenError

KEPT_BYTES_MAX: Final = 64 * 2**20
"""Of sealed bytes; with them come as many clear facts as an aggregate's state holds."""
_BYTES_BESIDE: Final = 4_096
"""About what an outline takes beside its sealed bytes."""


class SealedEntry(NamedTuple):
    """An entry as it is stored: what `Ledger.open` takes."""

    aggregate_id: UUID
    version: int
    fact_type: str
    sealed: bytes


class Outline(NamedTuple, Generic[StateT]):
    """A state whose facts have no words, and the entries of the facts that it holds.

    `entries` are found by the identity of the fact.
    """

    state: StateT
    entries: Mapping[int, SealedEntry]
    newest: SealedEntry

    def entries_of(self, facts: Iterable[Fact | None]) -> dict[int, SealedEntry]:
        """The entries of those of the facts that could have words, by the identity of the fact."""
        return {id(fact): self.entries[id(fact)] for fact in facts if fact and _has_words(fact)}

    def with_facts(self, opened: Mapping[int, Fact]) -> StateT:
        """The state with opened facts in the places of the clear ones, which they are found by."""
        state = self.state
        changed: dict[str, object] = {}
        for name, value in state:
            if id(value) in opened:
                changed[name] = opened[id(value)]
            elif isinstance(value, dict) and any(id(one) in opened for one in value.values()):
                changed[name] = {key: opened.get(id(one), one) for key, one in value.items()}
        return state.model_copy(update=changed) if changed else state


def held_facts(state: State) -> Iterator[Fact]:
    """The facts that a state holds: in its fields, and in the dictionaries among them."""
    for _, value in state:
        if isinstance(value, Fact):
            yield value
        elif isinstance(value, dict):
            yield from (one for one in value.values() if isinstance(one, Fact))


class Outlines:
    """Reads outlines, of every clinic's aggregates."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._lock = threading.Lock()
        """Owns `_kept`."""
        self._kept: LRUCache[tuple[int, UUID], Outline[Any]] = LRUCache(
            KEPT_BYTES_MAX, getsizeof=_size
        )

    def read(
        self, clinic_id: int, aggregate: Aggregate[StateT, CommandT, FactT], number: int
    ) -> Outline[StateT] | None:
        """The outline as of now, None where the aggregate has no facts."""
        key = (clinic_id, aggregate_id(aggregate.kind, number))
        with self._lock:
            kept: Outline[StateT] | None = self._kept.get(key)
        rows = self._rows(*key, kept.newest.version if kept else 1)
        if kept and (not rows or rows[0] != kept.newest):
            kept, rows = None, self._rows(*key, 1)
        if not rows:
            return None
        outline = _folded(aggregate, kept, rows[1:] if kept else rows)
        with self._lock:
            if _size(outline) < KEPT_BYTES_MAX:
                self._kept[key] = outline
        return outline

    def _rows(self, clinic_id: int, aggregate: UUID, from_version: int) -> list[SealedEntry]:
        with self._datastore.get_connection() as conn:
            return (
                conn.cursor(row_factory=class_row(SealedEntry), binary=True)
                .execute(
                    "SELECT aggregate_id, version, kind AS fact_type, state AS sealed"
                    " FROM ledger.entries"
                    " WHERE clinic_id = %s AND aggregate_id = %s AND version >= %s ORDER BY version",
                    (clinic_id, aggregate, from_version),
                )
                .fetchall()
            )


def _folded(
    aggregate: Aggregate[StateT, CommandT, FactT],
    before: Outline[StateT] | None,
    rows: Sequence[SealedEntry],
) -> Outline[StateT]:
    """`before` and what came after it."""
    if before and not rows:
        return before
    state = before.state if before else None
    # The facts stay alive until the end: an identity must not be given to a second one.
    facts = [_clear_fact(row) for row in rows]
    entries = dict(before.entries) if before else {}
    for fact, row in zip(facts, rows, strict=True):
        assert isinstance(fact, aggregate.fact_types), "an aggregate's entries hold its own facts"
        entries[id(fact)] = row
        state = aggregate.evolve(state, fact)
    assert state is not None, "there are rows"
    held = {id(fact): entries[id(fact)] for fact in held_facts(state)}
    return Outline(state, held, rows[-1])


def _clear_fact(row: SealedEntry) -> Fact:
    try:
        return read_clear(row.fact_type, row.sealed)
    except ValueError:  # pydantic's ValidationError is one; its text may quote what it read
        raise SealBrokenError("the clear part of an entry is not what was sealed") from None


def _size(outline: Outline[Any]) -> int:
    sealed = sum(len(entry.sealed) for entry in outline.entries.values())
    return _BYTES_BESIDE + sealed + len(outline.newest.sealed)


@cache
def _may_have_words(fact_type: type[Fact]) -> bool:
    return fact_type.model_fields["words"].annotation != Fact.model_fields["words"].annotation


def _has_words(fact: Fact) -> bool:
    return _may_have_words(type(fact))
