"""DOCX: headers, body, footers, notes, as a reader of the accepted document sees them.

Left out: deleted and hidden text, placeholders, field codes, comments. Source: ECMA-376 part 1,
chapter 17 (WordprocessingML), in its transitional and its strict namespace.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from handlers.formats.layout import Lines, row
from handlers.formats.outcome import COMMENTS, HIDDEN, MACROS, SOME_ENCRYPTED, TRACKED, Found
from handlers.formats.package import Package, local, value

MEDIA_TYPE: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
WITH_MACROS: Final = "application/vnd.ms-word.document.macroEnabled.12"
CONTENT_TYPES: Final = "[Content_Types].xml"

_WORD: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_MAIN: Final = {
    f"{_WORD}.document.main+xml": MEDIA_TYPE,
    f"{_WORD}.template.main+xml": MEDIA_TYPE,
    "application/vnd.ms-word.document.macroEnabled.main+xml": WITH_MACROS,
    "application/vnd.ms-word.template.macroEnabledTemplate.main+xml": WITH_MACROS,
}
"""The content types that the document's part may have."""
_WORDS: Final = frozenset((
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "http://purl.oclc.org/ooxml/wordprocessingml/main",
    "http://schemas.openxmlformats.org/officeDocument/2006/math",
    "http://purl.oclc.org/ooxml/officeDocument/math",
))  # fmt: skip
_GONE: Final = frozenset(("del", "moveFrom", "delText", "delInstrText"))
_NEW: Final = frozenset(("ins", "moveTo"))
_UNREAD: Final = frozenset(
    ("instrText", "Fallback", "rt", "sectPr", "tblPr", "tblGrid", "trPr", "tcPr")
)
_PRINTED: Final = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_OFF: Final = frozenset(("0", "false", "off"))
_BOXES: Final = {"F0A8": "☐", "F06F": "☐", "F0FE": "☒", "F052": "☑", "F0FC": "✓", "F0FB": "✗"}
"""Where Wingdings has its boxes and ticks: forms are filled in with them."""


class Main(NamedTuple):
    """The main part's name, the media type of the whole file, and the type of each part."""

    name: str
    media_type: str
    types: dict[str, str]


def main_part(package: Package) -> Main | None:
    """The main part; None where the package is no DOCX."""
    if CONTENT_TYPES not in package.names:
        return None
    types = {
        (value(entry, "PartName") or "").lstrip("/"): value(entry, "ContentType") or ""
        for entry in package.xml(CONTENT_TYPES)
        if local(entry) == "Override"
    }
    for name, content_type in types.items():
        if content_type in _MAIN:
            return Main(name, _MAIN[content_type], types)
    return None


def read_docx(package: Package, main: Main) -> Found:
    """All text of the document. Raises CannotRead."""
    reader = _Reader(_hidden_styles(package, main.types))
    found = list(_lines(package, main, reader))
    warnings = [warning for warning, is_so in _looked_for(package, main.types) if is_so]
    return Found(None, (line + "\n" for line in found), warnings + sorted(reader.warnings))


def _lines(package: Package, main: Main, reader: "_Reader") -> Iterator[str]:
    for kind in ("header", "", "footer", "footnotes", "endnotes"):
        seen = set()
        for name in _named(package, main.types, f".{kind}+xml") if kind else [main.name]:
            lines = reader.lines(package.xml(name))
            if "\n".join(lines) not in seen:  # sections repeat their headers
                seen.add("\n".join(lines))
                yield from lines


def _named(package: Package, types: dict[str, str], kind: str) -> list[str]:
    return sorted(name for name in types if types[name].endswith(kind) and name in package.names)


def _looked_for(package: Package, types: dict[str, str]) -> Iterator[tuple[str, bool]]:
    yield MACROS, any(name.lower().endswith("vbaproject.bin") for name in package.names)
    yield COMMENTS, bool(_named(package, types, ".comments+xml"))
    yield SOME_ENCRYPTED, package.has_encrypted_parts()


def _hidden_styles(package: Package, types: dict[str, str]) -> frozenset[str]:
    """The styles that themselves hide their text."""
    return frozenset(
        value(style, "styleId") or ""
        for name in _named(package, types, ".styles+xml")
        for style in package.xml(name)
        if local(style) == "style" and _is_on(_child(_child(style, "rPr"), "vanish"))
    )


