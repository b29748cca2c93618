"""The numbers of a text, whether in digits or in words, as strings of digits."""

import re
from collections.abc import Iterator

NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
PART = re.compile(r"[^\W\d_]+|[^\s-]")
SMALL = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen"""
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
VALUES = {word: value for value, word in enumerate(SMALL.split())} | {
    word: value for value, word in zip(range(20, 100, 10), TENS.split(), strict=True)
}


def stated(text: str) -> set[str]:
    """The numbers that a text states, without the word "one", which is seldom a number."""
    wholes = {_readings(run)[-1] for run in _runs(text)}
    return (wholes - {"1"}) | set(NUMBER.findall(text))


def possible(text: str) -> set[str]:
    """All numbers that the text may mean: "one twenty eight" is 1, 20, 8, 28 and 128."""
    return {one for run in _runs(text) for one in _readings(run)} | set(NUMBER.findall(text))


def _runs(text: str) -> Iterator[list[str]]:
    """Runs of number words; a comma or another word ends a run."""
    run: list[str] = []
    for part in PART.findall(text.lower()):
        if part in VALUES or (run and part == "hundred"):
            run.append(part)
        elif run and not (part == "and" and run[-1] == "hundred"):
            yield run
            run = []
    if run:
        yield run


def _readings(run: list[str]) -> list[str]:
    """The numbers that a run may mean: its parts first, the whole last."""
    parts: list[int] = []
    groups: list[int] = []
    before = 0  # the value of the word before, 100 of `hundred`
    for word in run:
        value = VALUES.get(word, 100)
        if value == 100:
            groups[-1] *= 100
        elif before == 100 or (before >= 20 and 0 < value < 10):
            groups[-1] += value
        else:
            groups.append(value)
        parts.append(value)
        before = value
    return [*map(str, parts), *map(str, groups), "".join(map(str, groups))]
