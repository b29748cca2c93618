"""Train the SOAP writer's weights: `python -m tests.benchmarks.soap_training FOLDER`.

FOLDER holds `aci-bench-train.csv` (ACI-Bench, CC BY 4.0); our own sentences of therapy stand in
`soap/examples.csv`. Writes `handlers/soap/weights.json`. Needs `make install-train`.
"""

import argparse
import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from handlers.soap.model import (
    FILE,
    FORMAT,
    NOUGHT,
    WORD_TRAITS,
    Candidate,
    Filing,
    Model,
    Weights,
    Wording,
    copies,
    terms,
    traits,
)
from handlers.soap.sentences import WORD
from handlers.soap_writer import Section
from tests.benchmarks.soap_corpus import (
    Filed,
    Rarity,
    Visit,
    chosen_by_hindsight,
    examples,
    filed_note,
    filed_talk,
    people_named,
    talk,
    visits,
)

try:
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression
except ImportError:
    raise SystemExit("scikit-learn is missing: make install-train") from None

TRAINING_PART: Final = "aci-bench-train.csv"
TRAINED_ON: Final = "ACI-Bench (training part) and invented therapy sentences"
TERM_MET_MIN: Final = 3
WORD_MET_MIN: Final = 3
TERMS_MAX: Final = 4000
EXAMPLE_WEIGHT: Final = 3.0  # ours are few, and nearer to what the drafts are made for
SMALL_TALK_WEIGHT: Final = 0.1  # most small talk is out before anything is filed
WORDING_C, FILING_C, CHOSEN_C = 1.0, 2.0, 0.3  # by cross-validation
DIGITS: Final = 3
ENTRY_END: Final = re.compile(r"\],(?=\")")  # a line for each term


class Lesson(NamedTuple):
    """What one visit teaches."""

    candidates: list[Candidate]
    chosen: set[int]
    note: str
    filed: list[Filed]


def lessons(of: Sequence[Visit]) -> list[Lesson]:
    dialogues = [talk(visit.dialogue) for visit in of]
    rarity = Rarity(dialogues)
    taught = []
    for visit, found in zip(of, dialogues, strict=True):
        chosen = chosen_by_hindsight(found, visit.note)
        note = filed_note(visit.note)
        filed = filed_talk(found, chosen, note, rarity) + note
        taught.append(Lesson(found, chosen, visit.note, filed))
    return taught


def train(of: Sequence[Lesson]) -> Weights:
    """The weights, rounded as they are stored."""
    wording = _wording(of)
    filing = _filing(of, wording)
    return Weights(format=FORMAT, trained_on=TRAINED_ON, filing=filing, wording=wording)


def _fit(
    rows: Sequence[dict[str, float]], labels: Sequence[int], c: float, **options: Any
) -> tuple[Any, list[str]]:
    """A logistic regression on rows of named numbers, and the names in the order of its weights."""
    names = sorted({name for row in rows for name in row})
    column = {name: i for i, name in enumerate(names)}
    ends = np.cumsum([0, *map(len, rows)])
    columns = [column[name] for row in rows for name in row]
    values = [value for row in rows for value in row.values()]
    matrix = csr_matrix((values, columns, ends), shape=(len(rows), len(names)))
    weight = options.pop("sample_weight", None)
    model = LogisticRegression(C=c, max_iter=2000, **options)
    return model.fit(matrix, np.array(labels), sample_weight=weight), names


# --- which words a note holds


def _wording(of: Sequence[Lesson]) -> Wording:
    met = Counter(word for lesson in of for word in set(copies(lesson.candidates).words))
    known = {word for word, times in met.items() if times >= WORD_MET_MIN}
    known -= people_named(lesson.note for lesson in of)
    rows: list[dict[str, float]] = []
    labels: list[int] = []
    for lesson in of:
        written = Counter(WORD.findall(lesson.note.lower()))
        found = copies(lesson.candidates)
        nth: Counter[str] = Counter()
        for word, values, log_copy in zip(found.words, found.traits, found.log_copy, strict=True):
            row = {f"-{name}": float(v) for name, v in zip(WORD_TRAITS, values, strict=True)}
            if word in known:
                row |= {f"own {word}": 1.0, f"copy {word}": float(log_copy)}
            rows.append(row)
            nth[word] += 1
            labels.append(int(written[word] >= nth[word]))
    model, names = _fit(rows, labels, WORDING_C)
    by_name = dict(zip(names, _rounded(model.coef_[0]), strict=True))
    factor, power = _length(of)
    return Wording(
        bias=_rounded(model.intercept_)[0],
        traits={name[1:]: value for name, value in by_name.items() if name.startswith("-")},
        words={word: (by_name[f"own {word}"], by_name[f"copy {word}"]) for word in sorted(known)},
        length_factor=factor,
        length_power=power,
    )


