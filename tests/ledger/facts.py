"""Any fact of any type, as hypothesis strategies: what the codec must carry."""

from datetime import timedelta, timezone
from typing import Any, Final

from hypothesis import strategies as st

from domain.data_keys import DataKeyMade, DataKeysDestroyed
from domain.generation_facts import (
    Cite,
    DraftSource,
    DraftWords,
    GenerationCancelled,
    GenerationDrafted,
    GenerationFailed,
    GenerationFinished,
    GenerationRequested,
    GenerationStarted,
    GenerationWords,
    SourceKind,
    TracedSentence,
)
from domain.note_facts import (
    AmendedWords,
    ApprovedWords,
    DeidentifiedWords,
    File,
    HistoryEntryAmended,
    HistoryEntryWithdrawn,
    NoteApproved,
    NoteDeidentified,
    NoteDrafted,
    NoteProcessingAskedAgain,
    NoteProcessingFailed,
    NoteSoftDeleted,
    NoteWords,
)
from domain.person import PersonRegistered, PersonRenamed, PersonWords
from domain.record_type import RecordTypeDefined, RecordTypeRetired
from domain.relationship import RelationshipBegan, RelationshipEnded
from domain.session import (
    EventStatus,
    NoteVersionRef,
    SessionRescheduled,
    SessionScheduled,
    SessionStatusAdvanced,
    SessionStatusSet,
    TranscriptStored,
    TranscriptWords,
)
from domain.value import MAX_ID, Authentication, By, Fact, KeyScope, Kind, Reason, Role
from domain.work import JobName, WhyFailed

TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
"""Any text that UTF-8 can hold."""
_IDS: Final = st.integers(1, MAX_ID)
_ZONES: Final = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
_TIMES: Final = st.datetimes(timezones=_ZONES)
_BY: Final = st.builds(
    By,
    user_id=_IDS,
    role=st.sampled_from(Role),
    account=st.none() | st.uuids(),
    authentication=st.none() | st.sampled_from(Authentication),
    request_id=st.none() | TEXT,
    operator=st.none() | TEXT,
)
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

_WORDS: Final[dict[str, Any]] = {
    "text": TEXT,
    "ml_text": st.none() | TEXT,
    "files": st.lists(_FILES, max_size=2).map(tuple),
    "signature": st.none() | TEXT,
    "signer_name": st.none() | TEXT,
}
_APPROVED_WORDS: Final = st.builds(
    ApprovedWords, document=st.none() | TEXT, predecessor=st.none() | TEXT, **_WORDS
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
        "words": st.none() | st.builds(NoteWords, **_WORDS),
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

# --- of the background work

_OF_VERSION: Final[dict[str, Any]] = _NOTE | {"of_version": _IDS}
_JOB: Final[dict[str, Any]] = {
    "job": st.sampled_from([JobName.DEIDENTIFY, JobName.SET_EVENT_STATUS])
}
_WHY: Final[dict[str, Any]] = {"why": st.sampled_from(WhyFailed)}
_DEIDENTIFIED: Final[dict[str, Any]] = {
    "tool": TEXT,
    "models": st.lists(TEXT, max_size=2).map(tuple),
    "words": st.none()
    | st.builds(
        DeidentifiedWords,
        text=TEXT,
        placeholders=st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple),
        counts=st.dictionaries(TEXT, _IDS, max_size=2),
    ),
}
_NOTE_VERSIONS: Final = st.builds(
    NoteVersionRef,
    kind=st.sampled_from([Kind.NOTE, Kind.SOAP_NOTE]),
    note_id=_IDS,
    version=_IDS,
)
_TRANSCRIPTS: Final = st.none() | st.builds(TranscriptWords, text=TEXT)
_RUN: Final[dict[str, Any]] = _ANY | dict.fromkeys(
    ("generation_id", "client_user_id", "therapist_user_id", "run"), _IDS
)
_REQUESTED: Final[dict[str, Any]] = {
    **dict.fromkeys(("therapist_client_id", "record_type", "soap_note_id"), _IDS),
    "therapist_session_id": st.none() | _IDS,
    "words": st.none() | st.builds(GenerationWords, client_name=TEXT),
}
_SENTENCES: Final = st.builds(
    TracedSentence,
    section=TEXT,
    cites=st.lists(st.builds(Cite, source=_IDS, start=_IDS, end=_IDS), max_size=2).map(tuple),
)
_SOURCES: Final = st.builds(
    DraftSource, kind=st.sampled_from(SourceKind), number=_IDS, version=_IDS
)
_DRAFT: Final[dict[str, Any]] = {
    **dict.fromkeys(("maker", "model"), TEXT),
    "prompt_digest": st.none() | TEXT,
    "sources": st.lists(_SOURCES, max_size=2).map(tuple),
    "words": st.none()
    | st.builds(DraftWords, text=TEXT, sentences=st.lists(_SENTENCES, max_size=2).map(tuple)),
}

