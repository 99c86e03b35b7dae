"""With a Schema Registry, ids are the registry's: over real HTTP, and together with Confluent's own serializers."""

import copy
import json
from datetime import UTC, datetime

import msgspec
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient, record_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from domain.messages import Message, OrderCommand, PlaceOrder, Tick
from schemas import catalog, codec, registry, resolution
from schemas.codec import Undecodable, UndecodableReason
from tests.schemas import samples
from tests.schemas.registry_server import Registry, serving

CONTEXT = SerializationContext("order-commands", MessageField.VALUE)


@pytest.fixture
def server():
    with serving(Registry()) as running:
        yield running


@pytest.fixture(autouse=True)
def _committed_ids_afterwards():
    yield
    codec.use_ids(None)


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def refusal(data, expected: type[Message]):
    with pytest.raises(Undecodable) as caught:
        codec.decode(data, expected)
    return caught.value.reason


def wire_id(data):
    return int.from_bytes(data[1:5], "big")


def tick_of(schema_id):
    return b"\0" + schema_id.to_bytes(4, "big") + b"\x04"


def test_ids_are_the_registrys(server):
    registry.use(server.url)
    for name in samples.NAMES:
        message = samples.message(name, 5)
        data = codec.encode(message)
        subject = f"fillstream.{type(message).__name__}"
        assert wire_id(data) == server.subjects[subject][-1], "the newest version's"
        assert json.loads(server.texts[wire_id(data)]["schema"]) == catalog.bare(catalog.latest(name))
        assert codec.decode(data, type(message)) == message


def test_without_a_registry_the_committed_ids_are_used(server):
    registry.use(server.url)
    codec.use_ids(None)
    assert wire_id(codec.encode(Tick(1))) == catalog.ids()["tick"]


def test_committed_ids_mean_nothing_beside_a_registry(server):
    committed = codec.encode(Tick(1))
    registry.use(server.url)
    assert refusal(committed, Tick) is UndecodableReason.UNKNOWN_SCHEMA_ID


def test_a_second_start_registers_nothing(server):
    registry.use(server.url)
    ids = dict(server.subjects)
    server.requests.clear()
    server.read_only = True
    registry.use(server.url)
    assert server.subjects == ids
    assert not [request for request in server.requests if request.endswith("/versions")]


def test_a_schema_registered_elsewhere_is_fetched_once(server):
    """A producer's own copy of the schema, with its own words, has an id of its own."""
    registry.use(server.url)
    own = server.add(json.dumps({**catalog.latest("tick"), "doc": "our own words"}))
    server.requests.clear()
    for _ in range(3):
        assert codec.decode(tick_of(own), Tick) == Tick(2)
    assert server.requests == [f"GET /schemas/ids/{own}"]


def test_the_same_schema_under_another_id_is_as_fast(server, monkeypatch):
    registry.use(server.url)
    own = server.add(json.dumps({**catalog.latest("tick"), "doc": "our own words"}))
    monkeypatch.setattr(resolution.fastavro, "schemaless_reader", None)  # the long way
    assert codec.decode(tick_of(own), Tick) == Tick(2)
    assert refusal(tick_of(own) + b"\0", Tick) is UndecodableReason.TRAILING_BYTES


def test_a_different_writer_schema_is_resolved(server):
    registry.use(server.url)
    schema = copy.deepcopy(catalog.latest("tick"))
    schema["fields"] = [{"name": "note", "type": "string"}, {"name": "at", "type": "int"}]
    own = server.add(json.dumps(schema))
    data = b"\0" + own.to_bytes(4, "big")
    assert codec.decode(data + b"\x06abc\x04", Tick) == Tick(2)
    assert refusal(data + b"\x06abc", Tick) is UndecodableReason.TRUNCATED
    assert refusal(data + b"\x06abc\x04\x00", Tick) is UndecodableReason.TRAILING_BYTES


def test_an_id_of_another_record_is_refused(server):
    registry.use(server.url)
    for text in ('"string"', json.dumps(catalog.latest("order_command")), '["null", "long"]', "[]", "1"):
        assert refusal(tick_of(server.add(text)), Tick) is UndecodableReason.WRONG_SCHEMA
    assert refusal(tick_of(server.add('syntax = "proto3";', "PROTOBUF")), Tick) is UndecodableReason.WRONG_SCHEMA


