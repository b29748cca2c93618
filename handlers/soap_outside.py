"""Drafting by a maker outside the service: it is told de-identified text only.

All sources are de-identified as one text, so that a placeholder stands for the same words in each;
the draft is given its names again when it has come back. A maker that is handed to this function
never sees what the deidentifier did not let through.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from handlers.deidentify import DeidentificationFailedError, Deidentifier, Names, restored
from handlers.soap_writer import SoapDraft, SoapWriter, Source

BOUNDARY: Final = "\n\n\f\n\n"
"""Between two sources: a form feed, which is taken out of the sources themselves."""


def draft_outside(
    writer: SoapWriter, deidentifier: Deidentifier, sources: Sequence[Source], names: Names
) -> SoapDraft:
    """A draft of the writer's with names again. Raises DraftFailedError, DeidentificationFailedError."""
    whole = BOUNDARY.join(source.text.replace("\f", " ") for source in sources)
    found = deidentifier.deidentify(whole, names)
    texts = found.text.split("\f")
    if len(texts) != len(sources):
        raise DeidentificationFailedError("boundaries")
    told = [source._replace(text=text.strip()) for source, text in zip(sources, texts, strict=True)]
    draft = writer.write(told)
    return draft.with_names(partial(restored, placeholders=found.placeholders))
