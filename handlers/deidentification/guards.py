"""What looks like an identifier and is none: eponyms, drugs, scales, peoples, states, ordinary words.

The guards judge what models and cues propose, not what patterns and the directory's names find.
"""

import re
from typing import Final

from handlers.deidentification.cues import TITLES
from handlers.deidentification.identifiers import Category, Span
from handlers.deidentification.names import PARTICLES, WORDS, bare, starts_sentence
from handlers.deidentification.places import STATES
from handlers.deidentification.vocabulary import Vocabulary

_DRUG: Final = re.compile(
    r"""\w{2,}(?:xaban|gliptin|gliflozin|glutide|statin|pril|sartan|olol|dipine|azole|cillin|mycin|floxacin|cycline|
    mab|tinib|tidine|prazole|setron|triptan|oxetine|pramine|triptyline|azepam|zolam|barbital|peridol|piprazole|idone|
    apine|caine|codone|morphone|sone|onide|terol|thiazide|semide|parin|grel|platin|rubicin|taxel|fenac|profen|coxib|
    thyroxine|gabalin|racetam|trigine|bamate|melteon|orexant|fetamine|phenidate|afinil|xetine|opram|faxine|azodone|
    formin|glitazone|dronate|phylline|lukast|emia|itis|osis|oma|opathy|ectomy|algia|uria|plasty|oscopy|phobia|emic)s?""".replace(
        "\n", ""
    ).replace(" ", "")
)
_OF_EPONYM: Final = re.compile(
    r"""('s|s'|s)?[\s-]{1,2}(?:[\w'-]+[\s-]){0,3}?(?:disease|syndrome|sign|scale|scales|inventory|test|tests|score|
    criteria|index|reflex|palsy|lymphoma|chorea|dementia|o?esophagus|cyst|man(?:eu|oeu)vre?r?|method|type|matrices|
    questionnaire|thyroiditis|hopelessness|depression|anxiety|rating|assessment|classification|staging|catheter|
    node|tumou?r|phenomenon|contracture|hernia|fracture|sarcoma|cell|cells|therapy|model|theory|technique|effect|
    staging|body|bodies|grade|risk|protocol|prep|stain|factor|study|guidelines|triad|law|hierarchy|stages|
    interview|battery|loss|stocking|drain|position|ulcer|fever|nodes|agitation|mania|dependence|task)\b""",
    re.VERBOSE | re.IGNORECASE,
)
_CONTRACTED: Final = ("n't", "'re", "'ve", "'ll", "'d", "'m")
_STOP: Final = re.compile(r"[.;:!?]\s")
_LABEL_AFTER: Final = re.compile(r"\s?[:#=]")
_AFTER_ITEM: Final = re.compile(r"\s*(?:\d|[-/]\s?\d|mg\b|mcg\b|[:=]\s?\d)")
_STAYS: Final = STATES | {
    "washington state",
    "new york state",
    "state of new york",
    "north",
    "south",
    "east",
    "west",
    "northeast",
}


