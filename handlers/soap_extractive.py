"""The offline maker: a draft of verbatim sentences, filed by headings or by a small linear model.

It writes no word of its own: each sentence of the draft stands in a source, character by character.
Transcripts and long prose are shortened (`soap/selection.py`); a note of usual length goes in whole.
"""

from collections.abc import Sequence
from typing import NamedTuple

from handlers.soap.model import Candidate, Judgement, Model
from handlers.soap.reading import read
from handlers.soap.selection import select
from handlers.soap.sentences import pieces, units
from handlers.soap_writer import (
    FILED,
    DraftFailed,
    DraftFailure,
    Section,
    Sentence,
    SoapDraft,
    Source,
    Span,
)

MAKER = "noteledger-extractive/1"
HOW = (
    "Draft put together by a program from sentences of the sources, word for word;"
    " a statistical model chose and filed them."
)
PROSE_WORDS_MAX = 3000  # up to here notes go in whole
SURE = 0.35  # the least probability of a section; what is less sure stays unfiled


class _Found(NamedTuple):
    source: int
    candidate: Candidate


class ExtractiveWriter:
    """Copies sentences, chosen and filed by `model`. Keeps nothing of what it reads."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def write(self, sources: Sequence[Source]) -> SoapDraft:
        """The draft of the sources. Raises `DraftFailed` where nothing would be in it."""
        talk, prose = _found(sources)
        if not talk and not prose:
            raise DraftFailed(DraftFailure.NOTHING_TO_READ)
        is_long = sum(len(found.candidate.words()) for found in prose) > PROSE_WORDS_MAX
        filed = self._filed(talk, is_abridged=True) + self._filed(prose, is_abridged=is_long)
        if not filed:
            raise DraftFailed(DraftFailure.NOTHING_TO_FILE)
        filed.sort(key=_place)
        return SoapDraft(
            sentences=tuple(
                sentence
                for section in Section
                for where, found in filed
                if where is section
                for sentence in _sentences(section, found, sources[found.source].text)
            ),
            sources=tuple(sources),
            maker=MAKER,
            how=HOW,
            model=self._model.trained_on,
            model_digest=self._model.digest,
        )

    def _filed(self, found: list[_Found], *, is_abridged: bool) -> list[tuple[Section, _Found]]:
        candidates = [one.candidate for one in found]
        judged = [self._model.judge(candidate) for candidate in candidates]
        kept: Sequence[int] = range(len(found))
        if is_abridged and found:
            kept = select(candidates, judged, self._model)
        return [(_section(candidates[i], judged[i]), found[i]) for i in kept]


def _section(candidate: Candidate, judgement: Judgement) -> Section:
    """The section of the heading; without a heading, the likeliest one if it is likely enough."""
    odds = judgement.odds
    allowed = candidate.unit[0].sections
    if allowed != FILED:
        return max(allowed, key=lambda section: odds[section])
    section = max(odds, key=lambda section: odds[section])
    return section if odds[section] >= SURE else Section.UNFILED


def _found(sources: Sequence[Source]) -> tuple[list[_Found], list[_Found]]:
    """The units of all sources, of talk and of prose, without repetitions."""
    talk: list[_Found] = []
    prose: list[_Found] = []
    met: set[tuple[object, ...]] = set()
    for number, source in enumerate(sources):
        reading = read(source)
        made = units(pieces(source.text, reading), reading.is_talk)
        for i, unit in enumerate(made):
            place = i / len(made) if reading.is_talk else None
            candidate = Candidate(unit, place)
            content = (unit[0].sections, *candidate.words())
            if content not in met:
                met.add(content)
                (talk if reading.is_talk else prose).append(_Found(number, candidate))
    return talk, prose


def _place(filed: tuple[Section, _Found]) -> tuple[int, int]:
    _, found = filed
    return found.source, found.candidate.unit[0].start


def _sentences(section: Section, found: _Found, text: str) -> list[Sentence]:
    return [
        Sentence(
            section,
            text[piece.start : piece.end],
            (Span(found.source, piece.start, piece.end),),
            is_answer=i > 0,
        )
        for i, piece in enumerate(found.candidate.unit)
    ]
