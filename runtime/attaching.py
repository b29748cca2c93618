"""A tool beside the service: it uses the embedded server that runs, or starts one for its own time."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TypeVar

from runtime.private_files import EmbeddedServerError, StateIsInUse

ATTACH_SECONDS_MAX = 60.0
ATTACH_POLL_SECONDS = 0.05

Address = TypeVar("Address")


def attached_or_started(
    stack: ExitStack,
    start: Callable[[], AbstractContextManager[Address]],
    find_running: Callable[[], Address | None],
    log_path: Path,
) -> Address:
    """The address of the owner's server; where nobody owns the state, of one that ends with `stack`.

    An attached server goes when its owner goes: that shows as a lost connection.
    """
    deadline = time.monotonic() + ATTACH_SECONDS_MAX
    while True:
        try:
            return stack.enter_context(start())
        except StateIsInUse as in_use:
            if (address := find_running()) is not None:
                return address
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"{in_use} It has been starting or stopping for {ATTACH_SECONDS_MAX:.0f} s; "
                    f"see {log_path}."
                ) from in_use
        time.sleep(ATTACH_POLL_SECONDS)
