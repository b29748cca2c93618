"""The bodies of therapist notes, as the contract prints them: field names, types, nullability.

Fields that the printed request has and the server decides (who, when, `history`) are accepted,
so that what was read can be sent back, and change nothing.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from api.erased import Erasable
from api.inputs import InputDate, InputId, InputSignature, InputText, RequestBody
from api.note_bodies import DraftFields

BASE: Final = "/apis/therapistnotes"

# --- answers


class NoteShort(Erasable):
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


class NoteByType(Erasable):
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


class TherapistNotesHistory(Erasable):
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


class HistoryByType(Erasable):
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


class NoteLong(Erasable):
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


class LookUp(RequestBody):
    """Which client and record type. The printed serializer's other fields may come along."""

    record_type_id: InputId = Field(
        validation_alias=AliasChoices(
            "record_type_id", "therapistnotes_notetype_id", "therapist_notes_notetypeid"
        )
    )
    client_user_id: InputId
    data: Any = None
    date: Any = None
    therapist_notes_id: int | None = None
    created_user_id: int | None = None
    updated_user_id: int | None = None
    therapist_user_id: int | None = None
    therapist_client_id: int | None = None
    therapist_session_id: int | None = None


class NoteChange(RequestBody):
    """What every change may say of the note's ids; where it names them, they are those that it has."""

    therapistnotes_notetype_id: InputId | None = None
    client_user_id: InputId | None = None
    therapist_user_id: InputId | None = None
    therapist_client_id: InputId | None = None
    therapist_session_id: InputId | None = None
    created_user_id: int | None = None
    updated_user_id: int | None = None

    def ids(self) -> dict[str, int | None]:
        """The ids, by the names that the domain gives them."""
        return {
            "record_type": self.therapistnotes_notetype_id,
            "client_user_id": self.client_user_id,
            "therapist_user_id": self.therapist_user_id,
            "therapist_client_id": self.therapist_client_id,
        }


class NotePut(NoteChange):
    """A new version of a note; with `is_approved`, an approved one."""

    data: InputText
    date: InputDate
    is_approved: bool | None = None
    signature: InputSignature | None = None
    attachment: str | None = None

    def draft_fields(self) -> DraftFields:
        """What it says of the new version."""
        return DraftFields(self.data, dated=self.date)


def printed_as_required(history: type[BaseModel]) -> Callable[[dict[str, Any]], None]:
    """The contract prints `history` as required; being read-only, it is that in answers alone."""

    def print_it(schema: dict[str, Any]) -> None:
        schema["required"] = [*schema.get("required", []), "history"]
        ref = f"#/components/schemas/{history.__name__}"
        schema["properties"]["history"] = {"$ref": ref, "readOnly": True}

    return print_it


class NoteLongPut(NoteChange):
    """A new version of a note, from its long form."""

    model_config = ConfigDict(json_schema_extra=printed_as_required(TherapistNotesHistory))

    data: InputText
    create_timestamp: InputDate | None = None
    update_timestamp: InputDate | None = None
    history: dict[str, Any] | None = None
    file_content_json: Any = None
    is_approved: bool | None = None
    signature: InputSignature | None = None

    def draft_fields(self) -> DraftFields:
        """What it says of the new version."""
        return DraftFields(self.data)


class HistoryPut(NoteChange):
    """An amendment of a history entry, and why."""

    data: InputText
    therapist_notes_id: int | None = None
    attachment: str | None = None
    reason: InputText | None = None

    def approval_field(self) -> str | None:
        """It has no such field."""
        return None


class Metadata(RequestBody):
    """The part `metadata` of a save: JSON text."""

    id: InputId | None = None
    data: InputText | dict[str, Any]
    record_type: InputId = Field(
        validation_alias=AliasChoices(
            "record_type", "therapistnotes_notetype_id", "therapist_notes_notetypeid"
        )
    )
    client_user_id: InputId
    therapist_user_id: InputId
    therapist_client_id: InputId
    therapist_session_id: InputId | None = None
    date: InputDate | None = None
    is_approved: bool | None = None
    signature: InputSignature | None = None

    def draft_fields(self) -> DraftFields:
        """What it says of the new version."""
        return DraftFields(self.data, dated=self.date)

    def whole(self) -> bytes:
        """The body in one form."""
        return self.model_dump_json().encode()


class Reason(RequestBody):
    """Why something is deleted or withdrawn."""

    reason: InputText | None = None
