"""A generation: a SOAP note that a therapist asked the service to draft.

Requested, started by a worker as often as it takes, drafted, and finished with the SOAP note,
failed, or cancelled; then it can be requested again. The SOAP note's id is given with each
request, so that a run that is repeated after a crash finds the note that it has saved already.
"""

from enum import StrEnum
from typing import Any, ClassVar, Final, assert_never

from pydantic import AwareDatetime

from domain.aggregate import Aggregate
from domain.refusals import (
    GenerationHasEnded,
    GenerationIsUnderWay,
    GenerationIsUnknown,
    NotPermitted,
    NotTheAuthor,
    PsychotherapyNotesStartNothing,
    SomebodyWasFaster,
)
from domain.value import THE_WORKER, By, Command, Fact, Id, Kind, Role, Subject, Value, Words
from domain.work import WhyFailed, starts_work


class GenerationState(StrEnum):
    """Where a generation stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = frozenset({GenerationState.QUEUED, GenerationState.RUNNING})


# --- facts


class GenerationFact(Fact):
    """What every fact of a generation names. `run` counts its requests."""

    generation_id: Id
    client_user_id: Id
    therapist_user_id: Id
    run: int

    def subject(self) -> Subject:
        """The client, whose session is drafted from."""
        return Subject(self.client_user_id)


class GenerationWords(Words):
    """What travels with the request (contract, operation 39): the worker builds the content."""

    client_name: str
    transcript: None = None
    summary: None = None


class GenerationRequested(GenerationFact):
    """A SOAP note shall be drafted; it will have the id `soap_note_id`."""

    fact_type: ClassVar[str] = "generation-requested/1"
    therapist_client_id: Id
    record_type: Id
    therapist_session_id: Id | None = None
    soap_note_id: Id
    words: GenerationWords | None = None


class GenerationStarted(GenerationFact):
    """A worker began; after a crash, another begins again."""

    fact_type: ClassVar[str] = "generation-started/1"


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
    """Where a sentence of the draft stands, and what it rests on."""

    section: str
    cites: tuple[Cite, ...]


class DraftWords(Words):
    """The draft, and where each of its sentences comes from, in their order."""

    text: str
    sentences: tuple[TracedSentence, ...]


class GenerationDrafted(GenerationFact):
    """The draft was made: `maker` and `model` say by what, `prompt_digest` (hex) how it was asked.

    It is kept before it is saved as a SOAP note: whoever takes over after a crash need not ask
    for another.
    """

    fact_type: ClassVar[str] = "generation-drafted/1"
    maker: str
    model: str
    prompt_digest: str | None = None
    sources: tuple[DraftSource, ...]
    words: DraftWords | None = None


class GenerationFinished(GenerationFact):
    """The draft was saved as a SOAP note."""

    fact_type: ClassVar[str] = "generation-finished/1"
    soap_note_id: Id


class GenerationFailed(GenerationFact):
    """The run was given up."""

    fact_type: ClassVar[str] = "generation-failed/1"
    why: WhyFailed


class GenerationCancelled(GenerationFact):
    """The draft is not wanted any more."""

    fact_type: ClassVar[str] = "generation-cancelled/1"


AnyGenerationFact = (
    GenerationRequested
    | GenerationStarted
    | GenerationDrafted
    | GenerationFinished
    | GenerationFailed
    | GenerationCancelled
)

# --- what they make


class Generation(Value):
    """A generation as its facts tell it; `requested` is its newest request."""

    version: int
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


# --- commands


class RequestGeneration(Command):
    """Draft a SOAP note of this type for the relationship, from the session where one is said."""

    begins: ClassVar[bool] = True
    client_user_id: Id
    therapist_user_id: Id
    therapist_client_id: Id
    record_type: Id
    therapist_session_id: Id | None
    soap_note_id: Id
    client_name: str


class RequestAgain(Command):
    """Draft it once more, as a new SOAP note."""

    soap_note_id: Id


class CancelGeneration(Command):
    """The draft is not wanted any more."""


class StartRun(Command):
    """A worker begins."""

    run: int


class RecordDraft(Command):
    """The worker has made the draft."""

    run: int
    maker: str
    model: str
    prompt_digest: str | None
    sources: tuple[DraftSource, ...]
    text: str
    sentences: tuple[TracedSentence, ...]


class FinishRun(Command):
    """The worker has saved the draft as a SOAP note."""

    run: int


class FailRun(Command):
    """The worker gives up."""

    run: int
    why: WhyFailed


WorkersCommand = StartRun | RecordDraft | FinishRun | FailRun
GenerationCommand = RequestGeneration | RequestAgain | CancelGeneration | WorkersCommand


def decide(
    number: int, generation: Generation | None, command: GenerationCommand
) -> list[AnyGenerationFact]:
    """The facts that the command makes, none where it comes too late or a second time."""
    if isinstance(command, RequestGeneration):
        return _request(number, generation, command)
    if generation is None:
        raise GenerationIsUnknown
    if isinstance(command, WorkersCommand):
        return _work(generation, command)
    _must_be_the_author(command.by, generation.requested.therapist_user_id)
    match command:
        case RequestAgain(soap_note_id=soap_note_id):
            if generation.state in OPEN:
                raise GenerationIsUnderWay
            again = {"soap_note_id": soap_note_id, "run": generation.requested.run + 1}
            return [generation.requested.model_copy(update=again | _who(command))]
        case CancelGeneration():
            if generation.state is GenerationState.CANCELLED:
                return []
            if generation.state not in OPEN:
                raise GenerationHasEnded
            return [GenerationCancelled(**_common_fields(generation, command))]
        case _:
            assert_never(command)


def is_wanted(generation: Generation | None, run: int) -> bool:
    """Whether a worker should still draft in this run."""
    return generation is not None and generation.requested.run == run and generation.state in OPEN


def _request(
    number: int, generation: Generation | None, command: RequestGeneration
) -> list[AnyGenerationFact]:
    _must_be_the_author(command.by, command.therapist_user_id, "therapist_user_id")
    if not starts_work(command.record_type):
        raise PsychotherapyNotesStartNothing("record_type")
    if generation is not None:
        raise SomebodyWasFaster
    words = GenerationWords(client_name=command.client_name)
    about = command.model_dump(exclude={"client_name"})
    return [GenerationRequested(generation_id=number, run=1, words=words, **about)]


def _work(generation: Generation, command: WorkersCommand) -> list[AnyGenerationFact]:
    if command.by != THE_WORKER:
        raise NotPermitted
    if command.run != generation.requested.run:
        return []
    about = _common_fields(generation, command)
    match command:
        case StartRun():
            return [GenerationStarted(**about)] if generation.state in OPEN else []
        case RecordDraft():
            if generation.drafted or generation.state not in OPEN:
                return []
            return [_drafted(command, about)]
        case FinishRun():
            # The note is saved by now: this is true even of a run that was cancelled in between.
            if generation.state is GenerationState.DONE:
                return []
            soap_note_id = generation.requested.soap_note_id
            return [GenerationFinished(soap_note_id=soap_note_id, **about)]
        case FailRun(why=why):
            return [GenerationFailed(why=why, **about)] if generation.state in OPEN else []
        case _:
            assert_never(command)


def _drafted(command: RecordDraft, about: dict[str, Any]) -> GenerationDrafted:
    return GenerationDrafted(
        maker=command.maker,
        model=command.model,
        prompt_digest=command.prompt_digest,
        sources=command.sources,
        words=DraftWords(text=command.text, sentences=command.sentences),
        **about,
    )


def _must_be_the_author(by: By, therapist_user_id: int, field: str | None = None) -> None:
    if by.role is not Role.THERAPIST:
        raise NotPermitted
    if by.user_id != therapist_user_id:
        raise NotTheAuthor(field)


def _who(command: Command) -> dict[str, object]:
    return {"by": command.by, "at": command.at}


def _common_fields(generation: Generation, command: Command) -> dict[str, Any]:
    requested = generation.requested
    return {
        **_who(command),
        "generation_id": requested.generation_id,
        "client_user_id": requested.client_user_id,
        "therapist_user_id": requested.therapist_user_id,
        "run": requested.run,
    }


GENERATION: Final[Aggregate[Generation, GenerationCommand, AnyGenerationFact]] = Aggregate(
    Kind.GENERATION, 7, AnyGenerationFact, decide, evolve
)
