"""RTF by `striprtf`, after a pass over the source for what that library does not know.

Hidden and deleted text is left out. Headers, footers, footnotes and text boxes, which the library
leaves out, come at the end. Source: Rich Text Format Specification 1.9.1.
"""

import re
from typing import Final, NamedTuple

from striprtf.striprtf import rtf_to_text

from handlers.formats.outcome import HIDDEN, OBJECTS, TRACKED, CannotRead, Found, Unreadable

_PIECE: Final = re.compile(
    r"\\([a-z]{1,32})(-?\d{1,10})? ?"  # a control word, its number
    r"|\\'[0-9a-f]{2}"  # a byte
    r"|\\[^a-z]"  # a control symbol
    r"|[{}]"
    r"|[^\\{}]+",  # text
    re.IGNORECASE | re.DOTALL,
)
_ASIDE: Final = frozenset((
    "header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr", "footerf",
    "footnote", "shptxt",
))  # fmt: skip
_HIDING: Final = {"v": HIDDEN, "deleted": TRACKED}
_TELLING: Final = {"revised": TRACKED, "object": OBJECTS}
_KEPT_WHERE_HIDDEN: Final = frozenset(("par", "cell", "row"))
_GROUPS_DEEP_MAX: Final = 10_000


def read_rtf(content: bytes) -> Found:
    """All text of the document. Raises CannotRead."""
    source = content.decode("cp1252", "replace").strip("\0\t\n\r ")
    if not source.endswith("}"):
        raise CannotRead(Unreadable.DAMAGED)
    settling = _Settling()
    for piece in _PIECE.finditer(source):
        settling.take(piece[0], piece[1] or "", piece[2])
    text: str = rtf_to_text(settling.source(), errors="replace")  # type: ignore[no-untyped-call]
    return Found(None, [_whole(text)], sorted(settling.warnings))


def _whole(text: str) -> str:
    """Join surrogate pairs: RTF writes characters above U+FFFF as two halves."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class _Group(NamedTuple):
    """An open group: where its pieces go, and whether they are hidden here."""

    into: list[str]
    hiding: frozenset[str]


class _Settling:
    """Takes the source piece by piece: keeps it, leaves it out, or moves it to the end."""

    def __init__(self) -> None:
        self.warnings: set[str] = set()
        self._body: list[str] = []
        self._asides: list[list[str]] = []
        self._groups = [_Group(self._body, frozenset())]

    def take(self, piece: str, word: str, number: str | None) -> None:
        """Take the next piece."""
        group = self._groups[-1]
        if piece == "{":
            self._open(group)
        elif piece == "}":
            self._close(group)
        elif word in _HIDING:
            self.warnings.add(_HIDING[word])
            changed = {word} if number != "0" else set()
            self._groups[-1] = group._replace(hiding=group.hiding - {word} | changed)
        elif word == "plain":
            self._groups[-1] = group._replace(hiding=frozenset())
            group.into.append(piece)
        elif word in _ASIDE:
            aside = ["{\\par "]
            self._asides.append(aside)
            self._groups[-1] = group._replace(into=aside)
        elif not group.hiding or word in _KEPT_WHERE_HIDDEN:
            self._keep(group, piece, word)

    def source(self) -> str:
        """The kept source, in its new order."""
        body = "".join(self._body)
        end = body.rfind("}")
        once = dict.fromkeys(
            "".join(aside) for aside in self._asides
        )  # sections repeat their headers
        return body[:end] + "".join(once) + body[end:]

    def _open(self, group: _Group) -> None:
        if len(self._groups) > _GROUPS_DEEP_MAX:
            raise CannotRead(Unreadable.TOO_DEEP)
        group.into.append("{")
        self._groups.append(group)

    def _close(self, group: _Group) -> None:
        if len(self._groups) > 1:
            self._groups.pop()
        if group.into is not self._groups[-1].into:
            group.into.append("}")
        self._groups[-1].into.append("}")

    def _keep(self, group: _Group, piece: str, word: str) -> None:
        if word in _TELLING:
            self.warnings.add(_TELLING[word])
        group.into.append(piece)
