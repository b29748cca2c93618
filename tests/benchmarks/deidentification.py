"""How well and how fast notes are de-identified: `python -m tests.benchmarks.deidentification [PATH...]`.

Recall: labelled identifiers all of whose letters and digits are covered / labelled identifiers.
Precision: covered spans that overlap a labelled identifier / covered spans.
Touched: notes without any label in which something is covered / notes without any label.
Time: processor time on one core, which the process is bound to; of each note the best of three rounds.
"""

import argparse
import os
import resource
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from handlers.deidentification.identifiers import Span
from handlers.deidentify import Deidentifier, Names, load
from tests.benchmarks.labelled_notes import OWN_FOLDER, Label, LabelledNote, read_all


class Score(NamedTuple):
    """Counts over a set of notes, and what went wrong in words."""

    labels: Counter[str]
    covered: Counter[str]
    spans: int
    true_spans: int
    negatives: int
    touched: int
    missed: list[tuple[str, str]]
    wrong: list[tuple[str, str]]

    @property
    def recall(self) -> float:
        """Fully covered, of all labelled."""
        return self.covered.total() / max(1, self.labels.total())

    @property
    def precision(self) -> float:
        """Overlapping a label, of all covered spans."""
        return self.true_spans / max(1, self.spans)

    @property
    def touched_share(self) -> float:
        """Of the notes without any label."""
        return self.touched / max(1, self.negatives)


def scored(notes: list[LabelledNote], found: list[list[Span]]) -> Score:
    """What was found against what was labelled."""
    score = Score(Counter(), Counter(), 0, 0, 0, 0, [], [])
    spans = true_spans = negatives = touched = 0
    for note, note_spans in zip(notes, found, strict=True):
        for label in note.labels:
            score.labels[label.kind] += 1
            if _is_covered(note.text, label, note_spans):
                score.covered[label.kind] += 1
            else:
                score.missed.append(
                    (note.name, f"{label.kind}: {note.text[label.start : label.end]}")
                )
        for span in note_spans:
            is_true = any(
                span.start < label.end and label.start < span.end for label in note.labels
            )
            true_spans += is_true
            if not is_true:
                score.wrong.append(
                    (note.name, f"{span.category}: {note.text[span.start : span.end]}")
                )
        spans += len(note_spans)
        negatives += not note.labels
        touched += not note.labels and bool(note_spans)
    return score._replace(spans=spans, true_spans=true_spans, negatives=negatives, touched=touched)


def _is_covered(text: str, label: Label, spans: list[Span]) -> bool:
    inside = {place for span in spans for place in range(span.start, span.end)}
    return all(place in inside for place in range(label.start, label.end) if text[place].isalnum())


def _timed(deidentifier: Deidentifier, notes: list[LabelledNote], rounds: int) -> float:
    """Milliseconds of the processor per 1,000 characters: each note's best round, summed."""
    total = 0.0
    for note in notes:
        times = []
        for _ in range(rounds):
            began = time.process_time()
            deidentifier.deidentify(note.text, note.names)
            times.append(time.process_time() - began)
        total += min(times)
    return total * 1_000_000 / max(1, sum(len(note.text) for note in notes))


def _print(score: Score) -> None:
    for kind, count in sorted(score.labels.items()):
        print(
            f"  {kind:30} {score.covered[kind]:5} of {count:5}  {score.covered[kind] / count:.3f}"
        )
    print(
        f"recall (fully covered)   {score.recall:.4f}  ({score.covered.total()} of {score.labels.total()})"
    )
    print(f"precision                {score.precision:.4f}  ({score.true_spans} of {score.spans})")
    print(
        f"hard negatives touched   {score.touched_share:.4f}  ({score.touched} of {score.negatives})"
    )


def main() -> None:
    """Reads the arguments, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, default=[OWN_FOLDER])
    parser.add_argument(
        "--without-names", action="store_true", help="as if the directory were empty"
    )
    parser.add_argument(
        "--errors", action="store_true", help="show what was missed and wrongly covered"
    )
    parser.add_argument("--rounds", type=int, default=3, help="for the time; 0 leaves it out")
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    notes = read_all(arguments.paths)
    if arguments.without_names:
        notes = [note._replace(names=Names()) for note in notes]
    began = time.perf_counter()
    deidentifier = load()
    loaded = time.perf_counter() - began
    score = scored(notes, [deidentifier.identifiers(note.text, note.names) for note in notes])
    if arguments.errors:
        for verdict, errors in (("missed", score.missed), ("wrong", score.wrong)):
            for name, words in errors:
                print(f"{verdict:7} {name}: {words!r}")
    print(f"notes                    {len(notes)}")
    _print(score)
    if arguments.rounds:
        print(f"ms per 1,000 characters  {_timed(deidentifier, notes, arguments.rounds):.0f}")
    print(f"models loaded in         {loaded:.1f} s")
    print(
        f"memory at most           {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB"
    )


if __name__ == "__main__":
    main()