class Guards:
    """Judges the persons and places that models and cues propose."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    def person(
        self, text: str, start: int, end: int, *, titled: bool = False, sure: bool = False
    ) -> Span | None:
        """The proposed words without words at their ends that are no name; None if no word is left."""
        words = [match.span() for match in WORDS.finditer(text, start, end)]
        while words and self._is_no_name(text, *words[0], titled):
            words.pop(0)
            titled = False
        for index in range(1, len(words)):
            if self._ends_before(text, words[index - 1], words[index]):
                del words[index:]
                break
        while words and self._is_no_name(text, *words[-1], titled and len(words) == 1):
            words.pop()
        if not words or not self._names_somebody(text, words, titled, sure):
            return None
        last = words[-1]
        stop = last[1] - 2 if text[last[0] : last[1]].endswith(("'s", "'S")) else last[1]
        return Span(words[0][0], stop, Category.NAME)

    def _is_no_name(self, text: str, start: int, end: int, titled: bool) -> bool:
        """Whether a word at an end of a proposal is no part of a name."""
        written = text[start:end]
        word = bare(written)
        known = self._vocabulary
        if written.lower().endswith(_CONTRACTED):
            return True
        if any(map(str.isdigit, word)) or (word in PARTICLES and written[0].islower()):
            return True
        if titled:
            return word in known.plain_words and not known.is_name(word)
        if self._is_eponym(text, start, end, word):
            return True
        if word in known.plain_words or word in TITLES or self.is_medical(word):
            return not known.is_name(word)
        if written[0].islower():
            return known.is_also_a_word(word) or word in known.word_names
        return _is_code(text, start, end) and not known.is_name(word)

    def _names_somebody(
        self, text: str, words: list[tuple[int, int]], titled: bool, sure: bool
    ) -> bool:
        known = self._vocabulary
        bares = [bare(text[start:end]) for start, end in words]
        if titled:
            return True
        if all(len(word) == 1 for word in bares):
            return False
        if any(known.is_name(word) and word not in known.word_names for word in bares):
            return True
        if any(not known.is_ordinary(word) and len(word) > 1 for word in bares):
            return True
        # Ordinary words only: capitals inside a sentence, and a model that is sure or a known name.
        inside = not starts_sentence(text, words[0][0]) and text[words[0][0]].isupper()
        inside = inside and not _LABEL_AFTER.match(text, words[-1][1])
        return inside and (sure or any(known.is_name(word) for word in bares))

    def _is_eponym(self, text: str, start: int, end: int, word: str) -> bool:
        """Whether the word, or the compound that it is part of, names a disease or a scale."""
        known = self._vocabulary
        if word not in known.eponyms:
            return False
        if not (known.is_name(word) or word in known.places or word in known.institutions):
            return True
        return bool(_OF_EPONYM.match(text, end - 2 if text[start:end].endswith("'s") else end)) or (
            text[end : end + 1] == "-"
            and bare(WORDS.findall(text[end : end + 20] or "x")[0]) in known.eponyms
        )

    def _ends_before(self, text: str, one: tuple[int, int], other: tuple[int, int]) -> bool:
        """Whether a name ends between two words: at a full stop, or at the first word of "MR. LEE WAS SEEN"."""
        start, end = other
        before = bare(text[one[0] : one[1]])
        if _STOP.match(text, one[1]) and len(before) > 1 and before not in TITLES:
            return True
        word = bare(text[start:end])
        is_only_a_word = self._vocabulary.is_ordinary(word) and not self._vocabulary.is_name(word)
        return text[start:end].isupper() and end - start > 1 and is_only_a_word

    def is_medical(self, word: str) -> bool:
        """Whether a lower-case word is a drug, or is formed as drugs and conditions are."""
        known = self._vocabulary
        if known.is_name(word):
            return False
        return word in known.drugs or bool(_DRUG.fullmatch(word))

    def pair(self, text: str, start: int, end: int) -> Span | None:
        """Two capitalised words that are in no list and no lexicon: most probably a name."""
        known = self._vocabulary
        for match in WORDS.finditer(text, start, end):
            word = bare(match[0])
            listed = word in known.places or word in known.countries or word in STATES
            if listed or known.is_ordinary(word) or word in known.eponyms or self.is_medical(word):
                return None
        return self.person(text, start, end)

    def place(self, text: str, start: int, end: int, *, sure: bool = False) -> Span | None:
        """The proposed words if they name a place smaller than a state; else None."""
        words = [match.span() for match in WORDS.finditer(text, start, end)]
        while words and self._is_no_place(text, *words[0]):
            words.pop(0)
        while words and self._is_no_place(text, *words[-1]):
            words.pop()
        if not words:
            return None
        span = Span(words[0][0], words[-1][1], Category.PLACE)
        whole = " ".join(text[span.start : span.end].lower().split())
        known = self._vocabulary
        if whole in known.countries or whole in _STAYS:
            return None
        if whole in known.places or whole in known.institutions:
            return span
        bares = [bare(text[low:high]) for low, high in words]
        if text[span.start].islower():
            return span if sure and not any(map(known.is_also_a_word, bares)) else None
        if all(known.is_also_a_word(word) for word in bares):
            inside = not starts_sentence(text, span.start)
            return span if sure and inside and not _AFTER_ITEM.match(text, span.end) else None
        return span

    def institution(self, text: str, start: int, end: int) -> Span | None:
        """An organisation with a known name; others may be abbreviations, such as "ADA" and "CHF"."""
        words = " ".join(text[start:end].lower().split()).removeprefix("the ").removesuffix("'s")
        known = words in self._vocabulary.institutions or words in self._vocabulary.places
        return Span(start, end, Category.PLACE) if known else None

    def is_small_name(self, text: str, span: Span) -> bool:
        """Whether words without a capital, after a cue, are a name: each must be a known name."""
        known = self._vocabulary
        words = [bare(word) for word in WORDS.findall(text[span.start : span.end])]
        return all(known.is_name(word) and word not in known.word_names for word in words)

    def is_part(self, text: str, start: int, end: int, *, surname: bool) -> bool:
        """Whether a capitalised word right before or, as a surname, right after a name belongs to it."""
        known = self._vocabulary
        word = bare(text[start:end])
        if word in TITLES | PARTICLES or text[end : end + 2].lstrip().startswith(":"):
            return False
        if known.is_name(word):
            return word not in known.word_names or surname
        if word in known.plain_words or self.is_medical(word) or _is_code(text, start, end):
            return False
        return (surname and not text[start:end].isupper()) or not known.is_ordinary(word)

    def _is_no_place(self, text: str, start: int, end: int) -> bool:
        written = text[start:end]
        word = bare(written)
        known = self._vocabulary
        if any(map(str.isdigit, word)) and not word[0].isdigit():
            return True
        if (
            word in {"the", "a", "an", "in", "at", "of", "from", "our", "and", "w"}
            or word.isdigit()
        ):
            return True
        if self._is_eponym(text, start, end, word):
            return True
        if known.is_name(word) or word in known.places or word in known.institutions:
            return False
        if word in known.plain_words or self.is_medical(word):
            return True
        return _is_code(text, start, end) and word not in known.countries


def _is_code(text: str, start: int, end: int) -> bool:
    """Whether a word is an abbreviation ("COPD", "AFib") among words that are not all capitals."""
    written = text[start:end]
    if sum(map(str.isupper, written)) < 2 or len(written) > 7 or _is_grown(written):
        return False
    return not is_shouted(text[max(0, start - 60) : start] + text[end : end + 60])


def _is_grown(written: str) -> bool:
    """Whether the word has inner capitals as a name has: "McAllister", "DeShawn", "O'Neil"."""
    return bool(re.fullmatch(r"(?:Mc|Mac|De|La|Le|Di|Da|Du|Van|O'|D'|Fitz|St)[A-Z][a-z]+", written))


def is_shouted(text: str) -> bool:
    """Whether most letters are capitals."""
    letters = [character for character in text if character.isalpha()]
    return sum(map(str.isupper, letters)) > len(letters) * 0.6


def knows_capitals(text: str) -> bool:
    """Whether a note begins sentences and names with capitals as usual."""
    words = re.findall(r"(?<![\w'])[^\W\d_]+", text[:20_000])
    capital: int = sum(word[0].isupper() for word in words)
    return capital > len(words) * 0.025
