"""A text as the layers read it: accents, typographic signs and hidden characters flattened.

"Peña" typed as one character or as two, "O'Neil" with a curly apostrophe, a name with a soft hyphen
or a non-breaking space inside: all read alike. What is found is covered in the original text, with
its marks.
"""

import unicodedata
from array import array
from functools import lru_cache
from typing import NamedTuple

_SIGNS = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u02b9\u02bb\u02bc\u02c8\u2032`\u00b4\uff07", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\uff02", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d", "-"),
        "\u2028": "\n",
        "\u2029": "\n",
        "\x85": "\n",
        "\u00f8": "o",
        "\u00d8": "O",
        "\u0142": "l",
        "\u0141": "L",
        "\u0111": "d",
        "\u0110": "D",
        "\u0131": "i",
        "\u00df": "ss",
        "\u00e6": "ae",
        "\u00c6": "AE",
        "\u0153": "oe",
        "\u0152": "OE",
    }
)


class Reading(NamedTuple):
    """A flattened text, and the origin of each of its characters; without origins: the same offsets."""

    text: str
    starts: "array[int] | None"
    length: int  # of the text as it was written

    def written(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original text for `text[start:end]`; `start < end`."""
        if self.starts is None:
            return start, end
        # Up to where the next character read begins: marks and hidden characters go with their letter.
        stop = self.starts[end] if end < len(self.starts) else self.length
        begin = self.starts[start]
        return begin, max(stop, begin + 1)


def read(text: str) -> Reading:
    """The flattened text; time and memory are linear in its length."""
    if text.isascii():
        return Reading(text, None, len(text))
    pieces: list[str] = []
    starts = array("q")
    for index, character in enumerate(text):
        flat = character if character.isascii() else flattened(character)
        pieces.append(flat)
        starts.extend([index] * len(flat))
    return Reading("".join(pieces), starts, len(text))


@lru_cache(maxsize=4096)
def flattened(character: str) -> str:
    """One character without its marks; empty where it is only a mark, or hidden."""
    signs = character.translate(_SIGNS)
    if signs != character:
        return signs
    if unicodedata.category(character) in {"Cf", "Mn", "Me"}:
        return ""
    if unicodedata.category(character) == "Zs":
        return " "
    parts = unicodedata.normalize("NFKD", character)
    plain = "".join(part for part in parts if unicodedata.category(part) not in {"Mn", "Me"})
    # A syllable of Hangul stays one character, as it was; so does what flattens to nothing.
    return plain.translate(_SIGNS) if plain.isascii() and plain else character


def folded(words: str) -> str:
    """Words flattened and without case, so that spellings that read alike are equal."""
    return read(words).text.casefold()
