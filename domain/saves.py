"""Which versions of a note are saves, and of which type: a mapping that only grows."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from domain.note_facts import NoteVersion


class Saves(Mapping[int, type["NoteVersion"]]):
    """The type of each save by its version, newest first.

    A further save shares all that was there before: a note of n saves costs n steps to build, not n².
    To look an old version up takes as many steps as there are newer saves.
    """

    __slots__ = ("_before", "_length", "_type", "newest")

    newest: int

    def __init__(
        self, version: int, type_: type["NoteVersion"], before: Optional["Saves"] = None
    ) -> None:
        self.newest = version
        self._type = type_
        self._before = before
        self._length: int = before._length + 1 if before else 1

    def __getitem__(self, version: int) -> type["NoteVersion"]:
        """The type of the save of that version. Raises KeyError."""
        for save in self._chain():
            if save.newest <= version:
                if save.newest == version:
                    return save._type
                break
        raise KeyError(version)

    def __iter__(self) -> Iterator[int]:
        """The versions, newest first."""
        return (save.newest for save in self._chain())

    def __len__(self) -> int:
        """How many saves there are."""
        return self._length

    def _chain(self) -> Iterator["Saves"]:
        save: Saves | None = self
        while save is not None:
            yield save
            save = save._before
