"""What always holds of a note and of a SOAP note, whatever is asked of them in whatever order."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, ClassVar, Literal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain import note, signed_document, soap_note
from domain.note import NoteCommand, SaveNote
from domain.note_facts import (
    AnyNoteFact,
    HistoryEntryAmended,
    HistoryEntryWithdrawn,
    Note,
    NoteApproved,
    NoteDeidentified,
    NoteProcessingAskedAgain,
    NoteProcessingFailed,
    NoteSoftDeleted,
    NoteVersion,
    evolve,
)
from domain.note_work import WorkersCommand, is_wanted
from domain.refusals import (
    MlMayNotApprove,
    NoteIsDeleted,
    NotPermitted,
    PsychotherapyNotesStartNothing,
    Refused,
)
from domain.signed_document import DocumentCheck
from domain.value import PSYCHOTHERAPY, THE_WORKER, By, Kind, Role
from domain.work import NoteJob
from tests.samples import (
    ALMA,
    AUDRA,
    BRUNO,
    LETTER,
    ML,
    NOTE_ID,
    PROGRESS,
    X_RAY,
    after,
    amend,
    create,
    delete,
    new_file,
    save,
    withdraw,
)
from tests.work_samples import (
    DEIDENTIFY,
    SET_EVENT_STATUS,
    ask_again,
    give_up,
    record_deidentified,
)

TEXTS = st.sampled_from(["", "slept well", "slept badly", "did not sleep"])
WHO = st.sampled_from([ALMA, ALMA, ALMA, ALMA, ALMA, ML, BRUNO, AUDRA])
WORKERS = st.sampled_from([THE_WORKER, THE_WORKER, THE_WORKER, THE_WORKER, ML, ALMA])
BACK = st.sampled_from([0, 0, 0, 0, 1, 2, 3, -1])
"""How far before the newest version that there is; the one after it is not there yet."""
JOBS: tuple[NoteJob, ...] = (DEIDENTIFY, SET_EVENT_STATUS)
DRAFTS = st.fixed_dictionaries(
    {"is_approved": st.booleans()},
    optional={
        "signature": st.sampled_from(["c2ln", "bmV1"]),
        "is_override": st.booleans(),
        "therapist_session_id": st.sampled_from([201, 202]),
        "dated": st.sampled_from([after(-60), after(-90)]),
        "new_files": st.sampled_from([(new_file(X_RAY, "1"),), (new_file(LETTER, "2"),)]),
    },
)


class NoteLife(RuleBasedStateMachine):
    """A note is asked anything by anybody; what it answers is kept beside a plain list of facts."""

    kind: ClassVar[Literal[Kind.NOTE, Kind.SOAP_NOTE]] = Kind.NOTE

    def __init__(self) -> None:
        super().__init__()
        self.note: Note | None = None
        self.facts: list[AnyNoteFact] = []
        self.minutes = 0

    def decide(self, command: NoteCommand) -> Sequence[AnyNoteFact]:
        return note.decide(NOTE_ID, self.note, command)

    # --- what is asked

    @initialize(
        record_type=st.sampled_from([PROGRESS, PROGRESS, PROGRESS, PSYCHOTHERAPY]), text=TEXTS
    )
    def is_created(self, record_type: int, text: str) -> None:
        self._ask(create(text, at=self._now(), record_type=record_type))
        assert self.note is not None

    @rule(by=WHO, text=TEXTS, said=DRAFTS, back=st.none() | BACK)
    def is_saved(self, by: By, text: str, said: dict[str, Any], back: int | None) -> None:
        if_version = None if back is None else self._saves()[-1] - back
        said = {"sender_role": Role.ML if by is ML else Role.THERAPIST} | said
        command = save(text, by=by, at=self._now(), if_version=if_version, **said)
        if self._ask(command):
            self._is_the_same_save_again(command)

    @rule(by=WHO, text=TEXTS, reason=st.none() | TEXTS, back=BACK)
    def is_amended(self, by: By, text: str, reason: str | None, back: int) -> None:
        version = self._saves()[-1] - back
        self._ask(amend(version, text, by=by, at=self._now(), reason=reason))

    @rule(by=WHO, reason=st.none() | TEXTS, back=BACK)
    def is_withdrawn(self, by: By, reason: str | None, back: int) -> None:
        version = self._saves()[-1] - back
        self._ask(withdraw(version, by=by, at=self._now(), reason=reason))

    @precondition(lambda self: self.minutes > 30)
    @rule(by=WHO, reason=st.none() | TEXTS)
    def is_deleted(self, by: By, reason: str | None) -> None:
        self._ask(delete(by=by, at=self._now(), reason=reason))

    @rule(by=WORKERS, back=BACK)
    def is_deidentified(self, by: By, back: int) -> None:
        version = (self._started() or self._saves())[-1] - back
        self._work(record_deidentified(version, by=by, at=self._now()))

    @rule(by=WORKERS, job=st.sampled_from(JOBS), back=BACK)
    def is_given_up(self, by: By, job: NoteJob, back: int) -> None:
        version = (self._started() or self._saves())[-1] - back
        self._work(give_up(version, job, by=by, at=self._now()))

    @rule(by=WHO)
    def is_asked_for_again(self, by: By) -> None:
        if self._ask(ask_again(by, at=self._now())):
            assert self.note is not None
            assert all(job is DEIDENTIFY for job, _ in self.note.failed)
            assert (DEIDENTIFY, self._started()[-1]) not in self.note.failed

    def _saves(self) -> list[int]:
        return [n for n, fact in enumerate(self.facts, 1) if isinstance(fact, NoteVersion)]

    def _started(self) -> list[int]:
        """The versions that the contract starts work on: of SOAP notes, the approved ones."""
        return [
            n
            for n, fact in enumerate(self.facts, 1)
            if isinstance(fact, NoteVersion)
            and fact.record_type != PSYCHOTHERAPY
            and (self.kind is Kind.NOTE or isinstance(fact, NoteApproved))
        ]

    def _now(self) -> datetime:
        self.minutes += 1
        return after(self.minutes)

    def _ask(self, command: NoteCommand) -> bool:
        """Whether it was not refused."""
        before = self.note
        try:
            facts = self.decide(command)
        except Refused as refused:
            if before and before.is_deleted:
                # What the ML service may never say is told before the note is looked at.
                assert type(refused) in {NoteIsDeleted, MlMayNotApprove}
            return False
        assert before is None or not before.is_deleted, "after its deletion all is refused"
        self._take(facts)
        assert self.note is not None
        if before:
            assert before.entries.items() <= self.note.entries.items(), "a history only grows"
        return True

    def _work(self, command: WorkersCommand) -> None:
        """A worker is refused nothing but psychotherapy notes, and says nothing twice."""
        before = self.note
        assert before is not None
        try:
            facts = self.decide(command)
        except Refused as refused:
            is_worker = command.by is THE_WORKER
            assert type(refused) is (PsychotherapyNotesStartNothing if is_worker else NotPermitted)
            return
        assert not (facts and before.is_deleted), "of a deleted note nothing is found out"
        self._take(facts)
        assert self.note is not None
        assert (self.note.saved, self.note.entries) == (before.saved, before.entries)
        assert not self.decide(command), "a second time makes no fact"

    def _take(self, facts: Sequence[AnyNoteFact]) -> None:
        for fact in facts:
            self.note = evolve(self.note, fact)
        self.facts.extend(facts)

    def _is_the_same_save_again(self, command: SaveNote) -> None:
        """Later, and with whatever version its sender had before them."""
        again = command.model_copy(update={"at": after(self.minutes + 1)})
        assert not self.decide(again)

    # --- what always holds

    @invariant()
    def versions_count_the_facts(self) -> None:
        assert (self.note.version if self.note else 0) == len(self.facts)

    @invariant()
    def each_save_is_one_entry(self) -> None:
        saves = {n: type(f) for n, f in enumerate(self.facts, 1) if isinstance(f, NoteVersion)}
        assert (self.note.entries if self.note else {}) == saves

    @invariant()
    def an_approved_versions_words_never_change(self) -> None:
        final = {n for n, fact in enumerate(self.facts, 1) if isinstance(fact, NoteApproved)}
        for fact in self.facts:
            match fact:
                case HistoryEntryAmended(amended_version=version):
                    assert version not in final
                case HistoryEntryWithdrawn(withdrawn_version=version):
                    assert version not in final
                case _:
                    pass
        if self.note:
            assert not final & (self.note.amended.keys() | self.note.withdrawn)

    @invariant()
    def each_approval_matches_what_was_signed_on_top_of_the_save_before_it(self) -> None:
        before: NoteVersion | None = None
        for fact in self.facts:
            if isinstance(fact, NoteApproved):
                assert signed_document.check(self.kind, fact, before) is DocumentCheck.MATCHES
                assert fact.words
                assert (fact.words.predecessor is None) == (before is None)
                assert fact.words.signer_name
            if isinstance(fact, NoteVersion):
                before = fact

    @invariant()
    def what_is_read_is_what_was_saved_last(self) -> None:
        saves = [fact for fact in self.facts if isinstance(fact, NoteVersion)]
        assert self.note is None or self.note.saved == saves[-1]

    @invariant()
    def it_stays_with_its_client_therapist_and_record_type(self) -> None:
        assert len({(fact.client_user_id, fact.record_type) for fact in self.facts}) <= 1
        assert {f.therapist_user_id for f in self.facts if isinstance(f, NoteVersion)} <= {
            ALMA.user_id
        }

    @invariant()
    def a_file_that_came_stays(self) -> None:
        saves = [fact for fact in self.facts if isinstance(fact, NoteVersion)]
        for earlier, later in pairwise(saves):
            assert set(earlier.attachments) <= set(later.attachments)
            assert len(later.words.files if later.words else ()) == len(later.attachments)

    @invariant()
    def the_worker_speaks_of_versions_that_started_work_and_reads_the_newest(self) -> None:
        starting = self._started()
        started: list[int] = []
        done: list[int] = []
        for n, fact in enumerate(self.facts, 1):
            match fact:
                case NoteVersion() if n in starting:
                    started.append(n)
                case NoteDeidentified(of_version=version):
                    assert version == started[-1]
                    done.append(version)
                case NoteProcessingFailed(job=job) | NoteProcessingAskedAgain(job=job):
                    assert fact.of_version in (started[-1:] if job is DEIDENTIFY else started)
                case _:
                    pass
        assert done == sorted(set(done)), "each once, and never back to an older one"

    @invariant()
    def a_job_is_wanted_until_it_is_done_given_up_or_out_of_date(self) -> None:
        starting = self._started()
        wanted: set[tuple[NoteJob, int]] = set()
        for n, fact in enumerate(self.facts, 1):
            match fact:
                case NoteVersion() if n in starting:
                    wanted = {key for key in wanted if key[0] is SET_EVENT_STATUS}
                    wanted |= {(job, n) for job in JOBS}
                case NoteDeidentified(of_version=version):
                    wanted.discard((DEIDENTIFY, version))
                case NoteProcessingFailed(job=job, of_version=version):
                    wanted.discard((job, version))
                case NoteProcessingAskedAgain(job=job, of_version=version):
                    wanted.add((job, version))
                case NoteSoftDeleted():
                    wanted.clear()
                case _:
                    pass
        assert wanted == {
            (job, version)
            for job in JOBS
            for version in range(len(self.facts) + 2)
            if is_wanted(self.note, self.kind, job, version)
        }

    @invariant()
    def what_is_done_has_not_failed(self) -> None:
        if self.note and self.note.deidentified:
            assert (DEIDENTIFY, self.note.deidentified.of_version) not in self.note.failed

    @invariant()
    def no_work_is_done_on_psychotherapy_notes(self) -> None:
        if self.note and self.note.saved.record_type == PSYCHOTHERAPY:
            assert not self.note.failed
            assert self.note.deidentified is None

    def teardown(self) -> None:
        """Its facts make the same note when they are read again, with their words and without."""
        again, bare = None, None
        for fact in self.facts:
            again = evolve(again, fact)
            bare = evolve(bare, fact.model_copy(update={"words": None}))
        assert again == self.note
        assert (bare is None) == (self.note is None)


class SoapNoteLife(NoteLife):
    """The same, and the ML service has a voice."""

    kind = Kind.SOAP_NOTE

    def decide(self, command: NoteCommand) -> Sequence[AnyNoteFact]:
        return soap_note.decide(NOTE_ID, self.note, command)

    @invariant()
    def the_ml_text_is_what_the_ml_service_said_last(self) -> None:
        said: str | None = None
        for fact in self.facts:
            if isinstance(fact, NoteVersion) and fact.words:
                said = fact.words.text if fact.sender_role is Role.ML else said
                assert fact.words.ml_text == said

    @invariant()
    def the_ml_service_approves_nothing(self) -> None:
        assert not [f for f in self.facts if isinstance(f, NoteApproved) and f.by is ML]


TestNoteLife = NoteLife.TestCase
TestSoapNoteLife = SoapNoteLife.TestCase
TestNoteLife.settings = TestSoapNoteLife.settings = settings(
    max_examples=2 * settings().max_examples
)
