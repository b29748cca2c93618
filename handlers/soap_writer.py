"""The port behind which SOAP drafts are made, and what a draft is.

Two makers stand behind it: `soap/extractive.py` copies sentences out of the sources, `soap_llm.py`
asks a language model and checks what it says. Neither approves: a draft says that no clinician did.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from domain.generation_facts import SourceKind


class Section(StrEnum):
    """Where a sentence is filed, in the order of the draft."""

    SUBJECTIVE = "Subjective"
    OBJECTIVE = "Objective"
    ASSESSMENT = "Assessment"
    PLAN = "Plan"
    UNFILED = "Unfiled"


FILED = (Section.SUBJECTIVE, Section.OBJECTIVE, Section.ASSESSMENT, Section.PLAN)


class Source(NamedTuple):
    """A text that a draft is made from: `number` is the session's id or the note's."""

    kind: SourceKind
    number: int
    version: int
    text: str


class Span(NamedTuple):
    """Characters `start` to `end` (excluded) of the text of the draft's source `source`, from 0."""

    source: int
    start: int
    end: int


class Sentence(NamedTuple):
    """A sentence of a draft and the places that it rests on.

    Of an extractive draft: one place, and the text is what stands there, character by character.
    `is_answer`: it belongs behind the sentence before it, which asked for it.
    """

    section: Section
    text: str
    cites: tuple[Span, ...]
    is_answer: bool = False


class SoapDraft(NamedTuple):
    """A draft: its sentences section by section, and what made it from what.

    `model` is the model's name; digests are SHA-256 in hexadecimal, of the weights' file or the prompt.
    `refused` counts what the model said and its sources did not bear out: it is not in the draft.
    """

    sentences: tuple[Sentence, ...]
    sources: tuple[Source, ...]
    maker: str
    model: str
    how: str
    model_digest: str | None = None
    prompt_digest: str | None = None
    refused: int = 0

    @property
    def text(self) -> str:
        """The draft as the therapist reads it, with the line that says how it was made."""
        return f"{self.body}\n\n{self.provenance}\n"

    @property
    def body(self) -> str:
        """The four headings in their order, a dash under an empty one; Unfiled only where needed."""
        return "\n\n".join(
            f"{section}\n{self._under(section) or EMPTY}"
            for section in Section
            if section in FILED or self._under(section)
        )

    def _under(self, section: Section) -> str:
        parts: list[str] = []
        for sentence in self.sentences:
            if sentence.section is section:
                parts.append(f" {DASH} " if sentence.is_answer else f"\n{BULLET} ")
                parts.append(" ".join(sentence.text.split()))
        return "".join(parts).removeprefix("\n")

    @property
    def provenance(self) -> str:
        """How the draft was made, from what, and that nobody has checked it."""
        lines = [f"{self.how} Maker: {self.maker}. Read: {', '.join(map(_named, self.sources))}."]
        if self.refused:
            lines.append(f"Left out, because the sources do not bear it out: {self.refused}.")
        lines.append(UNCHECKED)
        return " ".join(lines)

    def with_names(self, restore: Callable[[str], str]) -> "SoapDraft":
        """The draft with each sentence put through `restore`, which puts names for placeholders."""
        return self._replace(
            sentences=tuple(s._replace(text=restore(s.text)) for s in self.sentences)
        )


EMPTY = DASH = "–"
BULLET = "•"
UNCHECKED = "No clinician wrote or checked this draft."


def _named(source: Source) -> str:
    if source.kind is SourceKind.TRANSCRIPT:
        return f"transcript of session {source.number}, version {source.version}"
    return f"note {source.number}, version {source.version}"


class SoapWriter(Protocol):
    """Makes a draft of sources. Raises `DraftFailedError`."""

    def write(self, sources: Sequence[Source]) -> SoapDraft: ...


class DraftFailure(StrEnum):
    """Why there is no draft. No word of a source is in it."""

    NOTHING_TO_READ = "The sources hold no sentence."
    NOTHING_TO_FILE = "The sources hold nothing that belongs in a note."
    LLM_UNREACHABLE = "The language model's server cannot be reached."
    LLM_TOO_SLOW = "The language model did not answer in time."
    LLM_BUSY = "The language model's server is overloaded or failing."
    LLM_REFUSED = "The language model's server refused the request: check its URL, key and model."
    LLM_TOO_LONG = "The sources are longer than the language model may be sent."
    LLM_ANSWER_TOO_LARGE = "The language model's answer is larger than any draft."
    LLM_ANSWER_INVALID = "The language model's answer does not have the form asked for."
    LLM_UNSUPPORTED = "The sources bear out nothing of what the language model said."


PASSING = frozenset(
    {
        DraftFailure.LLM_UNREACHABLE,
        DraftFailure.LLM_TOO_SLOW,
        DraftFailure.LLM_BUSY,
        DraftFailure.LLM_ANSWER_TOO_LARGE,
        DraftFailure.LLM_ANSWER_INVALID,
        DraftFailure.LLM_UNSUPPORTED,
    }
)


class DraftFailedError(Exception):
    """No draft was made; `reason` says why, and `is_final` whether trying again is in vain."""

    def __init__(self, reason: DraftFailure) -> None:
        self.reason = reason
        super().__init__(reason.value)

    @property
    def is_final(self) -> bool:
        return self.reason not in PASSING
