"""One file from standard input to JSON on standard output, inside the confinement.

The answer is `media_type`, `pages`, `text` and `warnings`, or `media_type` and `unreadable`, the
name of the reason. Every error becomes one of the reasons: an exception's text may hold words.
"""

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO, Final

from handlers.formats import recognise
from handlers.formats.outcome import CUT, REPLACED, UNKNOWN, Bounds, CannotRead, Found, Unreadable
from handlers.formats.plain import decoded, redecoded_as_declared

_CONTROLS: Final = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_LINE_END: Final = re.compile("\r\n?|[\x85\u2028\u2029]")
_BULLET: Final = re.compile("(?m)(?<=^)[ \t]*[\ue000-\uf8ff](?=\\s)")
_PRIVATE: Final = re.compile("[\ue000-\uf8ff]")
"""Characters of symbol fonts, whose glyphs are unknown here; at the start of a line they are its bullet."""
_GAPS: Final = re.compile(r"\n{3,}")


def main(source: BinaryIO, sink: BinaryIO, *arguments: Any) -> None:
    """Read within `Bounds(*arguments)`, and write the answer."""
    bounds = Bounds(*arguments)
    answer: dict[str, object] = {"media_type": UNKNOWN}
    try:
        content = source.read()
        answer["media_type"] = kind = recognise.recognise(content)
        answer["media_type"], read = _reader(content, kind, bounds)
        found = read()
        answer["text"], answer["warnings"] = _text(found, bounds.text_bytes_max)
        answer["pages"] = found.pages
    except CannotRead as cannot:
        answer["unreadable"] = cannot.reason.name
    except MemoryError:
        answer["unreadable"] = Unreadable.TOO_MUCH_MEMORY.name
    except RecursionError:
        answer["unreadable"] = Unreadable.TOO_DEEP.name
    except Exception:  # whatever a parser trips over
        answer["unreadable"] = Unreadable.DAMAGED.name
    sink.write(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace"))


Reader = Callable[[], Found]


def _reader(content: bytes, media_type: str, bounds: Bounds) -> tuple[str, Reader]:
    """The reader of the media type. Its modules are imported only now: imports take most of the time."""
    if media_type == recognise.PDF:
        from handlers.formats.pdf import read_pdf  # noqa: PLC0415

        return media_type, partial(read_pdf, content, bounds)
    if media_type == recognise.ZIP:
        return _reader_of_package(content, bounds)
    if media_type == recognise.RTF:
        from handlers.formats.rtf import read_rtf  # noqa: PLC0415

        return media_type, partial(read_rtf, content)
    if media_type == recognise.PLAIN:
        return _reader_of_text(content)
    from handlers.formats.ocr import read_image  # noqa: PLC0415

    return media_type, partial(read_image, content, bounds)


def _reader_of_package(content: bytes, bounds: Bounds) -> tuple[str, Reader]:
    from handlers.formats import docx, odt  # noqa: PLC0415
    from handlers.formats.package import Package  # noqa: PLC0415

    package = Package(content, bounds.unpacked_bytes_max)
    if (
        "mimetype" in package.names
        and package.read("mimetype").decode("latin-1") in odt.MEDIA_TYPES
    ):
        return odt.MEDIA_TYPE, partial(odt.read_odt, package)
    if main := docx.main_part(package):
        return main.media_type, partial(docx.read_docx, package, main)
    raise CannotRead(Unreadable.NOT_RECOGNISED)


def _reader_of_text(content: bytes) -> tuple[str, Reader]:
    text = decoded(content)
    if recognise.kind_of_text(text) == recognise.PLAIN:
        return recognise.PLAIN, lambda: Found(None, [text], [])
    from handlers.formats.html import read_html  # noqa: PLC0415

    return recognise.HTML, partial(read_html, redecoded_as_declared(content, text))


def _text(found: Found, bytes_max: int) -> tuple[str, list[str]]:
    """The normalised text, within the bound, and all warnings."""
    pieces, size = [], 0
    for piece in found.pieces:
        pieces.append(piece)
        size += len(piece.encode("utf-8", "replace"))
        if size > bytes_max:
            break
    text = _in_one_form(
        "".join(pieces).encode("utf-8", "replace")[:bytes_max].decode("utf-8", "ignore")
    )
    if not text:
        raise CannotRead(Unreadable.NO_TEXT)
    warnings = list(found.warnings)
    if size > bytes_max:
        warnings.append(CUT)
    if "\ufffd" in text:
        warnings.append(REPLACED)
    return text, warnings


def _in_one_form(text: str) -> str:
    """Normalise: line feeds only, no control characters, no trailing blanks, no runs of empty lines."""
    text = _CONTROLS.sub("", _LINE_END.sub("\n", text))
    text = _PRIVATE.sub("\ufffd", _BULLET.sub("•", text))
    lines = (line.rstrip() for line in text.split("\n"))
    return _GAPS.sub("\n\n", "\n".join(lines)).strip("\n")
