"""What can have happened to a note, and the note that it makes; `note.py` decides.

Each save is one fact and one history entry: a draft, or an approval that carries the content
it approves. What was approved stays in the history for good; a save on top of it is a new,
unapproved draft. A history entry can be amended or withdrawn, by a further fact; nothing is
changed in place.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Literal, assert_never

from pydantic import AwareDatetime, InstanceOf

from domain.aggregate import State
from domain.change import ChangeDetails, ChangeType
from domain.saves import Saves
from domain.value import PSYCHOTHERAPY, By, Fact, Id, KeyScope, Reason, Role, Subject, Value, Words
from domain.work import JobName, NoteJob, WhyFailed

# --- facts


class File(Value):
    """An attached file; its bytes are stored sealed, under the digest that the fact names.

    `media_type` is found from the content. `text` is the text that was read from it, `warnings` are what
    a reader of that text should know, `unread` is why there is no text.
    """

    name: str
    media_type: str
    size: int
    sha256: str
    pages: int | None = None
    text: str | None = None
    warnings: tuple[str, ...] = ()
    unread: str | None = None


class NoteWords(Words):
    """The whole content of one version."""

    text: str
    ml_text: str | None = None
    files: tuple[File, ...] = ()
    signature: str | None = None
    signer_name: str | None = None


class ApprovedWords(NoteWords):
    """The content of an approved version, and SHA-256 digests (hex) of what was signed.

    `document` is that of the version's own canonical document (`signed_document.py`), `predecessor` that
    of the version which it was given on top of; None in a first version, and in older shapes.
    """

    document: str | None = None
    predecessor: str | None = None


def whole_text(words: NoteWords) -> str:
    """The note's text and after it the text of each file: what background jobs read."""
    texts = (words.text, *(file.text for file in words.files if file.text))
    return "\n\n".join(texts)


class AmendedWords(Words):
    """The new text of an amended history entry, and the reason for it."""

    text: str
    reason: str | None = None


class NoteFact(Fact):
    """What every fact of a note holds: the note, its client and its record type."""

    note_id: Id
    client_user_id: Id
    record_type: Id

    def subject(self) -> Subject:
        """Psychotherapy notes are sealed with a key of their own."""
        scope = KeyScope.PSYCHOTHERAPY if self.record_type == PSYCHOTHERAPY else KeyScope.GENERAL
        return Subject(self.client_user_id, scope)


class NoteVersion(NoteFact):
    """A save: everything that the version holds.

    `dated` is the date that the writer gives to the version, or the time of the save.
    `attachments` are SHA-256 digests (hex) of sealed files, in the order of `words.files`.
    """

    therapist_user_id: Id
    therapist_client_id: Id
    therapist_session_id: Id | None = None
    dated: AwareDatetime
    sender_role: Literal[Role.THERAPIST, Role.ML] = Role.THERAPIST
    is_override: bool | None = None
    attachments: tuple[str, ...] = ()
    words: NoteWords | None = None

    def change_details(self, version: int) -> ChangeDetails:
        """The version that the save made."""
        return ChangeDetails(version=version)


class NoteDrafted(NoteVersion):
    """A version was saved that nobody has approved."""

    fact_type: ClassVar[str] = "note-drafted/2"
    change: ClassVar[ChangeType | None] = ChangeType.DRAFTED


class Meaning(StrEnum):
    """What a signature means (21 CFR 11.50(a)(3))."""

    APPROVAL = "approval"


class NoteApproved(NoteVersion):
    """A version was saved and approved; `at` is the time of signing."""

    fact_type: ClassVar[str] = "note-approved/3"
    change: ClassVar[ChangeType | None] = ChangeType.APPROVED
    meaning: Meaning = Meaning.APPROVAL
    words: ApprovedWords | None = None


class NoteSoftDeleted(NoteFact):
    """The note is no longer among the current notes; the ledger keeps it."""

    fact_type: ClassVar[str] = "note-soft-deleted/1"
    change: ClassVar[ChangeType | None] = ChangeType.DELETED
    words: Reason | None = None


class HistoryEntryAmended(NoteFact):
    """The entry of `amended_version` reads differently from now on; the ledger keeps both."""

    fact_type: ClassVar[str] = "history-entry-amended/1"
    change: ClassVar[ChangeType | None] = ChangeType.ENTRY_AMENDED
    amended_version: int
    words: AmendedWords | None = None

    def change_details(self, version: int) -> ChangeDetails:
        """The version that reads differently."""
        return ChangeDetails(version=self.amended_version)


class HistoryEntryWithdrawn(NoteFact):
    """The entry of `withdrawn_version` is no longer shown; the ledger keeps it."""

    fact_type: ClassVar[str] = "history-entry-withdrawn/1"
    change: ClassVar[ChangeType | None] = ChangeType.ENTRY_WITHDRAWN
    withdrawn_version: int
    words: Reason | None = None

    def change_details(self, version: int) -> ChangeDetails:
        """The version that is no longer shown."""
        return ChangeDetails(version=self.withdrawn_version)


class DeidentifiedWords(Words):
    """A version's text without identifiers; `placeholders` has the words behind each placeholder."""

    text: str
    placeholders: tuple[tuple[str, str], ...] = ()
    counts: Mapping[str, int] = {}


