"""Therapist notes: operations 1 to 5 and 11 to 15 of the contract, and the bytes of their files."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Request, Response
from pydantic import TypeAdapter

from api import saving
from api import therapist_note_shapes as shapes
from api.auth import TheCaller
from api.files import read_files, sealed_files
from api.forms import OPENAPI, NoteForm, TheForm, the_form
from api.given import (
    Cursor,
    IdempotencyKey,
    IfVersion,
    TheId,
    TheLimit,
    checked_text,
    claim,
    etag,
)
from api.lean import LOOK_UPS_AT_ONCE, SAVES_AT_ONCE, json_body, lean, save_headers
from api.problems import CHANGE, LOOK_UP, READ
from api.services import Services, TheServices
from api.therapist_note_shapes import BASE, Because
from domain.note import NOTE, CreateNote, Draft, SaveNote
from domain.refusals import AttachmentIsUnknown
from domain.value import Caller, Kind
from projections.notes import CurrentNote

_NAME: Final = "apis_therapistnotes"


async def look_up(request: Request, services: Services) -> dict[str, Any]:
    """Which client and record type."""
    return {"which": await json_body(request, shapes.LookUp)}


async def _form(request: Request, services: Services) -> dict[str, Any]:
    return {"form": await the_form(request, services), **await save_headers(request)}


def _has_files(said: Mapping[str, Any]) -> bool:
    return bool(said["form"].files)


router = APIRouter(prefix=BASE, tags=["therapist-notes"])
look_ups = APIRouter(
    prefix=BASE, tags=["therapist-notes"], route_class=lean(look_up, LOOK_UPS_AT_ONCE)
)
saves = APIRouter(
    prefix=BASE, tags=["therapist-notes"], route_class=lean(_form, SAVES_AT_ONCE, _has_files)
)
routers = (look_ups, saves, router)


_shorts: Final = TypeAdapter(list[shapes.NoteShort])
_by_types: Final = TypeAdapter(list[shapes.NoteByType])
_longs: Final = TypeAdapter(list[shapes.NoteLong])


# --- /data/


@router.get(
    "/data/",
    operation_id=f"{_NAME}_data_list",
    response_model=list[shapes.NoteShort],
    responses=READ,
)
def list_notes(
    request: Request,
    services: TheServices,
    caller: TheCaller,
    limit: TheLimit,
    cursor: Cursor = None,
) -> Response:
    """Every note that is not deleted and that the caller may see, by id."""
    notes, headers = saving.note_page(request, services, caller, Kind.NOTE, limit, cursor)
    body = _shorts.dump_json([shapes.short(note) for note in notes])
    return Response(body, headers=headers, media_type=saving.JSON)


@look_ups.post(
    "/data/",
    operation_id=f"{_NAME}_data_create",
    response_model=list[shapes.NoteByType],
    responses=LOOK_UP,
)
def notes_by_record_type(
    services: TheServices, caller: TheCaller, which: shapes.LookUp
) -> Response:
    """Notes of one client and record type; 204 where there are none."""
    saving.must_read(caller)
    notes = services.notes.of_client(caller, Kind.NOTE, which.client_user_id, which.record_type_id)
    return saving.found(_by_types.dump_json([shapes.by_type(note) for note in notes]), notes)


@router.get(
    "/data/{id}/",
    operation_id=f"{_NAME}_data_retrieve",
    response_model=shapes.NoteShort,
    responses=READ,
)
def retrieve_note(services: TheServices, caller: TheCaller, note_id: TheId) -> Response:
    """One note."""
    note = saving.find(services, caller, Kind.NOTE, note_id)
    return saving.answer(shapes.short(note).model_dump_json(), note.version)


@router.put(
    "/data/{id}/",
    operation_id=f"{_NAME}_data_update",
    response_model=shapes.NoteShort,
    responses=CHANGE,
)
def update_note(
    services: TheServices,
    caller: TheCaller,
    note_id: TheId,
    body: shapes.NotePut,
    if_version: IfVersion,
) -> Response:
    """A new draft of a note."""
    draft = Draft(
        text=checked_text(services, body.data),
        dated=body.date,
        therapist_session_id=body.therapist_session_id,
        is_approved=bool(body.is_approved),
        signature=body.signature or None,
        signer_name=saving.signers_name(services, caller, body.is_approved),
    )
    note = _save(services, caller, note_id, draft, body, if_version)
    return saving.answer(shapes.short(note).model_dump_json(), note.version)


@router.delete(
    "/data/{id}/", status_code=204, operation_id=f"{_NAME}_data_destroy", responses=CHANGE
)
def delete_note(
    services: TheServices,
    caller: TheCaller,
    note_id: TheId,
    if_version: IfVersion,
    because: Annotated[Because | None, Body()] = None,
) -> Response:
    """The note's soft deletion; its id comes in the header Note-Id."""
    reason = because.reason if because else None
    return saving.delete(services, caller, Kind.NOTE, note_id, reason, if_version)


