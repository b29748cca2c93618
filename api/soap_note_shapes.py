"""The bodies of SOAP notes, as the contract prints them: field names, types, nullability.

`ml_data` is what the ML service drafted, `therapist_data` what the therapist makes of it.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import AliasChoices, ConfigDict, Field

from api.erased import Erasable
from api.inputs import InputDate, InputId, InputSignature, InputText, RequestBody
from api.note_bodies import DraftFields
from api.therapist_note_shapes import LookUp, printed_as_required
from domain.value import Role

# --- answers


class SoapShort(Erasable):
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


class SoapByType(Erasable):
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


class TherapistSoapHistory(Erasable):
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


class SoapHistoryByType(Erasable):
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


class SoapLong(Erasable):
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


class SoapChange(RequestBody):
    """What every change may say of the note's ids; where it names them, they are those that it has."""

    therapist_notes_notetypeid: InputId | None = None
    client_user_id: InputId | None = None
    therapist_user_id: InputId | None = None
    therapist_client_id: InputId | None = None
    therapist_session_id: InputId | None = None
    created_user_id: int | None = None
    updated_user_id: int | None = None
    is_override: bool | None = None
    is_approved: bool | None = None
    signature: InputSignature | None

    def ids(self) -> dict[str, int | None]:
        """The ids, by the names that the domain gives them."""
        return {
            "record_type": self.therapist_notes_notetypeid,
            "client_user_id": self.client_user_id,
            "therapist_user_id": self.therapist_user_id,
            "therapist_client_id": self.therapist_client_id,
        }


class SoapPut(SoapChange):
    """A new version of the therapist's text; with `is_approved`, an approved one."""

    therapist_data: InputText
    date: InputDate

    def draft_fields(self) -> DraftFields:
        """What it says of the new version."""
        return DraftFields(self.therapist_data, "therapist_data", self.date, self.is_override)


class SoapLongPut(SoapChange):
    """A new version of the therapist's text, from the long form; `ml_data` is the ML service's."""

    model_config = ConfigDict(json_schema_extra=printed_as_required(TherapistSoapHistory))

    ml_data: InputText
    therapist_data: InputText
    create_timestamp: InputDate | None = None
    update_timestamp: InputDate | None = None
    history: dict[str, Any] | None = None

    def draft_fields(self) -> DraftFields:
        """What it says of the new version."""
        return DraftFields(self.therapist_data, "therapist_data", None, self.is_override)


class SoapHistoryPut(SoapChange):
    """An amendment of a history entry, and why. Approval and signature are not amended."""

    data: InputText
    date: InputDate
    therapist_soapnotes_id: int | None = None
    session_start_time: InputDate | None = None
    session_end_time: InputDate | None = None
    reason: InputText | None = None

    def approval_field(self) -> str | None:
        """The field by which it asks for an approval, which no amendment gives."""
        if self.is_approved:
            return "is_approved"
        return "signature" if self.signature else None


class SoapSave(RequestBody):
    """Create a SOAP note, or with `id` save a new version of it."""

    id: InputId | None = None
    data: InputText | dict[str, Any]
    sender_role: Literal["ml", "therapist"]
    record_type: InputId = Field(
        validation_alias=AliasChoices(
            "record_type", "therapist_notes_notetypeid", "therapistnotes_notetype_id"
        )
    )
    client_user_id: InputId
    therapist_user_id: InputId
    therapist_client_id: InputId
    is_approved: bool
    is_override: bool | None = None
    signature: InputSignature | None = None
    therapist_session_id: InputId | None = None
    date: InputDate | None = None

    def draft_fields(self) -> DraftFields:
        """What it says of the new version."""
        is_ml = self.sender_role == "ml"
        fields = DraftFields(self.data, "data", self.date, self.is_override)
        return fields._replace(sender_role=Role.ML) if is_ml else fields

    def whole(self) -> bytes:
        """The body in one form."""
        return self.model_dump_json().encode()
