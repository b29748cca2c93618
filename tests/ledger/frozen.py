"""What every shape that was ever stored must read as; `frozen.json` holds the bytes.

The bytes are made once, with a fixed key, nonce and place, and never again: `python -m
tests.ledger.frozen` adds those of new samples and touches none that are there. When a shape is
followed by another, its sample stays here and its fact becomes what the old bytes read as.
"""

import json
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from domain.aggregates import aggregate_id
from domain.data_keys import DataKeyMade, DataKeysDestroyed
from domain.note_facts import Meaning
from domain.person import PersonRegistered, PersonRenamed, PersonWords
from domain.record_type import RecordTypeDefined, RecordTypeRetired
from domain.relationship import RelationshipBegan, RelationshipEnded
from domain.session import EventStatus, SessionRescheduled, SessionScheduled, SessionStatusSet
from domain.value import (
    PSYCHOTHERAPY,
    THE_WORKER,
    Authentication,
    By,
    Fact,
    KeyScope,
    Kind,
    Role,
)
from ledger.codec import entry_associated_data, seal_fact
from ledger.sealing import DataKey
from tests.samples import (
    ADAM,
    ALMA,
    ALMA_TREATS_CLARA,
    CLARA,
    CLINIC,
    LETTER,
    ML,
    NOON,
    NOTE_ID,
    PROGRESS,
    READ_LETTER,
    SESSION_ID,
    UNREAD_X_RAY,
    X_RAY,
    after,
    amended,
    approved,
    drafted,
    signed,
    soft_deleted,
    withdrawn,
)
from tests.work_samples import (
    GENERATION_ID,
    SET_EVENT_STATUS,
    advanced,
    cancelled,
    deidentified,
    draft_made,
    failed,
    finished,
    processing_asked_again,
    processing_failed,
    requested,
    started,
    transcript_stored,
)

FILE: Final = Path(__file__).with_suffix(".json")
KEY: Final = DataKey(
    UUID("6e6f7465-6c65-4467-8572-000000000001"), bytes.fromhex("0123456789abcdef" * 4)
)
NONCE: Final = bytes.fromhex("00112233445566778899aabb")


class Sample(NamedTuple):
    """A stored name, the aggregate and version that its bytes belong to, and what they read as."""

    fact_type: str
    aggregate: UUID
    version: int
    fact: Fact

    @property
    def associated_data(self) -> bytes:
        """Where the bytes belong."""
        return entry_associated_data(CLINIC, self.aggregate, self.version, self.fact_type)


_WORKER_BEFORE: Final = By(user_id=0, role=Role.ML)
"""The worker in facts of the time before they said how who acts was authenticated."""
IN_FULL: Final = By(
    user_id=ALMA.user_id,
    role=Role.THERAPIST,
    account=UUID("00000000-0008-8000-8123-456789abcdef"),
    authentication=Authentication.BROWSER_SESSION,
    request_id="req-1",
)
_OPERATOR: Final = By(
    user_id=0,
    role=Role.ADMINISTRATOR,
    authentication=Authentication.OPERATOR,
    request_id="cmd-1",
    operator="anna",
)


def _now(aggregate: Kind, number: int, version: int, fact: Fact, *, by: By | None = None) -> Sample:
    """Of a shape that is still written; without `by`, by somebody as older facts name them."""
    before = _WORKER_BEFORE if fact.by == THE_WORKER else fact.by
    fact = fact.model_copy(update={"by": by or before})
    return Sample(fact.fact_type, aggregate_id(aggregate, number), version, fact)


def _once(fact_type: str, aggregate: Kind, number: int, version: int, fact: Fact) -> Sample:
    """Of a shape that was written once, and that another follows."""
    return Sample(fact_type, aggregate_id(aggregate, number), version, fact)


