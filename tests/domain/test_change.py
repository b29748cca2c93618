"""What the change stream says of each fact that it has more to say of than its type."""

import pytest

from domain.change import ChangeDetails
from domain.session import EventStatus
from domain.value import Fact
from domain.work import WhyFailed
from tests.samples import amended, approved, drafted, soft_deleted, withdrawn
from tests.work_samples import (
    SET_EVENT_STATUS,
    SOAP_NOTE_ID,
    advanced,
    deidentified,
    failed,
    finished,
    processing_asked_again,
    processing_failed,
    started,
)

FACT_VERSION = 9
"""The version that the fact itself made."""


@pytest.mark.parametrize(
    ("fact", "details"),
    [
        (drafted(), ChangeDetails(version=FACT_VERSION)),
        (approved(), ChangeDetails(version=FACT_VERSION)),
        (soft_deleted(), ChangeDetails()),
        (amended(2), ChangeDetails(version=2)),
        (withdrawn(3), ChangeDetails(version=3)),
        (deidentified(4), ChangeDetails(version=4)),
        (
            processing_failed(5, SET_EVENT_STATUS, WhyFailed.TOOK_TOO_LONG),
            ChangeDetails(version=5, job=SET_EVENT_STATUS, why=WhyFailed.TOOK_TOO_LONG),
        ),
        (
            processing_asked_again(6, SET_EVENT_STATUS),
            ChangeDetails(version=6, job=SET_EVENT_STATUS),
        ),
        (advanced(EventStatus.REVIEWED), ChangeDetails(event_status=EventStatus.REVIEWED)),
        (started(), ChangeDetails()),
        (finished(), ChangeDetails(soap_note_id=SOAP_NOTE_ID)),
        (failed(why=WhyFailed.BROKE), ChangeDetails(why=WhyFailed.BROKE)),
    ],
    ids=lambda value: value.fact_type if isinstance(value, Fact) else "",
)
def test_details(fact: Fact, details: ChangeDetails) -> None:
    assert fact.change_details(FACT_VERSION) == details
