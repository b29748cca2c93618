"""What an operator does with log-ins: add, list and disable those of people and programs."""

from typing import Final, NamedTuple

from domain.person import PERSON, Person, PutPerson
from domain.refusals import RoleIsFixed
from domain.value import By, Kind, Role
from ledger.accounts import (
    PASSWORD_CHARS_MAX,
    PASSWORD_CHARS_MIN,
    LoginIsTaken,
    PasswordIsTooShort,
)
from runtime.operator_errors import OperatorError
from runtime.wiring import System

LOGIN_CHARS_MAX: Final = 150


class LoginIsWrong(OperatorError):
    """A log-in name has between 1 and 150 characters, none of them a colon, a slash or a blank."""


class ClinicIsUnknown(OperatorError):
    """There is no such clinic; `noteledger clinic add` adds one."""


class LogIn(NamedTuple):
    """A log-in to be added: `login` as it is typed, in one clinic, for one person in one role.

    `by` is the operator.
    """

    login: str
    clinic_id: int
    name: str
    role: Role
    user_id: int | None
    by: By


def log_in(login: str, role: Role, user_id: int | None, by: By) -> LogIn:
    """What is asked for. Raises LoginIsWrong."""
    clinic_id, name = _clinic_and_name(login)
    # RFC 7617: a colon ends the name in Basic credentials.
    is_plain = name.isprintable() and not any(char.isspace() or char == ":" for char in name)
    if not 0 < len(name) <= LOGIN_CHARS_MAX or not is_plain:
        raise LoginIsWrong
    return LogIn(login, clinic_id, name, role, user_id, by)


def _clinic_and_name(login: str) -> tuple[int, str]:
    """`anna` is clinic 1's, `2/anna` clinic 2's."""
    clinic, slash, name = login.rpartition("/")
    if not slash:
        return 1, name
    if not clinic.isascii() or not clinic.isdigit() or len(clinic) > 15:
        raise LoginIsWrong
    return int(clinic), name


def add_user(system: System, asked: LogIn, password: str) -> int:
    """A log-in with a password; the user's id.

    The person comes first: a crash in between leaves somebody without a log-in, never a log-in
    of nobody. Raises LoginIsTaken, ClinicIsUnknown, PasswordIsTooShort, RoleIsFixed.
    """
    if not PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX:
        raise PasswordIsTooShort
    user_id = _person(system, asked)
    system.services.accounts.add_user(asked.login, asked.role, user_id, password)
    return user_id


def add_token(system: System, asked: LogIn) -> tuple[int, str]:
    """A program's log-in; the user's id, and the Basic password, which nobody can show again."""
    user_id = _person(system, asked)
    return user_id, system.services.accounts.add_token(asked.login, asked.role, user_id)


def disable(system: System, login: str) -> None:
    """Disable a log-in. Raises LoginIsWrong, ClinicIsUnknown, LoginIsUnknown."""
    clinic_id, _ = _clinic_and_name(login)
    require_clinic(system, clinic_id)
    system.services.accounts.disable(login, system.services.clock())


def clinics(system: System) -> list[int]:
    """All clinics."""
    with system.datastore.get_connection() as conn:
        rows = conn.execute("SELECT clinic_id FROM ledger.ledger_head ORDER BY clinic_id")
        return [row["clinic_id"] for row in rows]


def list_log_ins(system: System) -> list[tuple[str, str, str, str, str]]:
    """Log-in, user, role, what it signs in with, and whether it still does."""
    return [
        (
            login if clinic_id == 1 else f"{clinic_id}/{login}",
            str(account.user_id),
            account.role,
            "token" if account.token_digest else "password",
            f"disabled {account.disabled_at:%Y-%m-%d}" if account.disabled_at else "active",
        )
        for clinic_id in clinics(system)
        for login, account in system.services.accounts.all(clinic_id)
    ]


def require_clinic(system: System, clinic_id: int) -> None:
    """Raises ClinicIsUnknown."""
    if clinic_id not in clinics(system):
        raise ClinicIsUnknown


def _person(system: System, asked: LogIn) -> int:
    """The id of the person who logs in, registered under the log-in name where there is none."""
    require_clinic(system, asked.clinic_id)
    accounts, ledger = system.services.accounts, system.services.ledger
    if asked.name.casefold() in {login.casefold() for login, _ in accounts.all(asked.clinic_id)}:
        raise LoginIsTaken
    user_id = asked.user_id or ledger.ids.next(asked.clinic_id, Kind.PERSON)
    person: Person | None = ledger.outline(asked.clinic_id, PERSON, user_id)
    while person and asked.user_id is None:  # somebody was given this id by hand
        user_id = ledger.ids.next(asked.clinic_id, Kind.PERSON)
        person = ledger.outline(asked.clinic_id, PERSON, user_id)
    if person is None:
        command = PutPerson(
            by=asked.by,
            at=system.services.clock(),
            role=asked.role,
            full_name=asked.name,
        )
        ledger.record(asked.clinic_id, PERSON, user_id, command)
    elif person.role is not asked.role:
        raise RoleIsFixed("role")
    return user_id
