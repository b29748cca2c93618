"""What the change stream tells of a fact: what happened, and what it is about. No words of anybody.

Each class of facts says it of itself, by `change` and `change_details` (`value.py`).
"""

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # these modules have facts, and so import this one
    from domain.session import EventStatus
    from domain.work import JobName, WhyFailed


class ChangeType(StrEnum):
    """What happened; the name stands in the stream."""

    DRAFTED = "drafted"
    APPROVED = "approved"
    DELETED = "deleted"
    ENTRY_AMENDED = "entry-amended"
    ENTRY_WITHDRAWN = "entry-withdrawn"
    DEIDENTIFIED = "deidentified"
    ASKED_AGAIN = "asked-again"
    EVENT_STATUS = "event-status"
    REQUESTED = "requested"
    STARTED = "started"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ChangeDetails(NamedTuple):
    """What a change is about: the version of the note, the session's new status, and so on."""

    version: int | None = None
    event_status: "EventStatus | None" = None
    soap_note_id: int | None = None
    job: "JobName | None" = None
    why: "WhyFailed | None" = None
