"""Every error as a problem document (RFC 9457): status, a sentence, and the fields that are wrong.

No problem quotes what was sent: words about a person do not come back in an error. Only files that
cannot be read are called by their names.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from domain import refusals
from domain.refusals import Refused
from handlers.documents import ReadersAreBusy
from ledger.accounts import LoginIsThrottled
from ledger.appender import AppenderIsStoppedError
from ledger.database import UNREACHABLE

log = logging.getLogger("noteledger.api")

MEDIA_TYPE: Final = "application/problem+json"
THROTTLED_SECONDS: Final = 30
CHALLENGE: Final = 'Basic realm="noteledger", charset="UTF-8"'
"""Every 401 names a way to sign in (RFC 9110, section 15.5.2)."""
CHALLENGE_TO_SCRIPTS: Final = 'Cookie realm="noteledger"'
"""Basic would make a browser ask for name and password by itself, over a page that has a form for it."""
_LIKE_A_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

STATUS: Final[dict[type[Refused], int]] = {
    refusals.NotPermitted: 403,
    refusals.NotTheAuthor: 403,
    refusals.PsychotherapyNotesAreTheAuthors: 403,
    refusals.SenderRoleIsNotYours: 403,
    refusals.NoteIsUnknown: 404,
    refusals.NoteIsDeleted: 404,
    refusals.EntryIsUnknown: 404,
    refusals.VersionIsStale: 412,
    refusals.SomebodyWasFaster: 409,
    refusals.ApprovedEntryIsFinal: 409,
    refusals.SubjectIsFixed: 422,
    refusals.MlMayNotApprove: 422,
    refusals.SignatureWithoutApproval: 422,
    refusals.SignerHasNoName: 422,
    refusals.ClientIsUnknown: 422,
    refusals.TherapistIsUnknown: 422,
    refusals.RelationshipIsUnknown: 422,
    refusals.SessionIsUnknown: 422,
    refusals.RecordTypeIsUnknown: 422,
    refusals.PersonIsUnknown: 404,
    refusals.PersonIsErased: 410,
    refusals.RoleIsFixed: 422,
    refusals.RelationshipIsFixed: 422,
    refusals.SessionIsFixed: 422,
    refusals.SessionEndsBeforeItStarts: 422,
    refusals.IdempotencyKeyWasUsed: 422,
    refusals.AttachmentIsUnknown: 404,
    refusals.PsychotherapyNotesStartNothing: 422,
    refusals.NothingHasFailed: 409,
    refusals.NotDeidentifiedYet: 404,
    refusals.TranscriptIsUnknown: 404,
    refusals.NothingToDraftFrom: 422,
    refusals.GenerationIsUnknown: 404,
    refusals.GenerationIsUnderWay: 409,
    refusals.GenerationHasEnded: 409,
}
"""A refusal's HTTP status; a test keeps this total."""


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str
    detail: str


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []


class BadRequest(Exception):
    """What the API itself refuses, before a command is made of the request."""

    def __init__(self, status: int, detail: str, field: str | None = None) -> None:
        self.status = status
        self.detail = detail
        self.field = field
        super().__init__(detail)


class FilesAreUnreadable(Exception):
    """There are files that cannot be read; nothing was saved.

    Each one's name stands in the answer, so that its sender can tell which; it is no part of the
    exception's text, which may come into a log.
    """

    def __init__(self, errors: list[FieldProblem]) -> None:
        self.errors = errors
        super().__init__(f"{len(errors)} files")