def test_an_unknown_id_is_asked_for_once_a_minute(server):
    clock = Clock()
    codec.use_ids(registry.RegistryIds(server.url, clock))
    server.requests.clear()
    for _ in range(5):
        assert refusal(tick_of(7), Tick) is UndecodableReason.UNKNOWN_SCHEMA_ID
    assert len(server.requests) == 1
    clock.now += registry.UNKNOWN_FOR_S + 1
    assert refusal(tick_of(7), Tick) is UndecodableReason.UNKNOWN_SCHEMA_ID
    assert len(server.requests) == 2


def test_what_is_remembered_of_unknown_ids_is_bounded(server):
    ids = registry.RegistryIds(server.url)
    for schema_id in range(10_000, 10_000 + registry.UNKNOWN_MAX + 10):
        ids._remember_unknown(schema_id)
    assert len(ids._unknown_until) <= registry.UNKNOWN_MAX


def test_a_registry_that_fails_leaves_known_schemas_readable_and_is_left_alone_for_a_while(server, monkeypatch):
    monkeypatch.setattr(registry, "RETRIES_MAX", 0)
    clock = Clock()
    codec.use_ids(registry.RegistryIds(server.url, clock))
    late = server.add(json.dumps({**catalog.latest("tick"), "doc": "registered later"}))
    server.failing = True
    server.requests.clear()
    assert codec.decode(codec.encode(Tick(1)), Tick) == Tick(1)
    for _ in range(3):
        assert refusal(tick_of(late), Tick) is UndecodableReason.SCHEMA_UNAVAILABLE
    assert len(server.requests) == 1
    server.failing = False
    clock.now += registry.UNAVAILABLE_FOR_S + 1
    assert codec.decode(tick_of(late), Tick) == Tick(2)


def test_a_start_without_a_registry_says_what_to_do(server, monkeypatch):
    monkeypatch.setattr(registry, "RETRIES_MAX", 0)
    server.failing = True
    with pytest.raises(registry.RegistryError, match=r"127\.0\.0\.1.*can't be used.*schema_registry_url"):
        registry.use(server.url)
    assert not [request for request in server.requests if request.endswith("/versions")]
    with pytest.raises(registry.RegistryError, match="ConnectError"):
        registry.use("http://127.0.0.1:9")


def test_an_incompatible_subject_stops_the_start(server):
    server.register("fillstream.Tick", {"schema": json.dumps({**catalog.latest("tick"), "fields": []})})
    with pytest.raises(registry.RegistryError, match=r"fillstream\.Tick\.at: is new and has no default"):
        registry.use(server.url)


@pytest.mark.parametrize("strategy", [None, record_subject_name_strategy])
def test_confluents_serializer_and_ours_read_each_other(server, strategy):
    registry.use(server.url)
    client = SchemaRegistryClient({"url": server.url})
    schema = json.dumps(catalog.latest("order_command"))
    serialize = AvroSerializer(client, schema, conf={"subject.name.strategy": strategy} if strategy else {})
    deserialize = AvroDeserializer(client, schema, return_record_name=True)
    for seed in range(50):
        message = in_the_range_of_datetimes(samples.message("order_command", seed))
        plain = samples.plain(samples.PLANS["order_command"], message)
        assert codec.decode(serialize(plain, CONTEXT), OrderCommand) == message
        issued_at = datetime.fromtimestamp(message.issued_at / 1e6, UTC)
        assert deserialize(codec.encode(message), CONTEXT) == plain | {"issued_at": issued_at}


def in_the_range_of_datetimes(message):
    command = message.command
    if isinstance(command, PlaceOrder):
        command = msgspec.structs.replace(command, good_till=None)
    return msgspec.structs.replace(message, command=command, issued_at=1_700_000_000_000_000, expires_at=None)


def test_our_own_schemas_are_never_asked_for(server):
    registry.use(server.url)
    command = codec.encode(samples.message("order_command", 1))
    server.requests.clear()
    assert refusal(command, Tick) is UndecodableReason.WRONG_SCHEMA
    assert server.requests == []
