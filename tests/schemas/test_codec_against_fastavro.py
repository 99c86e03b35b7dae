"""The codec and fastavro write the same bytes and read the same values, for every schema."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import codec
from tests.schemas import fastavro_equality, samples

RECORDS = 1_000


@pytest.mark.parametrize("name", samples.NAMES)
def test_random_records_are_written_and_read_alike(name):
    for seed in range(RECORDS):
        fastavro_equality.check(name, samples.message(name, seed), [codec])


@pytest.mark.parametrize("name", samples.NAMES)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_record_is_written_and_read_alike(name, data):
    fastavro_equality.check(name, data.draw(samples.strategy(samples.PLANS[name])), [codec])
