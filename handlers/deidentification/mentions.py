"""From what models and cues propose to whole mentions: judged, completed, joined, found again.

"Smith" becomes "Dr. J. Smith Jr."; "Chicago" and "IL" become one place; a name that was found once
is covered wherever a part of it comes again.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from handlers.deidentification import cues
from handlers.deidentification.guards import Guards
from handlers.deidentification.identifiers import Category, Span, united
from handlers.deidentification.models import Found
from handlers.deidentification.names import PARTICLES, SUFFIXES, WORDS, bare, starts_sentence
from handlers.deidentification.places import STATE
from handlers.deidentification.vocabulary import Vocabulary

_SURE: Final = 0.8
_LIKELY: Final = 0.5
_NAMES: Final = frozenset({"GIVEN_NAME", "SURNAME", "PERSON"})
_NUMBERS: Final = {
    "EMAIL": Category.EMAIL,
    "PHONE": Category.PHONE,
    "URL": Category.URL,
    "TAX_ID": Category.OTHER,
    "BANK_ACCOUNT": Category.ACCOUNT,
    "ROUTING_NUMBER": Category.ACCOUNT,
    "GOVERNMENT_ID": Category.OTHER,
    "PASSPORT": Category.LICENCE,
    "DRIVERS_LICENSE": Category.LICENCE,
}
_DIGITS_MIN: Final = 6

_TITLE_BEFORE = re.compile(
    rf"(?<!\w)(?:{'|'.join(sorted(cues.TITLES - {'father', 'mother', 'brother', 'sister', 'elder', 'sir'}))})"
    r"\.?(?:[ \t]{1,2}|[ \t]?\r?\n[ \t]{0,8})$",
    re.IGNORECASE,
)
_INITIAL_BEFORE = re.compile(r"(?<![\w.])(?:[A-Za-z]\.[ \t]?){1,2}$")
_AFTER = re.compile(
    r"-[A-Z]\w+|[ \t]{1,2}(?:[A-Z]\.(?:[A-Z]\.)?|[a-z]\.(?=[ \t,;)])|[B-HJ-Z](?=[,;:)\s]|$))"
    r"|,?[ \t]{1,2}(?:Jr|Sr|II|III|IV)\b\.?"
)
_WORD_AFTER = re.compile(
    rf"[ \t]{{1,2}}(?:(?:{'|'.join(sorted(PARTICLES - {'the', 'of', 'y', 'e'}))})[ \t]{{1,2}}){{0,2}}"
    rf"(?P<word>{cues.WORD})"
)
_WORD_BEFORE = re.compile(
    rf"(?<![\w'.-])(?P<word>{cues.WORD})[ \t]{{1,2}}(?:[A-Z]\.?[ \t]{{1,2}})?$"
)
_NAMES_APART = re.compile(
    rf"[ \t]{{0,3}}-?|[ \t]{{1,2}}(?:(?:{'|'.join(sorted(PARTICLES - {'the', 'of'}))})\.?[ \t]{{1,2}}){{1,2}}"
)
_PLACES_APART = re.compile(
    r",?[ \t]{1,2}|,?[ \t]{0,2}\r?\n[ \t]{0,8}|[ \t]in[ \t](?:the[ \t])?|,[ \t]{0,2}"
)
_STATE_AFTER = re.compile(
    rf",?[ \t]{{1,2}}{STATE}(?!\w|-)(?:[ \t,]{{1,2}}\d{{5}}(?:-\d{{4}})?\b)?", re.VERBOSE
)
_KIND_AFTER = re.compile(
    r"[ \t](?:clinic|hospital|medical center|hosp|branch|office|campus|county|ER|ICU|ED)(?![\w-])"
    r"\.?(?:(?<=hosp\.)|(?<!\.))"
)


def named(text: str, entities: Sequence[Found], guards: Guards) -> Iterator[Span]:
    """The proposals of models and cues that the guards accept."""
    given = {
        start
        for found in entities
        if found.label in _NAMES and found.score >= _LIKELY
        for start, _ in [_whole_words(text, found.start, found.end)]
    }
    for cue in cues.proposals(text):
        agreed = cue.start in given
        span = guards.person(
            text,
            cue.start,
            cue.end,
            titled=cue.strong or (cue.small and agreed),
            sure=cue.sure or agreed,
        )
        if span and (not cue.small or agreed or guards.is_small_name(text, span)):
            yield span
    for start, end in cues.initials(text):
        yield Span(start, end, Category.NAME)
    for start, end in cues.pairs(text):
        span = guards.pair(text, start, end)
        if span:
            yield span
    for found in entities:
        span = _judged(text, found, guards)
        if span:
            yield span


def _judged(text: str, found: Found, guards: Guards) -> Span | None:
    start, end = _whole_words(text, found.start, found.end)
    sure = found.score >= _SURE
    match found.label:
        case "PERSON":
            return guards.person(text, start, end)
        case "GIVEN_NAME" | "SURNAME" if found.score >= _LIKELY:
            return guards.person(text, start, end, sure=sure)
        case "GPE" | "LOC" | "FAC":
            return guards.place(text, start, end)
        case "CITY" | "STREET_NAME" if found.score >= _LIKELY:
            return guards.place(text, start, end, sure=sure)
        case "ORG":
            return guards.institution(text, start, end)
        case label if label in _NUMBERS and sure:
            digits = sum(map(str.isdigit, text[start:end]))
            enough = digits >= _DIGITS_MIN or "@" in text[start:end]
            return Span(start, end, _NUMBERS[label]) if enough else None
    return None


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """Extend a span to whole words: a model's tokens may be parts of words."""
    while start > 0 and text[start - 1].isalnum() and text[start].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum() and text[end - 1].isalnum():
        end += 1
    return start, end


