"""The operations of both kinds of notes: 1 to 15 and 18 to 37 of the contract, and the bytes of files."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Literal

from fastapi import Response

from api.history_changes import amend, withdraw
from api.note_kinds import (
    SOAP_NOTES,
    THERAPIST_NOTES,
    DeleteRequest,
    FormSave,
    JsonSave,
    LookUpRequest,
    NoteKind,
    WithdrawRequest,
)
from api.note_reads import (
    FileRequest,
    list_history,
    list_long,
    list_short,
    look_up_history,
    look_up_notes,
    look_up_partial_history,
    retrieve_entry,
    retrieve_file,
    retrieve_long,
    retrieve_short,
)
from api.note_saves import delete, has_files, save_form, save_json, update_long, update_short
from api.operations import AnyOperation, Operation, Threads, list_of
from api.pages import PageRequest
from api.problems import CHANGE, LOOK_UP, READ
from api.requests import IdRequest, RequestT
from api.services import Services
from api.soap_note_shapes import SoapSave
from api.therapist_note_shapes import LookUp

LookUpHandler = Callable[[NoteKind, Services, LookUpRequest[LookUp]], Response]


class _Rows:
    """Rows of the table for one kind of notes."""

    def __init__(self, kind: NoteKind) -> None:
        self._kind = kind

    def read(
        self,
        path: str,
        name: str,
        request: type[RequestT],
        handle: Callable[[NoteKind, Services, RequestT], Response],
        answer: Any,
    ) -> AnyOperation:
        """Something to be read."""
        return self._row("GET", path, name, request, handle, READ, answer=answer)

    def look_up(self, path: str, name: str, handle: LookUpHandler, answer: Any) -> AnyOperation:
        """A look-up by client and record type."""
        none_found = {204: {"description": "None found"}}
        more = {"answer": answer, "responses": none_found}
        return self._row("POST", path, name, self._kind.look_up, handle, LOOK_UP, **more)

    def change(
        self,
        method: Literal["POST", "PUT", "DELETE"],
        path: str,
        name: str,
        request: type[RequestT],
        handle: Callable[[NoteKind, Services, RequestT], Response],
        **more: Any,
    ) -> AnyOperation:
        """A save, a deletion, an amendment or a withdrawal."""
        more.setdefault("status", 204 if method == "DELETE" else 200)
        more["threads"] = Threads.SAVES
        return self._row(method, path, name, request, handle, CHANGE, **more)

    def _row(
        self,
        method: Literal["GET", "POST", "PUT", "DELETE"],
        path: str,
        name: str,
        request: type[RequestT],
        handle: Callable[[NoteKind, Services, RequestT], Response],
        problems: Sequence[int],
        **more: Any,
    ) -> AnyOperation:
        kind = self._kind
        summary, text = kind.texts[name]
        return Operation(
            method,
            f"{kind.path}{path}",
            f"{kind.name}_{name}",
            kind.tag,
            summary,
            request,
            partial(handle, kind),
            problems=problems,
            text=text,
            **more,
        )


def _notes(kind: NoteKind) -> list[AnyOperation]:
    rows, short, long = _Rows(kind), kind.short.model, kind.long.model
    return [
        rows.read("/data/", "data_list", PageRequest, list_short, list_of(short)),
        rows.look_up("/data/", "data_create", look_up_notes, list_of(kind.by_type.model)),
        rows.read("/data/{id}/", "data_retrieve", IdRequest, retrieve_short, short),
        rows.change("PUT", "/data/{id}/", "data_update", kind.put, update_short, answer=short),
        rows.change("DELETE", "/data/{id}/", "data_destroy", DeleteRequest, delete),
        *_history(kind, "history", look_up_history),
        rows.read("/recordtype/", "recordtype_list", PageRequest, list_long, list_of(long)),
        rows.read("/recordtype/{id}/", "recordtype_retrieve", IdRequest, retrieve_long, long),
        rows.change(
            "PUT", "/recordtype/{id}/", "recordtype_update", kind.long_put, update_long, answer=long
        ),
        rows.change("DELETE", "/recordtype/{id}/", "recordtype_destroy", DeleteRequest, delete),
    ]


def _history(kind: NoteKind, of: str, look_up: LookUpHandler) -> list[AnyOperation]:
    """The history, and of SOAP notes the partial history: only their look-ups differ."""
    rows, entry = _Rows(kind), kind.entry.model
    path, name = f"/data/{of}/", f"data_{of}"
    return [
        rows.read(path, f"{name}_list", PageRequest, list_history, list_of(entry)),
        rows.look_up(path, f"{name}_create", look_up, list_of(kind.entry_by_type.model)),
        rows.read(f"{path}{{id}}/", f"{name}_retrieve", IdRequest, retrieve_entry, entry),
        rows.change("PUT", f"{path}{{id}}/", f"{name}_update", kind.amend, amend, answer=entry),
        rows.change("DELETE", f"{path}{{id}}/", f"{name}_destroy", WithdrawRequest, withdraw),
    ]


NOTE_OPERATIONS: Final[Sequence[AnyOperation]] = (
    *_notes(THERAPIST_NOTES),
    _Rows(THERAPIST_NOTES).change(
        "POST",
        "/recordtype/",
        "recordtype_create",
        FormSave,
        save_form,
        answer=THERAPIST_NOTES.long.model,
        status=201,
        is_slow=has_files,
    ),
    Operation(
        "GET",
        f"{THERAPIST_NOTES.path}/recordtype/{{id}}/files/{{digest}}/",
        f"{THERAPIST_NOTES.name}_recordtype_file",
        THERAPIST_NOTES.tag,
        "Retrieve File",
        FileRequest,
        partial(retrieve_file, THERAPIST_NOTES),
        problems=(*READ, 410),
        text="The bytes of a file that the note's newest version holds.",
        responses={200: {"content": {"application/octet-stream": {}}}},
        response_class=Response,
    ),
    *_notes(SOAP_NOTES),
    *_history(SOAP_NOTES, "partialhistory", look_up_partial_history),
    _Rows(SOAP_NOTES).change(
        "POST",
        "/recordtype/",
        "recordtype_create",
        JsonSave[SoapSave],
        save_json,
        answer=SOAP_NOTES.long.model,
        status=201,
    ),
)
