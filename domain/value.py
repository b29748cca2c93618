"""What all aggregates are made of: values, facts, commands, kinds, and who acts."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Final, NamedTuple
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from domain.change import ChangeDetails, ChangeType

PSYCHOTHERAPY: Final = 1
"""Record type 1, psychotherapy notes (45 CFR 164.501): opened by their author only, and by no worker."""

MAX_ID: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exact (RFC 8259, section 6)."""

Id = Annotated[int, Field(ge=1, le=MAX_ID)]


class Value(BaseModel):
    """Immutable; has its fields and no others; a validation error quotes none of the input."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Role(StrEnum):
    """What an account may be used for; `access.py` says what each may do."""

    THERAPIST = "therapist"
    CLIENT = "client"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"
    ML = "ml"
    COMPLIANCE = "compliance"


class Authentication(StrEnum):
    """How the service knows who acts. The names are stored in every fact."""

    PASSWORD = "password"  # noqa: S105 (a name, and no password)
    TOKEN = "token"  # noqa: S105
    BROWSER_SESSION = "browser-session"
    OPERATOR = "operator"
    """At the command line, by whoever may run programs there."""
    WORKER = "worker"
    """The service itself; nothing that comes from outside is authenticated so."""
    ANONYMOUS = "anonymous"


class Caller(NamedTuple):
    """Who asks: one user in one role in one clinic, by which account, in which request.

    `account` is the aggregate id of the account, None for an anonymous caller.
    """

    clinic_id: int
    user_id: int
    role: Role
    account: UUID | None = None
    authentication: Authentication | None = None
    request_id: str | None = None


def _is_none(value: object) -> bool:
    return value is None


class By(Value):
    """Who did it, inside the fact: the user, the role that they acted in, and how that is known.

    A field that is None is left out of the stored bytes, and one that stored bytes lack is None: so
    they are with facts of the time before these fields. `account` is the aggregate id of the account;
    `operator` is the name that an operator gave, or else the system user's.
    """

    user_id: int
    role: Role
    account: UUID | None = Field(default=None, exclude_if=_is_none)
    authentication: Authentication | None = Field(default=None, exclude_if=_is_none)
    request_id: str | None = Field(default=None, exclude_if=_is_none)
    operator: str | None = Field(default=None, exclude_if=_is_none)


THE_WORKER: Final = By(user_id=0, role=Role.ML, authentication=Authentication.WORKER)
"""Who acts in the background: the service's own worker, no person of the directory."""


def is_the_worker(who: By | Caller) -> bool:
    """Whether it is the worker, in whichever run. No caller is: no account authenticates as it does."""
    same = (THE_WORKER.user_id, THE_WORKER.role, THE_WORKER.authentication)
    return (who.user_id, who.role, who.authentication) == same


class Kind(StrEnum):
    """The kinds of aggregates. The name is stored in the tables; `aggregates.py` declares the rest."""

    NOTE = "note"
    SOAP_NOTE = "soap-note"
    SESSION = "session"
    PERSON = "person"
    RELATIONSHIP = "relationship"
    RECORD_TYPE = "record-type"
    GENERATION = "generation"
    DATA_KEYS = "data-keys"


class Words(Value):
    """Words about a person: stored only sealed, and gone once the person was erased."""


class KeyScope(StrEnum):
    """Which of a person's data keys seals a fact."""

    GENERAL = "general"
    PSYCHOTHERAPY = "psychotherapy"


THE_CLINIC: Final = 0
"""The person id of the subject where a fact is about the clinic itself."""


class Subject(NamedTuple):
    """The person whose words a fact holds, and so whose data key seals it."""

    person_id: int
    scope: KeyScope = KeyScope.GENERAL


class Fact(Value):
    """What happened: past tense, with who and when inside it.

    All fields are stored in the clear but `words`, which is stored sealed: `None` says that
    the fact has none, or that they were not opened, or that their key is gone.
    """

    fact_type: ClassVar[str]
    """The stored name and shape version: a class may be renamed, its `fact_type` never."""
    change: ClassVar[ChangeType | None]
    """What the change stream says of such a fact; None where it says nothing."""

    by: By
    at: AwareDatetime
    words: Words | None = None

    def subject(self) -> Subject:
        """The person whose key seals the words, and in which scope."""
        return Subject(THE_CLINIC)

    def change_details(self, version: int) -> ChangeDetails:
        """What the change stream says besides `change`; `version` is that which the fact made."""
        return ChangeDetails()


class Reason(Words):
    """The reason that somebody gave."""

    reason: str


class Command(Value):
    """What is asked, by whom and when. The aggregate's number is not in it: `decide` gets it beside it."""

    begins: ClassVar[bool] = False
    """Whether it makes a new aggregate under a new number, so that there are no facts to read."""

    by: By
    at: datetime
