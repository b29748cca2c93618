"""The bodies of therapist notes, as the contract prints them: field names, types, nullability.

Fields that the printed request has and the server decides (who, when, `history`) are accepted,
so that what was read can be sent back, and change nothing.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from api.given import GivenDate, GivenId, GivenSignature, GivenText
from domain.note_facts import NoteApproved, NoteVersion
from projections.history import HistoryEntry
from projections.notes import CurrentNote

BASE: Final = "/apis/therapistnotes"


class Given(BaseModel):
    """A request's body: a field that nobody would read is refused rather than lost.

    Types are those of JSON: `true` is not the id 1, and `"yes"` approves nothing.
    """

    model_config = ConfigDict(
        extra="forbid", hide_input_in_errors=True, populate_by_name=True, strict=True
    )


# --- answers


class NoteShort(BaseModel):
    """A note."""

    id: int
    data: str
    therapistnotes_notetype_id: int | None
    created_user_id: int | None
    updated_user_id: int | None
    client_user_id: int | None
    therapist_user_id: int | None
    therapist_client_id: int | None
    date: datetime
    attachment: str
    therapist_session_id: int | None


class NoteByType(BaseModel):
    """A note of one client and record type, with approval, signature and timestamps."""

    id: int
    data: str
    record_type: int | None
    created_user_id: int | None
    updated_user_id: int | None
    client_user_id: int | None
    therapist_user_id: int | None
    therapist_client_id: int | None
    date: datetime
    attachment: str
    therapist_session_id: int | None
    is_approved: bool
    signature: str | None
    create_timestamp: datetime
    update_timestamp: datetime


class TherapistNotesHistory(BaseModel):
    """A history entry of a note."""

    id: int
    data: str
    therapist_notes_id: int | None
    therapistnotes_notetype_id: int | None
    created_user_id: int | None
    updated_user_id: int | None
    client_user_id: int | None
    therapist_user_id: int | None
    therapist_client_id: int | None
    attachment: str
    therapist_session_id: int | None


class HistoryByType(BaseModel):
    """A history entry of one client and record type, with its timestamps."""

    id: int
    data: str
    record_type: int | None
    therapist_notes_id: int | None
    created_user_id: int | None
    updated_user_id: int | None
    client_user_id: int | None
    therapist_user_id: int | None
    therapist_client_id: int | None
    attachment: str
    therapist_session_id: int | None
    create_timestamp: datetime
    update_timestamp: datetime


class FileContent(BaseModel):
    """An attached file, and what was read of it. `url` answers with its bytes.

    `warnings` say what a reader of `text` should know; where there is no text, `unread` says why.
    """

    name: str
    media_type: str
    size: int
    sha256: str
    pages: int | None
    text: str | None
    warnings: list[str]
    unread: str | None
    url: str


class NoteLong(BaseModel):
    """A note in its long form. `file_content_json` describes the attached files."""

    id: int
    data: str
    therapistnotes_notetype_id: int | None
    created_user_id: int | None
    updated_user_id: int | None
    client_user_id: int | None
    therapist_user_id: int | None
    therapist_client_id: int | None
    create_timestamp: datetime | None
    update_timestamp: datetime | None
    history: TherapistNotesHistory
    file_content_json: Any
    therapist_session_id: int | None


# --- requests


class LookUp(Given):
    """Which client and record type. The printed serializer's other fields may come along."""

    record_type_id: GivenId = Field(
        validation_alias=AliasChoices(
            "record_type_id", "therapistnotes_notetype_id", "therapist_notes_notetypeid"
        )
    )
    client_user_id: GivenId
    data: Any = None
    date: Any = None
    therapist_notes_id: int | None = None
    created_user_id: int | None = None
    updated_user_id: int | None = None
    therapist_user_id: int | None = None
    therapist_client_id: int | None = None
    therapist_session_id: int | None = None


class Said(Given):
    """What a change may say of the note's ids; where said, they are those that it has."""

    therapistnotes_notetype_id: GivenId | None = None
    client_user_id: GivenId | None = None
    therapist_user_id: GivenId | None = None
    therapist_client_id: GivenId | None = None
    therapist_session_id: GivenId | None = None
    created_user_id: int | None = None
    updated_user_id: int | None = None


class NotePut(Said):
    """A new version of a note; with `is_approved`, an approved one."""

    data: GivenText
    date: GivenDate
    is_approved: bool | None = None
    signature: GivenSignature | None = None
    attachment: str | None = None


def printed_as_required(history: type[BaseModel]) -> Callable[[dict[str, Any]], None]:
    """The contract prints `history` as required; being read-only, it is that in answers alone."""

    def print_it(schema: dict[str, Any]) -> None:
        schema["required"] = [*schema.get("required", []), "history"]
        ref = f"#/components/schemas/{history.__name__}"
        schema["properties"]["history"] = {"$ref": ref, "readOnly": True}

    return print_it


