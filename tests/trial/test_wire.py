"""The demo's own reading and writing of records, against numbers and hashes known from elsewhere."""

from decimal import Decimal

import pytest

from runtime.trial import wire


@pytest.mark.parametrize(
    "numeral", ["0", "1", "-1", "0.000000000000000001", "-1.5", "127", "128", "-128", "-129", "1e40"]
)
def test_an_amount_survives_the_wire(numeral):
    assert wire.units(wire.amount(numeral)) == int(Decimal(numeral) * 10**18)


def test_a_nineteenth_decimal_is_refused():
    with pytest.raises(ValueError, match="more than 18 decimals"):
        wire.amount("0.0000000000000000001")


@pytest.mark.parametrize(
    ("units", "numeral"), [(0, "0"), (10**18, "1"), (-1, "-0.000000000000000001"), (15 * 10**17, "1.5")]
)
def test_a_numeral_has_no_exponent_and_no_idle_zeros(units, numeral):
    assert wire.numeral(units) == numeral


@pytest.mark.parametrize(
    ("key", "signed"),  # from Kafka's own unit test of Utils.murmur2
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536), (b"abc", 479470107)],
)
def test_murmur2_is_kafkas(key, signed):
    assert wire.murmur2(key) == signed & 0x7FFFFFFF


@pytest.mark.parametrize("data", [b"", b"\0\0\0\0", b"\1\0\0\0\3\2", b"\0\xff\0\0\3\2", b"\0\0\0\0\3\2\0"])
def test_what_is_no_record_is_malformed(data):
    assert wire.decode(b"\0\0\0\0\3\2") == ("tick", {"at": 1})
    with pytest.raises(wire.MalformedError):
        wire.decode(data)


def test_every_field_is_a_plain_value_whatever_its_type_is_called():
    event = {field["name"]: None for field in wire.known().schemas["order_event"]["fields"]}
    event |= {"user_id": "u", "source_topic": "t", "source_partition": 0, "source_offset": 1, "index": 0}
    event |= {
        "occurred_at": 5,
        "kind": "COMMAND_REPEATED",
        "answer": "DUPLICATE",
        "first_answer": "REJECTED",
        "sequence": 0,
    }
    assert wire.decode(wire.encode("order_event", event)) == ("order_event", event)
