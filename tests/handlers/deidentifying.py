"""The de-identifier that the tests share: the models are read once a process."""

from functools import cache

from handlers.deidentify import Deidentified, Deidentifier, Names, load

NOBODY = Names()


@cache
def deidentifier() -> Deidentifier:
    """The models from the installed wheels."""
    return load()


def deidentified(
    text: str, client: str = "", therapist: str = "", others: tuple[str, ...] = ()
) -> Deidentified:
    """The text de-identified, with whom the directory knows."""
    names = Names((client,) if client else (), (therapist,) if therapist else (), others)
    return deidentifier().deidentify(text, names)
