"""Typed placeholders, stable within a note, and the way back.

A placeholder that stands in the original text is never given out, so `restored` leaves it as it is.
`restored` puts the first words of a placeholder for it; "Jane" and "Ms. Doe" share one.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable

from handlers.deidentification.identifiers import Category, Span
from handlers.deidentification.names import PARTICLES, SUFFIXES, WORDS, Directory, bare, one_slip
from handlers.deidentification.reading import folded

CLIENT, THERAPIST, PERSON = "CLIENT", "THERAPIST", "PERSON"
_LABELS = {
    Category.AGE: "AGE_90+",
    Category.HEALTH_PLAN: "HEALTH_PLAN",
    Category.OTHER: "ID",
} | {
    category: category.name
    for category in Category
    if category not in {Category.AGE, Category.HEALTH_PLAN, Category.OTHER, Category.NAME}
}
_ALONE = frozenset({CLIENT, THERAPIST, "AGE_90+"})  # the first of them has no number
_ZIP = re.compile(r"\d{5}(?:-\d{4})?")
_KINDS = sorted({*_LABELS.values(), CLIENT, THERAPIST, PERSON, "ZIP"}, key=len, reverse=True)
PLACEHOLDER = re.compile(rf"\[(?:{'|'.join(map(re.escape, _KINDS))})(?:_[1-9]\d{{0,6}})?\]")


def restored(text: str, placeholders: Iterable[tuple[str, str]]) -> str:
    """The text with each placeholder's words put back; unknown placeholders stay."""
    words = dict(placeholders)
    return PLACEHOLDER.sub(lambda match: words.get(match[0], match[0]), text)


class Book:
    """Which placeholder stands for which words, in one note."""

    def __init__(self, text: str, directory: Directory) -> None:
        self._taken = {match[0] for match in PLACEHOLDER.finditer(text)}
        self._directory = directory
        self._given: dict[tuple[str, str], str] = {}
        self._people: list[tuple[frozenset[str], str]] = []
        self._last: Counter[str] = Counter()
        self._ends: list[int] = [0]  # in the finished text: where each placeholder ends
        self._shifts: list[int] = [0]  # ... and how far what follows it has moved
        self.words: dict[str, str] = {}
        self.counts: Counter[Category] = Counter()

    def replaced(self, text: str, spans: Iterable[Span]) -> str:
        """The text with placeholders in place of the spans, which are ordered and apart."""
        parts: list[str] = []
        done = finished = 0
        for start, end, category in spans:
            placeholder = self._placeholder(text[start:end], category)
            parts += (text[done:start], placeholder)
            finished += start - done + len(placeholder)
            done = end
            self._ends.append(finished)
            self._shifts.append(done - finished)
            self.counts[category] += 1
        return "".join((*parts, text[done:]))

    def before(self, span: Span) -> Span:
        """The span of the original text for a span of the finished one, outside its placeholders."""
        shift = self._shifts[bisect_right(self._ends, span.start) - 1]
        return span._replace(start=span.start + shift, end=span.end + shift)

    def _placeholder(self, words: str, category: Category) -> str:
        same = " ".join(folded(words).split())
        if category is Category.NAME:
            placeholder = self._person(same)
        elif category is Category.PLACE and _ZIP.fullmatch(same):
            placeholder = self._numbered("ZIP", same)
        else:
            placeholder = self._numbered(_LABELS[category], same)
        self.words.setdefault(placeholder, words)
        return placeholder

    def _numbered(self, kind: str, same: str) -> str:
        if (kind, same) not in self._given:
            self._given[kind, same] = self._next(kind)
        return self._given[kind, same]

    def _next(self, kind: str) -> str:
        while True:
            self._last[kind] += 1
            number = self._last[kind]
            placeholder = f"[{kind}]" if number == 1 and kind in _ALONE else f"[{kind}_{number}]"
            if placeholder not in self._taken:
                return placeholder

    def _person(self, same: str) -> str:
        """The placeholder of the person to whose name all these words belong."""
        if (PERSON, same) in self._given:
            return self._given[PERSON, same]
        words = frozenset(bare(word) for word in WORDS.findall(same)) - SUFFIXES
        parts = frozenset(word for word in words if len(word) == 1 or word not in PARTICLES)
        known = frozenset(part for part in parts if len(part) > 1)
        for index, person in enumerate(self._directory.people):
            if _belongs(parts, known, person.parts, person.initials):
                who = person.role if person.role != PERSON else f"{PERSON} {index}"
                return self._of_directory(person.role, who)
        for others, placeholder in self._people:
            if known and known <= others:
                self._given[PERSON, same] = placeholder
                return placeholder
        if not known:
            return self._numbered(PERSON, same)
        placeholder = self._next(PERSON)
        self._people.append((known, placeholder))
        return placeholder

    def _of_directory(self, kind: str, who: str) -> str:
        if (kind, who) not in self._given:
            self._given[kind, who] = self._next(kind)
        return self._given[kind, who]


def _belongs(
    parts: frozenset[str], known: frozenset[str], own: frozenset[str], initials: frozenset[str]
) -> bool:
    """Whether a written name fits a person: each word a part of their name, or an initial."""
    letters = {part for part in parts if len(part) == 1}
    if len(known) == 1 and not letters and min(known).upper() in initials:
        return True
    if known:
        near = {word for word in known if word in own or any(_alike(word, part) for part in own)}
        return known == near and all(any(part[0] == letter for part in own) for letter in letters)
    written = "".join(sorted(letters)).upper()
    return any(written == "".join(sorted(set(each))) for each in initials)


def _alike(word: str, part: str) -> bool:
    return len(part) >= 4 and one_slip(word, part)
