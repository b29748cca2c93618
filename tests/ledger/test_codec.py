"""Facts go into bytes and come back; what a row names is looked up in a closed list."""

from typing import ClassVar
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.aggregates import FACT_TYPES, aggregate_id
from domain.note_facts import NoteDrafted, NoteWords
from domain.session import EventStatus, SessionScheduled
from domain.value import Fact, Kind
from ledger.codec import (
    UPCASTS,
    FactIsNotRegisteredError,
    FactMapper,
    FactTypeIsUnknownError,
    StoredFact,
    entry_associated_data,
    open_fact,
    read_clear,
    seal_fact,
)
from ledger.keys import KeyIsMissingError, Keys
from ledger.sealing import DataKey, SealBrokenError, seal, take_apart
from tests.ledger.facts import STRATEGIES
from tests.samples import (
    ALMA,
    ALMA_TREATS_CLARA,
    CLARA,
    CLINIC,
    ELSEWHERE,
    NOON,
    SESSION_ID,
    after,
    drafted,
)

KEY = DataKey(UUID("00000000-0000-4000-8000-000000000001"), bytes(range(32)))
NOTE = aggregate_id(Kind.NOTE, 1)


@pytest.mark.parametrize("fact_class", FACT_TYPES.values(), ids=FACT_TYPES)
@given(data=st.data())
@settings(max_examples=40)
def test_a_fact_of_any_type_comes_back(fact_class: type[Fact], data: st.DataObject) -> None:
    fact = data.draw(STRATEGIES[fact_class])
    at = entry_associated_data(CLINIC, NOTE, 1, fact.fact_type)
    stored = seal_fact(KEY, at, fact)
    assert open_fact(KEY.secret, at, fact.fact_type, stored) == fact
    assert read_clear(fact.fact_type, stored) == fact.model_copy(update={"words": None})


def test_each_fact_is_tried() -> None:
    assert set(STRATEGIES) == set(FACT_TYPES.values())


@pytest.mark.parametrize("fact_type", FACT_TYPES)
def test_a_stored_name_says_its_shape(fact_type: str) -> None:
    name, shape = fact_type.split("/")
    earlier = {old for old in UPCASTS if old.split("/")[0] == name}
    assert earlier == {f"{name}/{n}" for n in range(1, int(shape))}, "no shape is forgotten"


@given(words=st.builds(NoteWords, text=st.text("abcdefgh", min_size=8)))
def test_the_words_are_sealed(words: NoteWords) -> None:
    stored = seal_fact(KEY, b"", drafted().model_copy(update={"words": words}))
    assert words.text.encode() not in stored


class TestNotRegistered:
    """What could not be read back is never stored."""

    def test_a_class_that_no_aggregate_lists_is_not_sealed(self) -> None:
        class NoteBurnt(NoteDrafted):
            fact_type: ClassVar[str] = "note-burnt/1"

        with pytest.raises(FactIsNotRegisteredError, match=r"^NoteBurnt, note-burnt/1$"):
            seal_fact(KEY, b"", NoteBurnt(**dict(drafted())))

    def test_nor_is_one_under_the_stored_name_of_another(self) -> None:
        class NoteBurnt(NoteDrafted):
            pass

        with pytest.raises(FactIsNotRegisteredError, match=r"^NoteBurnt, note-drafted/2$"):
            seal_fact(KEY, b"", NoteBurnt(**dict(drafted())))


class TestUnknown:
    @pytest.mark.parametrize("fact_type", ["os.system/1", "note-drafted/3", "note-drafted", ""])
    def test_a_type_is_refused_by_its_name(self, fact_type: str) -> None:
        at = entry_associated_data(CLINIC, NOTE, 1, fact_type)
        stored = seal(KEY, at, b'{"by":1}', b"null")
        with pytest.raises(FactTypeIsUnknownError, match=f"^{fact_type}$"):
            read_clear(fact_type, stored)
        with pytest.raises(FactTypeIsUnknownError, match=f"^{fact_type}$"):
            open_fact(KEY.secret, at, fact_type, stored)