class NoteLongPut(Said):
    """A new version of a note, from its long form."""

    model_config = ConfigDict(json_schema_extra=printed_as_required(TherapistNotesHistory))

    data: GivenText
    create_timestamp: GivenDate | None = None
    update_timestamp: GivenDate | None = None
    history: dict[str, Any] | None = None
    file_content_json: Any = None
    is_approved: bool | None = None
    signature: GivenSignature | None = None


class HistoryPut(Said):
    """An amendment of a history entry, and why."""

    data: GivenText
    therapist_notes_id: int | None = None
    attachment: str | None = None
    reason: GivenText | None = None


class Metadata(Given):
    """The part `metadata` of a save: JSON text."""

    id: GivenId | None = None
    data: GivenText | dict[str, Any]
    record_type: GivenId = Field(
        validation_alias=AliasChoices(
            "record_type", "therapistnotes_notetype_id", "therapist_notes_notetypeid"
        )
    )
    client_user_id: GivenId
    therapist_user_id: GivenId
    therapist_client_id: GivenId
    therapist_session_id: GivenId | None = None
    date: GivenDate | None = None
    is_approved: bool | None = None
    signature: GivenSignature | None = None


class Because(Given):
    """Why something is deleted or withdrawn."""

    reason: GivenText | None = None


# --- from what was read to what is answered


def short(note: CurrentNote) -> NoteShort:
    """Operations 1, 3, 4."""
    return NoteShort(
        id=note.note_id,
        data=text_of(note.saved),
        therapistnotes_notetype_id=note.saved.record_type,
        created_user_id=note.created_by,
        updated_user_id=note.saved.by.user_id,
        date=note.saved.dated,
        attachment=_attachment(note.saved),
        **whose(note.saved),
    )


def by_type(note: CurrentNote) -> NoteByType:
    """Operation 2."""
    return NoteByType(
        id=note.note_id,
        data=text_of(note.saved),
        record_type=note.saved.record_type,
        created_user_id=note.created_by,
        updated_user_id=note.saved.by.user_id,
        date=note.saved.dated,
        attachment=_attachment(note.saved),
        is_approved=isinstance(note.saved, NoteApproved),
        signature=note.saved.words.signature if note.saved.words else None,
        create_timestamp=note.created_at,
        update_timestamp=note.saved.at,
        **whose(note.saved),
    )


def long(note: CurrentNote, entry: HistoryEntry) -> NoteLong:
    """Operations 11 to 14."""
    return NoteLong(
        id=note.note_id,
        data=text_of(note.saved),
        therapistnotes_notetype_id=note.saved.record_type,
        created_user_id=note.created_by,
        updated_user_id=note.saved.by.user_id,
        create_timestamp=note.created_at,
        update_timestamp=note.saved.at,
        history=history(entry),
        file_content_json=_files(note.saved),
        **whose(note.saved),
    )


def history(entry: HistoryEntry) -> TherapistNotesHistory:
    """Operations 6, 8, 9."""
    return TherapistNotesHistory(
        id=entry.position,
        data=amended_text(entry),
        therapist_notes_id=entry.note_id,
        therapistnotes_notetype_id=entry.saved.record_type,
        created_user_id=entry.saved.by.user_id,
        updated_user_id=(entry.amended or entry.saved).by.user_id,
        attachment=_attachment(entry.saved),
        **whose(entry.saved),
    )


def history_by_type(entry: HistoryEntry) -> HistoryByType:
    """Operation 7."""
    return HistoryByType(
        id=entry.position,
        data=amended_text(entry),
        record_type=entry.saved.record_type,
        therapist_notes_id=entry.note_id,
        created_user_id=entry.saved.by.user_id,
        updated_user_id=(entry.amended or entry.saved).by.user_id,
        attachment=_attachment(entry.saved),
        create_timestamp=entry.saved.at,
        update_timestamp=(entry.amended or entry.saved).at,
        **whose(entry.saved),
    )


def amended_text(entry: HistoryEntry) -> str:
    """What the entry says: its amendment, or what was saved."""
    if entry.amended and entry.amended.words:
        return entry.amended.words.text
    return text_of(entry.saved)


def file_url(note_id: int, digest: str) -> str:
    """Where a file of a note is fetched."""
    return f"{BASE}/recordtype/{note_id}/files/{digest}/"


def text_of(saved: NoteVersion) -> str:
    """What the version says; nothing once its words were erased."""
    return saved.words.text if saved.words else ""


def whose(saved: NoteVersion) -> dict[str, Any]:
    """The ids that every form of a note names."""
    return {
        "client_user_id": saved.client_user_id,
        "therapist_user_id": saved.therapist_user_id,
        "therapist_client_id": saved.therapist_client_id,
        "therapist_session_id": saved.therapist_session_id,
    }


def _attachment(saved: NoteVersion) -> str:
    return file_url(saved.note_id, saved.attachments[0]) if saved.attachments else ""


def _files(saved: NoteVersion) -> list[FileContent] | None:
    if not saved.words or not saved.words.files:
        return None
    return [
        FileContent(**file.model_dump(), url=file_url(saved.note_id, digest))
        for file, digest in zip(saved.words.files, saved.attachments, strict=True)
    ]
