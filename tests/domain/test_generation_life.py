"""What always holds of a generation, whatever people and workers ask of it in whatever order."""

from collections.abc import Sequence
from datetime import datetime

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain import generation
from domain.generation import (
    FailRun,
    FinishRun,
    GenerationCommand,
    RecordDraft,
    StartRun,
    WorkersCommand,
    is_wanted,
)
from domain.generation_facts import (
    AnyGenerationFact,
    Generation,
    GenerationCancelled,
    GenerationDrafted,
    GenerationFailed,
    GenerationFinished,
    GenerationRequested,
    GenerationStarted,
    evolve,
)
from domain.refusals import GenerationHasEnded, GenerationIsUnderWay, NotPermitted, NotTheAuthor
from domain.value import THE_WORKER, By
from domain.work import WhyFailed
from tests.samples import ADAM, ALMA, BRUNO, ML, after
from tests.work_samples import (
    GENERATION_ID,
    SOAP_NOTE_ID,
    cancel,
    fail,
    finish,
    record_draft,
    request_again,
    request_generation,
    start,
)

WHO = st.sampled_from([ALMA, ALMA, ALMA, BRUNO, ADAM])
WORKERS = st.sampled_from([THE_WORKER, THE_WORKER, THE_WORKER, THE_WORKER, ML])
RUNS_AGO = st.sampled_from([0, 0, 0, 1, 2, -1])
"""Which run a worker speaks of: the newest, a former one, or one that nobody has requested."""
EXPECTED_REFUSALS = (GenerationHasEnded, GenerationIsUnderWay, NotPermitted, NotTheAuthor)


class GenerationLife(RuleBasedStateMachine):
    """Kept beside a model of two values: the newest run, and where it stands."""

    def __init__(self) -> None:
        super().__init__()
        self.generation: Generation | None = None
        self.facts: list[AnyGenerationFact] = []
        self.minutes = 0
        self.run = 0
        self.stands = ""

    # --- what is asked

    @initialize()
    def is_requested(self) -> None:
        assert self._ask(request_generation(at=self._now()))
        self.run, self.stands = 1, "queued"

    @rule(by=WHO)
    def is_requested_again(self, by: By) -> None:
        is_open = self._is_open()
        asked = self._ask(request_again(SOAP_NOTE_ID + self.run, by=by, at=self._now()))
        assert bool(asked) == (by is ALMA and not is_open)
        if asked:
            self.run, self.stands = self.run + 1, "queued"

    @rule(by=WHO)
    def is_cancelled(self, by: By) -> None:
        is_open = self._is_open()
        if self._ask(cancel(by, at=self._now())):
            assert is_open
            assert by is ALMA
            self.stands = "cancelled"

    @rule(by=WORKERS, ago=RUNS_AGO)
    def a_worker_begins(self, by: By, ago: int) -> None:
        if self._work(start(self.run - ago, by=by, at=self._now())):
            self.stands = "running"

    @rule(by=WORKERS, ago=RUNS_AGO, model=st.sampled_from(["one", "another"]))
    def a_worker_makes_the_draft(self, by: By, ago: int, model: str) -> None:
        command = record_draft(self.run - ago, by=by, at=self._now(), model=model)
        if self._work(command):
            assert not generation.decide(GENERATION_ID, self.generation, command), (
                "a run has one draft"
            )

    @rule(by=WORKERS, ago=RUNS_AGO)
    def a_worker_finishes(self, by: By, ago: int) -> None:
        command = finish(self.run - ago, by=by, at=self._now())
        if self._work(command):
            self.stands = "done"
            assert not generation.decide(GENERATION_ID, self.generation, command), (
                "a run finishes once"
            )

    @rule(by=WORKERS, ago=RUNS_AGO, why=st.sampled_from(WhyFailed))
    def a_worker_gives_up(self, by: By, ago: int, why: WhyFailed) -> None:
        command = fail(self.run - ago, why, by=by, at=self._now())
        if self._work(command):
            self.stands = "failed"
            assert not generation.decide(GENERATION_ID, self.generation, command), (
                "a run fails once"
            )

    def _now(self) -> datetime:
        self.minutes += 1
        return after(self.minutes)

    def _is_open(self) -> bool:
        return self.stands in {"queued", "running"}

    def _work(self, command: WorkersCommand) -> bool:
        """Whether it made a fact: never of another run, nor by anybody but the worker."""
        is_its_turn = command.by is THE_WORKER and command.run == self.run
        is_in_time = self._is_in_time(command)
        made = bool(self._ask(command))
        assert made == (is_its_turn and is_in_time)
        return made

    def _is_in_time(self, command: WorkersCommand) -> bool:
        match command:
            case FinishRun():
                return self.stands != "done"
            case RecordDraft():
                return self._is_open() and not self._drafts_of(self.run)
            case StartRun() | FailRun():
                return self._is_open()

    def _drafts_of(self, run: int) -> list[GenerationDrafted]:
        return [f for f in self.facts if isinstance(f, GenerationDrafted) and f.run == run]

    def _ask(self, command: GenerationCommand) -> Sequence[AnyGenerationFact]:
        try:
            facts = generation.decide(GENERATION_ID, self.generation, command)
        except EXPECTED_REFUSALS:
            return []
        for fact in facts:
            self.generation = evolve(self.generation, fact)
        self.facts.extend(facts)
        return facts

    # --- what always holds

    @invariant()
    def it_stands_where_the_model_says(self) -> None:
        if self.generation is None:
            return
        assert self.generation.version == len(self.facts)
        assert self.generation.changed_at == self.facts[-1].at
        assert (self.generation.requested.run, self.generation.state) == (self.run, self.stands)
        assert (self.generation.why is None) == (self.stands != "failed")
        kept = [self.generation.drafted] if self.generation.drafted else []
        assert kept == self._drafts_of(self.run), "the newest run's draft, and no other's"

    @invariant()
    def a_worker_is_wanted_in_the_open_run_only(self) -> None:
        wanted = [run for run in range(self.run + 2) if is_wanted(self.generation, run)]
        assert wanted == ([self.run] if self._is_open() else [])

    @invariant()
    def one_run_is_open_at_a_time(self) -> None:
        open_runs: set[int] = set()
        for fact in self.facts:
            match fact:
                case GenerationRequested(run=run):
                    assert not open_runs
                    open_runs.add(run)
                case GenerationStarted(run=run) | GenerationDrafted(run=run):
                    assert open_runs == {run}
                case GenerationFailed(run=run) | GenerationCancelled(run=run):
                    assert open_runs == {run}
                    open_runs.clear()
                case GenerationFinished():
                    open_runs.clear()

    @invariant()
    def a_run_finishes_at_most_once_and_with_its_own_soap_note(self) -> None:
        asked = {f.run: f.soap_note_id for f in self.facts if isinstance(f, GenerationRequested)}
        ended = [(f.run, f.soap_note_id) for f in self.facts if isinstance(f, GenerationFinished)]
        assert len(set(asked.values())) == len(asked)
        assert len(set(ended)) == len(ended)
        assert set(ended) <= asked.items()

    @invariant()
    def runs_are_counted(self) -> None:
        assert [f.run for f in self.facts if isinstance(f, GenerationRequested)] == list(
            range(1, self.run + 1)
        )
        runs = [fact.run for fact in self.facts]
        assert runs == sorted(runs), "no fact of a former run"


TestGenerationLife = GenerationLife.TestCase
TestGenerationLife.settings = settings(max_examples=200, stateful_step_count=50)
