"""Which units of a long source go into the draft.

The choice maximises the expected ROUGE-1 (F) of the draft against the note that a clinician would
have written: a word that notes hold counts for a unit, a word that the draft has already does not,
and every word makes the draft longer. So length and repetition need no rules of their own. What is
surely small talk stays out; what is said of suicide, self-harm, violence or abuse goes in, whatever
the model makes of it.
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
    bags = [Counter(candidate.words()) for candidate in candidates]
    words = np.array([bag.total() for bag in bags], dtype=float)
    expected = {
        word: [0.0, *accumulate(chances)] for word, chances in model.expected(candidates).items()
    }
    wanted = min(model.length(int(words.sum())), NOTE_WORDS_MAX)
    liking = CHOSEN_WEIGHT * words * [judgement.chosen for judgement in judged]
    taken: Counter[str] = Counter()

    def gain(i: int) -> float:
        """The expected overlap that unit i adds; the more is taken, the less it is."""
        overlap = float(liking[i])
        for word, count in bags[i].items():
            sums, before = expected[word], taken.get(word, 0)
            last = len(sums) - 1
            if before < last:
                overlap += sums[min(before + count, last)] - sums[before]
        return overlap

    is_small_talk = [judgement.odds[Section.UNFILED] > SMALL_TALK for judgement in judged]
    gains = np.array([-np.inf if is_small_talk[i] else gain(i) for i in range(len(bags))])
    is_fresh = np.ones(len(bags), dtype=bool)
    picked: list[int] = []
    overlap = length = best = 0.0

    def take(i: int) -> None:
        nonlocal overlap, length, best
        overlap, length = overlap + gain(i), length + words[i]
        best = 2 * overlap / (length + wanted)
        taken.update(bags[i])
        picked.append(i)
        gains[i] = -np.inf
        is_fresh[:] = False

    for i in _of_safety(candidates)[:SAFETY_UNITS_MAX]:
        take(i)
    while True:
        # What a unit promised before is the most that it can promise now: only the best need a look.
        promises = 2 * (overlap + gains) / (length + words + wanted)
        i = int(promises.argmax())
        if promises[i] <= best:
            return sorted(picked)
        if is_fresh[i]:
            take(i)
        else:
            gains[i], is_fresh[i] = gain(i), True


def _of_safety(candidates: Sequence[Candidate]) -> list[int]:
    return [i for i, candidate in enumerate(candidates) if is_concern(candidate.words())]
