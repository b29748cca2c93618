"""The jobs: plain functions that may run twice and that record their result as a fact.

A job reads the current state from the ledger, not from its message: the note may have been saved
again, deleted or cancelled since the message was sent. No job opens a psychotherapy note. Three
things see to that: the domain starts no work on one, each job checks the clear record type before
it decrypts anything, and the worker's keys refuse to decrypt one.
"""

from collections.abc import Mapping
from typing import Final

from domain.work import JobName
from handlers.draft_job import give_draft_up, is_draft_wanted, write_soap_note
from handlers.job_context import JobHandler
from handlers.note_jobs import deidentify, give_note_up, is_note_wanted, set_event_status

JOB_HANDLERS: Final[Mapping[JobName, JobHandler]] = {
    JobName.DEIDENTIFY: JobHandler(is_note_wanted, deidentify, give_note_up, 30 * 60_000),
    JobName.SET_EVENT_STATUS: JobHandler(is_note_wanted, set_event_status, give_note_up, 60_000),
    JobName.WRITE_SOAP_NOTE: JobHandler(
        is_draft_wanted, write_soap_note, give_draft_up, 10 * 60_000
    ),
}
