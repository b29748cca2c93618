"""What the suite tells of itself while it runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtime.embedded_states import CHECKOUT

TESTS = """
import pytest

@pytest.fixture
def broken():
    raise ValueError

def test_one():
    assert False

def test_other(broken):
    pass
"""


@pytest.mark.parametrize("processes", [0, 1])
def test_a_failure_is_named_before_the_details(tmp_path: Path, processes: int) -> None:
    (tmp_path / "test_them.py").write_text(TESTS)
    options = ["-c", "pyproject.toml", f"--rootdir={tmp_path}", "-p", "tests.conftest"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"-n{processes}", str(tmp_path)],
        check=False,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )
    named, _, details = ran.stdout.partition("= ERRORS =")
    assert "\nFAILED test_them.py::test_one\n" in named
    assert "\nFAILED test_them.py::test_other (setup)\n" in named
    assert "1 failed, 1 error" in details.splitlines()[-1]
