"""The names of the background work, and that no psychotherapy note starts any."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.value import MAX_ID, PSYCHOTHERAPY
from domain.work import SENTENCES, JobName, WhyFailed, starts_work


def test_the_stored_names_never_change() -> None:
    """They stand in facts: a name once given stays readable."""
    assert {job.value for job in JobName} >= {"deidentify", "set-event-status", "write-soap-note"}
    assert {why.value for why in WhyFailed} >= {
        "broke",
        "ended-its-worker",
        "took-too-long",
        "deidentification-failed",
        "nothing-to-draft-from",
        "nothing-to-file",
        "service-unreachable",
        "service-too-slow",
        "service-refused",
        "answer-is-not-valid",
        "answer-is-not-supported",
        "draft-was-refused",
    }


@pytest.mark.parametrize("why", WhyFailed)
def test_each_failure_is_told_to_the_user_in_a_sentence(why: WhyFailed) -> None:
    assert SENTENCES[why].endswith(".")
    assert "\n" not in SENTENCES[why]


@given(record_type=st.integers(1, MAX_ID))
def test_every_record_type_starts_work_but_psychotherapy(record_type: int) -> None:
    assert starts_work(record_type) == (record_type != PSYCHOTHERAPY)


def test_psychotherapy_notes_start_nothing() -> None:
    assert not starts_work(PSYCHOTHERAPY)
