"""Drafting by a maker outside the service, which receives de-identified text only.

All sources are de-identified as one text, so that a placeholder stands for the same words in each.
The names are put back into the finished draft. The maker never sees the sources themselves.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from handlers.deidentify import DeidentificationFailedError, Deidentifier, Names, restored
from handlers.soap_writer import SoapDraft, SoapWriter, Source

BOUNDARY: Final = "\n\n\f\n\n"
"""Separates two sources: a form feed, which is removed from the sources themselves."""


def draft_outside(
    writer: SoapWriter, deidentifier: Deidentifier, sources: Sequence[Source], names: Names
) -> SoapDraft:
    """The writer's draft, with names. Raises DraftFailed, DeidentificationFailedError."""
    whole = BOUNDARY.join(source.text.replace("\f", " ") for source in sources)
    found = deidentifier.deidentify(whole, names)
    texts = found.text.split("\f")
    if len(texts) != len(sources):
        raise DeidentificationFailedError("boundaries")
    sent = [source._replace(text=text.strip()) for source, text in zip(sources, texts, strict=True)]
    draft = writer.write(sent)
    return draft.with_names(partial(restored, placeholders=found.placeholders))
