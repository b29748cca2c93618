"""Amending and withdrawing history entries; the ledger keeps what they said."""

from fastapi import Response

from api.inputs import checked_text
from api.note_bodies import AmendmentBody
from api.note_kinds import NoteKind, WithdrawRequest
from api.note_reads import find_entry, find_entry_outline
from api.note_saves import by, checked_reason, refuse_other_ids
from api.operations import json_answer
from api.problems import BadRequest
from api.requests import PutRequest
from api.services import Services
from domain.note import AmendEntry, WithdrawEntry
from domain.note_facts import NoteApproved


def amend(kind: NoteKind, services: Services, asked: PutRequest[AmendmentBody]) -> Response:
    """Amend an entry; the ids that the request names must be those that the entry has."""
    caller, body = asked.caller, asked.body
    entry = find_entry_outline(services, caller, kind.aggregate.kind, asked.id)
    if (field := body.approval_field()) and not isinstance(entry.saved, NoteApproved):
        detail = "An amendment changes the text alone: to approve, save a version of the note."
        raise BadRequest(422, detail, field)
    text = checked_text(services.limits.text_bytes_max, body.data)
    refuse_other_ids({**body.ids(), "therapist_session_id": body.therapist_session_id}, entry)
    command = AmendEntry(
        by=by(caller),
        at=services.clock(),
        version=entry.version,
        text=text,
        reason=checked_reason(services, body.reason),
    )
    services.ledger.record(caller.clinic_id, kind.aggregate, entry.note_id, command)
    amended = find_entry(services, caller, kind.aggregate.kind, asked.id)
    return json_answer(kind.entry.of(amended))


def withdraw(kind: NoteKind, services: Services, asked: WithdrawRequest) -> Response:
    """Take an entry from view; 204."""
    caller = asked.caller
    entry = find_entry_outline(services, caller, kind.aggregate.kind, asked.id)
    command = WithdrawEntry(
        by=by(caller),
        at=services.clock(),
        version=entry.version,
        reason=checked_reason(services, asked.reason.reason if asked.reason else None),
    )
    services.ledger.record(caller.clinic_id, kind.aggregate, entry.note_id, command)
    return Response(status_code=204)