class TestOldShapes:
    """`session-scheduled/1` was stored without an event status."""

    CLEAR = (
        '{"by":{"user_id":11,"role":"therapist"},"at":"2026-03-02T12:00:00Z","session_id":201,'
        '"client_user_id":21,"therapist_user_id":11,"therapist_client_id":101,'
        '"starts_at":"2026-03-02T12:00:00Z","ends_at":"2026-03-02T12:50:00Z"}'
    )
    AS_IT_READS_TODAY = SessionScheduled(
        by=ALMA,
        at=NOON,
        session_id=SESSION_ID,
        client_user_id=CLARA.user_id,
        therapist_user_id=ALMA.user_id,
        therapist_client_id=ALMA_TREATS_CLARA,
        starts_at=NOON,
        ends_at=after(50),
        event_status=EventStatus.SCHEDULED,
    )

    def test_an_old_session_reads_as_scheduled(self) -> None:
        at = entry_associated_data(
            CLINIC, aggregate_id(Kind.SESSION, SESSION_ID), 1, "session-scheduled/1"
        )
        stored = seal(KEY, at, self.CLEAR.encode(), b"null")
        for fact in (
            read_clear("session-scheduled/1", stored),
            open_fact(KEY.secret, at, "session-scheduled/1", stored),
        ):
            assert fact == self.AS_IT_READS_TODAY

    def test_old_bytes_do_not_pass_for_the_new_shape(self) -> None:
        """The stored name is sealed in."""
        session = aggregate_id(Kind.SESSION, SESSION_ID)
        stored = seal_fact(
            KEY,
            entry_associated_data(CLINIC, session, 1, "session-scheduled/2"),
            self.AS_IT_READS_TODAY,
        )
        with pytest.raises(SealBrokenError):
            open_fact(
                KEY.secret,
                entry_associated_data(CLINIC, session, 1, "session-scheduled/1"),
                "session-scheduled/1",
                stored,
            )

    @pytest.mark.parametrize("old", UPCASTS)
    def test_each_upcast_leads_to_a_name_that_is_read(self, old: str) -> None:
        seen = []
        fact_type = old
        while fact_type in UPCASTS:
            seen.append(fact_type)
            fact_type = UPCASTS[fact_type][0]
            assert fact_type not in seen
        assert fact_type in FACT_TYPES
        assert old not in FACT_TYPES


class TestAssociatedData:
    """An entry's bytes belong to one clinic, aggregate, version and fact type."""

    HERE = (CLINIC, NOTE, 1, "note-drafted/2")
    ELSEWHERE = (
        (ELSEWHERE, NOTE, 1, "note-drafted/2"),
        (CLINIC, aggregate_id(Kind.NOTE, 2), 1, "note-drafted/2"),
        (CLINIC, aggregate_id(Kind.SOAP_NOTE, 1), 1, "note-drafted/2"),
        (CLINIC, NOTE, 2, "note-drafted/2"),
        (CLINIC, NOTE, 1, "note-approved/3"),
    )

    @pytest.mark.parametrize("there", ELSEWHERE)
    def test_bytes_that_were_moved_do_not_open(self, there: tuple[int, UUID, int, str]) -> None:
        stored = seal_fact(KEY, entry_associated_data(*self.HERE), drafted())
        with pytest.raises(SealBrokenError):
            open_fact(KEY.secret, entry_associated_data(*there), there[3], stored)

    def test_a_clear_field_that_was_changed_is_noticed(self) -> None:
        stored = seal_fact(KEY, entry_associated_data(*self.HERE), drafted())
        changed = stored.replace(b'"record_type":2', b'"record_type":1')
        assert changed != stored
        with pytest.raises(SealBrokenError):
            open_fact(KEY.secret, entry_associated_data(*self.HERE), "note-drafted/2", changed)


class TestMapper:
    """As the library uses it."""

    def test_it_seals_with_the_subjects_key_and_opens(self, keys: Keys) -> None:
        mapper = FactMapper(CLINIC, keys)
        stored_fact = StoredFact(NOTE, 7, drafted("slept well"))
        stored = mapper.to_stored_event(stored_fact)
        assert (stored.originator_id, stored.originator_version) == (NOTE, 7)
        assert stored.topic == NoteDrafted.fact_type
        key = keys.for_sealing(CLINIC, stored_fact.fact.subject())
        assert take_apart(stored.state).key_id == key.key_id
        assert mapper.to_domain_event(stored) == stored_fact

    def test_another_clinics_mapper_does_not_open_it(self, keys: Keys) -> None:
        stored = FactMapper(CLINIC, keys).to_stored_event(StoredFact(NOTE, 1, drafted()))
        with pytest.raises(KeyIsMissingError):
            FactMapper(ELSEWHERE, keys).to_domain_event(stored)