def completed(text: str, span: Span, guards: Guards) -> Span:
    """The mention, extended by titles, initials and surnames, or by a place's state and type."""
    if span.category is Category.NAME:
        return _completed_name(text, span, guards)
    if span.category is Category.PLACE:
        for shape in (_KIND_AFTER, _STATE_AFTER):
            after = shape.match(text, span.end)
            if after:
                span = span._replace(end=after.end())
    return span


def _completed_name(text: str, span: Span, guards: Guards) -> Span:
    start, end = span.start, span.end
    before = _WORD_BEFORE.search(text[max(0, start - 32) : start])
    if before:
        first, last = (start - len(before[0]) + place for place in (0, len(before["word"])))
        if guards.is_part(text, first, last, surname=False):
            start = first
    for shape in (_INITIAL_BEFORE, _TITLE_BEFORE):
        before = shape.search(text[max(0, start - 24) : start])
        if before:
            start -= len(before[0])
    while after := _AFTER.match(text, end):
        end = after.end()
    following = _WORD_AFTER.match(text, end)
    if following and guards.is_part(text, *following.span("word"), surname=True):
        end = following.end()
    return Span(start, end, Category.NAME)


def joined(text: str, spans: Iterable[Span]) -> Iterator[Span]:
    """Neighbouring spans of one category joined: first name and surname, city and street."""
    held: Span | None = None
    for span in united(spans):
        if held and span.category is held.category and _belong(text, held, span):
            held = held._replace(end=span.end)
            continue
        if held:
            yield held
        held = span
    if held:
        yield held


def _belong(text: str, one: Span, other: Span) -> bool:
    gap = text[one.end : other.start]
    if len(gap) > 16:
        return False
    if one.category is Category.PLACE:
        return bool(_PLACES_APART.fullmatch(gap))
    if one.category is not Category.NAME:
        return False
    if "\n" in gap and not gap.strip():
        # A name broken over two lines; not two names, each on its own.
        line = text[text.rfind("\n", 0, one.start) + 1 : one.start]
        return bool(line.strip()) and len(WORDS.findall(text[one.start : one.end])) == 1
    return bool(_NAMES_APART.fullmatch(gap))


def again(
    text: str, spans: Iterable[Span], guards: Guards, vocabulary: Vocabulary
) -> Iterator[Span]:
    """Every further mention of a name's part, and of a place by its whole name."""
    names: set[str] = set()
    found: set[str] = set()
    for span in spans:
        words = text[span.start : span.end]
        if span.category is Category.NAME:
            names |= {bare(word) for word in WORDS.findall(words)}
        elif (
            span.category is Category.PLACE and len(words) < 60 and not any(map(str.isdigit, words))
        ):
            found.add(words)
    names -= PARTICLES | SUFFIXES | cues.TITLES
    yield from _names_again(text, names, guards, vocabulary)
    for words in found:
        if words[0].isupper() and len(words) > 3:
            for match in re.finditer(rf"(?<!\w){re.escape(words)}(?!\w)", text):
                yield Span(*match.span(), Category.PLACE)


def _names_again(
    text: str, names: set[str], guards: Guards, vocabulary: Vocabulary
) -> Iterator[Span]:
    for match in WORDS.finditer(text):
        word = bare(match[0])
        if word not in names or len(word) < 2:
            continue
        start, end = match.span()
        ordinary = vocabulary.is_also_a_word(word)
        if text[start].islower():
            if ordinary or len(word) < 4:
                continue
        elif ordinary and (starts_sentence(text, start) or len(word) < 3):
            continue
        span = guards.person(text, start, end, sure=True)
        if span:
            yield span
