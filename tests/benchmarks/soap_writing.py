"""Score the offline SOAP writer: `python -m tests.benchmarks.soap_writing [FOLDER]`.

Reads each CSV file of the folder that has the columns dialogue and note, drafts from the dialogue
and compares the draft with the note by Google's `rouge_score`, without a stemmer. Without a folder:
our own invented therapy visits. ROUGE is of the draft's body (headings and sentences, without the
line that says how it was made); the last column is of the whole text. Needs `make install-train`.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median
from typing import NamedTuple

from domain.generation_facts import SourceKind
from handlers.soap.model import Model
from handlers.soap_extractive import ExtractiveWriter
from handlers.soap_writer import FILED, Section, SoapDraft, Source
from tests.benchmarks.soap_corpus import OWN, Visit, filed_note, visits

try:
    from rouge_score.rouge_scorer import RougeScorer
except ImportError:
    raise SystemExit("rouge_score is missing: make install-train") from None

ROUNDS = 5  # each draft is made so often; its time is the median of its seconds on the CPU
SCORER = RougeScorer(["rouge1", "rougeLsum"], use_stemmer=False)


class Scores(NamedTuple):
    """ROUGE in percent: of the body, and of the whole text."""

    precision: float
    recall: float
    f: float
    lsum_precision: float
    lsum_recall: float
    lsum_f: float
    text_f: float
    text_lsum_f: float


class Result(NamedTuple):
    """Of one visit."""

    name: str
    scores: Scores
    sections: Counter[Section]
    untraced: int
    milliseconds: float


def scores(draft: SoapDraft, note: str) -> Scores:
    body, text = SCORER.score(note, draft.body), SCORER.score(note, draft.text)
    found = (
        *body["rouge1"],
        *body["rougeLsum"],
        text["rouge1"].fmeasure,
        text["rougeLsum"].fmeasure,
    )
    return Scores(*(100 * value for value in found))


def untraced(draft: SoapDraft) -> int:
    """The sentences that do not stand, character by character, where the draft says."""
    return sum(
        sentence.text != draft.sources[span.source].text[span.start : span.end]
        for sentence in draft.sentences
        for span in sentence.cites
    )


def measured(writer: ExtractiveWriter, visit: Visit) -> Result:
    source = Source(SourceKind.TRANSCRIPT, 1, 1, visit.dialogue)
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        draft = writer.write([source])
        times.append(1000 * (time.process_time() - began))
    draft = writer.write([source])
    return Result(
        visit.name,
        scores(draft, visit.note),
        Counter(sentence.section for sentence in draft.sentences),
        untraced(draft),
        median(times),
    )


def filing_accuracy(model: Model, of: Sequence[Visit]) -> tuple[int, int]:
    """Of the reference notes' own sentences, headings taken off: filed as their heading says, all."""
    filed = [one for visit in of for one in filed_note(visit.note)]
    right = 0
    for one in filed:
        odds = model.judge(one.candidate).odds
        right += max(FILED, key=lambda section: odds[section]) is one.section
    return right, len(filed)


def report(results: Sequence[Result]) -> None:
    for result in results:
        s = result.scores
        print(
            f"  {result.name:24} ROUGE-1 P {s.precision:5.2f} R {s.recall:5.2f} F {s.f:5.2f}"
            f"  rougeLsum F {s.lsum_f:5.2f}  {result.milliseconds:6.2f} ms"
        )
    a = Scores(*(mean(column) for column in zip(*(r.scores for r in results), strict=True)))
    print(f"  mean of {len(results)} visits:")
    print(f"    ROUGE-1   P {a.precision:.2f} R {a.recall:.2f} F {a.f:.2f}")
    print(f"    rougeLsum P {a.lsum_precision:.2f} R {a.lsum_recall:.2f} F {a.lsum_f:.2f}")
    print(f"    of the whole text: ROUGE-1 F {a.text_f:.2f}, rougeLsum F {a.text_lsum_f:.2f}")
    sections: Counter[Section] = Counter()
    for result in results:
        sections.update(result.sections)
    counts = ", ".join(f"{section} {sections[section] / len(results):.1f}" for section in Section)
    print(f"    sentences a draft: {counts}")
    times = sorted(result.milliseconds for result in results)
    print(
        f"    ms a draft: median {median(times):.2f}, p99 {times[int(0.99 * (len(times) - 1))]:.2f}"
    )
    print(
        f"    sentences that do not stand where the draft says: {sum(r.untraced for r in results)}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=OWN)
    asked = parser.parse_args()
    if sys.platform == "linux":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    model = Model.load()
    writer = ExtractiveWriter(model)
    is_whole = True
    for file in sorted(asked.folder.glob("*.csv")):
        found = visits(file)
        if not found:
            continue
        print(file.name)
        results = [measured(writer, visit) for visit in found]
        report(results)
        right, count = filing_accuracy(model, found)
        print(f"    reference sentences filed under their heading: {right} of {count}")
        is_whole &= not any(result.untraced for result in results)
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
