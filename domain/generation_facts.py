"""What can have happened to a generation, and the generation that it makes; `generation.py` decides."""

from enum import StrEnum
from typing import ClassVar, assert_never

from pydantic import AwareDatetime

from domain.aggregate import State
from domain.change import ChangeDetails, ChangeType
from domain.value import Fact, Id, Subject, Value, Words
from domain.work import WhyFailed


class GenerationState(StrEnum):
    """How far a generation is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = frozenset({GenerationState.QUEUED, GenerationState.RUNNING})


# --- facts


class GenerationFact(Fact):
    """What every fact of a generation holds. `run` counts its requests."""

    generation_id: Id
    client_user_id: Id
    therapist_user_id: Id
    run: int

    def subject(self) -> Subject:
        """The client whose session the draft is made from."""
        return Subject(self.client_user_id)


class GenerationWords(Words):
    """The words of the request (contract, operation 39); a worker makes the content."""

    client_name: str
    transcript: None = None
    summary: None = None


class GenerationRequested(GenerationFact):
    """A SOAP note shall be drafted; it will have the id `soap_note_id`."""

    fact_type: ClassVar[str] = "generation-requested/1"
    change: ClassVar[ChangeType | None] = ChangeType.REQUESTED
    therapist_client_id: Id
    record_type: Id
    therapist_session_id: Id | None = None
    soap_note_id: Id
    words: GenerationWords | None = None


class GenerationStarted(GenerationFact):
    """A worker began; after a crash, another begins again."""

    fact_type: ClassVar[str] = "generation-started/1"
    change: ClassVar[ChangeType | None] = ChangeType.STARTED


class SourceKind(StrEnum):
    """What a draft is made from."""

    TRANSCRIPT = "transcript"
    NOTE = "note"


class DraftSource(Value):
    """A version of a transcript (by session) or of a note that was read."""

    kind: SourceKind
    number: Id
    version: int


class Cite(Value):
    """Characters `start` to `end` (excluded) of the text of `sources[source]`, as the maker read it."""

    source: int
    start: int
    end: int


class TracedSentence(Value):
    """The section that a sentence of the draft is in, and the passages that it is made from."""

    section: str
    cites: tuple[Cite, ...]


class DraftWords(Words):
    """The draft, and where each of its sentences comes from, in their order."""

    text: str
    sentences: tuple[TracedSentence, ...]


class GenerationDrafted(GenerationFact):
    """The draft was made: `maker` and `model` say by what, `prompt_digest` (hex) how it was asked.

    It is recorded before it is saved as a SOAP note. If we crash in between, the worker that takes over
    saves this draft and makes no other.
    """

    fact_type: ClassVar[str] = "generation-drafted/1"
    change: ClassVar[ChangeType | None] = None
    maker: str
    model: str
    prompt_digest: str | None = None
    sources: tuple[DraftSource, ...]
    words: DraftWords | None = None


class GenerationFinished(GenerationFact):
    """The draft was saved as a SOAP note."""

    fact_type: ClassVar[str] = "generation-finished/1"
    change: ClassVar[ChangeType | None] = ChangeType.FINISHED
    soap_note_id: Id

    def change_details(self, version: int) -> ChangeDetails:
        """The SOAP note that was saved."""
        return ChangeDetails(soap_note_id=self.soap_note_id)


class GenerationFailed(GenerationFact):
    """The run was given up."""

    fact_type: ClassVar[str] = "generation-failed/1"
    change: ClassVar[ChangeType | None] = ChangeType.FAILED
    why: WhyFailed

    def change_details(self, version: int) -> ChangeDetails:
        """Why it failed."""
        return ChangeDetails(why=self.why)


class GenerationCancelled(GenerationFact):
    """The generation was cancelled."""

    fact_type: ClassVar[str] = "generation-cancelled/1"
    change: ClassVar[ChangeType | None] = ChangeType.CANCELLED


AnyGenerationFact = (
    GenerationRequested
    | GenerationStarted
    | GenerationDrafted
    | GenerationFinished
    | GenerationFailed
    | GenerationCancelled
)

# --- what they make


class Generation(State):
    """A generation as its facts make it; `requested` is its newest request."""

    requested: GenerationRequested
    state: GenerationState
    changed_at: AwareDatetime
    drafted: GenerationDrafted | None = None
    why: WhyFailed | None = None


def evolve(generation: Generation | None, fact: AnyGenerationFact) -> Generation:
    """The generation after the fact."""
    version = generation.version + 1 if generation else 1
    if isinstance(fact, GenerationRequested):
        return Generation(
            version=version, requested=fact, state=GenerationState.QUEUED, changed_at=fact.at
        )
    assert generation is not None, "a generation's first fact requests it"
    match fact:
        case GenerationStarted():
            changed: dict[str, object] = {"state": GenerationState.RUNNING}
        case GenerationDrafted():
            changed = {"drafted": fact}
        case GenerationFinished():
            changed = {"state": GenerationState.DONE, "why": None}
        case GenerationFailed(why=why):
            changed = {"state": GenerationState.FAILED, "why": why}
        case GenerationCancelled():
            changed = {"state": GenerationState.CANCELLED}
        case _:
            assert_never(fact)
    return generation.model_copy(update={"version": version, "changed_at": fact.at, **changed})
