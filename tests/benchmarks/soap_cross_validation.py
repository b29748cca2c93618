"""Score models on visits they were not trained on: `python -m tests.benchmarks.soap_cross_validation FOLDER`.

Only the training part is read, so that what is chosen here is not chosen for the validation part.
"""

import argparse
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from handlers.soap.model import Model
from handlers.soap_extractive import ExtractiveWriter
from tests.benchmarks.soap_corpus import Visit, visits
from tests.benchmarks.soap_training import TRAINING_PART, lessons, train
from tests.benchmarks.soap_writing import Result, filing_accuracy, measured, report


def held_out(of: Sequence[Visit], folds: int, seed: int) -> Iterator[tuple[Model, list[Visit]]]:
    """A model for each part of the visits, trained on all the others."""
    taught = lessons(of)
    order = list(range(len(of)))
    random.Random(seed).shuffle(order)  # noqa: S311
    for fold in range(folds):
        held = order[fold::folds]
        weights = train([taught[i] for i in order if i not in held])
        yield Model(weights, digest=""), [of[i] for i in held]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--folds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    results: list[Result] = []
    right = count = 0
    for model, held in held_out(visits(asked.folder / TRAINING_PART), asked.folds, asked.seed):
        results += [measured(ExtractiveWriter(model), visit) for visit in held]
        accuracy = filing_accuracy(model, held)
        right, count = right + accuracy[0], count + accuracy[1]
    report(results)
    print(f"    reference sentences filed under their heading: {right} of {count}")


if __name__ == "__main__":
    main()