def _child(element: Any, name: str) -> Any:
    """The first child of that name."""
    if element is not None:
        for child in element:
            if local(child) == name:
                return child
    return None


def _is_on(toggle: Any) -> bool:
    """Whether a toggle property is there and not switched off."""
    return toggle is not None and value(toggle, "val") not in _OFF


class _Reader:
    """Walks a part in reading order, and notes what is left out.

    Recursion is as deep as the part is nested, which the parser bounds.
    """

    def __init__(self, hidden_styles: frozenset[str]) -> None:
        self.hidden_styles = hidden_styles
        self.warnings: set[str] = set()

    def lines(self, part: Any) -> list[str]:
        """The paragraphs and tables of an element."""
        lines = Lines()
        self._blocks(part, lines)
        return lines.finished()

    def _blocks(self, element: Any, lines: Lines) -> None:
        for child in element:
            match local(child):
                case "p":
                    self._paragraph(child, lines)
                case "tbl":
                    lines.add(self._table(child))
                case _:
                    self._other(child, lines)

    def _other(self, child: Any, lines: Lines) -> None:
        """Elements that hold blocks or runs: content controls, links, insertions, fields, drawings."""
        name = local(child)
        if name in _GONE:
            self.warnings.add(TRACKED)
        elif name in _NEW:
            self.warnings.add(TRACKED)
            self._blocks(child, lines)
        elif name == "sdt":
            if _child(_child(child, "sdtPr"), "showingPlcHdr") is None:
                self._blocks(child, lines)
        elif name == "r":
            self._run(child, lines)
        elif name == "txbxContent":
            lines.hang(self.lines(child))
        elif name == "AlternateContent":
            self._blocks(_child(child, "Choice") if _has_choice(child) else child, lines)
        elif name and name not in _UNREAD and not name.endswith("Pr"):
            self._inline(child, name, lines)

    def _inline(self, child: Any, name: str, lines: Lines) -> None:
        if name == "t":
            if child.tag[1:].partition("}")[0] in _WORDS:
                lines.write(child.text or "")
        elif name in _PRINTED:
            lines.write(_PRINTED[name])
        elif name == "sym":
            lines.write(_BOXES.get((value(child, "char") or "").upper(), ""))
        elif name == "checkBox":
            checked = _child(child, "checked")
            is_checked = _is_on(_child(child, "default") if checked is None else checked)
            lines.write("☒" if is_checked else "☐")
        else:
            self._blocks(child, lines)

    def _paragraph(self, paragraph: Any, lines: Lines) -> None:
        self._blocks(paragraph, lines)
        mark = _child(_child(paragraph, "pPr"), "rPr")
        if _child(mark, "del") is not None or _child(mark, "moveFrom") is not None:
            self.warnings.add(TRACKED)  # the mark is gone: the next paragraph goes on in this one
        else:
            lines.end_paragraph()

    def _run(self, run: Any, lines: Lines) -> None:
        properties = _child(run, "rPr")
        vanish, style = _child(properties, "vanish"), _child(properties, "rStyle")
        is_hidden = (
            _is_on(vanish)
            if vanish is not None
            else style is not None and value(style, "val") in self.hidden_styles
        )
        if is_hidden:
            self.warnings.add(HIDDEN)
        else:
            self._blocks(run, lines)

    def _table(self, table: Any) -> Iterator[str]:
        for table_row in _of_table(table, "tr"):
            properties = _child(table_row, "trPr")
            if _child(properties, "del") is not None:
                self.warnings.add(TRACKED)
                continue
            yield from row([self.lines(cell) for cell in _of_table(table_row, "tc")])


def _has_choice(alternate: Any) -> bool:
    """Whether the newer form is there; its text is the same as the fallback's."""
    return _child(alternate, "Choice") is not None


def _of_table(element: Any, name: str) -> Iterator[Any]:
    """Rows or cells, also of those that a content control or an insertion holds."""
    for child in element:
        if local(child) == name:
            yield child
        elif local(child) in {"sdt", "sdtContent", "ins", "customXml", "smartTag"}:
            yield from _of_table(child, name)
