"""From a source's text to its lines: who speaks, and under which heading it stands.

A transcript is talk: time stamps and speakers' labels are left out. A note is prose, or a JSON object
whose strings are prose under their keys. A transcript without speakers' names is read as prose: a
dictation. All offsets are offsets in the text as stored.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from domain.generation_facts import SourceKind
from handlers.soap_writer import FILED, Section, Source


class Speaker(StrEnum):
    """The speaker of a line of a transcript."""

    CLINICIAN = "clinician"
    CLIENT = "client"
    OTHER = "other"


class Line(NamedTuple):
    """Characters `start` to `end` of the text: one line, without its label.

    `turn` grows when the speaker changes; `sections`: those that the heading above it allows.
    """

    start: int
    end: int
    speaker: Speaker | None
    turn: int
    sections: tuple[Section, ...] = FILED


class Reading(NamedTuple):
    """A source's lines, and whether they are talk (else prose)."""

    lines: list[Line]
    is_talk: bool


def read(source: Source) -> Reading:
    """The source's lines, in their order."""
    text = source.text
    if source.kind is SourceKind.TRANSCRIPT:
        raw = [found.span() for found in LINE.finditer(text)]
        known = _labels(text, raw)
        if known or SUBTITLES.search(text):
            return Reading(list(_talk(text, raw, known)), is_talk=True)
    found = _json(text) if _is_json_object(text) else _prose(text, 0, len(text), FILED)
    return Reading(list(found), is_talk=False)


# --- talk

LINE = re.compile(r"\S(?:[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]*\S)?")
TIME = r"(?:\d{1,2}:)?\d{1,2}:\d{2}(?:[.,]\d{1,3})?"
CUE = re.compile(rf"(?:WEBVTT\b.*|\d+|[\[(]?{TIME}[\])]?(?:\s*-->.*)?)$")
SUBTITLES = re.compile(rf"^{TIME}\s*-->", re.MULTILINE)
HEAD = re.compile(
    rf"""(?P<stamp>(?:[\[(<]{TIME}[\])>]|\d{{1,2}}:\d{{2}}:\d{{2}}|{TIME}(?=\s+[^\s:]{{1,30}}:\s))
        \s*(?:[-–—|]\s*)?)?
    (?:
        <v(?:\.[\w.]+)?\s+(?P<voice>[^<>\n]{{1,40}})>\s*
      | \[(?P<bare>[a-z]\w{{0,30}}|[A-Z][a-z]\w{{0,30}})\](?!\s*:)\s*
      | (?P<named>\[?[^\W\d_][\w.'-]*(?:\ [\w.'-]+){{0,3}}\]?)\s*(?:[\[(]{TIME}[\])]\s*)?:(?=\s|$)\s*
      | (?P<above>[^\W\d_][\w.'-]*(?:\ [\w.'-]+){{0,3}})\s+{TIME}$
    )?""",
    re.VERBOSE,
)
ROLES = {
    Speaker.CLINICIAN: "doctor dr d therapist th t clinician counselor counsellor provider psychologist"
    " psychiatrist nurse physician interviewer",
    Speaker.CLIENT: "client cl c patient pt p interviewee",
}
SPEAKERS = {word: speaker for speaker, words in ROLES.items() for word in words.split()}


def _speaker(label: str) -> Speaker | None:
    """`[doctor]`, `T`, `Dr. Lee`, `Client 2`; not `Client said`."""
    first, *further = label.strip("[]").split()
    if any(word[0].islower() for word in further):
        return None
    return SPEAKERS.get(first.rstrip(".").lower())


def _label(head: re.Match[str]) -> str | None:
    return head["voice"] or head["bare"] or head["named"] or head["above"]


def _labels(text: str, raw: list[tuple[int, int]]) -> frozenset[str]:
    """The labels of speakers: a role's name, or a name that stands there twice."""
    met: Counter[str] = Counter()
    sure: set[str] = set()
    for start, end in raw:
        head = HEAD.match(text, start, end)
        if head and (label := _label(head)):
            met[label] += 1
            if head["voice"] or (len(label) > 1 and _speaker(label.partition("_")[0])):
                sure.add(label)
    return frozenset(sure | {label for label, times in met.items() if times > 1})


def _talk(text: str, raw: list[tuple[int, int]], known: frozenset[str]) -> Iterator[Line]:
    speaker: Speaker | None = None
    name, turn = "", 0
    for start, end in raw:
        head = HEAD.match(text, start, end)
        if head is None or CUE.match(text, start, end):
            if not known and "-->" in text[start:end]:
                turn += 1  # where nobody is named, each subtitle may be another's
            continue
        begin = head.end("stamp") if head["stamp"] else start
        label = _label(head)
        if label in known:
            begin = head.end()
            if label != name:
                name, turn, speaker = label, turn + 1, _speaker(label) or Speaker.OTHER
        ended = text.rfind("</v>", begin, end)
        stop = end if ended < 0 else ended
        if begin < stop:
            yield Line(begin, stop, speaker, turn)


