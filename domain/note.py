"""A therapist's note, from its first draft through its approvals to its soft deletion.

The facts are in `note_facts.py`; here are the commands, and the function that decides them. The same
rules hold for a SOAP note (`soap_note.py` adds its own).
"""

from datetime import datetime
from typing import Any, ClassVar, Final, Literal, assert_never

from domain import access, note_work, signed_document
from domain.access import Action, CommandOnNote, NoteAccess
from domain.aggregate import Aggregate
from domain.note_facts import (
    AmendedWords,
    AnyNoteFact,
    ApprovedWords,
    File,
    HistoryEntryAmended,
    HistoryEntryWithdrawn,
    Note,
    NoteApproved,
    NoteDrafted,
    NoteSoftDeleted,
    NoteVersion,
    NoteWords,
    evolve,
)
from domain.note_work import AskAgain, GiveUp, RecordDeidentified, WorkersCommand
from domain.refusals import (
    ApprovedEntryIsFinal,
    EntryIsUnknown,
    NoteIsDeleted,
    NoteIsUnknown,
    SenderRoleIsNotYours,
    SignatureWithoutApproval,
    SignerHasNoName,
    SomebodyWasFaster,
    SubjectIsFixed,
    VersionIsStale,
)
from domain.value import By, Fact, Id, Kind, Reason, Role, Value

# --- commands


class NewFile(Value):
    """A file that came with a save, and the digest that its sealed bytes will be stored under."""

    file: File
    digest: str


class Draft(Value):
    """The content of a save. A session or files that it does not name stay with the note."""

    text: str
    ml_text: str | None = None
    new_files: tuple[NewFile, ...] = ()
    therapist_session_id: int | None = None
    dated: datetime | None = None
    sender_role: Literal[Role.THERAPIST, Role.ML] = Role.THERAPIST
    is_approved: bool = False
    is_override: bool | None = None
    signature: str | None = None
    signer_name: str | None = None


class CreateNote(CommandOnNote):
    """The first save."""

    action: ClassVar[Action] = Action.SAVE
    begins: ClassVar[bool] = True
    client_user_id: Id
    therapist_user_id: Id
    therapist_client_id: Id
    record_type: Id
    draft: Draft


class SaveNote(CommandOnNote):
    """A further save. An id that is given must be the one that the note has."""

    action: ClassVar[Action] = Action.SAVE
    draft: Draft
    if_version: int | None = None
    client_user_id: int | None = None
    therapist_user_id: int | None = None
    therapist_client_id: int | None = None
    record_type: int | None = None


class DeleteNote(CommandOnNote):
    """The soft deletion."""

    action: ClassVar[Action] = Action.DELETE
    if_version: int | None = None
    reason: str | None = None


class AmendEntry(CommandOnNote):
    """The entry of `version` shall read differently."""

    action: ClassVar[Action] = Action.CHANGE_HISTORY
    version: int
    text: str
    reason: str | None = None


class WithdrawEntry(CommandOnNote):
    """The entry of `version` shall no longer be shown."""

    action: ClassVar[Action] = Action.CHANGE_HISTORY
    version: int
    reason: str | None = None


NoteCommand = (
    CreateNote | SaveNote | DeleteNote | AmendEntry | WithdrawEntry | AskAgain | WorkersCommand
)


def decide(
    number: int, note: Note | None, command: NoteCommand, kind: Kind = Kind.NOTE
) -> list[AnyNoteFact]:
    """The facts that the command makes, none where it was carried out before."""
    if isinstance(command, CreateNote):
        return _create(number, note, command, kind)
    if note is None:
        raise NoteIsUnknown
    if isinstance(command, WorkersCommand):
        return [*note_work.decide(note, command, kind)]
    if note.is_deleted:
        raise NoteIsDeleted
    access.check(command, _access(note.saved, kind))
    match command:
        case SaveNote():
            return _save(number, note, command, kind)
        case DeleteNote():
            _check_version(note, command.if_version)
            words = Reason(reason=command.reason) if command.reason else None
            return [NoteSoftDeleted(words=words, **note.common_fields(command.by, command.at))]
        case AmendEntry():
            return _amend(note, command)
        case WithdrawEntry():
            return _withdraw(note, command)
        case AskAgain():
            return [*note_work.ask_again(note, command, kind)]
        case _:
            assert_never(command)


def _access(note: NoteVersion | CreateNote, kind: Kind) -> NoteAccess:
    return NoteAccess(kind, note.record_type, note.therapist_user_id)


def _check_draft(by: By, draft: Draft) -> None:
    if draft.sender_role is not by.role:
        raise SenderRoleIsNotYours("sender_role")
    if draft.signature is not None and not draft.is_approved:
        raise SignatureWithoutApproval("signature")
    if draft.is_approved and not (draft.signer_name and draft.signer_name.strip()):
        raise SignerHasNoName("signer_name")


def _check_version(note: Note, if_version: int | None) -> None:
    if if_version is not None and if_version != note.saved_version:
        raise VersionIsStale("If-Match")


def _create(number: int, note: Note | None, command: CreateNote, kind: Kind) -> list[AnyNoteFact]:
    access.check(command, _access(command, kind))
    _check_draft(command.by, command.draft)
    if note is not None:
        # Ids come from a database sequence. One that was set back by a restored backup gives the id of
        # a note that exists, and that note must not be overwritten.
        raise SomebodyWasFaster
    return [_version(number, None, command, kind)]


