"""What a job is made of: its context, its handler, and the two ways in which it fails."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from domain.value import THE_WORKER, By
from domain.work import WhyFailed
from handlers.deidentify import Deidentifier, Names
from handlers.policies import Job
from handlers.soap_writer import SoapDraft, Source
from ledger.ledger import Ledger


class PermanentFailure(Exception):
    """The job would fail each time; it ends now, with this reason."""

    def __init__(self, why: WhyFailed) -> None:
        self.why = why
        super().__init__(why)


class RetryableFailure(Exception):
    """The job failed this time, and may succeed when it runs again."""

    def __init__(self, why: WhyFailed) -> None:
        self.why = why
        super().__init__(why)


@dataclass(frozen=True)
class JobContext:
    """What the jobs use, built by `runtime/background.py`.

    `ledger` decrypts no psychotherapy note. `deidentifier` loads its models on the first call.
    `names` takes clinic, client and therapist, and returns the people that a note about them may
    name. `note_ids_to_draft_from` takes clinic, client, therapist and session: it returns the
    therapist's notes of that session, or without a session the newest note that has none; never
    psychotherapy notes.
    """

    ledger: Ledger
    deidentifier: Callable[[], Deidentifier]
    names: Callable[[int, int, int], Names]
    note_ids_to_draft_from: Callable[[int, int, int, int | None], list[int]]
    draft: Callable[[Sequence[Source], Names], SoapDraft]
    clock: Callable[[], datetime]
    by: By = THE_WORKER
    """The worker, with the id of its run."""

    def who_and_when(self) -> dict[str, Any]:
        """The fields `by` and `at` of a command: the worker, now."""
        return {"by": self.by, "at": self.clock()}


class JobHandler(NamedTuple):
    """One job: whether it is still wanted, how to run it, and how to record that it failed for good.

    The time limit is that of one run; beyond it the queue interrupts the run.
    """

    is_wanted: Callable[[JobContext, Job], bool]
    run: Callable[[JobContext, Job], None]
    give_up: Callable[[JobContext, Job, WhyFailed], None]
    time_limit_ms: int
