"""The bytes of every shape ever stored, read by the program of today."""

import pytest

from domain.aggregates import FACT_TYPES
from ledger.codec import UPCASTS, open_fact, read_clear, seal_fact
from tests.ledger.frozen import KEY, NONCE, SAMPLES, stored_bytes

WRITTEN_TODAY = [
    name for name, sample in SAMPLES.items() if sample.fact_type == sample.fact.fact_type
]


@pytest.mark.parametrize("name", SAMPLES)
def test_they_read_as_what_happened(name: str) -> None:
    sample, stored = SAMPLES[name], stored_bytes()[name]
    assert open_fact(KEY.secret, sample.associated_data, sample.fact_type, stored) == sample.fact
    without_words = sample.fact.model_copy(update={"words": None})
    assert read_clear(sample.fact_type, stored) == without_words


@pytest.mark.parametrize("name", WRITTEN_TODAY)
def test_what_is_written_today_is_the_same_to_the_byte(name: str) -> None:
    sample = SAMPLES[name]
    assert seal_fact(KEY, sample.associated_data, sample.fact, NONCE) == stored_bytes()[name]


def test_each_shape_has_a_sample_and_each_sample_its_bytes() -> None:
    assert {sample.fact_type for sample in SAMPLES.values()} == FACT_TYPES.keys() | UPCASTS.keys()
    assert SAMPLES.keys() == stored_bytes().keys()