def _save(number: int, note: Note, command: SaveNote, kind: Kind) -> list[AnyNoteFact]:
    _check_draft(command.by, command.draft)
    for field in ("client_user_id", "therapist_user_id", "therapist_client_id", "record_type"):
        given = getattr(command, field)
        if given is not None and given != getattr(note.saved, field):
            raise SubjectIsFixed(field)
    fact = _version(number, note, command, kind)
    # A caller who got no answer sends the same save again. It makes no second fact, even though its
    # If-Match is stale by then: the first one raised the version. But where the newest save was amended
    # or withdrawn since, readers no longer see its text, and the same text again is a new save.
    is_shown_as_saved = note.saved_version not in note.amended.keys() | note.withdrawn
    is_same = _content(fact, command.draft) == _content(note.saved, command.draft)
    if is_shown_as_saved and is_same:
        return []
    _check_version(note, command.if_version)
    return [fact]


_COMPARED: Final = tuple(NoteWords.model_fields.keys() - {"signer_name"})
"""Neither the name that is printed nor the digests, which name the predecessor, make it another save."""


def _content(save: NoteVersion, draft: Draft) -> tuple[object, ...]:
    """What makes two saves the same: all but who, when, and a date that the draft does not give."""
    words = save.words and tuple(getattr(save.words, name) for name in _COMPARED)
    dated = save.dated if draft.dated else None
    return type(save), words, save.therapist_session_id, save.sender_role, save.is_override, dated


def _version(
    number: int, note: Note | None, command: CreateNote | SaveNote, kind: Kind
) -> NoteDrafted | NoteApproved:
    """The save as a fact; what the draft does not give is taken from the note's newest version."""
    draft, base = command.draft, note.saved if note else None
    files, attachments = _files(base, draft.new_files)
    of = base or command
    assert isinstance(of, CreateNote | NoteVersion), "only a new note has no newest version"
    about: dict[str, Any] = {
        "by": command.by,
        "at": command.at,
        "note_id": number,
        "client_user_id": of.client_user_id,
        "record_type": of.record_type,
        "therapist_user_id": of.therapist_user_id,
        "therapist_client_id": of.therapist_client_id,
        "therapist_session_id": draft.therapist_session_id
        or (base.therapist_session_id if base else None),
        "dated": draft.dated or command.at,
        "sender_role": draft.sender_role,
        "is_override": draft.is_override,
        "attachments": attachments,
    }
    said: dict[str, Any] = {"text": draft.text, "ml_text": draft.ml_text, "files": files}
    if not draft.is_approved:
        return NoteDrafted(words=NoteWords(**said), **about)
    words = ApprovedWords(signature=draft.signature, signer_name=draft.signer_name, **said)
    return signed_document.signed(kind, NoteApproved(words=words, **about), base)


def _files(
    base: NoteVersion | None, new_files: tuple[NewFile, ...]
) -> tuple[tuple[File, ...], tuple[str, ...]]:
    """The note's files and the new ones, with their digests. A file that is sent again is not added.

    Where the kept file has no text and the one sent again has, the new text is kept, with the digest of
    the bytes that are stored already.
    """
    former = zip(base.words.files, base.attachments, strict=True) if base and base.words else ()
    kept = {_same(file): (file, digest) for file, digest in former}
    for new in new_files:
        file, digest = kept.setdefault(_same(new.file), (new.file, new.digest))
        if file.text is None and new.file.text is not None:
            kept[_same(file)] = (new.file, digest)
    return tuple(file for file, _ in kept.values()), tuple(digest for _, digest in kept.values())


def _same(file: File) -> tuple[str, int, str]:
    """What makes two files the same, whatever text was read of them."""
    return file.name, file.size, file.sha256


def _entry(note: Note, version: int) -> type[NoteVersion]:
    """The class of the save behind a history entry. Refuses one that is not shown, or is approved."""
    if version not in note.entries or version in note.withdrawn:
        raise EntryIsUnknown
    if note.entries[version] is NoteApproved:
        raise ApprovedEntryIsFinal
    return note.entries[version]


def _amend(note: Note, command: AmendEntry) -> list[AnyNoteFact]:
    _entry(note, command.version)
    words = AmendedWords(text=command.text, reason=command.reason)
    amended = note.amended.get(command.version)
    if amended and amended.words == words:
        return []
    about = note.common_fields(command.by, command.at)
    return [HistoryEntryAmended(amended_version=command.version, words=words, **about)]


def _withdraw(note: Note, command: WithdrawEntry) -> list[AnyNoteFact]:
    _entry(note, command.version)
    words = Reason(reason=command.reason) if command.reason else None
    about = note.common_fields(command.by, command.at)
    return [HistoryEntryWithdrawn(withdrawn_version=command.version, words=words, **about)]


def words_for(note: Note, command: NoteCommand) -> list[Fact | None]:
    """A save is compared with the newest one, whose files it keeps; an amendment with the one before."""
    match command:
        case SaveNote():
            return [note.saved]
        case AmendEntry(version=version):
            return [note.amended.get(version)]
        case CreateNote() | DeleteNote() | WithdrawEntry():
            return []
        case AskAgain() | RecordDeidentified() | GiveUp():
            return []
        case _:
            assert_never(command)


NoteAggregate = Aggregate[Note, NoteCommand, AnyNoteFact]
NOTE: Final[NoteAggregate] = Aggregate(Kind.NOTE, 1, AnyNoteFact, decide, evolve, words_for)
