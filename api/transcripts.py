"""Transcripts of sessions: what was said, as text, for drafting SOAP notes. Stored sealed."""

from datetime import datetime
from typing import Final

from fastapi import APIRouter, Response
from pydantic import BaseModel

from api import saving
from api.auth import TheCaller
from api.directory import PUT, READ, permit
from api.given import GivenText, TheId, checked_text
from api.problems import BadRequest
from api.services import Services, TheServices
from api.therapist_note_shapes import Given
from domain.access import DirectoryAction
from domain.refusals import TranscriptIsUnknown
from domain.session import SESSION, PutTranscript, Session
from domain.value import Caller

router = APIRouter(prefix="/directory/sessions", tags=["directory"])
_PATH: Final = "/{id}/transcript"


class TranscriptPut(Given):
    """What was said. Lines may begin with a speaker ("Therapist:", "Client:") or a time."""

    text: GivenText


class TranscriptOut(BaseModel):
    """A session's transcript. `version` is the session's, at which it was stored."""

    session_id: int
    version: int
    text: str
    stored_at: datetime


def _found(session: Session | None) -> TranscriptOut:
    stored = session.transcript if session else None
    if not session or not stored or not stored.words or not session.transcript_version:
        raise TranscriptIsUnknown
    return TranscriptOut(
        session_id=stored.session_id,
        version=session.transcript_version,
        text=stored.words.text,
        stored_at=stored.at,
    )


def _must_be_there(services: Services, caller: Caller, session_id: int) -> None:
    if not services.sessions.page(caller, 0, 1, only=session_id):
        raise BadRequest(404, "There is no such session.")


@router.get(f"{_PATH}/", operation_id="directory_sessions_transcript_retrieve", responses=READ)
def retrieve_transcript(
    services: TheServices, caller: TheCaller, session_id: TheId
) -> TranscriptOut:
    """A session's transcript; for those who may read the client's notes."""
    permit(caller, DirectoryAction.READ_PEOPLE)
    saving.must_read(caller)
    _must_be_there(services, caller, session_id)
    return _found(services.ledger.state(caller.clinic_id, SESSION, session_id))


@router.put(
    f"{_PATH}/",
    operation_id="directory_sessions_transcript_update",
    responses=PUT | {201: {"model": TranscriptOut, "description": "Stored"}},
)
def put_transcript(
    response: Response,
    services: TheServices,
    caller: TheCaller,
    session_id: TheId,
    body: TranscriptPut,
) -> TranscriptOut:
    """Store the transcript of a session of one's own, in the place of a former one."""
    permit(caller, DirectoryAction.MANAGE_SESSIONS)
    text = checked_text(services, body.text, "text")
    _must_be_there(services, caller, session_id)
    command = PutTranscript(by=saving.by(caller), at=services.clock(), text=text)
    recorded = services.ledger.record(caller.clinic_id, SESSION, session_id, command)
    response.status_code = 201 if recorded.position else 200
    return _found(recorded.state)