_SCHEDULED: Final = SessionScheduled(
    by=ALMA,
    at=NOON,
    session_id=SESSION_ID,
    client_user_id=CLARA.user_id,
    therapist_user_id=ALMA.user_id,
    therapist_client_id=ALMA_TREATS_CLARA,
    starts_at=after(60),
    ends_at=after(110),
    event_status=EventStatus.COMPLETED,
)
_RESCHEDULED: Final = SessionRescheduled(
    by=ALMA,
    at=NOON,
    session_id=SESSION_ID,
    client_user_id=CLARA.user_id,
    starts_at=after(120),
    ends_at=after(170),
)
_STATUS_SET: Final = SessionStatusSet(
    by=ALMA,
    at=NOON,
    session_id=SESSION_ID,
    client_user_id=CLARA.user_id,
    event_status=EventStatus.SUMMARY_NOTES,
)
_REGISTERED: Final = PersonRegistered(
    by=ADAM,
    at=NOON,
    user_id=CLARA.user_id,
    role=Role.CLIENT,
    words=PersonWords(full_name="Clara Claes"),
)
_RENAMED: Final = PersonRenamed(
    by=ADAM, at=NOON, user_id=CLARA.user_id, words=PersonWords(full_name="Clára Cools 🌱")
)
_BEGAN: Final = RelationshipBegan(
    by=ADAM,
    at=NOON,
    therapist_client_id=ALMA_TREATS_CLARA,
    therapist_user_id=ALMA.user_id,
    client_user_id=CLARA.user_id,
)
_ENDED: Final = RelationshipEnded.model_validate(_BEGAN.model_dump())
_DEFINED: Final = RecordTypeDefined(
    by=ADAM, at=NOON, record_type=PROGRESS, name="Progress note", description="How it goes."
)
_RETIRED: Final = RecordTypeRetired(by=ADAM, at=NOON, record_type=PROGRESS)
_KEY_MADE: Final = DataKeyMade(
    by=THE_WORKER,
    at=NOON,
    person_id=CLARA.user_id,
    key_id=UUID("6e6f7465-6c65-4467-8572-000000000001"),
    scope=KeyScope.PSYCHOTHERAPY,
)
_KEYS_DESTROYED: Final = DataKeysDestroyed(
    by=ADAM, at=NOON, person_id=CLARA.user_id, key_ids=(_KEY_MADE.key_id,)
)

