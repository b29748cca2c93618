"""What an operator is told in a sentence, instead of a traceback."""

from typing import Final

LOST: Final = "The database was lost on the way; what was not confirmed may be missing. Try again."


class ToldError(Exception):
    """Something an operator can mend: the text, or else the docstring, says what; no secret is in it."""

    def __str__(self) -> str:
        return super().__str__() or _sentence_of(type(self))


def sentence(error: Exception) -> str | None:
    """What the operator reads; None for a failure of ours, which keeps its traceback."""
    if isinstance(error, ToldError):
        return str(error)
    return _of_other_rooms(error)


def _of_other_rooms(error: Exception) -> str | None:
    import psycopg  # noqa: PLC0415 (whatever raised it is loaded by now)

    from domain.refusals import Refused  # noqa: PLC0415
    from ledger.accounts import LoginIsTaken, LoginIsUnknown, PasswordIsTooShort  # noqa: PLC0415
    from ledger.codec import FactTypeIsUnknownError  # noqa: PLC0415
    from ledger.schema import RoleIsMissingError  # noqa: PLC0415
    from runtime.embedded import EmbeddedServerError, StateIsInUse  # noqa: PLC0415

    match error:
        case Refused():
            return error.sentence()
        case LoginIsTaken() | LoginIsUnknown() | PasswordIsTooShort():
            return _sentence_of(type(error))
        case RoleIsMissingError() | FactTypeIsUnknownError():
            return _sentence_of(type(error))
        case EmbeddedServerError() | StateIsInUse():
            return str(error)
        case _ if isinstance(error.__cause__ or error, psycopg.OperationalError):
            return LOST
        case _:
            return None


def _sentence_of(kind: type[Exception]) -> str:
    return " ".join((kind.__doc__ or kind.__name__).split())
