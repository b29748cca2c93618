"""What always holds of a session's status, whatever its jobs do: late, repeated, out of order."""

from collections.abc import Iterable
from datetime import datetime

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain import session
from domain.session import (
    AdvanceStatus,
    AnySessionFact,
    EventStatus,
    Session,
    SessionCommand,
    SessionScheduled,
    SessionStatusAdvanced,
    SessionStatusSet,
    evolve,
)
from domain.value import Kind
from tests.samples import SESSION_ID, after, put_session
from tests.work_samples import advance, put_transcript, version_of_note

RANK = {
    EventStatus.SCHEDULED: 0,
    EventStatus.CANCELLED: 0,
    EventStatus.COMPLETED: 1,
    EventStatus.SUMMARY_NOTES: 2,
    EventStatus.REVIEWED: 3,
}


class SessionLife(RuleBasedStateMachine):
    """Notes are saved, people set the status, and jobs come to it whenever they like."""

    def __init__(self) -> None:
        super().__init__()
        self.session: Session | None = None
        self.facts: list[AnySessionFact] = []
        self.saves: list[AdvanceStatus] = []
        self.minutes = 0

    # --- what happens

    @initialize(event_status=st.none() | st.sampled_from(EventStatus))
    def is_scheduled(self, event_status: EventStatus | None) -> None:
        self._ask(put_session(event_status=event_status))

    @rule(event_status=st.sampled_from(EventStatus), is_later=st.booleans())
    def somebody_says(self, event_status: EventStatus, is_later: bool) -> None:
        said = put_session(event_status=event_status, starts_at=after(60 * is_later))
        self._ask(said.model_copy(update={"at": self._now()}))
        assert self._status() is event_status

    @rule(text=st.sampled_from(["I slept well.", "I slept badly."]))
    def a_transcript_is_stored(self, text: str) -> None:
        before = self._status()
        self._ask(put_transcript(text, at=self._now()))
        assert self._status() is before

    @rule()
    def a_note_is_saved(self) -> None:
        note = version_of_note(len(self.saves) + 1)
        self.saves.append(advance(note=note, saved_at=self._now()))

    @rule()
    def a_soap_note_is_approved(self) -> None:
        note = version_of_note(len(self.saves) + 1, kind=Kind.SOAP_NOTE)
        self.saves.append(advance(EventStatus.REVIEWED, note=note, saved_at=self._now()))

    @precondition(lambda self: self.saves)
    @rule(data=st.data())
    def a_job_runs(self, data: st.DataObject) -> None:
        """Of any save, be it the first time or again."""
        save = data.draw(st.sampled_from(self.saves))
        self._ask(save.model_copy(update={"at": self._now()}))
        assert not session.decide(SESSION_ID, self.session, save), "a second time makes no fact"

    def _now(self) -> datetime:
        self.minutes += 1
        return after(self.minutes)

    def _ask(self, command: SessionCommand) -> None:
        for fact in session.decide(SESSION_ID, self.session, command):
            self.session = evolve(self.session, fact)
            self.facts.append(fact)

    def _status(self) -> EventStatus:
        assert self.session is not None
        return self.session.event_status

    # --- what always holds

    @invariant()
    def versions_count_the_facts(self) -> None:
        assert (self.session.version if self.session else 0) == len(self.facts)

    @invariant()
    def a_job_never_moves_the_status_back(self) -> None:
        status: EventStatus | None = None
        for fact in self.facts:
            match fact:
                case SessionStatusAdvanced():
                    assert status is not None
                    assert RANK[fact.event_status] > RANK[status]
                    status = fact.event_status
                case SessionScheduled() | SessionStatusSet():
                    status = fact.event_status
                case _:
                    pass
        assert status is (self.session.event_status if self.session else None)

    @invariant()
    def a_save_moves_the_status_on_once(self) -> None:
        by = [fact.note for fact in self.facts if isinstance(fact, SessionStatusAdvanced)]
        assert len(by) == len(set(by))
        assert self.session is None or self.session.advanced_by == set(by)
        for save in self.saves:
            assert save.note not in by or not session.decide(SESSION_ID, self.session, save)

    @invariant()
    def what_was_set_back_is_moved_on_by_later_saves_only(self) -> None:
        saved_at = {save.note: save.saved_at for save in self.saves}
        set_back: datetime | None = None
        for fact in self.facts:
            if isinstance(fact, SessionStatusSet) and RANK[fact.event_status] == 0:
                set_back = fact.at
            if isinstance(fact, SessionStatusAdvanced) and set_back:
                assert saved_at[fact.note] > set_back

    def teardown(self) -> None:
        """Whatever jobs are left lead to one status, in whatever order and however often they run."""
        orders = self.saves, self.saves[::-1], self.saves * 2
        assert len({self._after(order) for order in orders}) == 1

    def _after(self, saves: Iterable[AdvanceStatus]) -> EventStatus | None:
        made = self.session
        for save in saves:
            for fact in session.decide(SESSION_ID, made, save):
                made = evolve(made, fact)
        return made.event_status if made else None


TestSessionLife = SessionLife.TestCase
TestSessionLife.settings = settings(max_examples=200, stateful_step_count=50)
