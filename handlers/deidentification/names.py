"""The names that the directory knows: found whole or in parts, in any case and order, and misspelt.

A part that is also an ordinary word ("Will", "Grace") is covered wherever it has a capital. Without a
capital it is covered if the words around it announce a name, or if the note uses no capitals.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from handlers.deidentification.identifiers import Category, Span
from handlers.deidentification.reading import folded
from handlers.deidentification.vocabulary import Vocabulary

_PARTICLE_WORDS = """
    van von der den de del della la le di da do dos du bin ibn al el ter ten y e st af av zu zur the
    of
"""
PARTICLES = frozenset(_PARTICLE_WORDS.split())
_SUFFIX_WORDS = """
    jr sr ii iii iv md phd dr mr mrs ms miss prof
"""
SUFFIXES = frozenset(_SUFFIX_WORDS.split())

WORDS = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_PARTS = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_HANDLES = re.compile(r"(?<![\w.])[\w.]++")
_GROWN = re.compile(
    r"\d|_|[a-z][A-Z]|\w\.\w"
)  # what tells "jane_doe", "doe1988" and "JaneDoe" from words
_ONE_NAME = re.compile(
    r"[^\W\d_]+(?:(?:,?[ \t]{1,3}|[ \t]{0,3},?\r?\n[ \t]{0,8}|[-']|(?<=\b\w)\.[ \t]?)[^\W\d_]+)*\.?"
)
_NAMED_BEFORE = re.compile(
    r"(?:client|patient|pt|mr|mrs|ms|dr|wife|husband|mom|dad|son|daughter|named|called|with|and|told|hi|dear)"
    r"\.?,? $"
)
_SPOKEN_AFTER = re.compile(
    r"'s\b|:|,? (?:said|says|reports?|reported|states?|stated|denies|denied|arrived|came)\b"
)

# Two capitals that mean something else in a clinical note more often than they mean a person.
_ABBREVIATION_WORDS = """
    AA AC AD AK AL AM AP AR AS AT AV AZ BA BC BD BI BM BP BS BY CA CB CC CD CF CM CN CO CP CR CS CT
    CV DA DC DD DE DI DM DO DS DT DX ED EF EG EH EM EO EP ER ES ET FA FH FL FM FP FT FU FX GA GC GI
    GM GP GU HA HB HD HE HI HL HO HR HS HT HX IA ID IE IF IL IM IN IP IQ IR IS IT IV KG KS KY LA LB
    LD LE LL LR MA MC MD ME MG MI ML MM MN MO MR MS MT MY NA NC ND NE NH NJ NM NO NP NS NV NY OB OD
    OF OH OK ON OR OS OT OU PA PC PE PH PI PM PN PO PP PR PS PT PX QD RA RE RI RN RO RR RT RX SC SD
    SE SI SO SP SR SS ST SW SX TB TC TD TH TN TO TR TV TX UA UC UK UP US UT VA VS VT WA WE WI WV WY
    XL XR
