"""The commands for log-ins: `noteledger user` and `noteledger token`."""

import sys
from typing import Annotated, Literal

import typer

from runtime.operator_errors import OperatorError
from runtime.terminal import As, State, show_table

user = typer.Typer(help="Log-ins of people.", no_args_is_help=True)
token = typer.Typer(help="Log-ins of programs.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Log-in name; 2/NAME is one of clinic 2.")]
RoleName = Literal["therapist", "auditor", "administrator", "ml", "client", "compliance"]
Role = Annotated[RoleName, typer.Option(help="What the log-in may be used for.")]
UserId = Annotated[
    int | None,
    typer.Option(min=1, max=2**53 - 1, help="Id in the directory. Default: a new one."),
]


class PasswordIsMissing(OperatorError):
    """Write the password on standard input: one line of UTF-8 text."""


@user.command("add")
def add_user(
    name: Name, role: Role, user_id: UserId = None, as_name: As = None, state: State = None
) -> None:
    """Add a log-in for a person; the password is asked for, or read from standard input."""
    from domain import value
    from runtime import log_ins
    from runtime.operator import the_operator
    from runtime.settings import load_settings
    from runtime.wiring import attached_system

    asked = log_ins.log_in(name, value.Role(role), user_id, the_operator(as_name))
    settings, password = load_settings(state=state), _password()
    with attached_system(settings) as system:
        number = log_ins.add_user(system, asked, password)
    typer.echo(f"{name} logs in as user {number}, {role}.")


@user.command("list")
def list_users(state: State = None) -> None:
    """Show all log-ins, those of programs, too."""
    from runtime import log_ins
    from runtime.settings import load_settings
    from runtime.wiring import attached_system

    with attached_system(load_settings(state=state)) as system:
        rows = log_ins.list_log_ins(system)
    show_table(("log-in", "user", "role", "by", "state"), rows)


@user.command("disable")
def disable_user(name: Name, state: State = None) -> None:
    """Disable a log-in and end its sessions; what it wrote stays."""
    from runtime import log_ins
    from runtime.settings import load_settings
    from runtime.wiring import attached_system

    with attached_system(load_settings(state=state)) as system:
        log_ins.disable(system, name)
    typer.echo(f"{name} is shut out.")


@token.command("create")
def create_token(
    name: Name, role: Role, user_id: UserId = None, as_name: As = None, state: State = None
) -> None:
    """Add a log-in for a program; prints its Basic password, which is never shown again."""
    from domain import value
    from runtime import log_ins
    from runtime.operator import the_operator
    from runtime.settings import load_settings
    from runtime.wiring import attached_system

    asked = log_ins.log_in(name, value.Role(role), user_id, the_operator(as_name))
    with attached_system(load_settings(state=state)) as system:
        number, password = log_ins.add_token(system, asked)
    typer.echo(f"{name} logs in as user {number}, {role}. Its password, this once:", err=True)
    typer.echo(password)


def _password() -> str:
    if sys.stdin.isatty():
        asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return asked
    try:
        password = sys.stdin.buffer.readline().decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise PasswordIsMissing from None
    if not password:
        raise PasswordIsMissing
    return password
