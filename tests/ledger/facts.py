"""Any fact of any kind, as hypothesis strategies: what the codec must carry."""

from datetime import timedelta, timezone
from typing import Any, Final

from hypothesis import strategies as st

from domain.note_facts import (
    AmendedWords,
    File,
    HistoryEntryAmended,
    HistoryEntryWithdrawn,
    NoteApproved,
    NoteDrafted,
    NoteSoftDeleted,
    NoteWords,
)
from domain.person import PersonRegistered, PersonRenamed, PersonWords
from domain.record_type import RecordTypeDefined, RecordTypeRetired
from domain.relationship import RelationshipBegan, RelationshipEnded
from domain.session import EventStatus, SessionRescheduled, SessionScheduled, SessionStatusSet
from domain.value import MAX_ID, By, Fact, Reason, Role

TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
"""Any text that UTF-8 can hold."""
_IDS: Final = st.integers(1, MAX_ID)
_ZONES: Final = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
_TIMES: Final = st.datetimes(timezones=_ZONES)
_BY: Final = st.builds(By, user_id=_IDS, role=st.sampled_from(Role))
_REASONS: Final = st.none() | st.builds(Reason, reason=TEXT)
_NAMES: Final = st.none() | st.builds(PersonWords, full_name=TEXT)
_FILES: Final = st.builds(
    File,
    name=TEXT,
    media_type=TEXT,
    size=_IDS,
    sha256=TEXT,
    pages=st.none() | _IDS,
    text=st.none() | TEXT,
    warnings=st.lists(TEXT, max_size=2).map(tuple),
    unread=st.none() | TEXT,
)

_ANY: Final[dict[str, Any]] = {"by": _BY, "at": _TIMES}
_NOTE: Final[dict[str, Any]] = _ANY | dict.fromkeys(
    ("note_id", "client_user_id", "record_type"), _IDS
)
_VERSION: Final[dict[str, Any]] = (
    _NOTE
    | dict.fromkeys(("therapist_user_id", "therapist_client_id"), _IDS)
    | {
        "therapist_session_id": st.none() | _IDS,
        "dated": _TIMES,
        "sender_role": st.sampled_from([Role.THERAPIST, Role.ML]),
        "is_override": st.none() | st.booleans(),
        "attachments": st.lists(TEXT, max_size=2).map(tuple),
        "words": st.none()
        | st.builds(
            NoteWords,
            text=TEXT,
            ml_text=st.none() | TEXT,
            files=st.lists(_FILES, max_size=2).map(tuple),
            signature=st.none() | TEXT,
            signer_name=st.none() | TEXT,
        ),
    }
)
_SESSION: Final[dict[str, Any]] = _ANY | dict.fromkeys(("session_id", "client_user_id"), _IDS)
_TIMES_OF_IT: Final[dict[str, Any]] = {"starts_at": _TIMES, "ends_at": _TIMES}
_STATUS: Final[dict[str, Any]] = {"event_status": st.sampled_from(EventStatus)}
_THERAPIST: Final[dict[str, Any]] = dict.fromkeys(
    ("therapist_user_id", "therapist_client_id"), _IDS
)
_PERSON: Final[dict[str, Any]] = _ANY | {"user_id": _IDS, "words": _NAMES}
_RELATIONSHIP: Final[dict[str, Any]] = _ANY | _THERAPIST | {"client_user_id": _IDS}
_AMENDED: Final[dict[str, Any]] = {
    "amended_version": _IDS,
    "words": st.none() | st.builds(AmendedWords, text=TEXT, reason=st.none() | TEXT),
}
_DEFINED: Final[dict[str, Any]] = {"record_type": _IDS, "name": TEXT, "description": TEXT}

STRATEGIES: Final[dict[type[Fact], st.SearchStrategy[Fact]]] = {
    NoteDrafted: st.builds(NoteDrafted, **_VERSION),
    NoteApproved: st.builds(NoteApproved, **_VERSION),
    NoteSoftDeleted: st.builds(NoteSoftDeleted, **_NOTE, words=_REASONS),
    HistoryEntryAmended: st.builds(HistoryEntryAmended, **_NOTE, **_AMENDED),
    HistoryEntryWithdrawn: st.builds(
        HistoryEntryWithdrawn, **_NOTE, withdrawn_version=_IDS, words=_REASONS
    ),
    SessionScheduled: st.builds(
        SessionScheduled, **_SESSION, **_THERAPIST, **_TIMES_OF_IT, **_STATUS
    ),
    SessionRescheduled: st.builds(SessionRescheduled, **_SESSION, **_TIMES_OF_IT),
    SessionStatusSet: st.builds(SessionStatusSet, **_SESSION, **_STATUS),
    PersonRegistered: st.builds(PersonRegistered, **_PERSON, role=st.sampled_from(Role)),
    PersonRenamed: st.builds(PersonRenamed, **_PERSON),
    RelationshipBegan: st.builds(RelationshipBegan, **_RELATIONSHIP),
    RelationshipEnded: st.builds(RelationshipEnded, **_RELATIONSHIP),
    RecordTypeDefined: st.builds(RecordTypeDefined, **_ANY, **_DEFINED),
    RecordTypeRetired: st.builds(RecordTypeRetired, **_ANY, record_type=_IDS),
}
"""By kind; a test holds this against the codec's registry."""
