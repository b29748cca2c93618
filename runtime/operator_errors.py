"""Errors that an operator can fix: the command line shows a sentence, not a traceback."""

from typing import Final

DATABASE_IS_LOST: Final = (
    "The database was lost on the way; what was not confirmed may be missing. Try again."
)


class OperatorError(Exception):
    """Something that an operator can fix. The text, or else the docstring, says how; it holds no secret."""

    def __str__(self) -> str:
        return super().__str__() or _sentence_of(type(self))


def sentence(error: Exception) -> str | None:
    """The sentence for the operator; None for a failure of the program, which keeps its traceback."""
    if isinstance(error, OperatorError):
        return str(error)
    return _of_other_packages(error)


def _of_other_packages(error: Exception) -> str | None:
    import psycopg  # noqa: PLC0415 (whatever raised it is loaded by now)

    from domain.refusals import Refused  # noqa: PLC0415
    from ledger.accounts import LoginIsTaken, LoginIsUnknown, PasswordIsTooShort  # noqa: PLC0415
    from ledger.codec import FactTypeIsUnknownError  # noqa: PLC0415
    from ledger.continuity import LedgerIsBrokenError  # noqa: PLC0415
    from ledger.schema import RoleIsMissingError  # noqa: PLC0415
    from projections.stored import EntryIsUnreadableError  # noqa: PLC0415
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
        case LedgerIsBrokenError() | EntryIsUnreadableError():
            return str(error)
        case _ if isinstance(error.__cause__ or error, psycopg.OperationalError):
            return DATABASE_IS_LOST
        case _:
            return None


def _sentence_of(kind: type[Exception]) -> str:
    return " ".join((kind.__doc__ or kind.__name__).split())