class NoteDeidentified(NoteFact):
    """The text of `of_version`, its files' included, was de-identified by patterns and models."""

    fact_type: ClassVar[str] = "note-deidentified/1"
    change: ClassVar[ChangeType | None] = ChangeType.DEIDENTIFIED
    of_version: int
    tool: str
    models: tuple[str, ...]
    words: DeidentifiedWords | None = None

    def change_details(self, version: int) -> ChangeDetails:
        """The version that was read."""
        return ChangeDetails(version=self.of_version)


class NoteProcessingFailed(NoteFact):
    """A job on `of_version` was given up."""

    fact_type: ClassVar[str] = "note-processing-failed/1"
    change: ClassVar[ChangeType | None] = ChangeType.FAILED
    of_version: int
    job: NoteJob
    why: WhyFailed

    def change_details(self, version: int) -> ChangeDetails:
        """The job, the version that it read, and why it failed."""
        return ChangeDetails(version=self.of_version, job=self.job, why=self.why)


class NoteProcessingAskedAgain(NoteFact):
    """A job on `of_version` that was given up shall be done after all."""

    fact_type: ClassVar[str] = "note-processing-asked-again/1"
    change: ClassVar[ChangeType | None] = ChangeType.ASKED_AGAIN
    of_version: int
    job: NoteJob

    def change_details(self, version: int) -> ChangeDetails:
        """The job, and the version that it is to read."""
        return ChangeDetails(version=self.of_version, job=self.job)


AnyNoteFact = (
    NoteDrafted
    | NoteApproved
    | NoteSoftDeleted
    | HistoryEntryAmended
    | HistoryEntryWithdrawn
    | NoteDeidentified
    | NoteProcessingFailed
    | NoteProcessingAskedAgain
)

# --- what they make


class Note(State):
    """A note as its facts make it. `version` counts them; `saved` is the newest save.

    `entries` are the saves' types by version, `amended` the newest amendment of each amended entry.
    `failed` holds the jobs that were given up, by job and version; `deidentified` the newest text
    without identifiers, which may be that of an older version.
    """

    saved: NoteVersion
    created_by: int
    created_at: datetime
    entries: InstanceOf[Saves]
    amended: Mapping[int, HistoryEntryAmended]
    withdrawn: frozenset[int] = frozenset()
    is_deleted: bool = False
    deidentified: NoteDeidentified | None = None
    failed: Mapping[tuple[NoteJob, int], WhyFailed] = {}

    @property
    def saved_version(self) -> int:
        """The version of the newest save: the one that a reader of the note sees."""
        return self.entries.newest

    @property
    def words_as_read(self) -> NoteWords | None:
        """The newest save's words; where it was amended, with the amended text."""
        amended = self.amended.get(self.saved_version)
        words = self.saved.words
        if words is None or amended is None or amended.words is None:
            return words
        return words.model_copy(update={"text": amended.words.text})

    def common_fields(self, by: By, at: datetime) -> dict[str, Any]:
        """What every fact of the note holds: who, when, and which note."""
        return {
            "by": by,
            "at": at,
            "note_id": self.saved.note_id,
            "client_user_id": self.saved.client_user_id,
            "record_type": self.saved.record_type,
        }

    @property
    def is_approved(self) -> bool:
        """Whether the newest save is an approval."""
        return isinstance(self.saved, NoteApproved)


def evolve(note: Note | None, fact: AnyNoteFact) -> Note:
    """The note after the fact. Facts are history: nothing is refused here."""
    if note is None:
        assert isinstance(fact, NoteVersion), "a note's first fact is a save"
        return Note(
            version=1,
            saved=fact,
            created_by=fact.by.user_id,
            created_at=fact.at,
            entries=Saves(1, type(fact)),
            amended={},
        )
    version = note.version + 1
    match fact:
        case NoteDrafted() | NoteApproved():
            entries = Saves(version, type(fact), note.entries)
            changed: dict[str, object] = {"saved": fact, "entries": entries}
        case NoteSoftDeleted():
            changed = {"is_deleted": True}
        case HistoryEntryAmended(amended_version=amended):
            changed = {"amended": {**note.amended, amended: fact}}
        case HistoryEntryWithdrawn(withdrawn_version=withdrawn):
            changed = {"withdrawn": note.withdrawn | {withdrawn}}
        case NoteDeidentified(of_version=of_version):
            failed = _without(note.failed, JobName.DEIDENTIFY, of_version)
            changed = {"deidentified": fact, "failed": failed}
        case NoteProcessingFailed(job=job, of_version=of_version, why=why):
            changed = {"failed": {**note.failed, (job, of_version): why}}
        case NoteProcessingAskedAgain(job=job, of_version=of_version):
            changed = {"failed": _without(note.failed, job, of_version)}
        case _:
            assert_never(fact)
    return note.model_copy(update={"version": version, **changed})


def _without(
    failed: Mapping[tuple[NoteJob, int], WhyFailed], job: NoteJob, version: int
) -> dict[tuple[NoteJob, int], WhyFailed]:
    return {key: why for key, why in failed.items() if key != (job, version)}
