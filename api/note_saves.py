"""Saving and deleting notes: a request becomes a command, and the note after it is the answer."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from fastapi import Response

from api.files import read_and_seal
from api.forms import OnUnreadable, UploadedFile
from api.inputs import checked_text, idempotency_claim
from api.note_bodies import ChangeBody, CreateBody, NoteIds, SaveBody
from api.note_kinds import ChangeRequest, DeleteRequest, FormSave, JsonSave, NoteKind
from api.note_reads import find_amended_note, find_note_outline, note_answer
from api.services import Services
from domain.access import reads_notes
from domain.note import CreateNote, DeleteNote, Draft, SaveNote
from domain.note_facts import Note
from domain.refusals import SubjectIsFixed
from domain.value import By, Caller
from ledger.entry import Attachment, IdempotencyClaim
from ledger.ledger import Recorded
from projections.history import HistoryEntry
from projections.notes import CurrentNote


def by(caller: Caller) -> By:
    """The caller, as a fact names them."""
    return By(
        user_id=caller.user_id,
        role=caller.role,
        account=caller.account,
        authentication=caller.authentication,
        request_id=caller.request_id,
    )


# --- a further version of a note that is there


def update_short(kind: NoteKind, services: Services, asked: ChangeRequest[ChangeBody]) -> Response:
    """A new version, answered in the short form."""
    return note_answer(kind.short, _update(kind, services, asked))


def update_long(kind: NoteKind, services: Services, asked: ChangeRequest[ChangeBody]) -> Response:
    """A new version, answered in the long form."""
    return note_answer(kind.long, _update(kind, services, asked))


def _update(kind: NoteKind, services: Services, asked: ChangeRequest[ChangeBody]) -> CurrentNote:
    caller, body = asked.caller, asked.body
    draft = _draft(services, caller, body)
    note = find_note_outline(services, caller, kind.aggregate.kind, asked.id)
    _check_session(services, caller, note, body.therapist_session_id)
    who: dict[str, Any] = {"by": by(caller), "at": services.clock()}
    command = SaveNote(**who, draft=draft, if_version=asked.if_version, **body.ids())
    recorded = services.ledger.record(caller.clinic_id, kind.aggregate, asked.id, command)
    return _note_after_save(kind, services, caller, recorded)


# --- a save that creates a note, or names one


def has_files(asked: FormSave) -> bool:
    """Whether there is anything to read, which takes its time."""
    return bool(asked.form.files)


def save_form(kind: NoteKind, services: Services, asked: FormSave) -> Response:
    """A save that may bring files."""
    form = asked.form
    return _save(kind, services, asked, form.metadata, form.whole, form.files, form.on_unreadable)


def save_json(kind: NoteKind, services: Services, asked: JsonSave[CreateBody]) -> Response:
    """A save without files."""
    return _save(kind, services, asked, asked.body, asked.body.whole)


def _save(
    kind: NoteKind,
    services: Services,
    asked: FormSave | JsonSave[CreateBody],
    body: CreateBody,
    whole: Callable[[], bytes],
    files: Sequence[UploadedFile] = (),
    on_unreadable: OnUnreadable = OnUnreadable.REFUSE,
) -> Response:
    """`whole` is the request in one form, for its Idempotency-Key."""
    caller, ledger = asked.caller, services.ledger
    draft = _draft(services, caller, body)
    ids: dict[str, Any] = {
        "record_type": body.record_type,
        "client_user_id": body.client_user_id,
        "therapist_user_id": body.therapist_user_id,
        "therapist_client_id": body.therapist_client_id,
    }
    # What is wrong is refused before a file is read, which takes its time, and before one is sealed,
    # which makes a key for the person whom it is about.
    _check_ids(kind, services, caller, body, ids)
    attachments: Sequence[Attachment] = ()
    if files:
        new_files, attachments = read_and_seal(services, caller, body, files, on_unreadable)
        draft = draft.model_copy(update={"new_files": new_files})
    who: dict[str, Any] = {"by": by(caller), "at": services.clock()}
    if body.id is None:
        number = ledger.ids.next(caller.clinic_id, kind.aggregate.kind)
        create = CreateNote(**who, draft=draft, **ids)
        claim = _claim(kind, services, asked, whole) if asked.idempotency_key else None
        recorded = ledger.record(
            caller.clinic_id, kind.aggregate, number, create, attachments, claim
        )
    else:
        save = SaveNote(**who, draft=draft, if_version=asked.if_version, **ids)
        recorded = ledger.record(caller.clinic_id, kind.aggregate, body.id, save, attachments)
    note = _note_after_save(kind, services, caller, recorded)
    location = f"{kind.path}/recordtype/{note.note_id}/"
    return note_answer(kind.long, note, 201, location)


def _check_ids(
    kind: NoteKind, services: Services, caller: Caller, body: CreateBody, ids: dict[str, int]
) -> None:
    """The ids of a new note are there and belong together; those of a known one are the note's own."""
    session_id = body.therapist_session_id
    if body.id is None:
        services.references.check(caller, therapist_session_id=session_id, **ids)
    elif kind.takes_ml_drafts and not reads_notes(caller.role):
        services.references.check(
            caller, body.client_user_id, body.therapist_user_id, therapist_session_id=session_id
        )
    else:
        note = find_note_outline(services, caller, kind.aggregate.kind, body.id)
        refuse_other_ids(ids, note)
        _check_session(services, caller, note, session_id)


