"""The small linear models: where a sentence is filed, and which words a note would hold.

The weights are data (`weights.json`), made by `tests/benchmarks/soap_training.py`. The features are
counted here, for training and for use.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from handlers.soap.reading import Speaker
from handlers.soap.sentences import Unit
from handlers.soap_writer import Section

FORMAT: Final = "noteledger-soap-weights/1"
FILE: Final = Path(__file__).with_name("weights.json")
FILE_BYTES_MAX: Final = 1 << 20
COPIES_MAX: Final = 8  # of one word in a draft that count for something

CLASSES: Final = tuple(Section)
NOUGHT: Final = (0.0, 0.0, 0.0, 0.0, 0.0)
Scores = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]


class WeightsInvalidError(Exception):
    """The file of the SOAP writer's weights is damaged or of another format."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Filing(_Part):
    """TF-IDF and logistic regression: of each term its idf, and its weight for each class."""

    unknown_idf: FiniteFloat
    chosen_bias: FiniteFloat
    chosen_traits: dict[str, FiniteFloat]
    bias: Scores
    traits: dict[str, Scores]
    terms: Annotated[
        dict[str, tuple[FiniteFloat, FiniteFloat, Scores]], Field(min_length=1, max_length=20_000)
    ]


class Wording(_Part):
    """Logistic regression: does the n-th copy of a source's word occur in its note?"""

    bias: FiniteFloat
    traits: dict[str, FiniteFloat]
    words: Annotated[
        dict[str, tuple[FiniteFloat, FiniteFloat]], Field(min_length=1, max_length=20_000)
    ]
    length_factor: Annotated[FiniteFloat, Field(gt=0)]
    length_power: Annotated[FiniteFloat, Field(gt=0, le=1)]


class Weights(_Part):
    """The file's content."""

    format: Literal["noteledger-soap-weights/1"]
    trained_on: str
    filing: Filing
    wording: Wording


class Candidate(NamedTuple):
    """A unit. `place` is its relative position in a transcript, from 0 to 1; `None` in prose."""

    unit: Unit
    place: float | None

    def words(self) -> list[str]:
        return [word for piece in self.unit for word in piece.words]


def terms(candidate: Candidate) -> list[str]:
    """Its words and pairs of neighbouring words, each once; every number is `#`."""
    found: dict[str, None] = {}  # not a set: sums over it must come out the same every time
    for piece in candidate.unit:
        words = ["#" if word.isdigit() else word for word in piece.words]
        found.update(dict.fromkeys(words))
        found.update(dict.fromkeys(f"{one} {other}" for one, other in pairwise(words)))
    return list(found)


def traits(candidate: Candidate) -> dict[str, float]:
    """The features of a unit that are not words."""
    count = sum(len(piece.words) for piece in candidate.unit)
    known = {"length": math.log1p(count) / 4, "brief": float(count < 4)}
    if candidate.place is None:
        return known | {"prose": 1.0}
    fifth = min(4, int(candidate.place * 5))
    first = candidate.unit[0]
    return known | {
        f"fifth {fifth}": 1.0,
        f"{first.speaker or 'nobody'}": 1.0,
        "asked": float(len(candidate.unit) > 1),
    }


class Copies(NamedTuple):
    """One row for each copy of each word of a source, at most `COPIES_MAX` a word."""

    words: list[str]
    traits: NDArray[np.float64]  # a column for each of WORD_TRAITS
    log_copy: NDArray[np.float64]


WORD_TRAITS: Final = (
    "log copy",
    "log copies",
    "log both",
    "share",
    "by clinician",
    "number",
    "length",
    "short",
)


def copies(candidates: Iterable[Candidate]) -> Copies:
    """The features of each copy of a word: its count, the total, and who says the word."""
    count: Counter[str] = Counter()
    by_clinician: Counter[str] = Counter()
    for candidate in candidates:
        for piece in candidate.unit:
            count.update(piece.words)
            if piece.speaker is Speaker.CLINICIAN:
                by_clinician.update(piece.words)
    rows = [
        (copy, all_, by_clinician[word] / all_, word.isdigit(), len(word))
        for word, all_ in count.items()
        for copy in range(1, min(all_, COPIES_MAX) + 1)
    ]
    words = [word for word, all_ in count.items() for _ in range(min(all_, COPIES_MAX))]
    copy, all_, share, number, length = np.array(rows, dtype=float).T
    log_copy, log_copies = np.log(copy), np.log(all_)
    traits_ = (
        log_copy,
        log_copies,
        log_copy * log_copies,
        copy / all_,
        share,
        number,
        length / 5,
        length < 3,
    )
    return Copies(words, np.column_stack(traits_), log_copy)


