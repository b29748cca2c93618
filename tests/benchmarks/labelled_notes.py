"""Labelled notes for the de-identification benchmark, in two formats.

`*.notes`: the repository's own (tests/benchmarks/deid/README.md). `*.txt`: ASQ-PHI's, a query and its
PHI values, a JSON object a line; each place where a value stands counts as one identifier.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from handlers.deidentify import Names

OWN_FOLDER = Path(__file__).parent / "deid"
_HEADING = re.compile(r"^=== (?P<heading>.+)$", re.MULTILINE)
_MARK = re.compile(r"\{\{(?P<kind>[a-z_]+):(?P<words>.*?)\}\}", re.DOTALL)


class Label(NamedTuple):
    """An identifier at `text[start:end]`."""

    start: int
    end: int
    kind: str


class LabelledNote(NamedTuple):
    """A note, what identifies somebody in it, and whom the directory would know."""

    name: str
    text: str
    labels: tuple[Label, ...]
    names: Names = Names()


def read_all(paths: list[Path]) -> list[LabelledNote]:
    """The notes of files and of all `*.notes` and `*.txt` files in folders."""
    notes: list[LabelledNote] = []
    for path in paths:
        files = sorted([*path.rglob("*.notes"), *path.rglob("*.txt")]) if path.is_dir() else [path]
        for file in files:
            text = file.read_text(encoding="utf-8")
            notes += _own(text) if file.suffix == ".notes" else _asq(text, file.stem)
    return notes


def _own(text: str) -> Iterator[LabelledNote]:
    headings = list(_HEADING.finditer(text))
    ends = [*(heading.start() for heading in headings[1:]), len(text)]
    for heading, end in zip(headings, ends, strict=True):
        name, *people = (part.strip() for part in heading["heading"].split("|"))
        words, labels = _unmarked(text[heading.end() + 1 : end].rstrip("\n"))
        yield LabelledNote(name, words, labels, _people(people))


def _people(people: list[str]) -> Names:
    known: dict[str, list[str]] = {"client": [], "therapist": [], "other": []}
    for person in people:
        role, _, name = person.partition(":")
        known[role.strip()].append(name.strip())
    return Names(tuple(known["client"]), tuple(known["therapist"]), tuple(known["other"]))


def _unmarked(marked: str) -> tuple[str, tuple[Label, ...]]:
    parts: list[str] = []
    labels: list[Label] = []
    done = length = 0
    for mark in _MARK.finditer(marked):
        parts += (marked[done : mark.start()], mark["words"])
        start = length + mark.start() - done
        length = start + len(mark["words"])
        labels.append(Label(start, length, mark["kind"]))
        done = mark.end()
    return "".join((*parts, marked[done:])), tuple(labels)


def _asq(text: str, name: str) -> Iterator[LabelledNote]:
    for number, part in enumerate(text.split("===QUERY===")[1:], 1):
        query, _, tags = part.partition("===PHI_TAGS===")
        words = query.strip()
        labels = {
            Label(*match.span(), tag["identifier_type"].lower())
            for tag in map(json.loads, filter(None, map(str.strip, tags.splitlines())))
            for match in re.finditer(rf"(?<!\w){re.escape(tag['value'])}(?!\w)", words)
        }
        yield LabelledNote(f"{name} {number}", words, tuple(sorted(labels)))
