"""What the routes of both kinds of notes share: find or refuse, save, delete, amend, withdraw."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from fastapi import Request, Response

from api.given import checked_text, etag, link_next, read_cursor
from api.services import Services
from domain.access import reads_notes
from domain.aggregates import NOTE_AGGREGATES
from domain.note import AmendEntry, DeleteNote, WithdrawEntry
from domain.note_facts import File, Note
from domain.refusals import EntryIsUnknown, NoteIsUnknown, NotPermitted, SubjectIsFixed
from domain.value import By, Caller, Kind
from ledger.ledger import Recorded
from projections.history import HistoryEntry
from projections.notes import CurrentNote

JSON: Final = "application/json"
DOWNLOAD: Final = "application/octet-stream"


def by(caller: Caller) -> By:
    """The caller, as a fact names them."""
    return By(user_id=caller.user_id, role=caller.role)


def must_read(caller: Caller) -> None:
    """Refuse those to whom no note could be open, rather than show them nothing."""
    if not reads_notes(caller.role):
        raise NotPermitted


def find(services: Services, caller: Caller, kind: Kind, note_id: int) -> CurrentNote:
    """The note, if it is there for this caller; whoever may not read it learns nothing of it."""
    must_read(caller)
    note = services.notes.find(caller, kind, note_id)
    if note is None:
        raise NoteIsUnknown
    return note


def find_entry(services: Services, caller: Caller, kind: Kind, position: int) -> HistoryEntry:
    """The history entry, if it is there for this caller."""
    must_read(caller)
    entry = services.history.find(caller, kind, position)
    if entry is None:
        raise EntryIsUnknown
    return entry


def after(services: Services, caller: Caller, kind: Kind, recorded: Recorded[Note]) -> CurrentNote:
    """The note as the save left it, also for the ML service, which reads no notes."""
    state = recorded.state
    if recorded.position is None and reads_notes(caller.role):
        return find(services, caller, kind, recorded.number)
    position = recorded.position or services.ledger.position(
        caller.clinic_id, NOTE_AGGREGATES[kind], recorded.number, state.saved_version
    )
    starts_at, ends_at = _session_times(services, caller, state.saved.therapist_session_id)
    return CurrentNote(
        recorded.number,
        state.saved_version,
        position,
        state.created_by,
        state.created_at,
        starts_at,
        ends_at,
        state.saved,
    )


def _session_times(
    services: Services, caller: Caller, session_id: int | None
) -> tuple[datetime | None, datetime | None]:
    if session_id is None:
        return None, None
    found = services.sessions.page(caller, after=0, limit=1, only=session_id)
    return (found[0].starts_at, found[0].ends_at) if found else (None, None)


def current_entry(note: CurrentNote) -> HistoryEntry:
    """The history entry of the note's newest save: what the long forms show as `history`."""
    return HistoryEntry(
        note.position,
        note.note_id,
        note.version,
        note.session_starts_at,
        note.session_ends_at,
        note.saved,
        note.amended,
    )


def answer(body: str, version: int, status: int = 200, location: str | None = None) -> Response:
    """One note, with its version as ETag."""
    headers = {"ETag": etag(version)}
    if location:
        headers["Location"] = location
    return Response(body, status, headers, JSON)


def signers_name(services: Services, caller: Caller, is_approved: bool | None) -> str | None:
    """The name to print under a signature (21 CFR 11.50(a)(1))."""
    if not is_approved:
        return None
    person = services.people.find(caller, caller.user_id)
    return person.full_name if person else None


def delete(
    services: Services,
    caller: Caller,
    kind: Kind,
    note_id: int,
    reason: str | None,
    if_version: int | None,
) -> Response:
    """Soft-delete; 204, with the id in the header Note-Id."""
    find(services, caller, kind, note_id)
    command = DeleteNote(
        by=by(caller),
        at=services.clock(),
        if_version=if_version,
        reason=_checked_reason(services, reason),
    )
    services.ledger.record(caller.clinic_id, NOTE_AGGREGATES[kind], note_id, command)
    return Response(status_code=204, headers={"Note-Id": str(note_id)})


def amend(
    services: Services,
    caller: Caller,
    kind: Kind,
    position: int,
    said: dict[str, Any],
    text: str,
    reason: str | None,
) -> HistoryEntry:
    """Amend a history entry; the ids that the request says must be those that the entry has."""
    entry = find_entry(services, caller, kind, position)
    refuse_other_ids(said, entry)
    command = AmendEntry(
        by=by(caller),
        at=services.clock(),
        version=entry.version,
        text=text,
        reason=_checked_reason(services, reason),
    )
    services.ledger.record(caller.clinic_id, NOTE_AGGREGATES[kind], entry.note_id, command)
    return find_entry(services, caller, kind, position)


def refuse_other_ids(said: dict[str, Any], entry: HistoryEntry | CurrentNote) -> None:
    """An id that would not be taken over is refused by name, not passed over in silence."""
    for field, value in said.items():
        if value is not None and value != getattr(entry.saved, field):
            raise SubjectIsFixed(field)


def withdraw(
    services: Services, caller: Caller, kind: Kind, position: int, reason: str | None
) -> Response:
    """Take a history entry from view; 204."""
    entry = find_entry(services, caller, kind, position)
    command = WithdrawEntry(
        by=by(caller),
        at=services.clock(),
        version=entry.version,
        reason=_checked_reason(services, reason),
    )
    services.ledger.record(caller.clinic_id, NOTE_AGGREGATES[kind], entry.note_id, command)
    return Response(status_code=204)


def _checked_reason(services: Services, reason: str | None) -> str | None:
    return reason and checked_text(services, reason, "reason")


def check_session(
    services: Services, caller: Caller, note: CurrentNote, therapist_session_id: int | None
) -> None:
    """A session that a save brings to a note is one of its client and therapist."""
    saved = note.saved
    if therapist_session_id not in {None, saved.therapist_session_id}:
        services.references.check(
            caller,
            saved.client_user_id,
            saved.therapist_user_id,
            therapist_session_id=therapist_session_id,
        )


def note_page(
    request: Request, services: Services, caller: Caller, kind: Kind, limit: int, cursor: str | None
) -> tuple[list[CurrentNote], dict[str, str]]:
    """A page of notes by id, and the header that names the next."""
    must_read(caller)
    notes = services.notes.page(caller, kind, read_cursor(services, caller, cursor) or 0, limit)
    more = notes[-1].note_id if len(notes) == limit else None
    return notes, link_next(request, services, caller, more, limit)


def history_page(
    request: Request, services: Services, caller: Caller, kind: Kind, limit: int, cursor: str | None
) -> tuple[list[HistoryEntry], dict[str, str]]:
    """A page of history entries, newest first, and the header that names the next."""
    must_read(caller)
    entries = services.history.page(caller, kind, read_cursor(services, caller, cursor), limit)
    more = entries[-1].position if len(entries) == limit else None
    return entries, link_next(request, services, caller, more, limit)


def found(body: bytes, entries: Sequence[object]) -> Response:
    """What was found; 204 where it is nothing."""
    return Response(body, media_type=JSON) if entries else Response(status_code=204)


def download(content: bytes, file: File, tag: str) -> Response:
    """A file to be kept, not shown: whatever it holds, no browser runs it here."""
    name = quote(file.name.replace("/", "_").replace("\\", "_") or "file", safe="")
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "ETag": tag,
    }
    return Response(content, headers=headers, media_type=DOWNLOAD)
