"""Visits with their reference notes: how they are read, and what a model can learn from them.

A reference note's headings say where each of its sentences is filed. A unit of the dialogue is
filed where the note's sentence stands that shares most of its rare words.
"""

import csv
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from domain.generation_facts import SourceKind
from handlers.soap.model import Candidate
from handlers.soap.reading import read
from handlers.soap.sentences import WORD, pieces, units
from handlers.soap_writer import Section, Source

OWN = Path(__file__).parent / "soap"
SHARED_ENOUGH = 0.35  # of a unit's idf; then the unit is what the note's sentence says
CHOSEN_SHARE = 0.1  # ... this much will do for a unit that the best draft has
SHARED_HARDLY = 0.1  # ... and up to this the note does not have it

S, O, A, P, U = Section  # noqa: E741
MEDICAL = {
    S: "CHIEF COMPLAINT|HPI|HISTORY OF PRESENT ILLNESS|REVIEW OF SYSTEMS|SOCIAL HISTORY|MEDICATIONS"
    "|MEDICAL HISTORY|FAMILY HISTORY|PAST HISTORY|CURRENT MEDICATIONS|ALLERGIES|SURGICAL HISTORY"
    "|PAST MEDICAL HISTORY|SUBJECTIVE",
    O: "RESULTS|PHYSICAL EXAM|PHYSICAL EXAMINATION|VITALS|EXAM|VITALS REVIEWED|PROCEDURE|OBJECTIVE",
    A: "ASSESSMENT|IMPRESSION",
    P: "PLAN|INSTRUCTIONS",
}
HEADINGS: dict[str, Section | None] = {
    name: section for section, names in MEDICAL.items() for name in names.split("|")
} | {"ASSESSMENT AND PLAN": None}
PLANNED = re.compile(
    r"\b(?:will|shall|recommend\w*|continue|follow[- ]?up|order(?:ed)?|refer\w*|prescri\w+|start"
    r"|increase|decrease|return|advised|encouraged?|should|schedule\w*|repeat|consider|counsel\w*|discussed|instructed|plan\w*)\b",
    re.IGNORECASE,
)
REASONED = re.compile(r"\W*medical reasoning\s*:", re.IGNORECASE)


NAMED = re.compile(
    r"\b(?:Mr|Mrs|Ms|Miss|Dr)\b\.? (?P<last>[A-Z]\w+)"
    r"|\b(?P<first>[A-Z][a-z]+) (?P<family>[A-Z][a-z]+)(?=,? is an? )"
)


class Visit(NamedTuple):
    """A dialogue and the note that was written on it."""

    name: str
    dialogue: str
    note: str


class Filed(NamedTuple):
    """A unit and where it belongs."""

    candidate: Candidate
    section: Section


def visits(file: Path) -> list[Visit]:
    """Of a CSV file with the columns dialogue and note, and encounter_id if it has it; else none."""
    with file.open(encoding="utf-8", newline="") as lines:
        return [
            Visit(row.get("encounter_id") or str(n), row["dialogue"], row["note"])
            for n, row in enumerate(csv.DictReader(lines), start=1)
            if "dialogue" in row and "note" in row
        ]


def examples() -> Iterator[Filed]:
    """Our own invented sentences of therapy, as therapists write and as people speak."""
    with (OWN / "examples.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            yield Filed(prose(row["text"])[0], Section(row["section"]))


def prose(text: str) -> list[Candidate]:
    source = Source(SourceKind.NOTE, 1, 1, text)
    return [Candidate(unit, None) for unit in units(pieces(text, read(source)), is_talk=False)]


def talk(dialogue: str) -> list[Candidate]:
    """The dialogue's units; what is said again is left out."""
    source = Source(SourceKind.TRANSCRIPT, 1, 1, dialogue)
    reading = read(source)
    made = units(pieces(dialogue, reading), reading.is_talk)
    found = [Candidate(unit, i / len(made)) for i, unit in enumerate(made)]
    return list({tuple(one.words()): one for one in reversed(found)}.values())[::-1]


def people_named(notes: Iterable[str]) -> set[str]:
    """What people in the notes are called, in lower case: no words for a model to know."""
    return {
        name.lower()
        for note in notes
        for found in NAMED.finditer(note)
        for name in found.groups()
        if name
    }


def filed_note(note: str) -> list[Filed]:
    """The sentences of a reference note under its headings."""
    found = []
    for section, text in _blocks(note):
        for candidate in prose(text):
            piece = candidate.unit[0]
            said = text[piece.start : piece.end]
            found.append(Filed(candidate, section or _reasoned_or_planned(said)))
    return found


def _blocks(note: str) -> Iterator[tuple[Section | None, str]]:
    section: Section | None = S
    lines: list[str] = []
    for line in note.splitlines():
        name = line.strip().rstrip(":").upper()
        if name in HEADINGS:
            yield section, "\n".join(lines)
            section, lines = HEADINGS[name], []
        else:
            lines.append(line)
    yield section, "\n".join(lines)


def _reasoned_or_planned(said: str) -> Section:
    """Of a sentence under ASSESSMENT AND PLAN."""
    return P if PLANNED.search(said) and not REASONED.match(said) else A


class Rarity:
    """Inverse document frequency of words, over dialogues."""

    def __init__(self, documents: Iterable[Sequence[Candidate]]) -> None:
        self._met: Counter[str] = Counter()
        count = 0
        for document in documents:
            self._met.update({word for one in document for word in one.words()})
            count += 1
        self._count = count

    def of(self, word: str) -> float:
        return math.log((1 + self._count) / (1 + self._met[word]))


def filed_talk(
    found: Sequence[Candidate], chosen: set[int], note: list[Filed], rarity: Rarity
) -> list[Filed]:
    """The dialogue's units that the note says, and those that it does not (Unfiled)."""
    sentences = [(frozenset(one.candidate.words()), one.section) for one in note]
    filed = []
    for i, candidate in enumerate(found):
        words = set(candidate.words())
        whole = math.fsum(map(rarity.of, words)) or 1.0
        share, section = max(
            (math.fsum(map(rarity.of, words & said)) / whole, section)
            for said, section in sentences
        )
        if share >= (CHOSEN_SHARE if i in chosen else SHARED_ENOUGH):
            filed.append(Filed(candidate, section))
        elif share <= SHARED_HARDLY:
            filed.append(Filed(candidate, U))
    return filed


def chosen_by_hindsight(found: Sequence[Candidate], note: str) -> set[int]:
    """The units that greedily make the best ROUGE-1, the note being known."""
    wanted = Counter(WORD.findall(note.lower()))
    bags = [Counter(candidate.words()) for candidate in found]
    taken: Counter[str] = Counter()
    chosen: set[int] = set()
    best = 0.0
    while True:
        scores = {
            i: 2 * (taken + bag & wanted).total() / (taken + bag + wanted).total()
            for i, bag in enumerate(bags)
            if i not in chosen
        }
        i = max(scores, key=lambda i: scores[i], default=-1)
        if i < 0 or scores[i] <= best:
            return chosen
        best = scores[i]
        chosen.add(i)
        taken += bags[i]
