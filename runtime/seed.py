"""What a new ledger starts with: record types, and on a trial run the demo's people and sessions.

Seeds are recorded like anything else, and only where nothing is yet: what an operator renamed or
retired since stays so. A crash in the middle leaves some of them; the next start brings the rest.
"""

from datetime import datetime
from typing import Final, NamedTuple

from domain.aggregates import aggregate_id
from domain.record_type import RECORD_TYPE, PutRecordType
from domain.value import PSYCHOTHERAPY, Authentication, By, Kind, Role
from ledger.database import Datastore
from ledger.ledger import Ledger

OPERATOR: Final = By(user_id=0, role=Role.ADMINISTRATOR, authentication=Authentication.OPERATOR)
"""Who acts at the first start: no person of the directory, and no operator who has a name."""


class RecordTypeSeed(NamedTuple):
    """A record type of a therapy practice."""

    record_type: int
    name: str
    description: str


RECORD_TYPES: Final = (
    RecordTypeSeed(
        PSYCHOTHERAPY,
        "Psychotherapy Notes",
        "The author's own analysis of a conversation, kept apart from the rest of the record"
        " and open to the author alone.",
    ),
    RecordTypeSeed(
        2, "Progress Notes", "How the client is doing and how the work went, session by session."
    ),
    RecordTypeSeed(
        3, "Intake Assessment", "What brings the client, their history, and a first formulation."
    ),
    RecordTypeSeed(
        4, "Treatment Plan", "The goals that were agreed on, and the steps towards them."
    ),
    RecordTypeSeed(5, "Session Summary", "What one session was about, in short."),
    RecordTypeSeed(
        6, "Discharge Summary", "How the treatment went, how it ended, and what is advised next."
    ),
    RecordTypeSeed(
        7, "Risk Assessment", "A screening for risk to self or others, and the safety plan."
    ),
    RecordTypeSeed(8, "Group Note", "The client's part in a group session."),
    RecordTypeSeed(
        9, "Consultation", "What was asked of a colleague or a supervisor, and what they advised."
    ),
    RecordTypeSeed(
        10, "Correspondence", "Letters and calls with other practices, insurers and relatives."
    ),
)


def seed_record_types(ledger: Ledger, clinic_id: int, at: datetime, by: By = OPERATOR) -> None:
    """Record the types that the clinic has never had."""
    for number, name, description in RECORD_TYPES:
        if ledger.outline(clinic_id, RECORD_TYPE, number) is None:
            command = PutRecordType(by=by, at=at, name=name, description=description)
            ledger.record(clinic_id, RECORD_TYPE, number, command)


def clinics_to_seed(datastore: Datastore) -> list[int]:
    """Clinics that lack the last record type: new ones, and those where a crash came between."""
    last = aggregate_id(Kind.RECORD_TYPE, RECORD_TYPES[-1].record_type)
    with datastore.get_connection() as conn:
        rows = conn.execute(
            "SELECT clinic_id FROM ledger.ledger_head AS head WHERE NOT EXISTS ("
            "  SELECT FROM ledger.entries AS entry"
            "  WHERE entry.clinic_id = head.clinic_id AND aggregate_id = %s AND version = 1"
            ") ORDER BY clinic_id",
            (last,),
        ).fetchall()
    return [row["clinic_id"] for row in rows]
