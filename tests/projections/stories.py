"""What happens to a few notes, chosen by hypothesis; and what a reader should see of it, naively.

The model below knows no index, no statement and no batch: it goes through the facts from the
first to the last, each time it is asked.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from hypothesis import strategies as st
from psycopg.rows import tuple_row

from domain.aggregates import NOTE_AGGREGATES, aggregate_id, kind_and_number
from domain.note_facts import (
    HistoryEntryAmended,
    HistoryEntryWithdrawn,
    Note,
    NoteApproved,
    NoteSoftDeleted,
    NoteVersion,
    evolve,
)
from domain.refusals import Refused
from domain.value import By, Fact, Kind
from ledger.appender import write_additions
from ledger.codec import entry_associated_data, seal_fact
from ledger.entry import Addition, Entry, NewEntry
from projections.history import HistoryEntry
from projections.notes import CurrentNote
from projections.rebuild import VIEWS
from tests.databases import Program
from tests.samples import (
    CLARA,
    CLINIC,
    PROGRESS,
    SESSION_ID,
    after,
    amend,
    create,
    delete,
    save,
    withdraw,
)

# --- what happens


What = Literal["save", "amend", "withdraw", "delete"]


class Step(NamedTuple):
    """Somebody asks something of one of the notes; most of it is a save."""

    what: What
    note: int
    minute: int
    text: str
    version: int
    is_approved: bool
    has_session: bool
    ends_batch: bool


_WHAT: Final = st.sampled_from(["save"] * 12 + ["amend"] * 4 + ["withdraw"] * 2 + ["delete"])
STEPS: Final = st.builds(
    Step,
    what=_WHAT,
    note=st.integers(0, 3),
    minute=st.integers(0, 6),  # seven instants: most entries share theirs
    text=st.sampled_from(["slept well", "slept badly", "did not sleep"]),
    version=st.integers(1, 12),
    is_approved=st.booleans(),
    has_session=st.booleans(),
    ends_batch=st.booleans(),
)


class StoryFact(NamedTuple):
    """A fact of the story, and whether the batch that it comes in ends with it."""

    aggregate_kind: Kind
    number: int
    version: int
    fact: Fact
    ends_batch: bool


def facts_of(
    steps: Sequence[Step],
    kind: Kind,
    first_note: int,
    client: By = CLARA,
    record_type: int = PROGRESS,
) -> list[StoryFact]:
    """What the deciders make of the steps; whatever they refuse does not happen."""
    decide = NOTE_AGGREGATES[kind].decide
    notes: dict[int, Note] = {}
    story = []
    for step in steps:
        number = first_note + step.note
        before = notes.get(number)
        try:
            facts = decide(number, before, _command(step, before, client, record_type))
        except Refused:
            continue
        for fact in facts:
            notes[number] = evolve(notes.get(number), fact)
            story.append(StoryFact(kind, number, notes[number].version, fact, step.ends_batch))
    return story


def _command(step: Step, before: Note | None, client: By, record_type: int) -> Any:
    at = after(step.minute)
    saved: dict[str, Any] = {"at": at, "is_approved": step.is_approved}
    if step.has_session:
        saved["therapist_session_id"] = SESSION_ID
    match step.what:
        case _ if before is None:
            return create(step.text, client=client, record_type=record_type, **saved)
        case "save":
            return save(step.text, **saved)
        case "amend":
            return amend(step.version, step.text, at=at)
        case "withdraw":
            return withdraw(step.version, at=at)
        case "delete":
            return delete(at=at)


def append(program: Program, facts: Sequence[StoryFact], clinic_id: int = CLINIC) -> list[Entry]:
    """Write the facts in their batches, each a transaction; the entries that they became."""
    entries: list[Entry] = []
    batch: list[StoryFact] = []
    for fact in facts:
        batch.append(fact)
        if fact.ends_batch:
            entries += _append_batch(program, batch, clinic_id)
            batch = []
    return entries + _append_batch(program, batch, clinic_id) if batch else entries


def _append_batch(program: Program, batch: Sequence[StoryFact], clinic_id: int) -> list[Entry]:
    additions = [addition_of(program, [fact], clinic_id) for fact in batch]
    with program.datastore.as_ledger() as conn, conn.transaction():
        cursor = conn.cursor(row_factory=tuple_row)
        firsts = write_additions(cursor, additions, [view.write for view in VIEWS])
    return [
        Entry(clinic_id, position, addition.aggregate_id, one.version, one.fact)
        for position, addition, one in zip(firsts, additions, batch, strict=True)
    ]


def addition_of(program: Program, facts: Sequence[StoryFact], clinic_id: int = CLINIC) -> Addition:
    """Several facts of one aggregate, as one save appends them."""
    aggregate = aggregate_id(facts[0].aggregate_kind, facts[0].number)
    entries = []
    for one in facts:
        at = entry_associated_data(clinic_id, aggregate, one.version, one.fact.fact_type)
        key = program.keys.for_sealing(clinic_id, one.fact.subject())
        entries.append(NewEntry(one.version, one.fact, seal_fact(key, at, one.fact)))
    return Addition(clinic_id, aggregate, tuple(entries))


# --- what a reader should see


class Shown(NamedTuple):
    """A history entry, as the model and the reader are compared by it."""

    position: int
    note_id: int
    version: int
    text: str | None
    is_approved: bool
    updated_at: datetime
    session_starts_at: datetime | None


def shown(entries: Sequence[Entry], session_starts_at: datetime) -> list[Shown]:
    """The history of these entries' notes, by position."""
    history = []
    for entry in entries:
        fact = entry.fact
        if not isinstance(fact, NoteVersion):
            continue
        later = [e.fact for e in entries if e.aggregate_id == entry.aggregate_id]
        is_hidden = any(
            isinstance(f, NoteSoftDeleted)
            or (isinstance(f, HistoryEntryWithdrawn) and f.withdrawn_version == entry.version)
            for f in later
        )
        if is_hidden:
            continue
        amendments = [
            f
            for f in later
            if isinstance(f, HistoryEntryAmended) and f.amended_version == entry.version
        ]
        says: Any = amendments[-1] if amendments else fact
        history.append(
            Shown(
                entry.position,
                fact.note_id,
                entry.version,
                says.words.text,
                isinstance(fact, NoteApproved),
                says.at,
                session_starts_at if fact.therapist_session_id else None,
            )
        )
    return history


