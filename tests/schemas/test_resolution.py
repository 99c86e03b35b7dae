"""What an earlier or a foreign writer schema wrote is read into today's classes, or refused by name."""

import copy
import io
import random
from contextlib import suppress
from decimal import Decimal
from functools import partial

import fastavro
import pytest

from domain.messages import JournalEntry, OrderCommand, OrderEvent, Tick
from domain.state import Balance
from schemas import catalog, codec
from schemas.codec import Undecodable, UndecodableReason
from tests.schemas import samples
from tests.schemas.memory import fits

EARLIER = 900


class Ids:
    """The committed ids, and one more schema under the id EARLIER."""

    def __init__(self, schema):
        self._committed = catalog.CommittedIds()
        self._schema = schema

    def latest(self, name):
        return self._committed.latest(name)

    def writer(self, schema_id):
        return self._schema if schema_id == EARLIER else self._committed.writer(schema_id)


@pytest.fixture
def earlier():
    """Makes a schema known under the id EARLIER; the committed ids return afterwards."""
    yield lambda schema: codec.use_ids(Ids(schema))
    codec.use_ids(None)


def schema_of(name, *changes):
    schema = copy.deepcopy(catalog.latest(name))
    for change in changes:
        change({field["name"]: field for field in schema["fields"]}, schema)
    return schema


def written(schema, record):
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(samples.physical(schema)), record)
    return b"\0" + EARLIER.to_bytes(4, "big") + body.getvalue()


def plain(message, name):
    return samples.plain(samples.PLANS[name], message)


def refusal(data, expected):
    with pytest.raises(Undecodable) as caught:
        codec.decode(data, expected)
    assert "\n" not in caught.value.detail
    return caught.value.reason


@pytest.mark.parametrize("name", samples.NAMES)
def test_any_record_survives_resolution(name, earlier):
    """A field more, in front, makes it another schema, so that every type goes the long way."""

    def add_a_field(_, whole):
        whole["fields"].insert(0, {"name": "forgotten", "type": ["null", "double"]})

    schema = schema_of(name, add_a_field)
    earlier(schema)
    for seed in range(60):
        message = samples.message(name, seed)
        data = written(schema, plain(message, name) | {"forgotten": 0.5 if seed % 2 else None})
        assert codec.decode(data, type(message)) == message


def test_a_field_that_the_writer_had_not_yet_takes_its_default(earlier):
    schema = schema_of("order_event", lambda _, whole: whole["fields"].pop())
    earlier(schema)
    message = samples.message("order_event", 2)
    record = plain(message, "order_event")
    del record["liquidity"]
    decoded = codec.decode(written(schema, record), OrderEvent)
    assert decoded.liquidity is None
    assert decoded.fee_asset == message.fee_asset


def test_a_default_of_an_amount_is_the_bytes_of_its_characters(earlier, monkeypatch):
    with_default = schema_of("balance", lambda fields, _: fields["reserved"].update(default="\u0000\u00ff"))
    latest = catalog.latest
    monkeypatch.setattr(catalog.PRODUCT, "latest", lambda name: with_default if name == "balance" else latest(name))
    schema = schema_of("balance", lambda _, whole: whole["fields"].pop())
    earlier(schema)
    assert codec.decode(written(schema, {"owner": "o", "asset": "a", "available": Decimal(1)}), Balance) == Balance(
        "o", "a", 10**18, 255
    )


def test_fields_may_have_stood_in_another_order(earlier):
    schema = schema_of("balance", lambda _, whole: whole["fields"].reverse())
    earlier(schema)
    message = samples.message("balance", 1)
    assert codec.decode(written(schema, plain(message, "balance")), Balance) == message


def test_a_number_may_have_been_narrower(earlier):
    schema = schema_of("tick", lambda fields, _: fields["at"].update(type="int"))
    earlier(schema)
    assert codec.decode(written(schema, {"at": -5}), Tick) == Tick(-5)


