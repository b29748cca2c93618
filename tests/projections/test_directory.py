"""The directory as it is read: people, relationships, sessions and record types."""

from typing import Any

import pytest

from domain.person import PERSON
from domain.record_type import RECORD_TYPE
from domain.refusals import (
    ClientIsUnknown,
    RecordTypeIsUnknown,
    Refused,
    RelationshipIsUnknown,
    SessionIsUnknown,
    TherapistIsUnknown,
)
from domain.relationship import RELATIONSHIP
from domain.session import SESSION, EventStatus
from domain.value import PSYCHOTHERAPY, By, Role
from projections.people import People, PersonRow
from projections.record_types import RecordTypeRow, RecordTypes
from projections.references import References
from projections.relationships import RelationshipRow, Relationships
from projections.sessions import SessionRow, Sessions
from tests.databases import Program
from tests.samples import (
    ADAM,
    ALMA,
    ALMA_TREATS_CLARA,
    AUDRA,
    BRUNO,
    BRUNO_TREATS_DAVID,
    CLARA,
    CLINIC,
    DAVID,
    EVERYBODY,
    ML,
    NOON,
    PROGRESS,
    SESSION_ID,
    after,
    caller,
    enter_directory,
    put_person,
    put_record_type,
    put_relationship,
    put_session,
)


@pytest.fixture
def entered(program: Program) -> Program:
    """A clinic with its directory entered."""
    enter_directory(program.ledger)
    return program


class TestPeople:
    def test_a_person_by_name(self, entered: Program) -> None:
        people = People(entered.datastore, entered.ledger)
        expected = PersonRow(CLARA.user_id, Role.CLIENT, 1, "Clara Claes")
        assert people.find(caller(ADAM), CLARA.user_id) == expected
        assert people.find(caller(ADAM), 99) is None

    def test_by_their_newest_name(self, entered: Program) -> None:
        renamed = put_person(CLARA, "Clara Cools")
        entered.ledger.record(CLINIC, PERSON, CLARA.user_id, renamed)
        found = People(entered.datastore, entered.ledger).find(caller(ADAM), CLARA.user_id)
        assert found == PersonRow(CLARA.user_id, Role.CLIENT, 2, "Clara Cools")

    def test_a_therapist_finds_their_own_clients_and_everybody_else(self, entered: Program) -> None:
        people = People(entered.datastore, entered.ledger)
        found = people.page(caller(ALMA), list(Role), 0, 50)
        assert [one.user_id for one in found] == [who.user_id for who in EVERYBODY if who != DAVID]
        assert people.find(caller(ALMA), DAVID.user_id) is None
        assert people.find(caller(BRUNO), DAVID.user_id) is not None

    def test_an_administrator_finds_all_in_pages(self, entered: Program) -> None:
        people, found = People(entered.datastore, entered.ledger), [0]
        while page := people.page(caller(ADAM), list(Role), found[-1], 3):
            found += [one.user_id for one in page]
        assert found[1:] == [who.user_id for who in EVERYBODY]

    def test_by_role(self, entered: Program) -> None:
        people = People(entered.datastore, entered.ledger)
        found = people.page(caller(ADAM), [Role.THERAPIST, Role.ML], 0, 50)
        assert [one.user_id for one in found] == [ALMA.user_id, BRUNO.user_id, ML.user_id]


class TestRelationships:
    def test_a_therapist_finds_their_own(self, entered: Program) -> None:
        relationships = Relationships(entered.datastore)
        alma = RelationshipRow(ALMA_TREATS_CLARA, ALMA.user_id, CLARA.user_id, True, 1)
        bruno = RelationshipRow(BRUNO_TREATS_DAVID, BRUNO.user_id, DAVID.user_id, True, 1)
        assert relationships.page(caller(ALMA), 0, 9) == [alma]
        assert relationships.page(caller(ADAM), 0, 9) == [alma, bruno]
        assert relationships.page(caller(ADAM), ALMA_TREATS_CLARA, 9) == [bruno]
        assert relationships.page(caller(ADAM), 0, 9, only=BRUNO_TREATS_DAVID) == [bruno]
        assert relationships.page(caller(ALMA), 0, 9, only=BRUNO_TREATS_DAVID) == []

    def test_one_that_ended_stays_in_the_list(self, entered: Program) -> None:
        ended = put_relationship(is_active=False)
        entered.ledger.record(CLINIC, RELATIONSHIP, ALMA_TREATS_CLARA, ended)
        [found] = Relationships(entered.datastore).page(caller(ALMA), 0, 9)
        assert (found.is_active, found.version) == (False, 2)


