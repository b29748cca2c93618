"""Who acts at the command line: the name given by `--as`, or else the system's user."""

import os
import pwd
from typing import Final

from domain.value import Authentication, By, Role
from runtime.operator_errors import OperatorError

NAME_CHARS_MAX: Final = 64


class OperatorNameIsWrong(OperatorError):
    """The name after --as has between 1 and 64 printable characters, the first and last no blank."""


def the_operator(name: str | None) -> By:
    """As a fact names them. Raises OperatorNameIsWrong."""
    if name is None:
        name = _system_user()
    elif not 0 < len(name) <= NAME_CHARS_MAX or not name.isprintable() or name != name.strip():
        raise OperatorNameIsWrong
    return By(
        user_id=0, role=Role.ADMINISTRATOR, authentication=Authentication.OPERATOR, operator=name
    )


def _system_user() -> str:
    """By the user's number, since the environment can say anything."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name[:NAME_CHARS_MAX]
    except KeyError:  # a user of a container, without an entry
        return f"uid {os.getuid()}"
