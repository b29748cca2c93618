"""The words every aggregate is written in: facts, commands, identities and who acts."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Final, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

PSYCHOTHERAPY: Final = 1
"""Record type 1, psychotherapy notes (45 CFR 164.501): opened by its author alone, read by no worker."""

MAX_ID: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exact (RFC 8259, section 6)."""

Id = Annotated[int, Field(ge=1, le=MAX_ID)]


class Value(BaseModel):
    """Immutable; knows its fields and no others; an error about it quotes none of its words."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Role(StrEnum):
    """What an account may be used for; `access.py` says what each may do."""

    THERAPIST = "therapist"
    CLIENT = "client"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"
    ML = "ml"


class Caller(NamedTuple):
    """Who asks: one user in one role in one clinic."""

    clinic_id: int
    user_id: int
    role: Role


class By(Value):
    """Who did it, inside the fact: the user, and the role that they acted in."""

    user_id: int
    role: Role


THE_WORKER: Final = By(user_id=0, role=Role.ML)
"""Who acts in the background: the service's own worker, no person of the directory."""


class Kind(StrEnum):
    """The aggregates. The name stands in the tables; `aggregates.py` has all else about each."""

    NOTE = "note"
    SOAP_NOTE = "soap-note"
    SESSION = "session"
    PERSON = "person"
    RELATIONSHIP = "relationship"
    RECORD_TYPE = "record-type"
    GENERATION = "generation"


class Words(Value):
    """What is said about a person: stored only sealed, and absent once the person was erased."""


class KeyScope(StrEnum):
    """Which of a person's data keys seals a fact."""

    GENERAL = "general"
    PSYCHOTHERAPY = "psychotherapy"


THE_CLINIC: Final = 0
"""Stands in the place of a person's id where a fact is about the clinic itself."""


class Subject(NamedTuple):
    """Whose words a fact holds, and so whose key seals it."""

    person_id: int
    scope: KeyScope = KeyScope.GENERAL


class Fact(Value):
    """What happened: past tense, with who and when inside it.

    `kind` is the stored name and shape version; a class may be renamed, `kind` may not.
    All fields are stored in the clear but `words`, which is stored sealed: `None` says that
    the fact has none, or that they were not opened, or that their key is gone.
    """

    fact_type: ClassVar[str]
    by: By
    at: AwareDatetime
    words: Words | None = None

    def subject(self) -> Subject:
        """Whose key seals the words."""
        return Subject(THE_CLINIC)


class Reason(Words):
    """Why somebody did it, in their words."""

    reason: str


class Command(Value):
    """What is asked, by whom and when; of which aggregate, `decide` is told by its number."""

    begins: ClassVar[bool] = False
    """Whether it makes a new aggregate under a new number, so that there are no facts to read."""

    by: By
    at: datetime
