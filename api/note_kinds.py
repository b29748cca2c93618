"""What differs between the two kinds of notes, as one value each; their operations are made from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Generic, NamedTuple

from api import soap_note_shapes as soap
from api import therapist_note_shapes as therapist
from api.note_bodies import AmendmentBody, ChangeBody
from api.note_shapes import ENTRY_FIELDS, NOTE_FIELDS, AnswerShape, long_note_fields
from api.requests import (
    JSON,
    OPTIONAL_REASON,
    BodyT_co,
    IdempotencyKey,
    IfVersion,
    PathId,
    PutRequest,
    TheCaller,
    TheForm,
)
from api.therapist_note_shapes import BASE, LookUp, Reason
from domain.note import NOTE, NoteAggregate
from domain.soap_note import SOAP_NOTE

Text = tuple[str, str]
"""Summary and description of an operation."""


class LookUpRequest(NamedTuple, Generic[BodyT_co]):
    """Notes or entries of one client and record type."""

    caller: TheCaller
    body: Annotated[BodyT_co, JSON]


class ChangeRequest(NamedTuple, Generic[BodyT_co]):
    """A new version of a note."""

    caller: TheCaller
    id: PathId
    body: Annotated[BodyT_co, JSON]
    if_version: IfVersion


class DeleteRequest(NamedTuple):
    """A note to be deleted."""

    caller: TheCaller
    id: PathId
    reason: Annotated[Reason | None, OPTIONAL_REASON]
    if_version: IfVersion


class WithdrawRequest(NamedTuple):
    """A history entry to be taken from view."""

    caller: TheCaller
    id: PathId
    reason: Annotated[Reason | None, OPTIONAL_REASON]


class FormSave(NamedTuple):
    """A save that may bring files."""

    caller: TheCaller
    form: TheForm
    idempotency_key: IdempotencyKey
    if_version: IfVersion


class JsonSave(NamedTuple, Generic[BodyT_co]):
    """A save without files."""

    caller: TheCaller
    body: Annotated[BodyT_co, JSON]
    idempotency_key: IdempotencyKey
    if_version: IfVersion


@dataclass(frozen=True)
class NoteKind:
    """A kind of notes: its aggregate, its paths and operation ids, the shapes of its requests and answers.

    `texts` holds what the document says of each operation, by the end of its id.
    `takes_ml_drafts`: the ML service, which reads no notes, saves them.
    """

    aggregate: NoteAggregate
    path: str
    name: str
    tag: str
    look_up: type[LookUpRequest[LookUp]]
    put: type[ChangeRequest[ChangeBody]]
    long_put: type[ChangeRequest[ChangeBody]]
    amend: type[PutRequest[AmendmentBody]]
    short: AnswerShape
    by_type: AnswerShape
    long: AnswerShape
    entry: AnswerShape
    entry_by_type: AnswerShape
    texts: Mapping[str, Text]
    takes_ml_drafts: bool = False


_HISTORY_LOOK_UP: Final = (
    "The 10 newest entries of one client and record type, by id descending; 204 where none."
)
_HISTORY_LIST: Final = "History entries that the caller may see, newest first."
_AMENDMENT: Final = (
    "The amendment of an entry; the ledger keeps the original, with who, when and why."
)
_WITHDRAWAL: Final = "The withdrawal of an entry from view; the ledger keeps it."

_THERAPIST_ENTRY: Final = AnswerShape(therapist.TherapistNotesHistory, ENTRY_FIELDS)
_SOAP_ENTRY: Final = AnswerShape(soap.TherapistSoapHistory, ENTRY_FIELDS)

THERAPIST_NOTES: Final = NoteKind(
    aggregate=NOTE,
    path=BASE,
    name="apis_therapistnotes",
    tag="therapist-notes",
    look_up=LookUpRequest[therapist.LookUp],
    put=ChangeRequest[therapist.NotePut],
    long_put=ChangeRequest[therapist.NoteLongPut],
    amend=PutRequest[therapist.HistoryPut],
    short=AnswerShape(therapist.NoteShort, NOTE_FIELDS),
    by_type=AnswerShape(therapist.NoteByType, NOTE_FIELDS),
    long=AnswerShape(therapist.NoteLong, long_note_fields(_THERAPIST_ENTRY)),
    entry=_THERAPIST_ENTRY,
    entry_by_type=AnswerShape(therapist.HistoryByType, ENTRY_FIELDS),
    texts={
        "data_list": (
            "List Notes",
            "Every note that is not deleted and that the caller may see, by id.",
        ),
        "data_create": (
            "Notes By Record Type",
            "Notes of one client and record type; 204 where there are none.",
        ),
        "data_retrieve": ("Retrieve Note", "One note."),
        "data_update": ("Update Note", "A new draft of a note."),
        "data_destroy": (
            "Delete Note",
            "The note's soft deletion; its id comes in the header Note-Id.",
        ),
        "data_history_list": ("List History", _HISTORY_LIST),
        "data_history_create": ("History By Record Type", _HISTORY_LOOK_UP),
        "data_history_retrieve": ("Retrieve History", "One history entry."),
        "data_history_update": ("Amend History", _AMENDMENT),
        "data_history_destroy": ("Withdraw History", _WITHDRAWAL),
        "recordtype_list": ("List Long", "Notes in their long form."),
        "recordtype_create": (
            "Create Or Update",
            "Create a note, or with `id` draft a new version of it.",
        ),
        "recordtype_retrieve": ("Retrieve Long", "One note in its long form."),
        "recordtype_update": ("Update Long", "A new draft of a note."),
        "recordtype_destroy": (
            "Soft Delete",
            "Soft-delete a note; its id comes in the header Note-Id."
            " 404 where it is deleted already.",
        ),
    },
)

SOAP_NOTES: Final = NoteKind(
    aggregate=SOAP_NOTE,
    path=f"{BASE}/soap",
    name="apis_therapistnotes_soap",
    tag="soap-notes",
    takes_ml_drafts=True,
    look_up=LookUpRequest[soap.SoapLookUp],
    put=ChangeRequest[soap.SoapPut],
    long_put=ChangeRequest[soap.SoapLongPut],
    amend=PutRequest[soap.SoapHistoryPut],
    short=AnswerShape(soap.SoapShort, NOTE_FIELDS),
    by_type=AnswerShape(soap.SoapByType, NOTE_FIELDS),
    long=AnswerShape(soap.SoapLong, long_note_fields(_SOAP_ENTRY)),
    entry=_SOAP_ENTRY,
    entry_by_type=AnswerShape(soap.SoapHistoryByType, ENTRY_FIELDS),
    texts={
        "data_list": (
            "List Soap Notes",
            "SOAP notes that are not deleted and that the caller may see, by id.",
        ),
        "data_create": (
            "Soap Notes By Record Type",
            "SOAP notes of one client and record type; 204 where there are none.",
        ),
        "data_retrieve": ("Retrieve Soap Note", "One SOAP note."),
        "data_update": (
            "Update Soap Note",
            "A new version of the therapist's text; with `is_approved`, an approved one.",
        ),
        "data_destroy": (
            "Delete Soap Note",
            "The SOAP note's soft deletion; its id comes in the header Note-Id.",
        ),
        "data_history_list": ("List Soap History", _HISTORY_LIST),
        "data_history_create": ("Soap History By Record Type", _HISTORY_LOOK_UP),
        "data_history_retrieve": ("Retrieve Soap History", "One history entry."),
        "data_history_update": ("Amend Soap History", _AMENDMENT),
        "data_history_destroy": ("Withdraw Soap History", _WITHDRAWAL),
        "data_partialhistory_list": ("List Soap History", _HISTORY_LIST),
        "data_partialhistory_create": (
            "Partial History By Record Type",
            "Of the 30 newest entries by update timestamp, the newest one and every approved one.",
        ),
        "data_partialhistory_retrieve": ("Retrieve Soap History", "One history entry."),
        "data_partialhistory_update": ("Amend Soap History", _AMENDMENT),
        "data_partialhistory_destroy": ("Withdraw Soap History", _WITHDRAWAL),
        "recordtype_list": ("List Long", "SOAP notes in their long form."),
        "recordtype_create": (
            "Create Or Update",
            "Create a SOAP note, or with `id` save a new version of it;"
            " the ML service drafts so, too.",
        ),
        "recordtype_retrieve": ("Retrieve Long", "One SOAP note in its long form."),
        "recordtype_update": (
            "Update Long",
            "A new version of the therapist's text. The ML text is the ML service's: it stays.",
        ),
        "recordtype_destroy": (
            "Soft Delete",
            "Soft-delete a SOAP note; its id comes in the header Note-Id.",
        ),
    },
)
