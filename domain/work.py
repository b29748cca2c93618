"""The work that facts start: its names, whether there is any, and why it may have failed for good.

`handlers/policies.py` says which fact starts which job. A job's result, or its failure, is again a fact:
of the note, of the session, or of the generation that it is for.
"""

from enum import StrEnum
from typing import Final, Literal

from domain.value import PSYCHOTHERAPY


class JobName(StrEnum):
    """The jobs. The name is stored in facts, and used in the queue and in the metrics."""

    DEIDENTIFY = "deidentify"
    SET_EVENT_STATUS = "set-event-status"
    WRITE_SOAP_NOTE = "write-soap-note"


NoteJob = Literal[JobName.DEIDENTIFY, JobName.SET_EVENT_STATUS]
"""The jobs that the save of a note starts; the other is a generation's."""


class WhyFailed(StrEnum):
    """Why a job was given up. It can be asked for again."""

    BROKE = "broke"
    ENDED_ITS_WORKER = "ended-its-worker"
    TOOK_TOO_LONG = "took-too-long"
    DEIDENTIFICATION_FAILED = "deidentification-failed"
    NOTHING_TO_DRAFT_FROM = "nothing-to-draft-from"
    NOTHING_TO_FILE = "nothing-to-file"
    SERVICE_UNREACHABLE = "service-unreachable"
    SERVICE_TOO_SLOW = "service-too-slow"
    SERVICE_REFUSED = "service-refused"
    ANSWER_IS_NOT_VALID = "answer-is-not-valid"
    ANSWER_IS_NOT_SUPPORTED = "answer-is-not-supported"
    DRAFT_WAS_REFUSED = "draft-was-refused"


SENTENCES: Final[dict[WhyFailed, str]] = {
    WhyFailed.BROKE: "The job met an error that nobody foresaw; the service's log names it.",
    WhyFailed.ENDED_ITS_WORKER: "The worker ended each time that it began this job.",
    WhyFailed.TOOK_TOO_LONG: "The job was not done within its time.",
    WhyFailed.DEIDENTIFICATION_FAILED: "The words could not be de-identified for certain, and went nowhere.",
    WhyFailed.NOTHING_TO_DRAFT_FROM: "There is neither a transcript nor a note to draft from.",
    WhyFailed.NOTHING_TO_FILE: "Nothing in the sources belongs in a SOAP note.",
    WhyFailed.SERVICE_UNREACHABLE: "The service that drafts could not be reached.",
    WhyFailed.SERVICE_TOO_SLOW: "The service that drafts did not answer in time.",
    WhyFailed.SERVICE_REFUSED: "The service that drafts refused the request: its settings may be wrong.",
    WhyFailed.ANSWER_IS_NOT_VALID: "The service that drafts did not answer in the form that was asked for.",
    WhyFailed.ANSWER_IS_NOT_SUPPORTED: "The draft said what its sources do not say.",
    WhyFailed.DRAFT_WAS_REFUSED: "The draft could not be saved as a SOAP note.",
}
"""The sentences that a user reads."""


def starts_work(record_type: int) -> bool:
    """Whether saving a note of this type starts anything: a psychotherapy note's text reaches no worker."""
    return record_type != PSYCHOTHERAPY
