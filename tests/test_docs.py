"""The pages under `docs/`: what they name is there, and each decision names the tests that hold it."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = ROOT / "docs"
INDEX: Final = DOCS / "decisions" / "README.md"
DECISIONS: Final = sorted(set((DOCS / "decisions").glob("*.md")) - {INDEX})
PAGES: Final = sorted(DOCS.rglob("*.md"))
ROOMS: Final = ("api", "domain", "handlers", "ledger", "projections", "runtime", "tests")
SECTIONS: Final = ["Context", "Options", "Decision", "Consequences", "Tests"]
LINES_MAX: Final = 40

decision = pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))


def named_tests(page: Path) -> list[str]:
    """What stands in the page's section Tests: `path::name` or `path::Class::name`."""
    _, _, section = page.read_text().partition("\n## Tests\n")
    return re.findall(r"^- `(tests/\S+)`$", section, re.M)


@cache
def defined_tests(path: Path) -> frozenset[str]:
    """The tests that a module defines, as pytest names them behind the module's path."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            methods = (one.name for one in node.body if isinstance(one, ast.FunctionDef))
            found |= {f"{node.name}::{name}" for name in methods}
    return frozenset(name for name in found if name.rpartition("::")[2].startswith("test_"))


@cache
def sources() -> frozenset[str]:
    """The paths of all Python modules, below the root."""
    paths = (path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    return frozenset(str(path.relative_to(ROOT)) for path in paths)


@decision
def test_a_decision_has_its_sections_in_order_and_is_short(page: Path) -> None:
    text = page.read_text()
    assert re.findall(r"^## (.+)$", text, re.M) == SECTIONS
    assert text.startswith("# ")
    assert text.count("\n") <= LINES_MAX


@decision
def test_a_decision_names_tests_that_are_there(page: Path) -> None:
    names = named_tests(page)
    assert names, "a rule that no test holds"
    _, _, section = page.read_text().partition("\n## Tests\n")
    assert len(names) == section.count("\n- "), "each line of the section names a test"
    for name in names:
        path, _, test = name.partition("::")
        assert (ROOT / path).is_file(), path
        assert test in defined_tests(ROOT / path), name


def test_the_index_has_every_decision_under_its_title() -> None:
    entries = re.findall(r"^\| \[([a-z-]+)\]\(\1\.md\) \| (.+) \|$", INDEX.read_text(), re.M)
    titles = {page.stem: page.read_text().partition("\n")[0] for page in DECISIONS}
    assert {slug: f"# {title}" for slug, title in entries} == titles
    assert len(entries) == len(titles) > 0, "each page once"


@every_page
def test_links_lead_to_pages_that_are_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


@every_page
def test_modules_that_a_page_names_are_there(page: Path) -> None:
    """`handlers/jobs.py`, or `soap/reading.py` on a page about `handlers/`."""
    for name in re.findall(r"`([a-z_]+(?:/[a-z_]+)+\.py)\b", page.read_text()):
        assert any(path == name or path.endswith(f"/{name}") for path in sources()), name


def test_the_glossary_is_in_order_and_has_each_word_once() -> None:
    rows = re.findall(r"^\| ([^|]+?) \| .+ \|$", (DOCS / "glossary.md").read_text(), re.M)[1:]
    words = [word for word in rows if not word.startswith("---")]
    assert len(words) > 1
    assert words == sorted(set(words), key=str.casefold)
