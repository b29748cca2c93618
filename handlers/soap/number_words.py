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


def said(text: str) -> set[str]:
    """The numbers that a text states; the word "one" says too little to be one of them."""
    wholes = {_readings(run)[-1] for run in _runs(text)}
    return (wholes - {"1"}) | set(NUMBER.findall(text))


def heard(text: str) -> set[str]:
    """All that the text can be heard to state: "one twenty eight" is 1, 20, 8, 28 and 128."""
    return {one for run in _runs(text) for one in _readings(run)} | set(NUMBER.findall(text))


def _runs(text: str) -> Iterator[list[str]]:
    """Neighbouring words that are numbers; a comma or another word parts them."""
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
    """Of a run of number words: its parts first, the whole last."""
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