SAMPLES: Final[dict[str, Sample]] = {
    "a draft": _once("note-drafted/1", Kind.NOTE, NOTE_ID, 1, drafted()),
    "a draft with everything": _once(
        "note-drafted/1",
        Kind.NOTE,
        NOTE_ID,
        2,
        drafted(
            'slept "well" — 8 h\n🌱',
            at=after(1),
            dated=NOON.fromisoformat("2026-03-01T23:30:00.123456+01:00"),
            therapist_session_id=SESSION_ID,
            is_override=False,
            files=(X_RAY, LETTER),
            attachments=("1" * 64, "2" * 64),
        ),
    ),
    "a draft whose words are gone": _once(
        "note-drafted/1", Kind.NOTE, NOTE_ID, 3, drafted().model_copy(update={"words": None})
    ),
    "a psychotherapy note": _once(
        "note-drafted/1", Kind.NOTE, 2, 1, drafted(note_id=2, record_type=PSYCHOTHERAPY)
    ),
    "an ML draft": _once(
        "note-drafted/1",
        Kind.SOAP_NOTE,
        NOTE_ID,
        1,
        drafted("S: well.", ml_text="S: well.", by=ML, sender_role=Role.ML, is_override=False),
    ),
    "an approval": _once(
        "note-approved/1",
        Kind.SOAP_NOTE,
        NOTE_ID,
        2,
        approved(
            "S: badly.",
            ml_text="S: well.",
            is_override=True,
            signature="c2ln",
            signer_name="Alma Arends",
            meaning=Meaning.APPROVAL,
        ),
    ),
    "a draft of shape 2": _now(Kind.NOTE, 3, 1, drafted(note_id=3)),
    "a draft with files read and unread": _now(
        Kind.NOTE,
        3,
        2,
        drafted(
            'slept "well" — 8 h\n🌱',
            note_id=3,
            therapist_session_id=SESSION_ID,
            files=(READ_LETTER, UNREAD_X_RAY),
            attachments=("1" * 64, "2" * 64),
        ),
    ),
    "an approval of shape 2": _once(
        "note-approved/2",
        Kind.SOAP_NOTE,
        3,
        1,
        approved("S: well.", note_id=3, signature="c2ln", signer_name="Alma Arends"),
    ),
    "an approval with the digests of what was signed": _now(
        Kind.SOAP_NOTE,
        3,
        2,
        signed("S: badly.", drafted("S: well.", note_id=3), Kind.SOAP_NOTE, note_id=3),
    ),
    "a deletion": _now(Kind.NOTE, NOTE_ID, 4, soft_deleted("wrong client")),
    "a deletion without a word": _now(Kind.NOTE, 2, 2, soft_deleted(note_id=2)),
    "an amendment": _now(Kind.NOTE, NOTE_ID, 5, amended(1, "slept badly", "misheard")),
    "a withdrawal": _now(Kind.NOTE, NOTE_ID, 6, withdrawn(1, "misheard")),
    "a de-identified note": _now(Kind.NOTE, 3, 3, deidentified(2, note_id=3)),
    "a job given up": _now(Kind.NOTE, 3, 4, processing_failed(2, SET_EVENT_STATUS, note_id=3)),
    "a job asked for again": _now(
        Kind.NOTE, 3, 5, processing_asked_again(2, SET_EVENT_STATUS, note_id=3)
    ),
    "a session": _now(Kind.SESSION, SESSION_ID, 1, _SCHEDULED),
    "a session of shape 1": _once(
        "session-scheduled/1",
        Kind.SESSION,
        SESSION_ID,
        1,
        _SCHEDULED.model_copy(update={"event_status": EventStatus.SCHEDULED}),
    ),
    "a session at another time": _now(Kind.SESSION, SESSION_ID, 2, _RESCHEDULED),
    "a session further on": _now(Kind.SESSION, SESSION_ID, 3, _STATUS_SET),
    "a session further on by a save": _now(Kind.SESSION, SESSION_ID, 4, advanced()),
    "a transcript": _now(Kind.SESSION, SESSION_ID, 5, transcript_stored("I slept — well 🌱.")),
    "a person": _now(Kind.PERSON, CLARA.user_id, 1, _REGISTERED),
    "a new name": _now(Kind.PERSON, CLARA.user_id, 2, _RENAMED),
    "a relationship": _now(Kind.RELATIONSHIP, ALMA_TREATS_CLARA, 1, _BEGAN),
    "the end of it": _now(Kind.RELATIONSHIP, ALMA_TREATS_CLARA, 2, _ENDED),
    "a record type": _now(Kind.RECORD_TYPE, PROGRESS, 1, _DEFINED),
    "a retired record type": _now(Kind.RECORD_TYPE, PROGRESS, 2, _RETIRED),
    "a request to draft": _now(Kind.GENERATION, GENERATION_ID, 1, requested()),
    "a run begun": _now(Kind.GENERATION, GENERATION_ID, 2, started()),
    "a run cancelled": _now(Kind.GENERATION, GENERATION_ID, 3, cancelled()),
    "a request without a session": _now(
        Kind.GENERATION, GENERATION_ID, 4, requested(2, therapist_session_id=None)
    ),
    "a run failed": _now(Kind.GENERATION, GENERATION_ID, 5, failed(2)),
    "a draft made": _now(Kind.GENERATION, GENERATION_ID, 7, draft_made(3, prompt_digest="ab" * 32)),
    "a draft saved": _now(Kind.GENERATION, GENERATION_ID, 8, finished(3)),
    "a draft by somebody in full": _now(Kind.NOTE, NOTE_ID, 11, drafted(), by=IN_FULL),
    "a run begun by the worker": _now(Kind.GENERATION, GENERATION_ID, 9, started(4), by=THE_WORKER),
    "a person by an operator": _now(Kind.PERSON, CLARA.user_id, 3, _REGISTERED, by=_OPERATOR),
    "a data key": _now(Kind.DATA_KEYS, CLARA.user_id, 1, _KEY_MADE),
    "the end of the data keys": _now(Kind.DATA_KEYS, CLARA.user_id, 2, _KEYS_DESTROYED),
}


def stored_bytes() -> dict[str, bytes]:
    """The frozen bytes, by the name of their sample."""
    kept: dict[str, str] = json.loads(FILE.read_text())
    return {name: bytes.fromhex(stored) for name, stored in kept.items()}


def _freeze_what_is_new() -> None:
    frozen = stored_bytes()
    for name, sample in SAMPLES.items():
        if name not in frozen:
            assert sample.fact_type == sample.fact.fact_type, (
                "only what is written today can be frozen today"
            )
            frozen[name] = seal_fact(KEY, sample.associated_data, sample.fact, NONCE)
    kept = {name: stored.hex() for name, stored in frozen.items()}
    FILE.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    _freeze_what_is_new()