def _save(
    services: Services,
    caller: Caller,
    note_id: int,
    draft: Draft,
    said: shapes.Said,
    if_version: int | None,
) -> CurrentNote:
    note = saving.find(services, caller, Kind.NOTE, note_id)
    saving.check_session(services, caller, note, draft.therapist_session_id)
    command = SaveNote(
        by=saving.by(caller),
        at=services.clock(),
        draft=draft,
        if_version=if_version,
        client_user_id=said.client_user_id,
        therapist_user_id=said.therapist_user_id,
        therapist_client_id=said.therapist_client_id,
        record_type=said.therapistnotes_notetype_id,
    )
    recorded = services.ledger.record(caller.clinic_id, NOTE, note_id, command)
    return saving.after(services, caller, Kind.NOTE, recorded)


# --- /recordtype/


def _long(note: CurrentNote) -> shapes.NoteLong:
    return shapes.long(note, saving.current_entry(note))


@router.get(
    "/recordtype/",
    operation_id=f"{_NAME}_recordtype_list",
    response_model=list[shapes.NoteLong],
    responses=READ,
)
def list_long(
    request: Request,
    services: TheServices,
    caller: TheCaller,
    limit: TheLimit,
    cursor: Cursor = None,
) -> Response:
    """Notes in their long form."""
    notes, headers = saving.note_page(request, services, caller, Kind.NOTE, limit, cursor)
    body = _longs.dump_json([_long(note) for note in notes])
    return Response(body, headers=headers, media_type=saving.JSON)