# --- prose

BULLET = re.compile(r"(?:[-–—*•·▪◦>+]+|\(?(?:\d{1,2}|[a-z])[.)])\s+")
S, O, A, P = FILED  # noqa: E741
NAMED_SECTIONS: tuple[tuple[tuple[Section, ...], str], ...] = (
    ((S,), "s|subjective|chief complaint|presenting problem|presenting concerns|hpi"),
    ((S,), "history of present illness|client report|self report"),
    ((O,), "o|objective|mse|mental status|mental status exam|mental status examination"),
    ((O,), "observations|physical exam|physical examination|exam|vitals|results"),
    ((A,), "a|assessment|clinical assessment|impression|clinical impression|diagnostic impression"),
    ((A,), "diagnosis|diagnoses"),
    ((P,), "p|plan|treatment plan|plan for next session|next steps|recommendations|instructions"),
    ((S, O), "s o|subjective objective|subjective and objective"),
    ((A, P), "a p|ap|assessment plan|assessment and plan|impression and plan"),
    # Headings of other forms of note end a part; they name no section for the next one.
    (FILED, "data|behavior|behaviour|intervention|interventions|response"),
)
HEADINGS = {name: sections for sections, names in NAMED_SECTIONS for name in names.split("|")}
HEADING = re.compile(
    r"""[#*_\s]*+(?:\d{1,2}[.)]\s*)?[\[(*_]*
    (?P<name>[A-Z]|[A-Z]\s?[/&+]\s?[A-Z]|[A-Za-z]{2}[A-Za-z\ /&+]{0,30}?)
    [\])*_]*(?:\s*\([^()\n]{0,40}\))?\s*(?::|[-–—](?=\s)|$)[*_]*\s*""",
    re.VERBOSE,
)
NOT_A_LETTER = re.compile(r"[^a-z]+")
ENDED = (".", "?", "!", ":", ";", "…", '."', '?"', '!"')


def _sections(name: str) -> tuple[Section, ...] | None:
    return HEADINGS.get(NOT_A_LETTER.sub(" ", name.lower()).strip())


def _prose(text: str, start: int, end: int, sections: tuple[Section, ...]) -> Iterator[Line]:
    """A heading holds for all up to the next one. Lines wrapped within a sentence become one."""
    held: Line | None = None
    for found in LINE.finditer(text, start, end):
        begin, stop = found.span()
        heading = HEADING.match(text, begin, stop)
        named = _sections(heading["name"]) if heading else None
        if heading and named:
            begin, sections = heading.end(), named
        elif held and text[begin].islower() and not text.endswith(ENDED, held.start, held.end):
            held = held._replace(end=stop)
            continue
        if held:
            yield held
        bullet = BULLET.match(text, begin, stop)
        begin = bullet.end() if bullet else begin
        held = Line(begin, stop, None, 0, sections) if begin < stop else None
    if held:
        yield held


# --- JSON

JSON_START = re.compile(r'\s*\{\s*"')
JSON_PART = re.compile(r'"(?P<string>(?:[^"\\]|\\.)*)"(?P<is_key>\s*:)?|[{}]', re.DOTALL)
JSON_BREAK = re.compile(r"(?:\\[nrtf])+")


def _is_json_object(text: str) -> bool:
    if not JSON_START.match(text):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _json(text: str) -> Iterator[Line]:
    """The strings of a JSON object, each under its keys. Escapes but line breaks stay as stored."""
    under: list[tuple[Section, ...]] = [FILED]  # the headings of the objects that are open
    sections: tuple[Section, ...] = FILED
    for part in JSON_PART.finditer(text):
        if part.group() == "{":
            under.append(sections)
        elif part.group() == "}":
            under.pop()
        elif part["is_key"]:
            sections = _sections(part["string"]) or under[-1]
        else:
            yield from _json_string(text, *part.span("string"), sections)


def _json_string(text: str, start: int, end: int, sections: tuple[Section, ...]) -> Iterator[Line]:
    breaks = [found.span() for found in JSON_BREAK.finditer(text, start, end)]
    starts = [start, *(stop for _, stop in breaks)]
    stops = [*(begin for begin, _ in breaks), end]
    for begin, stop in zip(starts, stops, strict=True):
        for line in _prose(text, begin, stop, sections):
            sections = line.sections
            yield line
