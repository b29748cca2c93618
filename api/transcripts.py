"""Transcripts of sessions: what was said, as text, for drafting SOAP notes. Stored sealed."""

from datetime import datetime
from typing import Final

from fastapi import Response

from api.directory import permit, putting, reading
from api.erased import Erasable
from api.inputs import InputText, RequestBody, checked_text
from api.note_reads import must_read
from api.note_saves import by
from api.operations import AnyOperation, json_answer
from api.problems import BadRequest
from api.requests import IdRequest, PutRequest
from api.services import Services
from domain.access import DirectoryAction
from domain.refusals import TranscriptIsUnknown
from domain.session import SESSION, PutTranscript, Session
from domain.value import Caller

_PATH: Final = "/directory/sessions/{id}/transcript/"


class TranscriptPut(RequestBody):
    """What was said. Lines may begin with a speaker ("Therapist:", "Client:") or a time."""

    text: InputText


class TranscriptOut(Erasable):
    """A session's transcript. `version` is the session's, at which it was stored."""

    session_id: int
    version: int
    text: str
    stored_at: datetime


def _shape(session: Session | None) -> TranscriptOut:
    stored = session.transcript if session else None
    if session is None or stored is None:
        raise TranscriptIsUnknown
    assert session.transcript_version is not None, "a transcript has its version"
    return TranscriptOut(
        session_id=stored.session_id,
        version=session.transcript_version,
        text=stored.words.text if stored.words else "",
        stored_at=stored.at,
        erased=stored.words is None,
    )


def _must_be_there(services: Services, caller: Caller, session_id: int) -> None:
    if not services.sessions.page(caller, 0, 1, only=session_id):
        raise BadRequest(404, "There is no such session.")


def retrieve_transcript(services: Services, asked: IdRequest) -> Response:
    """A session's transcript; for those who may read the client's notes."""
    permit(asked.caller, DirectoryAction.READ_PEOPLE)
    must_read(asked.caller)
    _must_be_there(services, asked.caller, asked.id)
    session = services.ledger.state(
        asked.caller.clinic_id, SESSION, asked.id, lambda session: [session.transcript]
    )
    return json_answer(_shape(session))


def put_transcript(services: Services, asked: PutRequest[TranscriptPut]) -> Response:
    """Store the transcript of a session of one's own, in the place of a former one."""
    caller = asked.caller
    permit(caller, DirectoryAction.MANAGE_SESSIONS)
    text = checked_text(services.limits.text_bytes_max, asked.body.text, "text")
    _must_be_there(services, caller, asked.id)
    command = PutTranscript(by=by(caller), at=services.clock(), text=text)
    recorded = services.ledger.record(caller.clinic_id, SESSION, asked.id, command)
    return json_answer(_shape(recorded.state), 201 if recorded.position else 200)


OPERATIONS: Final[tuple[AnyOperation, ...]] = (
    reading(
        _PATH,
        "sessions_transcript_retrieve",
        "Retrieve Transcript",
        IdRequest,
        retrieve_transcript,
        TranscriptOut,
    ),
    putting(
        _PATH,
        "sessions_transcript_update",
        "Put Transcript",
        PutRequest[TranscriptPut],
        put_transcript,
        TranscriptOut,
        "Stored",
    ),
)