def problem(
    status: int,
    detail: str,
    errors: list[FieldProblem] | None = None,
    name: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem document."""
    title = HTTPStatus(status).phrase
    document = Problem(
        type=f"urn:noteledger:problem:{name}" if name else "about:blank",
        title=title,
        status=status,
        detail=detail,
        errors=errors or [],
    )
    return JSONResponse(
        document.model_dump(), status, headers=dict(headers or {}), media_type=MEDIA_TYPE
    )


def install(app: FastAPI) -> None:
    """Answer every exception of ours, and every other, with a problem document."""
    app.exception_handler(Refused)(_refused)
    app.exception_handler(BadRequest)(_bad_request)
    app.exception_handler(FilesAreUnreadable)(_unreadable)
    app.exception_handler(ReadersAreBusy)(_busy)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(LoginIsThrottled)(_throttled)
    app.exception_handler(AppenderIsStoppedError)(_stopping)
    for unreachable in UNREACHABLE:
        app.exception_handler(unreachable)(_unreachable)
    app.exception_handler(Exception)(_broken)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation that may answer with these problems."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


READ: Final = (401, 403, 404, 422, 429)
LOOK_UP: Final = (400, 401, 403, 415, 422, 429)
CHANGE: Final = (400, 401, 403, 404, 409, 410, 412, 413, 415, 422, 429)
"""What reading, looking up and changing a note may answer besides what was asked for."""


async def _refused(request: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refused)
    sentence = refused.sentence()
    errors = [FieldProblem(field=refused.field, detail=sentence)] if refused.field else []
    return problem(STATUS[type(refused)], sentence, errors, _dashed(type(refused).__name__))


async def _bad_request(request: Request, bad: Exception) -> Response:
    assert isinstance(bad, BadRequest)
    errors = [FieldProblem(field=bad.field, detail=bad.detail)] if bad.field else []
    asked_by_script = request.headers.get("sec-fetch-mode", "navigate") != "navigate"
    challenge = CHALLENGE_TO_SCRIPTS if asked_by_script else CHALLENGE
    headers = {"WWW-Authenticate": challenge} if bad.status == 401 else {}
    return problem(bad.status, bad.detail, errors, headers=headers)


async def _unreadable(request: Request, unreadable: Exception) -> Response:
    assert isinstance(unreadable, FilesAreUnreadable)
    sentence = "There are files that cannot be read; nothing was saved."
    return problem(422, sentence, unreadable.errors, _dashed(FilesAreUnreadable.__name__))


async def _invalid(request: Request, invalid: Exception) -> Response:
    assert isinstance(invalid, RequestValidationError)
    errors = [
        FieldProblem(field=field_name(error["loc"][1:]) or error["loc"][0], detail=_sentence(error))
        for error in invalid.errors()
    ]
    named = ", ".join(dict.fromkeys(error.field for error in errors[:10]))
    return problem(422, f"Wrong or missing: {named}.", errors)


def field_name(loc: Sequence[int | str]) -> str:
    """The field's name, where the request has one for it; what is not like a name may be words.

    A union's branch, such as `dict[str,any]`, is no name of the contract's.
    """
    return ".".join(str(part) for part in loc if _LIKE_A_NAME.fullmatch(str(part)))


def _sentence(error: Mapping[str, Any]) -> str:
    message: str = error["msg"]
    return message.removeprefix("Value error, ")


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentence = {404: "There is nothing here.", 405: "This is not done to that."}
    detail = sentence.get(error.status_code, str(error.detail))
    headers = dict(error.headers or {})
    if error.status_code == 405 and "route" in request.scope:
        # The router knows only of the first route that has the path.
        own = methods_at(request, request.scope["path"])
        headers["Allow"] = ", ".join(
            sorted(own or methods_at(request, request.scope["route"].path))
        )
    return problem(error.status_code, detail, headers=headers)


def methods_at(request: Request, path: str) -> set[str]:
    """What may be done to the path."""
    return {
        method
        for route in request.app.routes
        if getattr(route, "path", None) == path
        for method in getattr(route, "methods", ())
    }


async def _throttled(request: Request, error: Exception) -> Response:
    retry = {"Retry-After": str(THROTTLED_SECONDS)}
    return problem(429, "Too many failed log-ins: wait a while.", headers=retry)


async def _stopping(request: Request, error: Exception) -> Response:
    return problem(503, "The service is stopping; nothing was saved.", headers={"Retry-After": "5"})


async def _busy(request: Request, error: Exception) -> Response:
    retry = {"Retry-After": "30"}
    return problem(503, "Too many files wait to be read; nothing was saved.", headers=retry)


async def _unreachable(request: Request, error: Exception) -> Response:
    log.error("the database does not answer: %s", type(error).__name__)
    sentence = (
        "The database does not answer. Read before you save again, or use an Idempotency-Key."
    )
    return problem(503, sentence, headers={"Retry-After": "5"})


async def _broken(request: Request, error: Exception) -> Response:
    # The kind of the error and where it came from; its text may quote what was sent.
    route = request.scope.get("route")
    log.error("%s at %s %s", type(error).__name__, request.method, getattr(route, "path", "?"))
    return problem(500, "Something broke on our side; nothing was saved unless you read otherwise.")


def _dashed(name: str) -> str:
    return "".join(f"-{char.lower()}" if char.isupper() else char for char in name).lstrip("-")
