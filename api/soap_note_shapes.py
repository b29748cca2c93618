"""The bodies of SOAP notes, as the contract prints them: field names, types, nullability.

`ml_data` is what the ML service drafted, `therapist_data` what the therapist makes of it.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from api.given import GivenDate, GivenId, GivenSignature, GivenText
from api.therapist_note_shapes import (
    Given,
    LookUp,
    amended_text,
    printed_as_required,
    text_of,
    whose,
)
from domain.note_facts import NoteApproved, NoteVersion
from domain.value import Role
from projections.history import HistoryEntry
from projections.notes import CurrentNote

# --- answers


class SoapShort(BaseModel):
    """A SOAP note."""

    id: int
    therapist_data: str
    is_override: bool | None
    therapist_notes_notetypeid: int | None
    created_user_id: int | None
    updated_user_id: int | None
    client_user_id: int | None
    therapist_user_id: int | None
    therapist_client_id: int | None
    is_approved: bool | None
    signature: str | None
    date: datetime
    therapist_session_id: int | None


class SoapByType(BaseModel):
    """A SOAP note of one client and record type, with its timestamps."""

    id: int
    data: str
    record_type: int | None
    is_override: bool | None
    created_user_id: int | None
    updated_user_id: int | None
    client_user_id: int | None
    therapist_user_id: int | None
    therapist_client_id: int | None
    is_approved: bool | None
    signature: str | None
    date: datetime
    therapist_session_id: int | None
    create_timestamp: datetime
    update_timestamp: datetime


class TherapistSoapHistory(BaseModel):
    """A history entry of a SOAP note, with the times of its session."""

    id: int
    data: str
    is_override: bool | None
    therapist_notes_notetypeid: int | None
    created_user_id: int | None
    updated_user_id: int | None
    client_user_id: int | None
    therapist_user_id: int | None
    therapist_client_id: int | None
    therapist_soapnotes_id: int | None
    therapist_session_id: int | None
    session_start_time: datetime | None
    session_end_time: datetime | None
    is_approved: bool | None
    signature: str | None
    date: datetime


class SoapHistoryByType(BaseModel):
    """A history entry of one client and record type, with its timestamps."""

    id: int
    data: str
    record_type: int | None
    is_override: bool | None
    created_user_id: int | None
    updated_user_id: int | None
    client_user_id: int | None
    therapist_user_id: int | None
    therapist_client_id: int | None
    therapist_soapnotes_id: int | None
    therapist_session_id: int | None
    session_start_time: datetime | None
    session_end_time: datetime | None
    is_approved: bool | None
    signature: str | None
    date: datetime
    create_timestamp: datetime
    update_timestamp: datetime


class SoapLong(BaseModel):
    """A SOAP note in its long form."""

    id: int
    ml_data: str
    therapist_data: str
    is_override: bool | None
    therapist_notes_notetypeid: int | None
    created_user_id: int | None
    updated_user_id: int | None
    client_user_id: int | None
    therapist_user_id: int | None
    therapist_client_id: int | None
    create_timestamp: datetime | None
    update_timestamp: datetime | None
    history: TherapistSoapHistory
    is_approved: bool | None
    signature: str | None
    therapist_session_id: int | None


# --- requests


class SoapLookUp(LookUp):
    """Which client and record type. The printed serializers' other fields may come along."""

    therapist_data: Any = None
    is_override: Any = None
    therapist_soapnotes_id: Any = None
    is_approved: Any = None
    signature: Any = None


class SoapSaid(Given):
    """What a change may say of the note's ids; where said, they are those that it has."""

    therapist_notes_notetypeid: GivenId | None = None
    client_user_id: GivenId | None = None
    therapist_user_id: GivenId | None = None
    therapist_client_id: GivenId | None = None
    therapist_session_id: GivenId | None = None
    created_user_id: int | None = None
    updated_user_id: int | None = None
    is_override: bool | None = None
    is_approved: bool | None = None
    signature: GivenSignature | None


class SoapPut(SoapSaid):
    """A new version of the therapist's text; with `is_approved`, an approved one."""

    therapist_data: GivenText
    date: GivenDate


