"""Zip packages (DOCX, ODT): which of the two it is, and its parts as XML, within a bound of bytes.

The sizes that a zip file gives may be false: the bytes that come out are counted.
"""

import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any, Final

from lxml import etree

from handlers.formats.outcome import CannotRead, Unreadable

ENTRIES_MAX: Final = 10_000
_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
)
_IS_ENCRYPTED: Final = 1
"""The flag bit of an encrypted entry (APPNOTE.TXT, 4.4.4)."""


class Package:
    """An opened zip file, and how many bytes may still come out of it."""

    def __init__(self, content: bytes, unpacked_bytes_max: int) -> None:
        """Raises CannotRead."""
        self._left = unpacked_bytes_max
        try:
            self._zip = zipfile.ZipFile(BytesIO(content))
        except _BROKEN:
            raise CannotRead(Unreadable.DAMAGED) from None
        self.names = frozenset(self._zip.namelist())
        if len(self.names) > ENTRIES_MAX:
            raise CannotRead(Unreadable.TOO_LARGE_UNPACKED)

    def read(self, name: str) -> bytes:
        """A part's bytes. Raises CannotRead."""
        try:
            entry = self._zip.getinfo(name)
            if entry.flag_bits & _IS_ENCRYPTED:
                raise CannotRead(Unreadable.ENCRYPTED)
            with self._zip.open(entry) as part:
                content = part.read(self._left + 1)
        except KeyError:
            raise CannotRead(Unreadable.DAMAGED) from None
        except _BROKEN:
            raise CannotRead(Unreadable.DAMAGED) from None
        self._left -= len(content)
        if self._left < 0:
            raise CannotRead(Unreadable.TOO_LARGE_UNPACKED)
        return content

    def xml(self, name: str) -> Any:
        """A part as a tree of elements: no entity is resolved, nothing fetched. Raises CannotRead."""
        content = self.read(name)
        parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        try:
            root = etree.fromstring(content, parser)
        except etree.XMLSyntaxError as error:
            # The parser's own bound on depth; its sentence quotes names, ours does not.
            is_deep = "depth" in str(error) or "nesting" in str(error)
            raise CannotRead(Unreadable.TOO_DEEP if is_deep else Unreadable.DAMAGED) from None
        declared = root.getroottree().docinfo.internalDTD
        if declared is not None and next(declared.iterentities(), None) is not None:
            raise CannotRead(Unreadable.DAMAGED)  # neither format has any: no program writes such
        return root

    def has_encrypted_parts(self) -> bool:
        """Whether some entry is encrypted by the zip's own means."""
        return any(entry.flag_bits & _IS_ENCRYPTED for entry in self._zip.infolist())

    def names_under(self, folder: str) -> Iterator[str]:
        """The parts of a folder."""
        return (name for name in self.names if name.startswith(folder))


def local(element: Any) -> str:
    """An element's name without its namespace; empty for comments and the like."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def value(element: Any, name: str) -> str | None:
    """An attribute by its name without namespace."""
    for key, found in element.items():
        if key.rpartition("}")[2] == name:
            return str(found)
    return None
