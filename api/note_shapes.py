"""Notes and history entries under the names that the contract gives their fields.

One table of fields serves both kinds of notes; an answer takes those that its model prints.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final

from pydantic import BaseModel

from api.therapist_note_shapes import BASE, FileContent
from domain.note_facts import NoteApproved
from projections.history import HistoryEntry
from projections.notes import CurrentNote

Shown = CurrentNote | HistoryEntry
Field = Callable[[Any], Any]
"""What a field of an answer holds of a note or of a history entry."""


class AnswerShape:
    """A model, and how its fields are filled: from a note, or from a history entry.

    Raises KeyError where the model has a field that the table does not know.
    """

    def __init__(self, model: type[BaseModel], fields: Mapping[str, Field]) -> None:
        self.model = model
        self._fields = [(name, fields[name]) for name in model.model_fields]

    def of(self, shown: Shown) -> BaseModel:
        """The answer."""
        return self.model.model_validate({name: get(shown) for name, get in self._fields})


def file_url(note_id: int, digest: str) -> str:
    """Where a file of a note is fetched."""
    return f"{BASE}/recordtype/{note_id}/files/{digest}/"


def _is_erased(shown: Shown) -> bool:
    """A save always has words, until they are erased."""
    return shown.saved.words is None


def _text(shown: Shown) -> str:
    """What was saved; nothing once its words were erased."""
    words = shown.saved.words
    return words.text if words else ""


def _amended_text(entry: HistoryEntry) -> str:
    if entry.amended and entry.amended.words:
        return entry.amended.words.text
    return _text(entry)


def _ml_text(note: CurrentNote) -> str:
    words = note.saved.words
    return (words.ml_text if words else None) or ""


def _signature(shown: Shown) -> str | None:
    words = shown.saved.words
    return words.signature if words else None


def _attachment(shown: Shown) -> str:
    saved = shown.saved
    return file_url(saved.note_id, saved.attachments[0]) if saved.attachments else ""


def _files(note: CurrentNote) -> list[FileContent] | None:
    saved = note.saved
    if not saved.words or not saved.words.files:
        return None
    return [
        FileContent(**file.model_dump(), url=file_url(saved.note_id, digest))
        for file, digest in zip(saved.words.files, saved.attachments, strict=True)
    ]


def _newest_entry(note: CurrentNote) -> HistoryEntry:
    return HistoryEntry(
        note.position,
        note.note_id,
        note.version,
        note.session_starts_at,
        note.session_ends_at,
        note.saved,
        note.amended,
    )


_VERSION_FIELDS: Final[Mapping[str, Field]] = {
    "record_type": attrgetter("saved.record_type"),
    "therapistnotes_notetype_id": attrgetter("saved.record_type"),
    "therapist_notes_notetypeid": attrgetter("saved.record_type"),
    "client_user_id": attrgetter("saved.client_user_id"),
    "therapist_user_id": attrgetter("saved.therapist_user_id"),
    "therapist_client_id": attrgetter("saved.therapist_client_id"),
    "therapist_session_id": attrgetter("saved.therapist_session_id"),
    "date": attrgetter("saved.dated"),
    "attachment": _attachment,
    "is_approved": lambda shown: isinstance(shown.saved, NoteApproved),
    "is_override": attrgetter("saved.is_override"),
    "signature": _signature,
    "erased": _is_erased,
}
NOTE_FIELDS: Final[Mapping[str, Field]] = {
    **_VERSION_FIELDS,
    "id": attrgetter("note_id"),
    "data": _text,
    "therapist_data": _text,
    "ml_data": _ml_text,
    "created_user_id": attrgetter("created_by"),
    "updated_user_id": attrgetter("saved.by.user_id"),
    "create_timestamp": attrgetter("created_at"),
    "update_timestamp": attrgetter("saved.at"),
    "file_content_json": _files,
}
"""Of a note; its `history`, which only the long forms have, differs by the kind of notes."""
ENTRY_FIELDS: Final[Mapping[str, Field]] = {
    **_VERSION_FIELDS,
    "id": attrgetter("position"),
    "data": _amended_text,
    "therapist_notes_id": attrgetter("note_id"),
    "therapist_soapnotes_id": attrgetter("note_id"),
    "created_user_id": attrgetter("saved.by.user_id"),
    "updated_user_id": lambda entry: (entry.amended or entry.saved).by.user_id,
    "session_start_time": attrgetter("session_starts_at"),
    "session_end_time": attrgetter("session_ends_at"),
    "create_timestamp": attrgetter("saved.at"),
    "update_timestamp": lambda entry: (entry.amended or entry.saved).at,
}


def long_note_fields(entry: AnswerShape) -> Mapping[str, Field]:
    """The fields of a note with its newest save's history entry."""
    return {**NOTE_FIELDS, "history": lambda note: entry.of(_newest_entry(note))}
