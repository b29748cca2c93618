"""Reading notes and their histories: lists, look-ups by client and record type, single ones, files."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple
from urllib.parse import quote

from fastapi import Response
from pydantic import BaseModel

from api.inputs import etag
from api.note_kinds import LookUpRequest, NoteKind
from api.note_shapes import AnswerShape
from api.operations import json_answer
from api.pages import PageRequest
from api.requests import FileDigest, IdRequest, PathId, TheCaller
from api.services import Services
from api.therapist_note_shapes import LookUp
from domain.access import reads_notes
from domain.note_facts import File
from domain.refusals import (
    AttachmentIsUnknown,
    EntryIsUnknown,
    NoteIsUnknown,
    NotPermitted,
    PersonIsErased,
)
from domain.value import Caller, Kind
from projections.history import History, HistoryEntry
from projections.notes import CurrentNote
from projections.partial_history import partial_history

NEWEST: Final = 10
DOWNLOAD: Final = "application/octet-stream"


def must_read(caller: Caller) -> None:
    """Refuse those to whom no note could be open, rather than show them nothing."""
    if not reads_notes(caller.role):
        raise NotPermitted


def find_note(services: Services, caller: Caller, kind: Kind, note_id: int) -> CurrentNote:
    """The note, if it is there for this caller; whoever may not read it learns nothing of it."""
    must_read(caller)
    return _there(services.notes.find(caller, kind, note_id))


def find_amended_note(services: Services, caller: Caller, kind: Kind, note_id: int) -> CurrentNote:
    """The same with the amendment of its newest save, which the long forms show."""
    must_read(caller)
    return _there(services.notes.find_amended(caller, kind, note_id))


def find_note_outline(services: Services, caller: Caller, kind: Kind, note_id: int) -> CurrentNote:
    """The same without its words: nothing is opened."""
    must_read(caller)
    return _there(services.note_outlines.find(caller, kind, note_id))


def _there(note: CurrentNote | None) -> CurrentNote:
    if note is None:
        raise NoteIsUnknown
    return note


def find_entry(services: Services, caller: Caller, kind: Kind, position: int) -> HistoryEntry:
    """The history entry, if it is there for this caller."""
    return _found_entry(services.history, caller, kind, position)


def find_entry_outline(
    services: Services, caller: Caller, kind: Kind, position: int
) -> HistoryEntry:
    """The same without its words: nothing is opened."""
    return _found_entry(services.history_outlines, caller, kind, position)


def _found_entry(history: History, caller: Caller, kind: Kind, position: int) -> HistoryEntry:
    must_read(caller)
    entry = history.find(caller, kind, position)
    if entry is None:
        raise EntryIsUnknown
    return entry


def note_answer(
    shape: AnswerShape, note: CurrentNote, status: int = 200, location: str | None = None
) -> Response:
    """One note, with its version as ETag."""
    headers = {"ETag": etag(note.version)}
    if location:
        headers["Location"] = location
    return json_answer(shape.of(note), status, headers)


# --- notes


def list_short(kind: NoteKind, services: Services, asked: PageRequest) -> Response:
    """A page of notes in their short form, by id."""
    notes, headers = _page(services.notes.page, kind, services, asked)
    return json_answer([kind.short.of(note) for note in notes], headers=headers)


def list_long(kind: NoteKind, services: Services, asked: PageRequest) -> Response:
    """A page of notes in their long form, by id."""
    notes, headers = _page(services.notes.page_amended, kind, services, asked)
    longs = [kind.long.of(note) for note in notes]
    return json_answer(longs, headers=headers)


def _page(
    page: Callable[[Caller, Kind, int, int], list[CurrentNote]],
    kind: NoteKind,
    services: Services,
    asked: PageRequest,
) -> tuple[list[CurrentNote], dict[str, str]]:
    must_read(asked.caller)
    after = asked.start(services) or 0
    notes = page(asked.caller, kind.aggregate.kind, after, asked.size(services))
    return notes, asked.link_next(services, [note.note_id for note in notes])


def look_up_notes(kind: NoteKind, services: Services, asked: LookUpRequest[LookUp]) -> Response:
    """A client's notes of one record type, by id; 204 where there are none."""
    must_read(asked.caller)
    client, record_type = asked.body.client_user_id, asked.body.record_type_id
    notes = services.notes.of_client(asked.caller, kind.aggregate.kind, client, record_type)
    return _found([kind.by_type.of(note) for note in notes])


def retrieve_short(kind: NoteKind, services: Services, asked: IdRequest) -> Response:
    """One note in its short form."""
    note = find_note(services, asked.caller, kind.aggregate.kind, asked.id)
    return note_answer(kind.short, note)


def retrieve_long(kind: NoteKind, services: Services, asked: IdRequest) -> Response:
    """One note in its long form."""
    note = find_amended_note(services, asked.caller, kind.aggregate.kind, asked.id)
    return note_answer(kind.long, note)


# --- histories


def list_history(kind: NoteKind, services: Services, asked: PageRequest) -> Response:
    """A page of history entries, newest first."""
    must_read(asked.caller)
    before, size = asked.start(services), asked.size(services)
    entries = services.history.page(asked.caller, kind.aggregate.kind, before, size)
    headers = asked.link_next(services, [entry.position for entry in entries])
    return json_answer([kind.entry.of(e) for e in entries], headers=headers)


def look_up_history(kind: NoteKind, services: Services, asked: LookUpRequest[LookUp]) -> Response:
    """A client's newest entries of one record type, by id descending; 204 where there are none."""
    must_read(asked.caller)
    client, record_type = asked.body.client_user_id, asked.body.record_type_id
    entries = services.history.newest(
        asked.caller, kind.aggregate.kind, client, record_type, NEWEST
    )
    return _found([kind.entry_by_type.of(entry) for entry in entries])


def look_up_partial_history(
    kind: NoteKind, services: Services, asked: LookUpRequest[LookUp]
) -> Response:
    """A client's partial history of one record type; 204 where there is none."""
    must_read(asked.caller)
    client, record_type = asked.body.client_user_id, asked.body.record_type_id
    entries = partial_history(services.note_rows, asked.caller, client, record_type)
    return _found([kind.entry_by_type.of(entry) for entry in entries])


def retrieve_entry(kind: NoteKind, services: Services, asked: IdRequest) -> Response:
    """One history entry."""
    entry = find_entry(services, asked.caller, kind.aggregate.kind, asked.id)
    return json_answer(kind.entry.of(entry))


def _found(answers: Sequence[BaseModel]) -> Response:
    return json_answer(answers) if answers else Response(status_code=204)


# --- files


class FileRequest(NamedTuple):
    """A file of a note, named by its digest."""

    caller: TheCaller
    digest: FileDigest
    id: PathId


def retrieve_file(kind: NoteKind, services: Services, asked: FileRequest) -> Response:
    """The bytes of a file that the note's newest version holds."""
    note = find_note(services, asked.caller, kind.aggregate.kind, asked.id)
    saved = note.saved
    if asked.digest not in saved.attachments:
        raise AttachmentIsUnknown
    if saved.words is None:
        raise PersonIsErased
    file = saved.words.files[saved.attachments.index(asked.digest)]
    content = services.ledger.open_file(asked.caller.clinic_id, asked.digest)
    return Response(content, headers=_download_headers(file, note.version), media_type=DOWNLOAD)


def _download_headers(file: File, version: int) -> dict[str, str]:
    """A file is to be kept, not shown: whatever it holds, no browser runs it here."""
    name = quote(file.name.replace("/", "_").replace("\\", "_") or "file", safe="")
    return {
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "ETag": etag(version),
    }
