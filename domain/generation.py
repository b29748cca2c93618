"""A generation: a SOAP note that a therapist asked the service to draft.

It is requested, started by a worker (again after each crash), drafted, and then finished with the SOAP
note, failed, or cancelled; after that it can be requested again. Each request gives the id of the SOAP
note to make: a run that is repeated after a crash finds the note that it has saved already.
"""

from typing import Any, ClassVar, Final, assert_never

from domain.aggregate import Aggregate, no_words
from domain.generation_facts import (
    OPEN,
    AnyGenerationFact,
    DraftSource,
    DraftWords,
    Generation,
    GenerationCancelled,
    GenerationDrafted,
    GenerationFailed,
    GenerationFinished,
    GenerationRequested,
    GenerationStarted,
    GenerationState,
    GenerationWords,
    TracedSentence,
    evolve,
)
from domain.refusals import (
    GenerationHasEnded,
    GenerationIsUnderWay,
    GenerationIsUnknown,
    NotPermitted,
    NotTheAuthor,
    PsychotherapyNotesStartNothing,
    SomebodyWasFaster,
)
from domain.value import THE_WORKER, By, Command, Id, Kind, Role
from domain.work import WhyFailed, starts_work

# --- commands


class RequestGeneration(Command):
    """Draft a SOAP note of this type for the relationship, from the session where one is given."""

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
    """The facts that the command makes, none where it is too late or was carried out before."""
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
            # The SOAP note is saved by now, so the run is finished even if it was cancelled meanwhile.
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
    Kind.GENERATION, 7, AnyGenerationFact, decide, evolve, no_words
)
