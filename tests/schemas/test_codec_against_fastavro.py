"""The codec and fastavro write the same bytes and read the same values, for every schema."""

import io

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import catalog, codec
from tests.schemas import samples

RECORDS = 2_000
SCHEMAS = {name: fastavro.parse_schema(samples.physical(catalog.latest(name))) for name in samples.NAMES}


def written_by_fastavro(name, message):
    body = io.BytesIO()
    fastavro.schemaless_writer(body, SCHEMAS[name], samples.plain(samples.PLANS[name], message))
    return b"\0" + catalog.ids()[name].to_bytes(4, "big") + body.getvalue()


def read_by_fastavro(name, data):
    body = io.BytesIO(data[5:])
    record = fastavro.schemaless_reader(body, SCHEMAS[name], None, return_record_name=True)
    assert not body.read()
    return {field: without_enum_name(held) for field, held in record.items()}


def without_enum_name(held):
    """The reader names records in unions and, where a schema only refers to them, enums as well: drop those names."""
    return held[1] if isinstance(held, tuple) and isinstance(held[1], str) else held


@pytest.mark.parametrize("name", samples.NAMES)
def test_thousands_of_records_are_written_and_read_alike(name):
    for seed in range(RECORDS):
        message = samples.message(name, seed)
        data = written_by_fastavro(name, message)
        assert codec.encode(message) == data
        assert codec.decode(data, type(message)) == message
        assert read_by_fastavro(name, data) == samples.plain(samples.PLANS[name], message)


@pytest.mark.parametrize("name", samples.NAMES)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_record_is_written_and_read_alike(name, data):
    message = data.draw(samples.strategy(samples.PLANS[name]))
    encoded = codec.encode(message)
    assert encoded == written_by_fastavro(name, message)
    assert codec.decode(encoded, type(message)) == message
