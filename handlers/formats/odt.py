"""ODT: headers, body, footers, notes, as a reader of the accepted document sees them.

Deleted text of tracked changes stands apart from the text, in `text:tracked-changes`: it is left
out, as are hidden text and comments. Source: OASIS OpenDocument 1.3, part 3.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from handlers.formats.layout import Lines, row
from handlers.formats.outcome import (
    COMMENTS,
    HIDDEN,
    MACROS,
    SOME_ENCRYPTED,
    TRACKED,
    CannotRead,
    Found,
    Unreadable,
)
from handlers.formats.package import Package, local, value

MEDIA_TYPE: Final = "application/vnd.oasis.opendocument.text"
MEDIA_TYPES: Final = (MEDIA_TYPE, f"{MEDIA_TYPE}-template")


_SPACE: Final = re.compile(r"[ \t\r\n]+")
_SPACES_MAX: Final = 1_000
_COLUMNS_MAX: Final = 100
_LEFT_OUT: Final = {
    "tracked-changes": TRACKED,
    "annotation": COMMENTS,
    "hidden-text": HIDDEN,
    "hidden-paragraph": HIDDEN,
}
_UNREAD: Final = frozenset((
    "forms", "sequence-decls", "variable-decls", "user-field-decls", "title", "desc",
    "note-citation", "ruby-text", "binary-data", "covered-table-cell", "event-listeners",
))  # fmt: skip
_MASTER_PARTS: Final = (
    "header",
    "header-first",
    "header-left",
    "footer",
    "footer-first",
    "footer-left",
)


def read_odt(package: Package) -> Found:
    """All text of the document. Raises CannotRead."""
    if "META-INF/manifest.xml" in package.names:
        manifest = package.xml("META-INF/manifest.xml")
        if any(local(part) == "encryption-data" for part in manifest.iter()):
            raise CannotRead(Unreadable.ENCRYPTED)
    content = package.xml("content.xml")
    styles = package.xml("styles.xml") if "styles.xml" in package.names else None
    reader = _Reader(frozenset((*_hidden_styles(content), *_hidden_styles(styles))))
    masters = _masters(styles)
    body = next((child for child in content if local(child) == "body"), None)
    if body is None:
        raise CannotRead(Unreadable.DAMAGED)
    found = [
        *_once(reader, masters, "header"),
        *reader.lines(body),
        *_once(reader, masters, "footer"),
    ]
    warnings = [warning for warning, is_so in _looked_for(package) if is_so]
    return Found(None, (line + "\n" for line in found), warnings + sorted(reader.warnings))


def _looked_for(package: Package) -> Iterator[tuple[str, bool]]:
    scripts = (*package.names_under("Basic/"), *package.names_under("Scripts/"))
    yield MACROS, any(not name.endswith(("/", "-lc.xml")) for name in scripts)
    yield SOME_ENCRYPTED, package.has_encrypted_parts()


def _masters(styles: Any) -> list[Any]:
    """The headers and footers of the page styles, where they are shown."""
    if styles is None:
        return []
    return [
        part
        for part in styles.iter()
        if local(part) in _MASTER_PARTS and value(part, "display") != "false"
    ]


def _once(reader: "_Reader", masters: list[Any], kind: str) -> Iterator[str]:
    seen = set()
    for part in masters:
        if local(part).startswith(kind):
            found = reader.lines(part)
            if "\n".join(found) not in seen:
                seen.add("\n".join(found))
                yield from found


def _hidden_styles(part: Any) -> Iterator[str]:
    """The styles that themselves hide their text."""
    if part is None:
        return
    for style in part.iter():
        if local(style) == "style" and any(
            value(properties, "display") == "none"
            for properties in style
            if local(properties) == "text-properties"
        ):
            yield value(style, "name") or ""


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
            name = local(child)
            if name in {"p", "h"}:
                self._paragraph(child, lines)
            elif name == "table":
                lines.add(self._table(child))
            elif not self._is_left_out(child, name):
                self._blocks(child, lines)

    def _is_left_out(self, child: Any, name: str) -> bool:
        if name in _LEFT_OUT:
            if name != "hidden-paragraph" or value(child, "is-hidden") == "true":
                self.warnings.add(_LEFT_OUT[name])
            return True
        is_hidden = (name == "section" and value(child, "display") == "none") or (
            name in {"span", "p", "h"} and value(child, "style-name") in self.hidden_styles
        )
        if is_hidden:
            self.warnings.add(HIDDEN)
        return is_hidden or name in _UNREAD

    def _paragraph(self, paragraph: Any, lines: Lines) -> None:
        conceals = (child for child in paragraph.iter() if local(child) == "hidden-paragraph")
        if any(value(child, "is-hidden") == "true" for child in conceals) or self._is_left_out(
            paragraph, local(paragraph)
        ):
            self.warnings.add(HIDDEN)
            return
        inside = Lines()
        self._inline(paragraph, inside)
        inner = inside.finished() or [""]
        lines.add([inner[0].strip(" "), *inner[1:]])

    def _inline(self, element: Any, lines: Lines) -> None:
        """Text before, between and after the elements."""
        lines.write(_SPACE.sub(" ", element.text or ""))
        for child in element:
            name = local(child)
            if name == "s":
                lines.write(" " * min(int(value(child, "c") or 1), _SPACES_MAX))
            elif name == "tab":
                lines.write("\t")
            elif name == "line-break":
                lines.write("\n")
            elif name in {"text-box", "note-body"}:
                lines.hang(self.lines(child))
            elif name and not self._is_left_out(child, name):
                self._inline(child, lines)
            lines.write(_SPACE.sub(" ", child.tail or ""))

    def _table(self, table: Any) -> Iterator[str]:
        for table_row in table.iter():
            if local(table_row) == "table-row" and _table_of(table_row) is table:
                cells = (cell for cell in table_row if local(cell) == "table-cell")
                yield from row([self.lines(cell) for cell in cells])


def _table_of(table_row: Any) -> Any:
    """The table that the row is of; a cell may hold another one."""
    parent = table_row.getparent()
    while parent is not None and local(parent) != "table":
        parent = parent.getparent()
    return parent
