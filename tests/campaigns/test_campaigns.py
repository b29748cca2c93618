"""Each campaign with small numbers: it works, it finds nothing, it leaves nothing behind."""

import base64
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.campaigns.canary_search import STEMS, forms, search
from tests.campaigns.running_service import processes
from tests.campaigns.small_runs import RUN_SECONDS_MAX, nothing_left, running
from tests.runtime.embedded_states import within


@pytest.fixture
def nothing_is_left() -> Iterator[Path]:
    """Where the campaign's temporary files go."""
    with nothing_left() as temporary:
        yield temporary


def test_what_was_acknowledged_outlives_kills(nothing_is_left: Path) -> None:
    with running(nothing_is_left, "kill_service", "--kills=2", "--writers=4") as campaign:
        printed, _ = campaign.communicate(timeout=RUN_SECONDS_MAX)
    assert campaign.returncode == 0, printed
    assert "fsync on" in printed


def test_no_word_is_in_the_open(nothing_is_left: Path) -> None:
    with running(nothing_is_left, "canaries", "--canaries=30") as campaign:
        printed, _ = campaign.communicate(timeout=RUN_SECONDS_MAX)
    assert campaign.returncode == 0, printed


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ended_early_it_leaves_nothing(nothing_is_left: Path, how: signal.Signals) -> None:
    with running(nothing_is_left, "kill_service", "--kills=1000", "--writers=2") as campaign:
        assert within(60, lambda: any("postgres:" in line for line in postgres(nothing_is_left)))
        os.kill(campaign.pid, how)
        campaign.communicate(timeout=RUN_SECONDS_MAX)
    assert campaign.returncode != 0


def postgres(directory: Path) -> list[str]:
    """What works for the server in the directory; its children do not name it."""
    servers = {found.pid for found in processes() if "bin/postgres -D" in found.command}
    ours = {found.pid for found in processes() if str(directory) in found.command}
    return [found.command for found in processes() if found.parent in servers & ours]


@pytest.mark.parametrize("stem", STEMS)
def test_a_word_is_found_in_whatever_form(stem: str) -> None:
    for form, written in forms(f"{stem}42").items():
        assert search("here", b"..." + written + b"...").hits, form


def test_a_word_is_found_wherever_it_stands_in_base64() -> None:
    for before in range(3):
        written = base64.b64encode(b"x" * before + STEMS[1].encode() + b"yz")
        assert search("here", written).hits


def test_another_word_is_not_found() -> None:
    assert not search("here", b"kanarienvogel qzkanarien vogel").hits
