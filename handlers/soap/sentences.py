"""From lines to sentences, and to units: what goes into a draft together or not at all.

A question is no statement, and neither is a "yes" after it: the two are one unit. Long runs without
a full stop, as speech recognition writes them, are cut before words that begin a new thought, but
never shortly after an "if" or a "she said". A sentence of a transcript loses the fillers at its
ends, never its hedges ("I think", "maybe") or its "no". What stays is a verbatim copy.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from handlers.soap import safety
from handlers.soap.reading import Reading, Speaker
from handlers.soap_writer import Section

CHARACTERS_MAX = 1000  # of a sentence; a longer one is no sentence and is cut at a space
RUN_WORDS_MAX = 12  # a longer run without a full stop is cut where it can be
CUT_WORDS_MIN = 4  # ... into pieces no shorter than this
HELD_CHARACTERS = 80  # how far an "if" or a "she said" reaches
ANSWER_WORDS_ALONE = 5  # an answer of more words says by itself what it is about, unless yes or no
PAIR_WORDS_MIN = 5  # "Did they?" "No." says nothing to who reads it alone
QUESTIONS_MAX = 3  # asked in one breath, answered by one answer


class Piece(NamedTuple):
    """Characters `start` to `end` of a source's text: a sentence, or a clause of a long run.

    `words`: its words and numbers in lower case, as ROUGE counts them.
    """

    start: int
    end: int
    speaker: Speaker | None
    turn: int
    sections: tuple[Section, ...]
    words: tuple[str, ...]
    asks: bool = False
    says_yes_or_no: bool = False
    says_no: bool = False


Unit = tuple[Piece, ...]

WORD = re.compile(r"[a-z0-9]+")
SPACE = re.compile(r"\s*")
FULL_STOP = re.compile(r"(?<![.?!…])[.?!…]++[\"'”)\]]*+(?=\s)")
ABBREVIATED = re.compile(
    r"(?:^|[\s(])(?:dr|mr|mrs|ms|prof|st|vs|e\.g|i\.e|approx|dept|pt|hx|dx|tx|rx|[a-z])$", re.I
)
BEGINS = (
    r"(?:i|you|we|he|she|they|it|that|this|there|the|your|my|his|her|our|let|what|how|do|are|is|did"
    r"|have|has|any|for|on|in|at|with|if|as|just|also)\b"
)
CUT = re.compile(
    rf"(?<!\s)\s++(?=(?:okay|alright|all\ right|now|so|(?<!you\ )and)\ {BEGINS}"
    rf"|(?<!as\ )well\ (?:i|you|we|he|she|they|it|let)\b"
    rf"|(?:okay|alright)\ (?:so|and|well|now|alright|okay|good|great)\b"
    rf"|(?:but|because|and\ then)\b"
    rf"|(?<!how\ )(?<!what\ )(?<!when\ )(?<!where\ )(?<!why\ )(?<!who\ )(?:do|have|are|did)\ you\b)",
    re.I | re.VERBOSE,
)
HOLDS = re.compile(
    r"\b(?:if|unless|whether|in case|when|until|said|says|told|saying|asked)\b", re.I
)
LEADING = re.compile(
    rf"""(?:[\s,;:–—-]*(?:
        (?:okay|ok|alright|all\ right|um+|uh+|hm+|oh|and|but|you\ know)\b(?!-)
      | (?:so|well|now)\b(?=\s*,|\s+(?:um+|uh+|{BEGINS}))
      | (?:then|right|great|good|perfect)\s*[,.](?=\s)
      | or\s*-
    ))*[\s,;:–—-]*""",
    re.I | re.VERBOSE,
)  # fmt: skip
TRAILING = re.compile(
    r"(?:\s*,\s*(?:okay|ok|alright|all\ right)\s*[?.]|\s*,?\s+(?:um+|uh+|you\ know|and|but)\b[\s.,-]*"
    r"|[\s,-]+)$",
    re.I | re.VERBOSE,
)
ASKS = re.compile(
    r"""(?:(?:do|does|did|are|is|was|were|have|has|had|can|could|would|will|should)(?:\s?n't)?
        \s(?:you|your|he|she|it|they|that|this|the|there|we|i|any|anyone|anybody)\b
    | (?:how|what|when|where|why|who|which)(?:'s)?\s(?:about|are|is|was|were|do|does|did|have|has|had|can|could
        |would|will|many|much|long|often|far|old|bad|kind|kinds|sort|type|else|brings|makes|happened)\b
    | any\b | tell\sme\b)""",
    re.I | re.VERBOSE,
)
YES_OR_NO = re.compile(
    r"""(?:(?:um+|uh+|oh|well|so|okay|gosh)\b[\s,.]*)*
    (?:yes|yeah|yep|yup|yea|no|nope|nah|not|none|never|right|correct|exactly|absolutely|definitely|uh-huh
    |mm-hmm|i\s(?:do|did|have|had|am|was|would|will|can)(?:\s?n't|\snot)?(?=\s*(?:[.,]|$)))\b""",
    re.I | re.VERBOSE,
)
NO = re.compile(r"(?:no|nope|nah|not|never)\b", re.I)


def pieces(text: str, reading: Reading) -> list[Piece]:
    """The sentences of a reading, in order; those of a transcript are cut and have no fillers."""
    found = []
    for line in reading.lines:
        for start, end in _sentences(text, line.start, line.end):
            spans = _cut(text, start, end) if reading.is_talk else [(start, end)]
            for begin, stop in spans:
                if words := tuple(WORD.findall(text[begin:stop].lower())):
                    piece = Piece(begin, stop, line.speaker, line.turn, line.sections, words)
                    found.append(_as_question_or_answer(text, piece) if reading.is_talk else piece)
    return found


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for stop in FULL_STOP.finditer(text, start, end):
        if stop.group() == "." and ABBREVIATED.search(text, max(0, stop.start() - 8), stop.start()):
            continue
        yield from _bounded(text, start, stop.end())
        space = SPACE.match(text, stop.end(), end)
        start = space.end() if space else end
    if start < end:
        yield from _bounded(text, start, end)


def _bounded(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while end - start > CHARACTERS_MAX:
        space = text.rfind(" ", start + 1, start + CHARACTERS_MAX)
        stop = space if space > 0 else start + CHARACTERS_MAX
        yield start, stop
        start = stop + (space > 0)
    yield start, end


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a long run before each new thought; each piece without the fillers at its ends."""
    if text.count(" ", start, end) > RUN_WORDS_MAX:
        for gap in CUT.finditer(text, start, end):
            before, after = gap.span()
            spaces = min(text.count(" ", start, before), text.count(" ", after, end))
            held = HOLDS.search(text, max(start, before - HELD_CHARACTERS), before)
            if spaces + 1 >= CUT_WORDS_MIN and not held:
                yield _trimmed(text, start, before)
                start = after
    yield _trimmed(text, start, end)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    leading = LEADING.match(text, start, end)
    start = leading.end() if leading else start
    while (
        trailing := TRAILING.search(text, max(start, end - 40), end)
    ) and trailing.start() > start:
        end = trailing.start()
    return start, end


def _as_question_or_answer(text: str, piece: Piece) -> Piece:
    """The piece, marked as a question and as a yes or no."""
    end = text[max(piece.start, piece.end - 8) : piece.end].rstrip("\"'”)] ")
    is_closed = end.endswith((".", "!")) and not end.endswith("..")
    asks = end.endswith("?") or (not is_closed and ASKS.match(text, piece.start, piece.end))
    yes_or_no = YES_OR_NO.match(text, piece.start, piece.end)
    answer = text[yes_or_no.start() : yes_or_no.end()] if yes_or_no else ""
    return piece._replace(
        asks=bool(asks), says_yes_or_no=bool(yes_or_no), says_no=bool(NO.search(answer))
    )


def units(found: list[Piece], is_talk: bool) -> list[Unit]:
    """The units that may be chosen, in order: a question always with its answer."""
    if not is_talk:
        return [(piece,) for piece in found]
    made = []
    at = 0
    while at < len(found):
        unit, read = _next_unit(found, at)
        at += read
        if unit:
            made.append(unit)
    return made


def _next_unit(found: list[Piece], at: int) -> tuple[Unit, int]:
    """The unit that begins at a piece, if any, and the number of pieces that are used or dropped."""
    first = found[at]
    end = at
    while end < len(found) and found[end].asks and found[end].turn == first.turn:
        end += 1
    asked = tuple(found[at:end])
    behind = at + max(1, len(asked))
    reply = found[behind] if behind < len(found) and found[behind].turn == first.turn + 1 else None
    if asked:
        return _answered(asked, reply, found[behind + 1 : behind + 2])
    if first.says_yes_or_no and len(first.words) <= ANSWER_WORDS_ALONE:
        return (), 1
    is_answered = reply and reply.says_yes_or_no and not reply.asks
    if reply and is_answered and (first.speaker is not Speaker.CLIENT or reply.says_no):
        return (first, reply), 2
    return (first,), 1


def _answered(asked: Unit, reply: Piece | None, further: list[Piece]) -> tuple[Unit, int]:
    """Questions with their answer. A long answer stands alone, except on a matter of safety."""
    if reply is None or reply.asks:
        return (), len(asked)
    is_concern = any(safety.is_concern(piece.words) for piece in (*asked, reply))
    if is_concern:  # "... but I would not do it" belongs to it
        further = [piece for piece in further if piece.turn == reply.turn and not piece.asks]
        return (*asked[-QUESTIONS_MAX:], reply, *further), len(asked) + 1 + len(further)
    if not reply.says_yes_or_no and len(reply.words) > ANSWER_WORDS_ALONE:
        return (reply,), len(asked) + 1
    if sum(len(piece.words) for piece in (*asked, reply)) < PAIR_WORDS_MIN:
        return (), len(asked) + 1
    return (*asked[-QUESTIONS_MAX:], reply), len(asked) + 1
