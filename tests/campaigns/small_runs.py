"""A campaign with small numbers, run as a process of its own; and that it leaves nothing behind."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.campaigns.running_service import environment, processes
from tests.databases import short_directory
from tests.runtime.embedded_states import CHECKOUT

RUN_SECONDS_MAX: Final = 900
"""Long enough on a machine that is busy with other tests; nothing waits for it that goes well."""


@contextmanager
def nothing_left() -> Iterator[Path]:
    """A directory for temporary files that is empty afterwards; and no process works there."""
    with short_directory() as temporary:
        yield temporary
        assert list(temporary.iterdir()) == []
        assert at_work(temporary) == []


def at_work(directory: Path) -> list[str]:
    """The commands that name the directory."""
    return [found.command for found in processes() if str(directory) in found.command]


@contextmanager
def running(temporary: Path, campaign: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The campaign; ended in order where it has not ended by itself."""
    with subprocess.Popen(
        [sys.executable, "-m", f"tests.campaigns.{campaign}", *options],
        cwd=CHECKOUT,
        env=environment(temporary),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
