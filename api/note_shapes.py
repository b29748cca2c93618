"""Notes and history entries under the names that the contract gives their fields.

One table of fields for both kinds of notes; each answer's model takes those that it prints.
"""

from typing import Any, Final

from fastapi import Response
from pydantic import BaseModel

from api.inputs import etag
from api.operations import JSON
from api.therapist_note_shapes import FileContent
from domain.note_facts import NoteApproved, NoteVersion
from projections.history import HistoryEntry
from projections.notes import CurrentNote

BASE: Final = "/apis/therapistnotes"
Fields = dict[str, Any]


def note_fields(note: CurrentNote) -> Fields:
    """What the short forms and the look-ups print."""
    saved = note.saved
    text = text_of(saved)
    return _version_fields(saved) | {
        "id": note.note_id,
        "data": text,
        "therapist_data": text,
        "created_user_id": note.created_by,
        "updated_user_id": saved.by.user_id,
        "create_timestamp": note.created_at,
        "update_timestamp": saved.at,
    }


def long_note_fields(note: CurrentNote) -> Fields:
    """What the long forms print besides: the ML service's text, the files, the newest save's history entry."""
    words = note.saved.words
    return note_fields(note) | {
        "ml_data": (words.ml_text if words else None) or "",
        "history": entry_fields(_newest_entry(note)),
        "file_content_json": _files(note.saved),
    }


def entry_fields(entry: HistoryEntry) -> Fields:
    """What the histories print."""
    saved, newest = entry.saved, entry.amended or entry.saved
    return _version_fields(saved) | {
        "id": entry.position,
        "data": _amended_text(entry),
        "therapist_notes_id": entry.note_id,
        "therapist_soapnotes_id": entry.note_id,
        "created_user_id": saved.by.user_id,
        "updated_user_id": newest.by.user_id,
        "session_start_time": entry.session_starts_at,
        "session_end_time": entry.session_ends_at,
        "create_timestamp": saved.at,
        "update_timestamp": newest.at,
    }


def _version_fields(saved: NoteVersion) -> Fields:
    return {
        "record_type": saved.record_type,
        "therapistnotes_notetype_id": saved.record_type,
        "therapist_notes_notetypeid": saved.record_type,
        "client_user_id": saved.client_user_id,
        "therapist_user_id": saved.therapist_user_id,
        "therapist_client_id": saved.therapist_client_id,
        "therapist_session_id": saved.therapist_session_id,
        "date": saved.dated,
        "attachment": file_url(saved.note_id, saved.attachments[0]) if saved.attachments else "",
        "is_approved": isinstance(saved, NoteApproved),
        "is_override": saved.is_override,
        "signature": saved.words.signature if saved.words else None,
    }


def text_of(saved: NoteVersion) -> str:
    """What the version says; nothing once its words were erased."""
    return saved.words.text if saved.words else ""


def _amended_text(entry: HistoryEntry) -> str:
    if entry.amended and entry.amended.words:
        return entry.amended.words.text
    return text_of(entry.saved)


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


def file_url(note_id: int, digest: str) -> str:
    """Where a file of a note is fetched."""
    return f"{BASE}/recordtype/{note_id}/files/{digest}/"


def _files(saved: NoteVersion) -> list[FileContent] | None:
    if not saved.words or not saved.words.files:
        return None
    return [
        FileContent(**file.model_dump(), url=file_url(saved.note_id, digest))
        for file, digest in zip(saved.words.files, saved.attachments, strict=True)
    ]


def note_answer(
    shape: type[BaseModel],
    fields: Fields,
    version: int,
    status: int = 200,
    location: str | None = None,
) -> Response:
    """One note, with its version as ETag."""
    headers = {"ETag": etag(version)}
    if location:
        headers["Location"] = location
    return Response(shape.model_validate(fields).model_dump_json(), status, headers, JSON)
