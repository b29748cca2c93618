"""The multipart form of a save: a part `metadata`, maybe `on_unreadable`, any number of `files`."""

from enum import StrEnum
from typing import Any, Final, NamedTuple

from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from api.inputs import checked_text
from api.problems import BadRequest, field_name
from api.services import Limits
from api.therapist_note_shapes import Metadata

NAME_CHARS_MAX: Final = 255
_PARTS: Final = {"metadata", "on_unreadable", "files"}


class OnUnreadable(StrEnum):
    """What becomes of a save with a file that cannot be read."""

    REFUSE = "refuse"
    KEEP = "keep"


OPENAPI: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["metadata"],
                    "additionalProperties": False,
                    "properties": {
                        "metadata": {"$ref": "#/components/schemas/Metadata"},
                        "on_unreadable": {
                            "type": "string",
                            "enum": [choice.value for choice in OnUnreadable],
                            "default": OnUnreadable.REFUSE.value,
                        },
                        "files": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                        },
                    },
                },
                "encoding": {"metadata": {"contentType": "application/json"}},
            }
        },
    }
}


class UploadedFile(NamedTuple):
    """An uploaded file, whole. What type it was declared to be is not asked: its content shows it."""

    name: str
    content: bytes


class NoteForm(NamedTuple):
    """What a save brings."""

    metadata: Metadata
    files: tuple[UploadedFile, ...]
    on_unreadable: OnUnreadable

    def whole(self) -> bytes:
        """The request in one form, whatever boundary its parts came with."""
        fields = (self.metadata.model_dump_json().encode(), self.on_unreadable.encode())
        files = (b"\0".join((file.name.encode(), file.content)) for file in self.files)
        return b"\0\0".join((*fields, *files))


class _Parser(MultiPartParser):
    """Keeps files in memory: no temporary file ever holds a word. `RequestGuards` bounds the whole body.

    Text is UTF-8 (RFC 7578, section 5.1), whatever charset the request claims, and what is not
    UTF-8 is refused: the parser would read it as Latin-1 and make other words of it.
    """

    spool_max_size = 2**62

    def on_headers_finished(self) -> None:
        self._charset = "utf-8"
        _must_be_utf8(self._current_part.content_disposition or b"", "body")
        super().on_headers_finished()

    def on_part_end(self) -> None:
        if self._current_part.file is None:
            field = field_name([self._current_part.field_name])
            _must_be_utf8(bytes(self._current_part.data), field or "body")
        super().on_part_end()


def _must_be_utf8(text: bytes, field: str) -> None:
    try:
        text.decode()
    except UnicodeDecodeError:
        raise BadRequest(400, "Text is sent as UTF-8.", field) from None


async def read_form(request: Request, limits: Limits) -> NoteForm:
    """The request's form. Raises BadRequest for what is not one, or too much."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "multipart/form-data":
        raise BadRequest(415, "The body of this request is multipart/form-data.")
    parser = _Parser(
        request.headers,
        request.stream(),
        max_files=limits.files_max,
        max_fields=len(_PARTS),
        max_part_size=12 * limits.text_bytes_max,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise _not_a_form(error) from None
    try:
        return await _read(limits, form)
    finally:
        await form.close()


async def _read(limits: Limits, form: FormData) -> NoteForm:
    for name in form:
        if name not in _PARTS:
            raise BadRequest(422, "There is no such part.", field_name([name]) or "body")
    metadata = form.getlist("metadata")
    if len(metadata) != 1 or not isinstance(metadata[0], str):
        raise BadRequest(422, "There is one text part metadata.", "metadata")
    files = [await _file(limits, part) for part in form.getlist("files")]
    return NoteForm(_metadata(metadata[0]), tuple(files), _on_unreadable(form))


def _not_a_form(error: Exception) -> BadRequest:
    """The parser's sentences name limits and boundaries, and quote nothing."""
    detail = getattr(error, "message", "")
    if detail.startswith("Too many files"):
        return BadRequest(413, "There are too many files in one request.", "files")
    if "exceeded maximum size" in detail:
        return BadRequest(413, "This part is too long.", "metadata")
    return BadRequest(400, "The body is not a form that can be read.", "body")


async def _file(limits: Limits, part: UploadFile | str) -> UploadedFile:
    if isinstance(part, str):
        raise BadRequest(422, "Files are sent as files.", "files")
    limit = limits.file_bytes_max
    if (part.size or 0) > limit:
        raise BadRequest(413, f"A file is at most {limit} bytes long.", "files")
    name = checked_text(limits.text_bytes_max, part.filename or "", "files")
    if "\0" in name or len(name) > NAME_CHARS_MAX:
        raise BadRequest(422, f"A file's name has at most {NAME_CHARS_MAX} characters.", "files")
    return UploadedFile(name, await part.read())


def _on_unreadable(form: FormData) -> OnUnreadable:
    chosen = form.getlist("on_unreadable") or [OnUnreadable.REFUSE]
    choices = {choice.value: choice for choice in OnUnreadable}
    if len(chosen) != 1 or chosen[0] not in choices:
        raise BadRequest(422, f"This is one of: {', '.join(choices)}.", "on_unreadable")
    return choices[str(chosen[0])]


def _metadata(text: str) -> Metadata:
    try:
        return Metadata.model_validate_json(text)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False, include_input=False, include_context=False)[0]
        if error["type"] == "json_invalid":
            raise BadRequest(400, "The part metadata is not JSON.", "metadata") from None
        field = field_name(error["loc"]) or "metadata"
        raise BadRequest(422, error["msg"].removeprefix("Value error, "), field) from None
