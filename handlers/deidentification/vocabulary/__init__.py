"""The word lists that the layers share, read once from the text files beside this module."""

from pathlib import Path
from typing import NamedTuple

_ENDINGS = (
    ("ies", "y"),
    ("es", ""),
    ("s", ""),
    ("ed", ""),
    ("d", ""),
    ("ing", ""),
    ("ing", "e"),
    ("ly", ""),
)

_PREFIXES = (
    "non",
    "pre",
    "post",
    "un",
    "re",
    "over",
    "under",
    "psycho",
    "neuro",
    "cardio",
    "bi",
    "sub",
    "hyper",
    "hypo",
)


class Vocabulary(NamedTuple):
    """Sets of words, lower case and flattened."""

    given_names: frozenset[str]
    surnames: frozenset[str]
    word_names: frozenset[str]
    nicknames: dict[str, frozenset[str]]  # what a given name's bearers are called
    places: frozenset[str]
    institutions: frozenset[str]
    countries: frozenset[str]
    drugs: frozenset[str]
    eponyms: frozenset[str]
    plain_words: frozenset[str]
    lexicon: frozenset[str]  # of English, by base form

    def is_name(self, word: str) -> bool:
        """Whether people are commonly called so; the word is lower case."""
        return word in self.given_names or word in self.surnames

    def is_ordinary(self, word: str) -> bool:
        """Whether English has the word, inflected or not; the word is lower case."""
        if word in self.lexicon or word in self.plain_words:
            return True
        for prefix in _PREFIXES:
            if (
                word.startswith(prefix)
                and len(word) > len(prefix) + 3
                and word[len(prefix) :] in self.lexicon
            ):
                return True
        for ending, base in _ENDINGS:
            stem = word.removesuffix(ending)
            if stem == word or len(stem) < 3:
                continue
            if stem + base in self.lexicon or (stem[-1] == stem[-2] and stem[:-1] in self.lexicon):
                return True
        return False

    def is_also_a_word(self, name: str) -> bool:
        """Whether a name, written small, may be meant as the word that it is too."""
        return name in self.word_names or (not self.is_name(name) and self.is_ordinary(name))


def read(lexicon: frozenset[str]) -> Vocabulary:
    """The lists from their files. A line that starts with "#" says what the list is."""
    nicknames: dict[str, frozenset[str]] = {}
    for entry in _text("nicknames").split(";"):
        given, *called = entry.split()
        nicknames[given] = frozenset(called)
    return Vocabulary(
        given_names=_words("given_names")
        | nicknames.keys()
        | frozenset().union(*nicknames.values()),
        surnames=_words("surnames"),
        word_names=_words("word_names"),
        nicknames=nicknames,
        places=_phrases("places"),
        institutions=_phrases("institutions"),
        countries=_phrases("countries"),
        drugs=_words("drugs"),
        eponyms=_words("eponyms"),
        plain_words=_words("plain_words"),
        lexicon=lexicon,
    )


def _text(name: str) -> str:
    lines = (Path(__file__).parent / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


def _words(name: str) -> frozenset[str]:
    return frozenset(_text(name).split())


def _phrases(name: str) -> frozenset[str]:
    return frozenset(" ".join(phrase.split()) for phrase in _text(name).split(",")) - {""}
