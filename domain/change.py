"""What the change stream says of a fact: its type, and the ids and status that it is about; no words.

Each class of facts declares it by `change` and `change_details` (`Fact` in `value.py`).
"""

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # these modules have facts, and so import this one
    from domain.session import EventStatus
    from domain.work import JobName, WhyFailed


class ChangeType(StrEnum):
    """What happened, by the name that the stream uses."""

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