def test_what_was_never_null_may_be_null_today(earlier):
    schema = schema_of(
        "order_event", lambda fields, _: fields["side"].update(type=fields["side"]["type"][1], default="BUY")
    )
    earlier(schema)
    message = samples.message("order_event", 2)
    assert codec.decode(written(schema, plain(message, "order_event") | {"side": "SELL"}), OrderEvent).side == "SELL"


def test_a_symbol_of_tomorrow_is_refused(earlier):
    schema = schema_of("order_event", lambda fields, _: fields["kind"]["type"]["symbols"].append("ORDER_FORGOTTEN"))
    earlier(schema)
    record = plain(samples.message("order_event", 2), "order_event")
    assert isinstance(codec.decode(written(schema, record), OrderEvent), OrderEvent)
    data = written(schema, record | {"kind": "ORDER_FORGOTTEN"})
    assert refusal(data, OrderEvent) is UndecodableReason.WRONG_SCHEMA


def test_a_command_of_tomorrow_is_refused_and_the_others_are_read(earlier):
    freeze = {"type": "record", "name": "FreezeOrder", "fields": [{"name": "order_id", "type": "string"}]}
    schema = schema_of("order_command", lambda fields, _: fields["command"]["type"].insert(0, freeze))
    earlier(schema)
    message = samples.message("order_command", 1)
    record = plain(message, "order_command")
    assert codec.decode(written(schema, record), OrderCommand) == message
    data = written(schema, record | {"command": ("fillstream.FreezeOrder", {"order_id": "o"})})
    assert refusal(data, OrderCommand) is UndecodableReason.WRONG_SCHEMA


def test_a_record_where_a_union_belongs_is_refused(earlier):
    schema = schema_of("order_command", lambda fields, _: fields["command"].update(type=fields["command"]["type"][1]))
    earlier(schema)
    record = plain(samples.message("order_command", 1), "order_command") | {"command": {"order_id": "o"}}
    assert refusal(written(schema, record), OrderCommand) is UndecodableReason.WRONG_SCHEMA


def test_a_required_field_that_the_writer_has_not_is_refused(earlier):
    schema = schema_of("balance", lambda _, whole: whole["fields"].pop())
    earlier(schema)
    assert (
        refusal(written(schema, {"owner": "o", "asset": "a", "available": Decimal(1)}), Balance)
        is UndecodableReason.WRONG_SCHEMA
    )


def test_an_amount_is_as_bounded_as_in_todays_schema(earlier):
    schema = schema_of("balance", lambda _, whole: whole["fields"].insert(0, {"name": "x", "type": "boolean"}))
    earlier(schema)
    head = b"\0" + EARLIER.to_bytes(4, "big") + b"\x00\x02o\x02a"
    assert codec.decode(head + b"\x7e" + b"\x01" + b"\0" * 62 + b"\x00", Balance).available == 1 << 496
    assert refusal(head + b"\x80\x01" + b"\x01" * 64 + b"\x00", Balance) is UndecodableReason.BAD_VALUE


DAMAGED = {
    "nothing": (b"", UndecodableReason.TRUNCATED),
    "a cut": (b"\x00\x02o\x02a\x02\x01\x04\x01", UndecodableReason.TRUNCATED),
    "more than the record": (b"\x00\x02o\x02a\x02\x01\x02\x01\x00", UndecodableReason.TRAILING_BYTES),
    "no UTF-8": (b"\x00\x02\xff\x02a\x02\x01\x02\x01", UndecodableReason.BAD_VALUE),
    "a hostile length": (b"\x00" + b"\xfe" + b"\xff" * 8 + b"\x01", UndecodableReason.TRUNCATED),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damage_has_its_reason(case, earlier):
    earlier(schema_of("balance", lambda _, whole: whole["fields"].insert(0, {"name": "x", "type": "boolean"})))
    body, reason = DAMAGED[case]
    assert refusal(b"\0" + EARLIER.to_bytes(4, "big") + body, Balance) is reason


def record(name, *fields):
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": f"f{n}", "type": kind} for n, kind in enumerate(fields)],
    }