@saves.post(
    "/recordtype/",
    operation_id=f"{_NAME}_recordtype_create",
    status_code=201,
    response_model=shapes.NoteLong,
    responses=CHANGE,
    openapi_extra=OPENAPI,
)
def create_or_update(
    services: TheServices,
    caller: TheCaller,
    form: TheForm,
    if_version: IfVersion,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Create a note, or with `id` draft a new version of it."""
    note = _save_form(services, caller, form, if_version, idempotency_key)
    location = f"{BASE}/recordtype/{note.note_id}/"
    return saving.answer(_long(note).model_dump_json(), note.version, 201, location)


def _save_form(
    services: Services, caller: Caller, form: NoteForm, if_version: int | None, key: str | None
) -> CurrentNote:
    metadata = form.metadata
    text = checked_text(services, metadata.data)
    whose = metadata.model_dump(
        include={"client_user_id", "therapist_user_id", "therapist_client_id", "record_type"}
    )
    session = metadata.therapist_session_id
    # What is wrong is refused before a file is read, which takes its time, and before one is sealed,
    # which makes a key for whom it is about.
    if metadata.id is not None:
        note = saving.find(services, caller, Kind.NOTE, metadata.id)
        saving.refuse_other_ids(whose, note)
        saving.check_session(services, caller, note, session)
    else:
        services.references.check(caller, therapist_session_id=session, **whose)
    files = read_files(services, form.files, form.on_unreadable)
    new_files, attachments = sealed_files(
        services, caller, metadata.client_user_id, metadata.record_type, form.files, files
    )
    draft = Draft(
        text=text,
        new_files=new_files,
        dated=metadata.date,
        therapist_session_id=session,
        is_approved=bool(metadata.is_approved),
        signature=metadata.signature or None,
        signer_name=saving.signers_name(services, caller, metadata.is_approved),
    )
    who: dict[str, Any] = {"by": saving.by(caller), "at": services.clock()}
    if metadata.id is not None:
        save = SaveNote(**who, draft=draft, if_version=if_version, **whose)
        recorded = services.ledger.record(caller.clinic_id, NOTE, metadata.id, save, attachments)
    else:
        note_id = services.ledger.ids.next(Kind.NOTE)
        create = CreateNote(**who, draft=draft, **whose)
        whole = _whole(form) if key else b""
        claimed = claim(services, caller, key, f"{BASE}/recordtype/", whole)
        recorded = services.ledger.record(
            caller.clinic_id, NOTE, note_id, create, attachments, claimed
        )
    return saving.after(services, caller, Kind.NOTE, recorded)


def _whole(form: NoteForm) -> bytes:
    """The request in one form, whatever boundary its parts came with."""
    said = (form.metadata.model_dump_json().encode(), form.on_unreadable.encode())
    return b"\0\0".join((*said, *(b"\0".join((f.name.encode(), f.content)) for f in form.files)))


@router.get(
    "/recordtype/{id}/",
    operation_id=f"{_NAME}_recordtype_retrieve",
    response_model=shapes.NoteLong,
    responses=READ,
)
def retrieve_long(services: TheServices, caller: TheCaller, note_id: TheId) -> Response:
    """One note in its long form."""
    note = saving.find(services, caller, Kind.NOTE, note_id)
    return saving.answer(_long(note).model_dump_json(), note.version)


@router.put(
    "/recordtype/{id}/",
    operation_id=f"{_NAME}_recordtype_update",
    response_model=shapes.NoteLong,
    responses=CHANGE,
)
def update_long(
    services: TheServices,
    caller: TheCaller,
    note_id: TheId,
    body: shapes.NoteLongPut,
    if_version: IfVersion,
) -> Response:
    """A new draft of a note."""
    draft = Draft(
        text=checked_text(services, body.data),
        therapist_session_id=body.therapist_session_id,
        is_approved=bool(body.is_approved),
        signature=body.signature or None,
        signer_name=saving.signers_name(services, caller, body.is_approved),
    )
    note = _save(services, caller, note_id, draft, body, if_version)
    return saving.answer(_long(note).model_dump_json(), note.version)


@router.delete(
    "/recordtype/{id}/",
    status_code=204,
    operation_id=f"{_NAME}_recordtype_destroy",
    responses=CHANGE,
)
def soft_delete(
    services: TheServices,
    caller: TheCaller,
    note_id: TheId,
    if_version: IfVersion,
    because: Annotated[Because | None, Body()] = None,
) -> Response:
    """Soft-delete a note; its id comes in the header Note-Id. 404 where it is deleted already."""
    reason = because.reason if because else None
    return saving.delete(services, caller, Kind.NOTE, note_id, reason, if_version)


@router.get(
    "/recordtype/{id}/files/{digest}/",
    operation_id=f"{_NAME}_recordtype_file",
    response_class=Response,
    responses=READ | {200: {"content": {"application/octet-stream": {}}}},
)
def retrieve_file(
    services: TheServices, caller: TheCaller, note_id: TheId, digest: str
) -> Response:
    """The bytes of a file that the note's newest version holds."""
    note = saving.find(services, caller, Kind.NOTE, note_id)
    saved = note.saved
    if digest not in saved.attachments or saved.words is None:
        raise AttachmentIsUnknown
    file = saved.words.files[saved.attachments.index(digest)]
    content = services.ledger.open_file(caller.clinic_id, digest)
    return saving.download(content, file, etag(note.version))
