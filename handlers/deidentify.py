"""De-identify a note's text: the 18 identifiers of HIPAA's Safe Harbor become typed placeholders.

The result unites what patterns, two models and the directory's names find, and each further mention
of a found name. Guards drop proposals that are no identifiers. It fails closed: where a layer does
not load or fails, or where a search of the finished text still finds a pattern or a known name, no
text is returned.
Source of the list: 45 CFR 164.514(b)(2)(i).
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from handlers.deidentification import dates, mentions, models, patterns, places, vocabulary
from handlers.deidentification.guards import Guards, knows_capitals
from handlers.deidentification.identifiers import Category, Span, outside, united
from handlers.deidentification.names import Directory
from handlers.deidentification.placeholders import (
    CLIENT,
    PERSON,
    PLACEHOLDER,
    THERAPIST,
    Book,
    restored,
)
from handlers.deidentification.reading import Reading, read

__all__ = [
    "Category",
    "DeidentificationFailedError",
    "Deidentified",
    "Deidentifier",
    "Names",
    "load",
    "restored",
]

TOOL: Final = "noteledger-deid/1"
MODELS: Final = (
    f"{models.SPACY_DIRECTORY} sha256:{models.SPACY_DIGEST}",
    f"{models.RAMPART_PACKAGE}/rampart sha256:{models.RAMPART_DIGEST}",
)
_SEARCHES_MAX: Final = 4


class DeidentificationFailedError(Exception):
    """A layer of de-identification failed. The message is the layer's name and no more."""

    def __init__(self, layer: str) -> None:
        self.layer = layer
        super().__init__(f"the layer {layer} failed")


class Names(NamedTuple):
    """The full names that the directory has of the people around a note."""

    client: tuple[str, ...] = ()
    therapist: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


_NOBODY: Final = Names()


class Deidentified(NamedTuple):
    """A text without identifiers, the words of each placeholder, and the number covered by category."""

    text: str
    placeholders: tuple[tuple[str, str], ...]
    counts: dict[Category, int]


class Deidentifier:
    """The loaded models and lists. Thread-safe."""

    def __init__(self, spacy: models.SpacyModel, rampart: models.Rampart) -> None:
        self.tool: Final = TOOL
        self.models: Final = MODELS
        self._spacy = spacy
        self._rampart = rampart
        self._vocabulary = vocabulary.read(spacy.lexicon)
        self._guards = Guards(self._vocabulary)

    def deidentify(self, text: str, names: Names = _NOBODY) -> Deidentified:
        """The text with placeholders. Raises `DeidentificationFailedError`.

        The time grows with the length: `python -m tests.benchmarks.deidentification` measures it.
        """
        with _layer("placeholders"):
            directory = self._directory(names)
            book = Book(text, directory)
            finished = book.replaced(text, self._covering(text, directory))
            return Deidentified(finished, tuple(book.words.items()), dict(book.counts))

    def identifiers(self, text: str, names: Names = _NOBODY) -> list[Span]:
        """The places of the identifiers that `deidentify` covers, in order, without overlaps."""
        with _layer("placeholders"):
            return self._covering(text, self._directory(names))

    def _directory(self, names: Names) -> Directory:
        with _layer("names"):
            return Directory(_people(names), self._vocabulary)

    def _covering(self, text: str, directory: Directory) -> list[Span]:
        """Enough spans that a search of the finished text finds nothing."""
        spans = self._first_spans(text, directory)
        for _ in range(_SEARCHES_MAX):
            book = Book(text, directory)
            left = self._spans_left(book.replaced(text, spans), directory)
            if not left:
                return spans
            spans = list(united([*spans, *map(book.before, left)]))
        raise DeidentificationFailedError("search")

    def _first_spans(self, text: str, directory: Directory) -> list[Span]:
        """The spans that all layers find together."""
        reading, masked = _masked(text)
        spans = self._certain(masked, directory)
        with _layer("spacy"):
            entities = list(self._spacy.entities(masked))
        with _layer("rampart"):
            entities += self._rampart.entities(_without_numbers(masked, spans))
        with _layer("mentions"):
            guards = self._guards
            spans += mentions.named(masked, entities, guards)
            spans += places.known(masked, self._vocabulary)
            spans = [mentions.completed(masked, span, guards) for span in spans]
            spans += mentions.again(masked, spans, guards, self._vocabulary)
            spans = [mentions.completed(masked, span, guards) for span in spans]
            return _written(text, reading, mentions.joined(masked, spans))

    def _spans_left(self, text: str, directory: Directory) -> list[Span]:
        """The patterns and known names that are still in the finished text."""
        reading, masked = _masked(text)
        return _written(text, reading, united(self._certain(masked, directory)))

    def _certain(self, masked: str, directory: Directory) -> list[Span]:
        with _layer("patterns"):
            spans = [*dates.matches(masked), *patterns.matches(masked)]
            spans += places.matches(masked, self._vocabulary)
        with _layer("names"):
            spans += directory.found(masked, knows_capitals(masked))
        return spans


def load() -> Deidentifier:
    """Read and check the models; takes seconds. Raises `DeidentificationFailedError`."""
    with _layer("rampart"):
        rampart = models.Rampart()
    with _layer("spacy"):
        spacy = models.SpacyModel()
    with _layer("vocabulary"):
        return Deidentifier(spacy, rampart)


@contextmanager
def _layer(name: str) -> Iterator[None]:
    """Turn each error inside into one that names the layer only: an error's text may hold words."""
    try:
        yield
    except DeidentificationFailedError:
        raise
    except Exception:
        raise DeidentificationFailedError(name) from None


def _people(names: Names) -> tuple[tuple[str, str], ...]:
    return (
        *((CLIENT, name) for name in names.client),
        *((THERAPIST, name) for name in names.therapist),
        *((PERSON, name) for name in names.others),
    )


def _masked(text: str) -> tuple[Reading, str]:
    """The text as the layers read it, with blanks for the placeholders that it holds already."""
    reading = read(text)
    masked = PLACEHOLDER.sub(lambda match: f"[{' ' * (len(match[0]) - 2)}]", reading.text)
    return reading, masked


def _without_numbers(masked: str, spans: Iterable[Span]) -> str:
    """Blanks for known numbers and for ages: a model need not read them, and they hold no name."""
    parts: list[str] = []
    done = 0
    for span in united(span for span in spans if span.category not in _IN_WORDS):
        parts += (masked[done : span.start], " " * (span.end - span.start))
        done = span.end
    blanked = "".join((*parts, masked[done:]))
    return _AGE.sub(lambda match: " " * len(match[0]), blanked)


_AGE = re.compile(r"(?<!\w)\d{1,3}(?:[- ]years?[- ]old|\s?y/?o)\b")
_IN_WORDS: Final = frozenset({Category.NAME, Category.PLACE})
_WORD = re.compile(r"[^\W_]")


def _written(text: str, reading: Reading, spans: Iterable[Span]) -> list[Span]:
    """The spans in the original text, without placeholders, and without blanks at their ends."""
    reserved = [match.span() for match in PLACEHOLDER.finditer(text)]
    written: list[Span] = []
    for span in spans:
        start, end = reading.written(span.start, span.end)
        for piece in outside(Span(start, end, span.category), reserved):
            words = text[piece.start : piece.end]
            if _WORD.search(words):
                start = piece.start + len(words) - len(words.lstrip())
                end = piece.start + len(words.rstrip())
                written.append(Span(start, end, span.category))
    return list(united(written))