class TestSessions:
    def test_who_finds_one(self, entered: Program) -> None:
        sessions = Sessions(entered.datastore)
        row = SessionRow(
            SESSION_ID,
            CLARA.user_id,
            ALMA.user_id,
            ALMA_TREATS_CLARA,
            NOON,
            after(50),
            EventStatus.SCHEDULED,
            1,
        )
        for who, expected in ((ALMA, [row]), (ADAM, [row]), (BRUNO, [])):
            assert sessions.page(caller(who), 0, 9) == expected
            assert sessions.page(caller(who), 0, 9, only=SESSION_ID) == expected
        assert sessions.page(caller(ADAM), SESSION_ID, 9) == []

    def test_as_it_was_changed(self, entered: Program) -> None:
        changed = put_session(starts_at=after(60), event_status=EventStatus.REVIEWED)
        entered.ledger.record(CLINIC, SESSION, SESSION_ID, changed)
        [found] = Sessions(entered.datastore).page(caller(ALMA), 0, 9)
        assert (found.starts_at, found.ends_at) == (after(60), after(110))
        assert (found.event_status, found.version) == (EventStatus.REVIEWED, 3)


class TestRecordTypes:
    def test_those_in_use_by_id(self, entered: Program) -> None:
        types = RecordTypes(entered.datastore)
        found = types.active(caller(ML))
        assert [one.record_type for one in found] == [PSYCHOTHERAPY, PROGRESS]
        expected = RecordTypeRow(PROGRESS, "Progress note", "How it goes.", True, 1)
        assert types.active(caller(ML), only=PROGRESS) == [expected]

    def test_a_retired_one_is_not_shown_until_it_is_taken_up_again(self, entered: Program) -> None:
        types = RecordTypes(entered.datastore)
        for is_active, shown in ((False, []), (True, [PROGRESS])):
            command = put_record_type(is_active=is_active)
            entered.ledger.record(CLINIC, RECORD_TYPE, PROGRESS, command)
            found = types.active(caller(ALMA), only=PROGRESS)
            assert [one.record_type for one in found] == shown


RIGHT: dict[str, int | None] = {
    "client_user_id": CLARA.user_id,
    "therapist_user_id": ALMA.user_id,
    "therapist_client_id": ALMA_TREATS_CLARA,
    "therapist_session_id": SESSION_ID,
    "record_type": PROGRESS,
}
# In the order in which the source asks.
WRONG: list[tuple[dict[str, int | None], type[Refused], str]] = [
    ({"client_user_id": 99}, ClientIsUnknown, "client_user_id"),
    ({"client_user_id": BRUNO.user_id}, ClientIsUnknown, "client_user_id"),
    ({"therapist_user_id": 99}, TherapistIsUnknown, "therapist_user_id"),
    ({"therapist_user_id": AUDRA.user_id}, TherapistIsUnknown, "therapist_user_id"),
    ({"therapist_client_id": 99}, RelationshipIsUnknown, "therapist_client_id"),
    ({"therapist_client_id": 102}, RelationshipIsUnknown, "therapist_client_id"),
    ({"client_user_id": DAVID.user_id}, RelationshipIsUnknown, "therapist_client_id"),
    ({"therapist_session_id": 99}, SessionIsUnknown, "therapist_session_id"),
    ({"record_type": 99}, RecordTypeIsUnknown, "record_type"),
]


class TestReferences:
    def test_ids_that_belong_together(self, entered: Program) -> None:
        References(entered.datastore).check(caller(ALMA), **_said({}))

    def test_ids_that_do_not(self, entered: Program) -> None:
        for wrong, refusal, field in WRONG:
            with pytest.raises(Refused) as caught:
                References(entered.datastore).check(caller(ALMA), **_said(wrong))
            assert (type(caught.value), caught.value.field) == (refusal, field), wrong

    def test_another_clinics_ids_are_unknown(self, entered: Program) -> None:
        elsewhere = caller(By(user_id=ALMA.user_id, role=Role.THERAPIST), 2)
        with pytest.raises(ClientIsUnknown):
            References(entered.datastore).check(elsewhere, **_said({}))

    def test_a_retired_record_type_is_not_taken(self, entered: Program) -> None:
        retired = put_record_type(is_active=False)
        entered.ledger.record(CLINIC, RECORD_TYPE, PROGRESS, retired)
        with pytest.raises(RecordTypeIsUnknown):
            References(entered.datastore).check(caller(ALMA), **_said({}))


def _said(wrong: dict[str, int | None]) -> dict[str, Any]:
    return RIGHT | wrong
