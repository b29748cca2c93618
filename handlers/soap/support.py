"""Do the cited sentences support a model's statement? Checks of words, not of meaning.

The most harmful inventions are names, numbers, dates, codes, diagnoses and risks. Each of these in
a statement must stand in the sentences that the statement cites.
"""

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

from handlers.soap import number_words


class Fault(StrEnum):
    """The faults of a statement, as they are sent to the model. They hold no word of the statement."""

    TOO_MANY = "the note has more than 200 statements"
    EMPTY = "it is empty"
    TOO_LONG = "it is longer than 600 characters, or has more than one line"
    CITES_NOTHING = "it names no source sentence"
    CITES_UNKNOWN = "it names a source sentence that does not exist"
    PLACEHOLDER = "it has a placeholder in square brackets that its source sentences do not have"
    NUMBER = "it has a number, score, dose, date or code that its source sentences do not have"
    NAME = "it has a capitalised name that the sources do not have, or begins with such a word"
    CLAIM = "it has a diagnosis, symptom or risk that its source sentences do not name by that word"
    DENIAL = "it affirms a diagnosis, symptom or risk that its sources deny, or the other way round"
    UNSUPPORTED = "too few of its words stand in its source sentences"


CHARACTERS_MAX: Final = 600
SHARED_MIN: Final = 0.3  # of a statement's words of weight
STEM: Final = 5  # letters by which words are taken for the same

PLACEHOLDER = re.compile(r"\[[A-Z][A-Z_]*(?:_?\d+)?\]")
WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
APOSTROPHE = re.compile(r"['\u2019]")
PARTED = re.compile(r"['\u2019-]")
CODED = re.compile(r"\b(?=\w*\d)(?=\w*[^\W\d_])[\w.]*\w")
DENIED = re.compile(
    r"""\b(?:no|not|cannot|never|none|nor|without|neither|nothing|deny|denies|denied|absent|negative)\b
    |n['\u2019]t\b""",
    re.IGNORECASE | re.VERBOSE,
)
CLAIMS = re.compile(
    r"""\b(?:depress|anxi|bipolar|mania|manic|schizo|psychos|psychot|delusion|hallucinat|ptsd|trauma
    |ocd|obsess|compulsi|adhd|autis|dement|disorder|syndrome|suicid|homicid|self[-\ ]harm|overdos
    |abus|addict|dependen|relaps|borderline|narciss|personality|panic|phobi|anorex|bulimi|insomni
    |psychopath|paranoi|dissociat|grief|burnout|intoxicat|withdrawal|pregnan|cancer|diabet|violen
    |danger|risk|kill|murder)\w*""",
    re.IGNORECASE | re.VERBOSE,
)


def _listed(words_in_it: str) -> frozenset[str]:
    return frozenset(words_in_it.split())


STARTERS: Final = _listed("""
    i a an the client clients clinician therapist patient counselor provider both he she they it his
    her their this these those there no not also and but at in on with without after before during
    since when while because if as by for from to of all some most one two three four five six seven
    eight nine ten reports reported states stated says said describes described denies denied
    expresses expressed notes noted feels felt believes continue continues begin start schedule
    review practice follow next homework plan agreed agrees will assigned discussed explored appears
    appeared presents presented was is has had according
""")
ORDINARY: Final = STARTERS | _listed("""
    that which who whom whose be been being are were have do does did would could should may might
    can more less than then so very about into over under again up down out off or nor
""")


def fault(statement: str, cited: Sequence[str], vocabulary: frozenset[str]) -> Fault | None:
    """The first fault of a statement, given its cited sentences; None for a supported one.

    `vocabulary`: the words of all sources, in lower case.
    """
    ground = " ".join(cited)
    if not statement.strip():
        return Fault.EMPTY
    if len(statement) > CHARACTERS_MAX or len(statement.splitlines()) > 1:
        return Fault.TOO_LONG
    if not set(PLACEHOLDER.findall(statement)) <= set(PLACEHOLDER.findall(ground)):
        return Fault.PLACEHOLDER
    if not (
        _numbers(statement) <= number_words.possible(ground) and _codes(statement) <= _codes(ground)
    ):
        return Fault.NUMBER
    if any(word not in vocabulary for word in _names(statement)):
        return Fault.NAME
    claims = _claims(statement)
    if not claims <= _claims(ground):
        return Fault.CLAIM
    if claims and bool(DENIED.search(statement)) != bool(DENIED.search(ground)):
        return Fault.DENIAL
    stems = _stems(statement)
    if not stems or len(stems & _stems(ground)) < SHARED_MIN * len(stems):
        return Fault.UNSUPPORTED
    return None


def words(text: str) -> Iterator[str]:
    """The words of a text in lower case, and the parts of compound words."""
    for word in WORD.findall(text.lower()):
        yield word
        yield from PARTED.split(word)


def _names(text: str) -> Iterator[str]:
    """Capitalised words, in lower case, without words that may begin any sentence."""
    for word in WORD.findall(PLACEHOLDER.sub(" ", text)):
        low = APOSTROPHE.split(word.lower())[0]
        if word[0].isupper() and low not in STARTERS:
            yield low


def _claims(text: str) -> set[str]:
    return {found.lower()[:STEM] for found in CLAIMS.findall(text)}


def _numbers(text: str) -> set[str]:
    return number_words.stated(PLACEHOLDER.sub(" ", text))


def _codes(text: str) -> set[str]:
    """Words of letters and digits: F32.1, PHQ9, 50mg."""
    return {found.lower() for found in CODED.findall(PLACEHOLDER.sub(" ", text))}


def _stems(text: str) -> set[str]:
    found = WORD.findall(PLACEHOLDER.sub(" ", text).lower())
    return {word[:STEM] for word in found if len(word) > 2 and word not in ORDINARY}