def _length(of: Sequence[Lesson]) -> tuple[float, float]:
    """Of the curve `factor * words ** power` that fits the notes' lengths best."""
    read = [math.log(sum(len(one.words()) for one in lesson.candidates)) for lesson in of]
    written = [math.log(len(WORD.findall(lesson.note.lower()))) for lesson in of]
    power, factor = np.polyfit(read, written, 1)
    return round(math.exp(factor), DIGITS), round(float(power), DIGITS)


# --- where a unit is filed, and whether it is chosen


def _filing(of: Sequence[Lesson], wording: Wording) -> Filing:
    own = list(examples())
    filed = [one for lesson in of for one in lesson.filed]
    everything = [one.candidate for one in filed + own]
    called = people_named(lesson.note for lesson in of)
    known = {
        term: idf
        for term, idf in _known_terms(everything, [one.candidate for one in own]).items()
        if called.isdisjoint(term.split())
    }
    unknown_idf = round(math.log(1 + len(everything)), DIGITS)
    full = _filled(_blank(unknown_idf, known), wording, of, filed, own)
    # Then once more, with those terms only that weigh most.
    heaviest = sorted(known, key=lambda term: (-max(map(abs, _weights(full, term))), term))
    kept = {term: known[term] for term in heaviest[:TERMS_MAX]}
    return _filled(_blank(unknown_idf, kept), wording, of, filed, own)


def _blank(unknown_idf: float, known: dict[str, float]) -> Filing:
    return Filing(
        unknown_idf=unknown_idf,
        chosen_bias=0.0,
        chosen_traits={},
        bias=NOUGHT,
        traits={},
        terms={term: (known[term], 0.0, NOUGHT) for term in sorted(known)},
    )


def _weights(filing: Filing, term: str) -> tuple[float, ...]:
    _, like, scores = filing.terms[term]
    return like, *scores


def _known_terms(everything: list[Candidate], own: list[Candidate]) -> dict[str, float]:
    """The terms that are met often enough, and all words of our own sentences: their idf."""
    met = Counter(term for one in everything for term in terms(one))
    in_own = {term for one in own for term in terms(one) if " " not in term}
    return {
        term: round(math.log((1 + len(everything)) / (1 + times)), DIGITS)
        for term, times in met.items()
        if times >= TERM_MET_MIN or term in in_own
    }


def _filled(
    blank: Filing, wording: Wording, of: Sequence[Lesson], filed: list[Filed], own: list[Filed]
) -> Filing:
    """The terms with their weights."""
    weigh = Model(Weights(format=FORMAT, trained_on="", filing=blank, wording=wording), "").weighed

    def row(candidate: Candidate) -> dict[str, float]:
        return {f"-{k}": v for k, v in traits(candidate).items()} | weigh(candidate)

    pairs = [(one, i in lesson.chosen) for lesson in of for i, one in enumerate(lesson.candidates)]
    liked, liked_names = _fit(
        [row(one) for one, _ in pairs], [int(is_in) for _, is_in in pairs], CHOSEN_C
    )
    like = dict(zip(liked_names, _rounded(liked.coef_[0]), strict=True))
    classes = list(Section)
    model, names = _fit(
        [row(one.candidate) for one in filed + own],
        [classes.index(one.section) for one in filed + own],
        FILING_C,
        class_weight="balanced",
        sample_weight=[
            SMALL_TALK_WEIGHT if one.section is Section.UNFILED else 1.0 for one in filed
        ]
        + [EXAMPLE_WEIGHT] * len(own),
    )
    scores = {name: _five(column) for name, column in zip(names, model.coef_.T, strict=True)}
    return blank.model_copy(
        update={
            "chosen_bias": _rounded(liked.intercept_)[0],
            "chosen_traits": {n[1:]: v for n, v in like.items() if n.startswith("-")},
            "bias": _five(model.intercept_),
            "traits": {n[1:]: v for n, v in scores.items() if n.startswith("-")},
            "terms": {
                term: (idf, like.get(term, 0.0), scores.get(term, NOUGHT))
                for term, (idf, _, _) in blank.terms.items()
            },
        }
    )


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(float(value), DIGITS) for value in values]


def _five(values: NDArray[np.float64]) -> tuple[float, float, float, float, float]:
    subjective, objective, assessment, plan, unfiled = _rounded(values)
    return subjective, objective, assessment, plan, unfiled


# --- the command


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    weights = train(lessons(visits(asked.folder / TRAINING_PART)))
    content = ENTRY_END.sub("],\n", weights.model_dump_json()) + "\n"
    FILE.write_text(content, encoding="utf-8")
    print(f"{FILE.name}: {len(content):,} bytes, {hashlib.sha256(content.encode()).hexdigest()}")


if __name__ == "__main__":
    main()