ENDLESS = {
    "an array of nulls": {"type": "array", "items": "null"},
    "an array of empty records": {"type": "array", "items": record("Empty")},
    "an array of records of nothing": {"type": "array", "items": record("Hollow", "null", record("Inner"))},
    "an array of a fixed of no bytes": {"type": "array", "items": {"type": "fixed", "name": "None", "size": 0}},
    "an array by name": ["null", record("Empty"), {"type": "array", "items": "Empty"}],
    "a map of arrays of nulls": {"type": "map", "values": {"type": "array", "items": "null"}},
    "a record inside itself": record("Nested", ["null", "fillstream.Nested"]),
    "an unknown type": "fillstream.Nobody",
    "no type at all": {"name": "x"},
    "a number": 5,
}


@pytest.mark.parametrize("case", ENDLESS)
def test_a_writer_schema_without_an_end_is_refused_before_it_reads_a_byte(case, earlier):
    earlier(schema_of("tick", lambda _, whole: whole["fields"].insert(0, {"name": "x", "type": ENDLESS[case]})))
    data = b"\0" + EARLIER.to_bytes(4, "big") + b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01" * 50
    assert refusal(data, Tick) is UndecodableReason.WRONG_SCHEMA


HARMLESS = {
    "an array of texts": ({"type": "array", "items": "string"}, ["a", ""]),
    "an array of optional nulls": ({"type": "array", "items": ["null", "long"]}, [None, 1]),
    "a map": ({"type": "map", "values": "null"}, {"a": None}),
    "a fixed": ({"type": "fixed", "name": "Four", "size": 4}, b"1234"),
    "an enum": ({"type": "enum", "name": "Colour", "symbols": ["RED"]}, "RED"),
    "an array of enums": ({"type": "array", "items": {"type": "enum", "name": "Hue", "symbols": ["RED"]}}, ["RED"]),
    "records side by side": (record("Pair", record("One", "int"), "One"), {"f0": {"f0": 1}, "f1": {"f0": 2}}),
    "a decimal in a fixed": (
        {"type": "fixed", "name": "Old", "size": 16, "logicalType": "decimal", "precision": 38, "scale": 18},
        Decimal(1),
    ),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_any_other_field_of_a_writer_is_skipped(case, earlier):
    kind, value = HARMLESS[case]
    schema = schema_of("tick", lambda _, whole: whole["fields"].insert(0, {"name": "x", "type": kind}))
    earlier(schema)
    assert codec.decode(written(schema, {"x": value, "at": 7}), Tick) == Tick(7)


@pytest.mark.parametrize("name", ["order_command", "journal_entry", "order"])
def test_mutated_records_give_a_value_or_a_refusal(name, earlier):
    schema = schema_of(name, lambda _, whole: whole["fields"].insert(0, {"name": "x", "type": "boolean"}))
    earlier(schema)
    rng = random.Random(name)
    for seed in range(60):
        message = samples.message(name, seed)
        original = written(schema, plain(message, name) | {"x": True})
        assert codec.decode(original, type(message)) == message
        for _ in range(10):
            data = bytearray(original)
            for _ in range(rng.choice((1, 1, 2, 8))):
                data[rng.randrange(5, len(data))] = rng.choice((0, 1, 2, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            mutated = bytes(data[: rng.choice((len(data), 5, len(data) // 2))])
            assert fits(1_000_000, partial(decode_or_refuse, mutated, type(message)))


def decode_or_refuse(data, expected):
    """Anything but a value, or Undecodable, is an error."""
    with suppress(Undecodable):
        assert isinstance(codec.decode(data, expected), expected)


@pytest.mark.timeout(20)  # it counts to 2⁶³ otherwise
def test_a_hostile_count_ends_with_the_bytes(earlier):
    schema = schema_of("journal_entry", lambda _, whole: whole["fields"].insert(0, whole["fields"].pop(8)))
    assert schema["fields"][0]["name"] == "postings"
    earlier(schema)
    data = b"\0" + EARLIER.to_bytes(4, "big") + b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01" + b"\x00" * 1000
    assert refusal(data, JournalEntry) is UndecodableReason.TRUNCATED