_KEYS: Final[dict[str, Any]] = _ANY | {"person_id": st.integers(0, MAX_ID)}

STRATEGIES: Final[dict[type[Fact], st.SearchStrategy[Fact]]] = {
    NoteDrafted: st.builds(NoteDrafted, **_VERSION),
    NoteApproved: st.builds(NoteApproved, **_VERSION | {"words": st.none() | _APPROVED_WORDS}),
    NoteSoftDeleted: st.builds(NoteSoftDeleted, **_NOTE, words=_REASONS),
    HistoryEntryAmended: st.builds(HistoryEntryAmended, **_NOTE, **_AMENDED),
    HistoryEntryWithdrawn: st.builds(
        HistoryEntryWithdrawn, **_NOTE, withdrawn_version=_IDS, words=_REASONS
    ),
    NoteDeidentified: st.builds(NoteDeidentified, **_OF_VERSION, **_DEIDENTIFIED),
    NoteProcessingFailed: st.builds(NoteProcessingFailed, **_OF_VERSION, **_JOB, **_WHY),
    NoteProcessingAskedAgain: st.builds(NoteProcessingAskedAgain, **_OF_VERSION, **_JOB),
    SessionScheduled: st.builds(
        SessionScheduled, **_SESSION, **_THERAPIST, **_TIMES_OF_IT, **_STATUS
    ),
    SessionRescheduled: st.builds(SessionRescheduled, **_SESSION, **_TIMES_OF_IT),
    SessionStatusSet: st.builds(SessionStatusSet, **_SESSION, **_STATUS),
    SessionStatusAdvanced: st.builds(
        SessionStatusAdvanced, **_SESSION, **_STATUS, note=_NOTE_VERSIONS
    ),
    TranscriptStored: st.builds(TranscriptStored, **_SESSION, words=_TRANSCRIPTS),
    PersonRegistered: st.builds(PersonRegistered, **_PERSON, role=st.sampled_from(Role)),
    PersonRenamed: st.builds(PersonRenamed, **_PERSON),
    RelationshipBegan: st.builds(RelationshipBegan, **_RELATIONSHIP),
    RelationshipEnded: st.builds(RelationshipEnded, **_RELATIONSHIP),
    RecordTypeDefined: st.builds(RecordTypeDefined, **_ANY, **_DEFINED),
    RecordTypeRetired: st.builds(RecordTypeRetired, **_ANY, record_type=_IDS),
    GenerationRequested: st.builds(GenerationRequested, **_RUN, **_REQUESTED),
    GenerationStarted: st.builds(GenerationStarted, **_RUN),
    GenerationDrafted: st.builds(GenerationDrafted, **_RUN, **_DRAFT),
    GenerationFinished: st.builds(GenerationFinished, **_RUN, soap_note_id=_IDS),
    GenerationFailed: st.builds(GenerationFailed, **_RUN, **_WHY),
    GenerationCancelled: st.builds(GenerationCancelled, **_RUN),
    DataKeyMade: st.builds(
        DataKeyMade, **_KEYS, key_id=st.uuids(), scope=st.sampled_from(KeyScope)
    ),
    DataKeysDestroyed: st.builds(
        DataKeysDestroyed, **_KEYS, key_ids=st.lists(st.uuids(), max_size=2).map(tuple)
    ),
}
"""By class; a test holds this against the registry of all facts."""