class SoapLongPut(SoapSaid):
    """A new version of the therapist's text, from the long form; `ml_data` is the ML service's."""

    model_config = ConfigDict(json_schema_extra=printed_as_required(TherapistSoapHistory))

    ml_data: GivenText
    therapist_data: GivenText
    create_timestamp: GivenDate | None = None
    update_timestamp: GivenDate | None = None
    history: dict[str, Any] | None = None


class SoapHistoryPut(SoapSaid):
    """An amendment of a history entry, and why. Approval and signature are not amended."""

    data: GivenText
    date: GivenDate
    therapist_soapnotes_id: int | None = None
    session_start_time: GivenDate | None = None
    session_end_time: GivenDate | None = None
    reason: GivenText | None = None


class SoapSave(Given):
    """Create a SOAP note, or with `id` save a new version of it."""

    id: GivenId | None = None
    data: GivenText | dict[str, Any]
    sender_role: Literal["ml", "therapist"]
    record_type: GivenId = Field(
        validation_alias=AliasChoices(
            "record_type", "therapist_notes_notetypeid", "therapistnotes_notetype_id"
        )
    )
    client_user_id: GivenId
    therapist_user_id: GivenId
    therapist_client_id: GivenId
    is_approved: bool
    is_override: bool | None = None
    signature: GivenSignature | None = None
    therapist_session_id: GivenId | None = None
    date: GivenDate | None = None


# --- from what was read to what is answered


def short(note: CurrentNote) -> SoapShort:
    """Operations 18, 20, 21."""
    return SoapShort(
        id=note.note_id,
        therapist_data=text_of(note.saved),
        therapist_notes_notetypeid=note.saved.record_type,
        created_user_id=note.created_by,
        updated_user_id=note.saved.by.user_id,
        date=note.saved.dated,
        **whose(note.saved),
        **_approval(note.saved),
    )


def by_type(note: CurrentNote) -> SoapByType:
    """Operation 19."""
    return SoapByType(
        id=note.note_id,
        data=text_of(note.saved),
        record_type=note.saved.record_type,
        created_user_id=note.created_by,
        updated_user_id=note.saved.by.user_id,
        date=note.saved.dated,
        create_timestamp=note.created_at,
        update_timestamp=note.saved.at,
        **whose(note.saved),
        **_approval(note.saved),
    )


def long(note: CurrentNote, entry: HistoryEntry) -> SoapLong:
    """Operations 33 to 36."""
    words = note.saved.words
    return SoapLong(
        id=note.note_id,
        ml_data=(words.ml_text if words else None) or "",
        therapist_data=text_of(note.saved),
        therapist_notes_notetypeid=note.saved.record_type,
        created_user_id=note.created_by,
        updated_user_id=note.saved.by.user_id,
        create_timestamp=note.created_at,
        update_timestamp=note.saved.at,
        history=history(entry),
        **whose(note.saved),
        **_approval(note.saved),
    )


def history(entry: HistoryEntry) -> TherapistSoapHistory:
    """Operations 23, 25, 26, 28, 30, 31."""
    return TherapistSoapHistory(
        therapist_notes_notetypeid=entry.saved.record_type, **_history_fields(entry)
    )


def history_by_type(entry: HistoryEntry) -> SoapHistoryByType:
    """Operations 24 and 29."""
    return SoapHistoryByType(
        record_type=entry.saved.record_type,
        create_timestamp=entry.saved.at,
        update_timestamp=(entry.amended or entry.saved).at,
        **_history_fields(entry),
    )


def _history_fields(entry: HistoryEntry) -> dict[str, Any]:
    return {
        "id": entry.position,
        "data": amended_text(entry),
        "created_user_id": entry.saved.by.user_id,
        "updated_user_id": (entry.amended or entry.saved).by.user_id,
        "therapist_soapnotes_id": entry.note_id,
        "session_start_time": entry.session_starts_at,
        "session_end_time": entry.session_ends_at,
        "date": entry.saved.dated,
        **whose(entry.saved),
        **_approval(entry.saved),
    }


def sender(role: Literal["ml", "therapist"]) -> Literal[Role.ML, Role.THERAPIST]:
    """The role that a save is sent in."""
    return Role.ML if role == "ml" else Role.THERAPIST


def _approval(saved: NoteVersion) -> dict[str, Any]:
    return {
        "is_override": saved.is_override,
        "is_approved": isinstance(saved, NoteApproved),
        "signature": saved.words.signature if saved.words else None,
    }
