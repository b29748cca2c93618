"""Which maker drafts SOAP notes: the offline one, or a language model that reads de-identified text."""

from collections.abc import Callable, Sequence

from handlers.deidentify import Deidentifier, Names
from handlers.soap.model import Model
from handlers.soap_extractive import ExtractiveWriter
from handlers.soap_outside import draft_outside
from handlers.soap_writer import SoapDraft, Source
from runtime.settings import Settings


def drafting(
    settings: Settings, deidentifier: Callable[[], Deidentifier]
) -> Callable[[Sequence[Source], Names], SoapDraft]:
    """Drafts from sources that may name these people. Raises `DraftFailed`."""
    if settings.llm_url is None:
        offline = ExtractiveWriter(Model.load())
        return lambda sources, names: offline.write(sources)

    from handlers.soap.asking import Server
    from handlers.soap_llm import LlmWriter

    server = Server(
        url=str(settings.llm_url),
        key=settings.llm_key.get_secret_value() if settings.llm_key else "none",
        model=settings.llm_model,
        seconds=settings.llm_seconds,
    )
    outside = LlmWriter(server)
    return lambda sources, names: draft_outside(outside, deidentifier(), sources, names)
