"""The id of a request, of a job's run or of a command: it stands in facts, in log lines and in answers."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_UNDER_WAY: Final[ContextVar[str | None]] = ContextVar("request id", default=None)
"""Read for log lines only: facts are given the id by whoever records them."""


def new_request_id() -> str:
    """96 random bits, in 16 characters."""
    return secrets.token_urlsafe(12)


def request_id_under_way() -> str | None:
    """The id of what this task or thread works on."""
    return _UNDER_WAY.get()


@contextmanager
def under_way(request_id: str) -> Iterator[None]:
    """Log lines of the block, and of the tasks and threads that it starts, name this id."""
    before = _UNDER_WAY.set(request_id)
    try:
        yield
    finally:
        _UNDER_WAY.reset(before)
