"""The interface of the makers of SOAP drafts, and the type of a draft.

There are two makers: `soap_extractive.py` copies sentences from the sources, `soap_llm.py` asks a
language model and checks its answer. Neither approves: each draft says that no clinician checked it.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from domain.generation_facts import SourceKind


class Section(StrEnum):
    """The headings of a draft, in their order."""

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
    """A sentence of a draft, and the places in the sources that support it.

    In an extractive draft that is one place, and the text is copied from it.
    `is_answer`: the sentence answers the one before it, and stands on the same line.
    """

    section: Section
    text: str
    cites: tuple[Span, ...]
    is_answer: bool = False


class SoapDraft(NamedTuple):
    """A draft: its sentences section by section, and what made it from what.

    `model` is the model's name; digests are SHA-256 in hexadecimal, of the weights' file or the prompt.
    `refused` counts the model's statements that the sources did not support; they are left out.
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
        """The draft as the therapist reads it, its last line saying how it was made."""
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
        """The draft with `restore` applied to each sentence: it puts names for placeholders."""
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
    """Makes a draft from sources. Raises `DraftFailed`."""

    def write(self, sources: Sequence[Source]) -> SoapDraft: ...


class DraftFailure(StrEnum):
    """Why there is no draft. The reasons hold no word of a source."""

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


RETRYABLE = frozenset(
    {
        DraftFailure.LLM_UNREACHABLE,
        DraftFailure.LLM_TOO_SLOW,
        DraftFailure.LLM_BUSY,
        DraftFailure.LLM_ANSWER_TOO_LARGE,
        DraftFailure.LLM_ANSWER_INVALID,
        DraftFailure.LLM_UNSUPPORTED,
    }
)


class DraftFailed(Exception):
    """No draft was made; `is_final` if another attempt would fail for the same reason."""

    def __init__(self, reason: DraftFailure) -> None:
        self.reason = reason
        super().__init__(reason.value)

    @property
    def is_final(self) -> bool:
        return self.reason not in RETRYABLE
