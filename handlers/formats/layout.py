"""Paragraphs and tables as lines: what the readers of DOCX and ODT have in common."""

from collections.abc import Iterable, Sequence


class Lines:
    """Lines of paragraphs; a text box or note inside a paragraph comes after it."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self._current: list[str] = []
        self._after: list[list[str]] = []

    def write(self, text: str) -> None:
        """Go on with the current paragraph."""
        self._current.append(text)

    def end_paragraph(self) -> None:
        """End the paragraph, and add the lines that come after it."""
        self.done.append("".join(self._current))
        self._current = []
        after, self._after = self._after, []
        for lines in after:
            self.done += lines

    def hang(self, lines: list[str]) -> None:
        """Add lines after the current paragraph."""
        self._after.append(lines)

    def add(self, lines: Iterable[str]) -> None:
        """Whole lines, between paragraphs."""
        self.done += lines

    def finished(self) -> list[str]:
        """All lines."""
        if self._current or self._after:
            self.end_paragraph()
        return self.done


def row(cells: Sequence[Sequence[str]]) -> list[str]:
    """A table row: one line with tabs; if a cell has several lines, the cells one after the other."""
    filled = [[line for line in cell if line.strip()] for cell in cells]
    if all(len(cell) <= 1 for cell in filled):
        line = "\t".join(cell[0] if cell else "" for cell in filled)
        return [line.rstrip("\t")] if line.strip() else []
    return [line for cell in filled for line in cell]
