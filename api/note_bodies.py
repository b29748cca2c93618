"""What the bodies of both kinds of notes have in common, whatever the contract calls their fields."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

from domain.value import Role

NoteIds = Mapping[str, Any]
"""Ids by the names that the domain gives them; None: the request does not name it."""


class DraftFields(NamedTuple):
    """What a body says of the new version; `text_field` is what the contract calls its text."""

    text: str | dict[str, Any]
    text_field: str = "data"
    dated: datetime | None = None
    is_override: bool | None = None
    sender_role: Literal[Role.THERAPIST, Role.ML] = Role.THERAPIST


class SaveBody(Protocol):
    """The body of any save."""

    @property
    def therapist_session_id(self) -> int | None:
        """The session that the version belongs to."""

    @property
    def is_approved(self) -> bool | None:
        """Whether the version is approved by this save."""

    @property
    def signature(self) -> str | None:
        """The signature, in Base64."""

    def draft_fields(self) -> DraftFields:
        """What it says of the new version."""


class ChangeBody(SaveBody, Protocol):
    """The body of a new version of a note; it may name the note's ids."""

    def ids(self) -> NoteIds:
        """Client, therapist, relationship and record type."""


class CreateBody(SaveBody, Protocol):
    """The body of a save that creates a note where it names none."""

    @property
    def id(self) -> int | None:
        """The note, where it is there already."""

    def whole(self) -> bytes:
        """The body in one form, for an Idempotency-Key."""

    @property
    def record_type(self) -> int:
        """The note's record type."""

    @property
    def client_user_id(self) -> int:
        """The client that the note is about."""

    @property
    def therapist_user_id(self) -> int:
        """The therapist whose note it is."""

    @property
    def therapist_client_id(self) -> int:
        """The relationship of the two."""


class AmendmentBody(Protocol):
    """The body of an amendment of a history entry."""

    @property
    def data(self) -> str:
        """The text."""

    @property
    def reason(self) -> str | None:
        """Why it is amended."""

    @property
    def therapist_session_id(self) -> int | None:
        """The session of the entry."""

    def ids(self) -> NoteIds:
        """Client, therapist, relationship and record type."""

    def approval_field(self) -> str | None:
        """The field by which it asks for an approval, which no amendment gives; None where it does not."""
