"""Named sample data: who, when, and what they ask. Every test speaks of these people.

Alma treats Clara, Bruno treats David; Audra audits, Adam administers, Cora sees to compliance,
and the ML service drafts.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from domain import signed_document
from domain.note import (
    AmendEntry,
    CreateNote,
    DeleteNote,
    Draft,
    NewFile,
    SaveNote,
    WithdrawEntry,
)
from domain.note_facts import (
    AmendedWords,
    ApprovedWords,
    File,
    HistoryEntryAmended,
    HistoryEntryWithdrawn,
    NoteApproved,
    NoteDrafted,
    NoteSoftDeleted,
    NoteVersion,
    NoteWords,
)
from domain.person import PERSON, PutPerson
from domain.record_type import RECORD_TYPE, PutRecordType
from domain.relationship import RELATIONSHIP, PutRelationship
from domain.session import SESSION, EventStatus, PutSession
from domain.value import PSYCHOTHERAPY, By, Caller, Kind, Reason, Role
from ledger.ledger import Ledger

Found = TypeVar("Found")

# --- when

NOON: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""A Monday; the first save of most histories."""


def after(minutes: int) -> datetime:
    """So many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


# --- where

CLINIC: Final = 1
ELSEWHERE: Final = 2
"""Another clinic on the same database; `open_clinic` lays its ledger."""

# --- who

ALMA: Final = By(user_id=11, role=Role.THERAPIST)
BRUNO: Final = By(user_id=12, role=Role.THERAPIST)
CLARA: Final = By(user_id=21, role=Role.CLIENT)
DAVID: Final = By(user_id=22, role=Role.CLIENT)
AUDRA: Final = By(user_id=31, role=Role.AUDITOR)
ADAM: Final = By(user_id=41, role=Role.ADMINISTRATOR)
ML: Final = By(user_id=51, role=Role.ML)
CORA: Final = By(user_id=53, role=Role.COMPLIANCE)
EVERYBODY: Final = (ALMA, BRUNO, CLARA, DAVID, AUDRA, ADAM, ML, CORA)
NAMES: Final = {
    ALMA: "Alma Arends",
    BRUNO: "Bruno Bakker",
    CLARA: "Clara Claes",
    DAVID: "David Dekker",
    AUDRA: "Audra Aerts",
    ADAM: "Adam Adriaans",
    ML: "The ML service",
    CORA: "Cora Coppens",
}
ALMA_TREATS_CLARA: Final = 101
BRUNO_TREATS_DAVID: Final = 102


def caller(who: By, clinic_id: int = CLINIC) -> Caller:
    """The person as somebody who reads."""
    return Caller(clinic_id, who.user_id, who.role, who.account, who.authentication)


# --- what about

PROGRESS: Final = 2
"""A record type that is not psychotherapy."""
SESSION_ID: Final = 201
NOTE_ID: Final = 1
KEY_FACTS: Final = 2
"""The facts of the clinic's data key and of Clara's stand before the first save about her."""

X_RAY: Final = File(name="x-ray.png", media_type="image/png", size=4, sha256="a" * 64)
LETTER: Final = File(name="letter.txt", media_type="text/plain", size=9, sha256="b" * 64)
"""Two files that nobody has read, as the first shape of a note kept them."""
READ_LETTER: Final = LETTER.model_copy(
    update={"text": "slept 8 h", "pages": 1, "warnings": ("Cut.",)}
)
UNREAD_X_RAY: Final = X_RAY.model_copy(update={"unread": "The file is a picture."})


def new_file(file: File, digest: str = "d" * 64) -> NewFile:
    """The file as it comes with a save."""
    return NewFile(file=file, digest=digest)


# --- commands


def draft(text: str = "slept well", **fields: Any) -> Draft:
    """What a save brings; an approval brings its signer's name."""
    if fields.get("is_approved"):
        fields.setdefault("signer_name", NAMES[ALMA])
    return Draft(text=text, **fields)


def create(
    text: str = "slept well",
    *,
    by: By = ALMA,
    at: datetime = NOON,
    client: By = CLARA,
    therapist: By = ALMA,
    record_type: int = PROGRESS,
    **fields: Any,
) -> CreateNote:
    """The first save of a note: Alma's about Clara, unless it is said otherwise."""
    return CreateNote(
        by=by,
        at=at,
        client_user_id=client.user_id,
        therapist_user_id=therapist.user_id,
        therapist_client_id=ALMA_TREATS_CLARA,
        record_type=record_type,
        draft=draft(text, **fields),
    )


def save(
    text: str = "slept well",
    *,
    by: By = ALMA,
    at: datetime = NOON,
    if_version: int | None = None,
    **fields: Any,
) -> SaveNote:
    """A further save."""
    return SaveNote(by=by, at=at, draft=draft(text, **fields), if_version=if_version)


def delete(by: By = ALMA, at: datetime = NOON, **fields: Any) -> DeleteNote:
    """The soft deletion."""
    return DeleteNote(by=by, at=at, **fields)


def amend(
    version: int,
    text: str = "slept badly",
    *,
    by: By = ALMA,
    at: datetime = NOON,
    reason: str | None = None,
) -> AmendEntry:
    """An amendment of a history entry."""
    return AmendEntry(by=by, at=at, version=version, text=text, reason=reason)


def withdraw(
    version: int,
    *,
    by: By = ALMA,
    at: datetime = NOON,
    reason: str | None = None,
) -> WithdrawEntry:
    """The withdrawal of a history entry."""
    return WithdrawEntry(by=by, at=at, version=version, reason=reason)