def newest(history: Sequence[Shown], limit: int) -> list[Shown]:
    """By id descending."""
    return sorted(history, reverse=True)[:limit]


def partial(history: Sequence[Shown]) -> list[Shown]:
    """Of the 30 newest by update timestamp: the newest, and every approved one."""
    by_update = sorted(history, key=lambda one: (one.updated_at, one.position), reverse=True)
    return [one for n, one in enumerate(by_update[:30]) if n == 0 or one.is_approved]


def as_shown(entry: HistoryEntry) -> Shown:
    """What the reader gave."""
    says: Any = entry.amended or entry.saved
    return Shown(
        entry.position,
        entry.note_id,
        entry.version,
        says.words.text,
        isinstance(entry.saved, NoteApproved),
        says.at,
        entry.session_starts_at,
    )


class Current(NamedTuple):
    """A current note, as the model and the reader are compared by it."""

    note_id: int
    version: int
    position: int
    created_by: int
    created_at: datetime
    text: str | None
    amended_text: str | None


def current(entries: Sequence[Entry], history: Sequence[Shown]) -> list[Current]:
    """The notes that are not deleted, by id: their newest save, and what its entry says instead."""
    notes: dict[int, Current] = {}
    for entry in entries:
        number = kind_and_number(entry.aggregate_id)[1]
        fact: Any = entry.fact
        if isinstance(fact, NoteSoftDeleted):
            del notes[number]
        if isinstance(fact, NoteVersion):
            first = notes.get(number)
            notes[number] = Current(
                number,
                entry.version,
                entry.position,
                first.created_by if first else fact.by.user_id,
                first.created_at if first else fact.at,
                fact.words.text if fact.words else None,
                None,
            )
        if isinstance(fact, HistoryEntryAmended) and fact.amended_version == notes[number].version:
            text = fact.words.text if fact.words else None
            notes[number] = notes[number]._replace(amended_text=text)
    visible = {entry.position for entry in history}
    return [
        found if found.position in visible else found._replace(amended_text=None)
        for _, found in sorted(notes.items())
    ]


def as_current(found: CurrentNote) -> Current:
    """What the reader gave."""
    amended = found.amended.words.text if found.amended and found.amended.words else None
    text = found.saved.words.text if found.saved.words else None
    return Current(
        found.note_id,
        found.version,
        found.position,
        found.created_by,
        found.created_at,
        text,
        amended,
    )