class Judgement(NamedTuple):
    """Of a unit: the probability of each section, and the log odds that it is in a note."""

    odds: dict[Section, float]
    chosen: float


class Model:
    """The weights, ready for use; `digest` is the SHA-256 of their file."""

    def __init__(self, weights: Weights, digest: str) -> None:
        self.digest = digest
        self.trained_on = weights.trained_on
        self._filing = filing = weights.filing
        self._wording = weights.wording
        # One row a term, then one a trait: the weight to be chosen, then that of each class.
        names = sorted(filing.chosen_traits.keys() | filing.traits.keys())
        self._row = {term: row for row, term in enumerate(filing.terms)}
        self._trait_row = {name: row for row, name in enumerate(names, start=len(self._row))}
        rows = [(like, *scores) for _, like, scores in filing.terms.values()]
        rows += [
            (filing.chosen_traits.get(name, 0.0), *filing.traits.get(name, NOUGHT))
            for name in names
        ]
        self._matrix = np.array(rows)
        self._bias = np.array((filing.chosen_bias, *filing.bias))
        self._word_traits = np.array([weights.wording.traits[name] for name in WORD_TRAITS])

    @classmethod
    def load(cls, file: Path = FILE) -> Self:
        """Raises `WeightsInvalidError`."""
        content = file.read_bytes()
        try:
            weights = Weights.model_validate_json(content)
        except ValidationError as error:
            raise WeightsInvalidError(f"{file.name}: {error}") from error
        if len(content) > FILE_BYTES_MAX or set(weights.wording.traits) != set(WORD_TRAITS):
            raise WeightsInvalidError(f"{file.name} is of another format")
        return cls(weights, hashlib.sha256(content).hexdigest())

    def weighed(self, candidate: Candidate) -> dict[str, float]:
        """The TF-IDF values of the known terms; small for a unit of mostly unknown words."""
        filing = self._filing
        squares = 0.0
        known = {}
        for term in terms(candidate):
            if entry := filing.terms.get(term):
                known[term] = entry[0]
                squares += entry[0] ** 2
            elif " " not in term:
                squares += filing.unknown_idf**2
        norm = math.sqrt(squares) or 1.0
        return {term: idf / norm for term, idf in known.items()}

    def judge(self, candidate: Candidate) -> Judgement:
        """The unit's sections (with Unfiled) and whether it belongs in a note at all."""
        known = self.weighed(candidate)
        rows = [self._row[term] for term in known]
        values = list(known.values())
        for trait, value in traits(candidate).items():
            if (row := self._trait_row.get(trait)) is not None:
                rows.append(row)
                values.append(value)
        sums = self._bias + np.array(values) @ self._matrix[rows]
        chosen, *scores = sums.tolist()
        powers = [math.exp(score - max(scores)) for score in scores]
        whole = sum(powers)
        return Judgement({c: p / whole for c, p in zip(CLASSES, powers, strict=True)}, chosen)

    def expected(self, candidates: Sequence[Candidate]) -> dict[str, list[float]]:
        """For each word the probabilities that the note has at least one, two … copies of it."""
        found = copies(candidates)
        own = np.array([self._wording.words.get(word, (0.0, 0.0)) for word in found.words])
        scores = found.traits @ self._word_traits + self._wording.bias
        scores += own[:, 0] + own[:, 1] * found.log_copy
        chances: dict[str, list[float]] = {}
        for word, chance in zip(found.words, (1 / (1 + np.exp(-scores))).tolist(), strict=True):
            before = chances.setdefault(word, [])
            before.append(min(chance, before[-1]) if before else chance)
        return chances

    def length(self, words: int) -> float:
        """The expected number of words of a note on a source of this many words."""
        wording = self._wording
        return float(wording.length_factor * words**wording.length_power)
