"""Each .avsc says field for field what its class says: names, order, types, defaults, nullability, symbols."""

import inspect
import json
import re
import types
import typing
from enum import StrEnum

import msgspec
import pytest

from domain import messages, observations, state
from domain.messages import Message
from schemas import catalog, plan, topics
from tests.schemas import samples

DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 18}
INSTANT = {"type": "long", "logicalType": "timestamp-micros"}
INSTANTS = {"at", "good_till", "unknown_since"}  # and whatever ends in _at
COUNTS = {"index", "affected", "sequence", "request_sequence", "attempt", "looks", "source_partition"}
LONGS = {
    *("source_offset", "first_offset", "offset", "next_offset", "accepted_offset"),
    *("source_timestamp", "throttle_wait_us"),
}


def schema_of(annotation, field, seen):
    """The Avro type of a Python annotation; the field's name says what kind of integer it holds."""
    if annotation is int:
        return schema_of_integer(field)
    if simple := {str: "string", bool: "boolean", bytes: "bytes", type(None): "null"}.get(annotation):
        return simple
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        ordered = sorted(arguments, key=lambda argument: argument is not type(None))  # Avro's default is the first
        return [schema_of(argument, field, seen) for argument in ordered]
    if origin is tuple:
        assert arguments[1] is ...
        return {"type": "array", "items": schema_of(arguments[0], field, seen)}
    return schema_of_class(annotation, seen)


def schema_of_class(found, seen):
    """The definition of a class where it is first met, its name from then on."""
    if found in seen:
        return f"fillstream.{found.__name__}"
    seen.append(found)
    if issubclass(found, StrEnum):
        return {"type": "enum", "name": found.__name__, "symbols": [member.value for member in found]}
    return record_of(found, seen)


def schema_of_integer(field):
    if field == "source_timestamp":
        return INSTANT
    if field in LONGS:
        return "long"
    if field in COUNTS:
        return "int"
    return INSTANT if field in INSTANTS or field.endswith("_at") else DECIMAL


def record_of(holder, seen):
    fields = []
    for field in msgspec.structs.fields(holder):
        described = {"name": field.name, "type": schema_of(field.type, field.name, seen)}
        if field.default is not msgspec.NODEFAULT:
            described["default"] = field.default
        fields.append(described)
    return {"type": "record", "name": holder.__name__, "fields": fields}


@pytest.mark.parametrize("name", samples.NAMES)
def test_a_schema_and_its_class_say_the_same(name):
    schema = catalog.bare(catalog.latest(name))
    assert schema.pop("namespace") == "fillstream"
    assert schema == record_of(samples.PLANS[name].holder, [])


def test_every_message_that_a_topic_carries_has_a_schema():
    carried = {topic.value for topic in topics.every(("simulated",))}
    assert carried == {samples.PLANS[name].holder for name in samples.NAMES}


def test_every_class_of_the_messages_is_in_a_schema():
    named = {
        found for name in samples.NAMES for found in re.findall(r'"name": "(\w+)"', json.dumps(catalog.latest(name)))
    }
    classes = [
        found for module in (messages, observations, state) for _, found in inspect.getmembers(module, inspect.isclass)
    ]
    travelling = {found.__name__ for found in classes if issubclass(found, Message | StrEnum)}
    assert travelling - {"Message", "StrEnum"} <= named


BAD_PLANS = {
    "an unknown class": {"type": "record", "name": "Nobody", "namespace": "fillstream", "fields": []},
    "a missing field": {"type": "record", "name": "Tick", "namespace": "fillstream", "fields": []},
    "a float": {
        "type": "record",
        "name": "Tick",
        "namespace": "fillstream",
        "fields": [{"name": "at", "type": "double"}],
    },
    "another scale": {
        "type": "record",
        "name": "Tick",
        "namespace": "fillstream",
        "fields": [{"name": "at", "type": {**DECIMAL, "scale": 8}}],
    },
    "a union of values": {
        "type": "record",
        "name": "Tick",
        "namespace": "fillstream",
        "fields": [{"name": "at", "type": ["long", "string"]}],
    },
    "other symbols": {
        "type": "record",
        "name": "Tick",
        "namespace": "fillstream",
        "fields": [{"name": "at", "type": {"type": "enum", "name": "Side", "symbols": ["SELL", "BUY"]}}],
    },
    "no record": "string",
}


@pytest.mark.parametrize("case", BAD_PLANS)
def test_a_schema_that_is_not_the_class_is_refused_before_any_code_is_made(case):
    with pytest.raises(plan.SchemaMismatchError):
        plan.of_schema(BAD_PLANS[case])


def test_a_type_may_be_written_as_an_object():
    tick = {
        "type": "record",
        "name": "Tick",
        "namespace": "fillstream",
        "fields": [{"name": "at", "type": {"type": "long"}}],
    }
    assert plan.of_schema(tick).fields[0].node == plan.Number(64)