def refuse_other_ids(ids: NoteIds, known: HistoryEntry | CurrentNote) -> None:
    """An id that would not be taken over is refused by name, not passed over in silence."""
    for field, value in ids.items():
        if value is not None and value != getattr(known.saved, field):
            raise SubjectIsFixed(field)


def _check_session(
    services: Services, caller: Caller, note: CurrentNote, session_id: int | None
) -> None:
    """A session that a save brings to a note is one of its client and therapist."""
    saved = note.saved
    if session_id not in {None, saved.therapist_session_id}:
        services.references.check(
            caller, saved.client_user_id, saved.therapist_user_id, therapist_session_id=session_id
        )


def _claim(
    kind: NoteKind,
    services: Services,
    asked: FormSave | JsonSave[CreateBody],
    whole: Callable[[], bytes],
) -> IdempotencyClaim:
    assert asked.idempotency_key is not None, "a request with a key"
    secret = services.keys.clinic_secret(asked.caller.clinic_id, "idempotency")
    path = f"{kind.path}/recordtype/"
    return idempotency_claim(secret, asked.caller.user_id, asked.idempotency_key, path, whole())


# --- what all saves share


def _draft(services: Services, caller: Caller, body: SaveBody) -> Draft:
    fields = body.draft_fields()
    bytes_max = services.limits.text_bytes_max
    return Draft(
        text=checked_text(bytes_max, fields.text, fields.text_field),
        dated=fields.dated,
        therapist_session_id=body.therapist_session_id,
        sender_role=fields.sender_role,
        is_approved=bool(body.is_approved),
        is_override=fields.is_override,
        signature=body.signature or None,
        signer_name=_signers_name(services, caller) if body.is_approved else None,
    )


def _signers_name(services: Services, caller: Caller) -> str | None:
    """The name to print under a signature (21 CFR 11.50(a)(1))."""
    person = services.people.find(caller, caller.user_id)
    return person.full_name if person else None


def _note_after_save(
    kind: NoteKind, services: Services, caller: Caller, recorded: Recorded[Note]
) -> CurrentNote:
    """The note as the save left it, also for the ML service, which reads no notes."""
    note = recorded.state
    if recorded.position is None and reads_notes(caller.role):
        return find_amended_note(services, caller, kind.aggregate.kind, recorded.number)
    position = recorded.position or services.ledger.position(
        caller.clinic_id, kind.aggregate, recorded.number, note.saved_version
    )
    times = _session_times(services, caller, note.saved.therapist_session_id)
    return CurrentNote(
        note_id=recorded.number,
        version=note.saved_version,
        position=position,
        created_by=note.created_by,
        created_at=note.created_at,
        session_starts_at=times[0],
        session_ends_at=times[1],
        saved=note.saved,
    )


def _session_times(
    services: Services, caller: Caller, session_id: int | None
) -> tuple[datetime | None, datetime | None]:
    if session_id is None:
        return None, None
    found = services.sessions.page(caller, after=0, limit=1, only=session_id)
    return (found[0].starts_at, found[0].ends_at) if found else (None, None)


# --- deletion


def delete(kind: NoteKind, services: Services, asked: DeleteRequest) -> Response:
    """Soft-delete; 204, with the id in the header Note-Id."""
    caller = asked.caller
    find_note_outline(services, caller, kind.aggregate.kind, asked.id)
    command = DeleteNote(
        by=by(caller),
        at=services.clock(),
        if_version=asked.if_version,
        reason=checked_reason(services, asked.reason.reason if asked.reason else None),
    )
    services.ledger.record(caller.clinic_id, kind.aggregate, asked.id, command)
    return Response(status_code=204, headers={"Note-Id": str(asked.id)})


def checked_reason(services: Services, reason: str | None) -> str | None:
    """Why somebody did it, bounded as a note's text is. Raises BadRequest."""
    return reason and checked_text(services.limits.text_bytes_max, reason, "reason")