def put_person(who: By, full_name: str | None = None, at: datetime = NOON) -> PutPerson:
    """Adam enters somebody in the directory."""
    name = full_name or NAMES[who]
    return PutPerson(by=ADAM, at=at, role=who.role, full_name=name)


def put_relationship(
    therapist: By = ALMA,
    client: By = CLARA,
    *,
    is_active: bool = True,
    by: By = ADAM,
) -> PutRelationship:
    """Adam says who treats whom."""
    return PutRelationship(
        by=by,
        at=NOON,
        therapist_user_id=therapist.user_id,
        client_user_id=client.user_id,
        is_active=is_active,
    )


def put_session(
    *,
    by: By = ALMA,
    therapist: By = ALMA,
    client: By = CLARA,
    therapist_client_id: int = ALMA_TREATS_CLARA,
    starts_at: datetime = NOON,
    ends_at: datetime | None = None,
    event_status: EventStatus | None = None,
) -> PutSession:
    """Alma sees Clara for fifty minutes."""
    return PutSession(
        by=by,
        at=NOON,
        client_user_id=client.user_id,
        therapist_user_id=therapist.user_id,
        therapist_client_id=therapist_client_id,
        starts_at=starts_at,
        ends_at=ends_at or starts_at + timedelta(minutes=50),
        event_status=event_status,
    )


def put_record_type(
    name: str = "Progress note",
    description: str = "How it goes.",
    *,
    is_active: bool = True,
    by: By = ADAM,
) -> PutRecordType:
    """Adam says what kinds of notes there are."""
    return PutRecordType(
        by=by,
        at=NOON,
        name=name,
        description=description,
        is_active=is_active,
    )


# --- facts


def drafted(text: str = "slept well", **fields: Any) -> NoteDrafted:
    """A draft of Alma's about Clara."""
    return NoteDrafted(**_version(text, fields))


def approved(text: str = "slept well", **fields: Any) -> NoteApproved:
    """An approval of Alma's about Clara, as older shapes kept it: without digests."""
    return NoteApproved(**_version(text, {"signer_name": NAMES[ALMA]} | fields, ApprovedWords))


def signed(
    text: str = "slept well",
    on_top_of: NoteVersion | None = None,
    kind: Kind = Kind.NOTE,
    **fields: Any,
) -> NoteApproved:
    """The same with the digests of what was signed."""
    return signed_document.signed(kind, approved(text, **fields), on_top_of)


def _version(text: str, fields: dict[str, Any], of: type[NoteWords] = NoteWords) -> dict[str, Any]:
    words = {name: fields.pop(name) for name in of.model_fields if name in fields}
    at = fields.get("at", NOON)
    about = {
        "by": ALMA,
        "at": at,
        "note_id": NOTE_ID,
        "client_user_id": CLARA.user_id,
        "record_type": PROGRESS,
        "therapist_user_id": ALMA.user_id,
        "therapist_client_id": ALMA_TREATS_CLARA,
        "dated": at,
    }
    return about | fields | {"words": of(text=text, **words)}


def soft_deleted(reason: str | None = None, **fields: Any) -> NoteSoftDeleted:
    """Alma's deletion of it."""
    return NoteSoftDeleted(**_about(fields), words=Reason(reason=reason) if reason else None)


def amended(
    version: int, text: str = "slept badly", reason: str | None = None, **fields: Any
) -> HistoryEntryAmended:
    """Alma's amendment of a version of it."""
    words = AmendedWords(text=text, reason=reason)
    return HistoryEntryAmended(**_about(fields), amended_version=version, words=words)


def withdrawn(version: int, reason: str | None = None, **fields: Any) -> HistoryEntryWithdrawn:
    """Alma's withdrawal of a version of it."""
    words = Reason(reason=reason) if reason else None
    return HistoryEntryWithdrawn(**_about(fields), withdrawn_version=version, words=words)


def _about(fields: dict[str, Any]) -> dict[str, Any]:
    about = {
        "by": ALMA,
        "at": NOON,
        "note_id": NOTE_ID,
        "client_user_id": CLARA.user_id,
        "record_type": PROGRESS,
    }
    return about | fields


def text_of(fact: NoteVersion) -> str | None:
    """What the version says."""
    return fact.words.text if fact.words else None


# --- a clinic


def present(found: Found | None) -> Found:
    """What the test knows to be there."""
    assert found is not None
    return found


def enter_directory(ledger: Ledger, clinic_id: int = CLINIC) -> None:
    """Everybody, who treats whom, the two record types, and Clara's session."""
    for who in EVERYBODY:
        ledger.record(clinic_id, PERSON, who.user_id, put_person(who))
    treats: Sequence[tuple[int, By, By]] = (
        (ALMA_TREATS_CLARA, ALMA, CLARA),
        (BRUNO_TREATS_DAVID, BRUNO, DAVID),
    )
    for number, therapist, client in treats:
        command = put_relationship(therapist, client)
        ledger.record(clinic_id, RELATIONSHIP, number, command)
    psychotherapy = put_record_type("Psychotherapy notes", "Their author's alone.")
    ledger.record(clinic_id, RECORD_TYPE, PSYCHOTHERAPY, psychotherapy)
    ledger.record(clinic_id, RECORD_TYPE, PROGRESS, put_record_type())
    ledger.record(clinic_id, SESSION, SESSION_ID, put_session())