"""
_ABBREVIATIONS = frozenset(_ABBREVIATION_WORDS.split())


class Person(NamedTuple):
    """A person of the directory: their role in this note, and the parts of their names."""

    role: str
    parts: frozenset[str]
    initials: frozenset[str]


class Directory:
    """The people around one note."""

    def __init__(self, people: tuple[tuple[str, str], ...], vocabulary: Vocabulary) -> None:
        """`people` are pairs of a role and a full name."""
        self._vocabulary = vocabulary
        self.people = tuple(_person(role, name, vocabulary) for role, name in people)
        self.parts = frozenset().union(*(person.parts for person in self.people))
        initials = frozenset().union(*(person.initials for person in self.people))
        self._initials = initials - _ABBREVIATIONS
        self._long = tuple(part for part in self.parts if len(part) >= 4)

    def found(self, text: str, knows_capitals: bool) -> Iterator[Span]:
        """Every known name in a flattened text; parts that stand together are one span."""
        held: Span | None = None
        for span in self._found(text, knows_capitals):
            if held and span.category is held.category and self._is_one(text, held.start, span):
                held = held._replace(end=max(held.end, span.end))
                continue
            if held:
                yield held
            held = span
        if held:
            yield held

    def _is_one(self, text: str, start: int, span: Span) -> bool:
        """Whether a name that began at `start` goes on: "Fairweather, Callum J."."""
        if span.category is not Category.NAME or span.end - start > 80:
            return False
        whole = text[start : span.end]
        if not _ONE_NAME.fullmatch(whole):
            return False
        words = [bare(word) for word in WORDS.findall(whole)]
        parts = {word for word in words if len(word) > 1 and word not in PARTICLES}
        if len(set(words)) < len(words):
            return False  # the same part twice in a row is two mentions
        return any(parts <= person.parts for person in self.people)

    def _found(self, text: str, knows_capitals: bool) -> Iterator[Span]:
        """Every part of a known name."""
        if not self.parts:
            return
        misspelt: dict[str, bool] = {}
        for match in WORDS.finditer(text):
            for start, end in _halves(match):
                word = bare(text[start:end])
                if word in self.parts:
                    if self._is_meant(text, start, end, word, knows_capitals):
                        yield Span(start, end, Category.NAME)
                elif self._is_near(text, start, end, word, misspelt):
                    yield Span(start, end, Category.NAME)
        for match in _HANDLES.finditer(text):
            low = match[0].casefold()
            if any(part in low for part in self._long) and _GROWN.search(match[0]):
                yield Span(*match.span(), Category.OTHER)

    def _is_meant(self, text: str, start: int, end: int, word: str, knows_capitals: bool) -> bool:
        """Whether a word that is part of a known name means the person here."""
        if text[start].isupper():
            return True
        if word not in _SMALL_WORDS and not (
            knows_capitals and self._vocabulary.is_also_a_word(word)
        ):
            return True
        before, after = text[max(0, start - 24) : start], text[end : end + 24]
        neighbours = WORDS.findall(before)[-1:] + WORDS.findall(after)[:1]
        if any(bare(neighbour) in self.parts - {word} for neighbour in neighbours):
            return True
        return bool(_NAMED_BEFORE.search(before.casefold()) and _SPOKEN_AFTER.match(after))

    def _is_near(
        self, text: str, start: int, end: int, word: str, misspelt: dict[str, bool]
    ) -> bool:
        """Whether a word that is no part of a name means one: initials, or a misspelling."""
        if text[start:end] in self._initials:
            return True
        return len(word) >= 4 and self._is_misspelt(text, start, word, misspelt)

    def _is_misspelt(self, text: str, start: int, word: str, known: dict[str, bool]) -> bool:
        """Whether the word is a misspelling of a part, and no ordinary word."""
        if word not in known:
            known[word] = any(one_slip(word, part) for part in self._long)
        if not known[word]:
            return False
        large = text[start].isupper()
        if self._vocabulary.is_ordinary(word):
            return large and not starts_sentence(text, start)
        return large or len(word) >= 5


_SMALL = """
    a an as at be by do go he her him his i in is it me my no of on or so to up us we
"""
_SMALL_WORDS = frozenset(_SMALL.split())


def _person(role: str, name: str, vocabulary: Vocabulary) -> Person:
    words = [bare(word) for word in WORDS.findall(folded(name))]
    parts = {word for word in words if len(word) > 1 and word not in PARTICLES | SUFFIXES}
    # A name of nothing but particles ("Do") is still a name.
    parts = parts or {word for word in words if len(word) > 1}
    for word in _PARTS.findall(folded(name)):
        parts |= {piece for piece in word.split("'") if len(piece) >= 4}
    for part in tuple(parts):
        parts |= vocabulary.nicknames.get(part, frozenset())
    letters = [word[0].upper() for word in words if word not in SUFFIXES]
    initials = {"".join(letters), letters[0] + letters[-1]} if len(letters) > 1 else set()
    return Person(role, frozenset(parts), frozenset(initials))


def bare(word: str) -> str:
    """A word without case, possessive and apostrophes, for comparison."""
    low = word.casefold()
    return low.removesuffix("'s").replace("'", "")


def starts_sentence(text: str, start: int) -> bool:
    """Whether a capital here may come from the start of a sentence or line."""
    before = text[max(0, start - 6) : start].rstrip(" \t\"'(*-")
    return not before or before[-1] in ".!?:;\n•"


def _halves(match: re.Match[str]) -> Iterator[tuple[int, int]]:
    """The word without its possessive, and its parts at apostrophes, as in "d'Amara"."""
    start, end = match.span()
    if match[0].endswith(("'s", "'S")):
        end -= 2
    yield start, end
    if "'" in match.string[start:end]:
        cut = start
        for piece in match.string[start:end].split("'"):
            yield cut, cut + len(piece)
            cut += len(piece) + 1


def one_slip(word: str, part: str) -> bool:
    """Whether the words differ by one letter more, less or other, or by two swapped (Damerau 1964)."""
    if abs(len(word) - len(part)) > 1 or word == part:
        return word == part
    at = next((i for i, (a, b) in enumerate(zip(word, part, strict=False)) if a != b), None)
    if at is None:
        return True
    rest, other = word[at:], part[at:]
    if rest[1:] == other[1:] or rest[1:] == other or rest == other[1:]:
        return True
    return rest[:2] == other[1::-1] and rest[2:] == other[2:]
