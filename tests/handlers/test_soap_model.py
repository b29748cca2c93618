"""The weights: which file is shipped, that a damaged one is refused, and what is asked of them."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domain.generation_facts import SourceKind
from handlers.soap.model import CLASSES, FILE, Candidate, Model, WeightsInvalidError
from handlers.soap.reading import read
from handlers.soap.sentences import pieces, units
from handlers.soap_writer import Section, Source

# Of the weights whose figures stand in docs/soap-writing.md: who trains anew measures anew.
SHIPPED = "4a428523f99ec98de1d7767de090716d2071aa551ca4835a8f55588a72c514b5"


def candidate(text: str) -> Candidate:
    source = Source(SourceKind.NOTE, 1, 1, text)
    (unit,) = units(pieces(text, read(source)), is_talk=False)
    return Candidate(unit, None)


def test_the_shipped_weights_are_those_that_were_measured() -> None:
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == SHIPPED
    assert Model.load().digest == SHIPPED
    assert FILE.stat().st_size < 400_000


@pytest.mark.parametrize(
    ("text", "section"),
    [
        ("Client reports that she sleeps badly.", Section.SUBJECTIVE),
        ("Affect flat, eye contact poor.", Section.OBJECTIVE),
        ("Symptoms meet criteria for social anxiety disorder.", Section.ASSESSMENT),
        ("Will continue weekly sessions.", Section.PLAN),
    ],
)
def test_a_plain_sentence_is_filed_where_it_belongs(text: str, section: Section) -> None:
    odds = Model.load().judge(candidate(text)).odds
    assert tuple(odds) == CLASSES
    assert sum(odds.values()) == pytest.approx(1)
    assert max(odds, key=lambda one: odds[one]) is section


def test_a_further_copy_of_a_word_is_never_more_likely_than_the_one_before() -> None:
    chances = Model.load().expected([candidate("pain and pain and pain and no pain and rest")])
    assert len(chances["pain"]) == 4
    for of_word in chances.values():
        assert of_word == sorted(of_word, reverse=True)
        assert all(0 < chance < 1 for chance in of_word)


def damaged(change: Callable[[dict[str, Any]], object]) -> str:
    content = json.loads(FILE.read_text(encoding="utf-8"))
    change(content)
    return json.dumps(content)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "not JSON",
        FILE.read_text(encoding="utf-8")[:-100],
        damaged(lambda c: c.update(format="noteledger-soap-weights/2")),
        damaged(lambda c: c.update(further=1)),
        damaged(lambda c: c["filing"].pop("bias")),
        damaged(lambda c: c["filing"]["terms"].update(pain=[1.0, 0.0, [0.0, 0.0]])),
        damaged(lambda c: c["filing"].update(terms={})),
        damaged(lambda c: c["wording"]["words"].update(pain=["1.0", 0.0])),
        damaged(lambda c: c["wording"].update(bias=float("nan"))),
        damaged(lambda c: c["wording"].update(length_power=3.0)),
        damaged(lambda c: c["wording"]["traits"].pop("share")),
        damaged(lambda c: c.update(trained_on="x" * (1 << 20))),
    ],
    ids=str.__len__,
)
def test_a_damaged_file_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "weights.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(WeightsInvalidError):
        Model.load(file)
