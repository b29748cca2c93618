"""What an answer says where the words that it would hold are gone with an erased person."""

from typing import Annotated

from pydantic import BaseModel, Field


def _is_not_erased(erased: object) -> bool:
    return erased is False


class Erasable(BaseModel):
    """An answer with words about a person.

    `erased` is there only where it is true: the person was erased, and what held words is empty.
    """

    erased: Annotated[bool, Field(exclude_if=_is_not_erased)] = False
