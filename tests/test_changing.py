"""`docs/changing.md` is true: its files and tests are there, and mypy names what the page says it names."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

import pytest

CHECKOUT: Final = Path(__file__).parents[1]
PAGE: Final = (CHECKOUT / "docs" / "changing.md").read_text("utf-8")
ROOMS: Final = ("domain", "ledger", "projections", "handlers", "api")
NEW_FACT: Final = '''
class NotePinned(NoteFact):
    """Somebody wants to find the note again."""

    fact_type: ClassVar[str] = "note-pinned/1"
    change: ClassVar[ChangeType | None] = None


AnyNoteFact = (
    NotePinned
    | '''


class Step(NamedTuple):
    """A row of the page."""

    recipe: str
    file: str
    reminders: tuple[str, ...]

    @property
    def is_named_by_mypy(self) -> bool:
        """Whether mypy names the file."""
        return self.reminders[0].startswith("mypy")


def _steps() -> list[Step]:
    steps = []
    for section in PAGE.split("\n## ")[1:]:
        recipe = section.partition("\n")[0]
        rows = re.findall(r"^\| `([^`]+)`[^|]*\|[^|]*\|(.*)\|$", section, re.MULTILINE)
        steps += [Step(recipe, file, tuple(cell.strip().split("; "))) for file, cell in rows]
    return steps


STEPS: Final = _steps()


def test_each_recipe_has_steps() -> None:
    recipes = [step.recipe for step in STEPS]
    expected = ["Add a fact", "Add an aggregate", "Add a view", "Add a job", "Add an operation"]
    assert list(dict.fromkeys(recipes)) == expected


def test_a_new_fact_is_written_in_at_most_seven_files_of_the_program() -> None:
    files = [step.file for step in STEPS if step.recipe == "Add a fact"]
    assert len([file for file in files if not file.startswith("tests/")]) <= 7


@pytest.mark.parametrize("file", sorted({step.file for step in STEPS}))
def test_the_files_are_there(file: str) -> None:
    assert (CHECKOUT / file).is_file()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(tests/[^`]+::[^`]+)`", PAGE))))
def test_the_tests_are_there(name: str) -> None:
    file, _, test = name.rpartition("::")
    assert re.search(
        rf"^ *(async )?def {test}\(", (CHECKOUT / file).read_text("utf-8"), re.MULTILINE
    )


def test_each_step_has_something_that_names_it_when_it_is_forgotten() -> None:
    for step in STEPS:
        assert step.is_named_by_mypy or "`tests/" in step.reminders[0], step


def test_mypy_names_the_files_that_a_new_fact_was_not_written_in(tmp_path: Path) -> None:
    for room in ROOMS:
        shutil.copytree(CHECKOUT / room, tmp_path / room)
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    facts = tmp_path / "domain" / "note_facts.py"
    before, union, after = facts.read_text("utf-8").partition("\nAnyNoteFact = (\n    ")
    assert union
    facts.write_text(before + NEW_FACT + after, "utf-8")
    mypy = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path / "cache"), *ROOMS],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    named = set(re.findall(r"^([^:]+\.py):\d+: error: .*NotePinned", mypy.stdout, re.MULTILINE))
    steps = [step for step in STEPS if step.recipe == "Add a fact"]
    assert named == {step.file for step in steps if step.is_named_by_mypy}, mypy.stdout
