"""Which units of a long source go into the draft.

The choice maximises the expected ROUGE-1 (F) of the draft against the note that a clinician would
have written: a unit gains by words that notes hold, not by words that the draft has already, and
each word makes the draft longer. So length and repetition need no rules of their own. Small talk, if
the model is sure of it, stays out; mentions of suicide, self-harm, violence or abuse always go in.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from handlers.soap.model import Candidate, Judgement, Model
from handlers.soap.safety import is_concern
from handlers.soap_writer import Section

NOTE_WORDS_MAX = 1000  # no session's note is expected to be longer
CHOSEN_WEIGHT = 0.05  # words of overlap that a unit's log odds add, a word; by cross-validation
SMALL_TALK = 0.6  # the probability of Unfiled from which on a unit stays out; by cross-validation
SAFETY_UNITS_MAX = 50


def select(candidates: Sequence[Candidate], judged: Sequence[Judgement], model: Model) -> list[int]:
    """The indexes of the units that go in, in their order."""
    choice = _Choice(candidates, judged, model)
    concerns = [i for i, candidate in enumerate(candidates) if is_concern(candidate.words())]
    for i in concerns[:SAFETY_UNITS_MAX]:
        choice.take(i)
    is_small_talk = [judgement.odds[Section.UNFILED] > SMALL_TALK for judgement in judged]
    choice.gains[is_small_talk] = -np.inf
    while (best := choice.best()) is not None:
        choice.take(best)
    return sorted(choice.taken)


class _Choice:
    """The units taken so far, and what each other one would add to the expected ROUGE-1."""

    def __init__(
        self, candidates: Sequence[Candidate], judged: Sequence[Judgement], model: Model
    ) -> None:
        self._bags = [Counter(candidate.words()) for candidate in candidates]
        self._words = np.array([bag.total() for bag in self._bags], dtype=float)
        self._liking = CHOSEN_WEIGHT * self._words * [one.chosen for one in judged]
        self._expected = {  # of each word, the sum over its first copies
            word: [0.0, *accumulate(chances)]
            for word, chances in model.expected(candidates).items()
        }
        self._wanted = min(model.length(int(self._words.sum())), NOTE_WORDS_MAX)
        self._said: Counter[str] = Counter()
        self._overlap = self._length = self._score = 0.0
        self.taken: list[int] = []
        self.gains = np.array([self._gain(i) for i in range(len(self._bags))])
        self._is_fresh = np.ones(len(self._bags), dtype=bool)

    def _gain(self, i: int) -> float:
        """The expected overlap that unit i adds; it shrinks as the draft grows."""
        overlap = float(self._liking[i])
        for word, count in self._bags[i].items():
            sums, before = self._expected[word], self._said.get(word, 0)
            last = len(sums) - 1
            if before < last:
                overlap += sums[min(before + count, last)] - sums[before]
        return overlap

    def take(self, i: int) -> None:
        self._overlap += self._gain(i)
        self._length += self._words[i]
        self._score = 2 * self._overlap / (self._length + self._wanted)
        self._said.update(self._bags[i])
        self.taken.append(i)
        self.gains[i] = -np.inf
        self._is_fresh[:] = False

    def best(self) -> int | None:
        """The unit that raises the score most; `None` if none does."""
        while True:
            # What a unit promised before is the most that it can promise now: look at the best only.
            promises = (
                2 * (self._overlap + self.gains) / (self._length + self._words + self._wanted)
            )
            i = int(promises.argmax())
            if promises[i] <= self._score:
                return None
            if self._is_fresh[i]:
                return i
            self.gains[i], self._is_fresh[i] = self._gain(i), True
