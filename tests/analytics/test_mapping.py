"""What becomes of every message: its row in ClickHouse, field for field."""

import datetime as dt
import time
import typing
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import columns
from analytics.columns import INSTANT_MAX, INSTANT_MIN
from analytics.mapping import TABLES, Record, Table, table_of
from analytics.migrate import migrate
from analytics.rows import OUT_OF_RANGE, SCHEMAS_TO_COME, Mapper, Rows, SchemaNotKnown
from domain.messages import DeadLetter, JournalEntry, Message, OrderCommand, OrderEvent, Posting, Transfer
from domain.money import AMOUNT_MAX, ONE
from schemas import catalog, codec, topics
from schemas.codec import Undecodable, UndecodableReason
from tests.analytics.stage import Service, unique_database
from tests.builders import NOW
from tests.schemas import samples

TOLD = (*topics.INPUTS, *topics.OUTPUTS, *topics.OBSERVATIONS)
TOPIC_OF = {
    **{topic.value: topic.name for topic in TOLD if topic.value in TABLES},
    topics.venue_requests("v").value: "venue-requests.v",
}
SAMPLES = 60
TODAY_MS = int(time.time() * 1_000)  # rows of long ago are dropped by their tables' TTL


def rows_of(topic: str, partition: int, records: list[Record], newest_schema_id: int | None = None) -> Rows:
    return Mapper(newest_schema_id).rows(topic, partition, records)


def records_of(messages: list[Message]) -> list[Record]:
    return [
        Record(offset * 3, TODAY_MS + offset, b"key", codec.encode(message)) for offset, message in enumerate(messages)
    ]


def a_transfer(**said: Any) -> Transfer:
    fields = {"transfer_id": "t", "user_id": "u", "asset": "USD", "direction": "CREDIT", "amount": 1, "issued_at": NOW}
    return msgspec.convert({**fields, **said}, Transfer)


# ── every message has its table ─────────────────────────────────────────────────────────────────────────────────────


def test_every_topic_but_ticks_has_a_table():
    for topic in (*TOLD, topics.venue_requests("binance")):
        if topic is topics.TICKS:
            with pytest.raises(KeyError):
                table_of(topic.name)
        else:
            assert table_of(topic.name).message is topic.value


def leaf_fields(message: type[Message]) -> set[str]:
    """The fields of a message, those of its commands or postings in place of the field that holds them."""
    if message is OrderCommand:
        commands = typing.get_args(typing.get_type_hints(OrderCommand)["command"])
        own = {field.name for field in msgspec.structs.fields(OrderCommand)}
        return own | {field.name for command in commands for field in msgspec.structs.fields(command)}
    names = {field.name for field in msgspec.structs.fields(message)}
    if message is JournalEntry:
        return names - {"postings"} | {field.name for field in msgspec.structs.fields(Posting)} | {"line"}
    return names


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_field_has_a_column(table: Table):
    assert set(table.builders) == leaf_fields(table.message)


# ── and arrives there as it was ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[Any]:
    name = unique_database()
    writer = service.client(writer=True)
    migrate(writer, name)
    connected = service.client(writer=True, database=name)
    yield connected
    writer.command(f"DROP DATABASE {name} SYNC")
    writer.close()
    connected.close()


def stored(client: Any, table: Table) -> list[dict[str, Any]]:
    """All rows, instants in microseconds and bytes in hexadecimal, in the order of their coordinates."""
    names = "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {t:String}"
    types = dict(client.query(names, parameters={"t": table.name}).result_rows)
    shown = {
        name: f"toUnixTimestamp64Micro(`{name}`)" if "DateTime64(6" in kind else f"`{name}`"
        for name, kind in types.items()
    }
    if table.message is DeadLetter:
        shown |= {"key": "hex(key)", "value": "hex(value)"}
    line = ", line" if "line" in types else ""
    query = ", ".join(f"{expression} AS `{name}_`" for name, expression in shown.items())
    result = client.query(f"SELECT {query} FROM {table.name} ORDER BY _partition, _offset{line}")
    return [{name.removesuffix("_"): value for name, value in row.items()} for row in result.named_results()]


def expected(table: Table, message: Message, line: int | None) -> dict[str, Any]:
    """The row of *message* by other means than the mapping's."""
    fields = {name: getattr(message, name, None) for name in table.builders}
    if isinstance(message, OrderCommand):
        fields |= {
            field.name: getattr(message.command, field.name) for field in msgspec.structs.fields(message.command)
        }
        fields["command"] = type(message.command).__name__
    if isinstance(message, JournalEntry):
        posting = message.postings[line or 0]
        fields |= {field.name: getattr(posting, field.name) for field in msgspec.structs.fields(Posting)}
        fields["line"] = line
    return {name: as_stored(table.builders[name], value) for name, value in fields.items()}


def as_stored(build: Any, value: Any) -> Any:
    if build is columns.amounts:
        return None if value is None else Decimal(value).scaleb(-18, context=samples.EXACT)
    if build in (columns.texts, columns.labels):
        return value or ""
    if build is columns.flags:
        return bool(value)
    if build is columns.blobs:
        return None if value is None else value.hex().upper()
    return value


def holds(message: Message) -> bool:
    """Whether every instant of *message* is one that ClickHouse knows. Amounts of samples all fit."""
    if isinstance(message, JournalEntry) and not message.postings:
        return True  # no row, no fault
    instants = {name for name in TABLES[type(message)].builders if name.endswith(("_at", "good_till", "timestamp"))}
    parts = [message, getattr(message, "command", None)]
    values = [getattr(part, name, None) for part in parts for name in instants]
    return all(value is None or INSTANT_MIN <= value <= INSTANT_MAX for value in values)


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_message_arrives_exactly_as_it_was(client, table):
    name = next(name for name in samples.NAMES if samples.PLANS[name].holder is table.message)
    messages = [samples.message(name, seed) for seed in range(SAMPLES)]
    records = records_of(messages)
    rows = rows_of(TOPIC_OF[table.message], 5, records)
    assert rows.stored is not None
    client.insert_arrow(table.name, rows.stored)

    found = stored(client, table)
    client.command(f"TRUNCATE TABLE {table.name}")
    due = [
        (record, expected(table, message, line))
        for record, message in zip(records, messages, strict=True)
        if holds(message)
        for line in (range(len(message.postings)) if isinstance(message, JournalEntry) else [None])
    ]
    assert len(due) > SAMPLES // 4
    assert [row["_offset"] for row in found] == [record.offset for record, _ in due]
    for row, (record, fields) in zip(found, due, strict=True):
        assert {name: row[name] for name in fields} == fields
        assert (row["_topic"], row["_partition"]) == (TOPIC_OF[table.message], 5)
        assert round(row["_timestamp"].replace(tzinfo=dt.UTC).timestamp() * 1_000) == record.timestamp_ms
    assert rows.records == sum(map(holds, messages))
    assert rows.dead == SAMPLES - rows.records


def test_the_largest_and_the_smallest_amounts_are_exact(client):
    amounts = [AMOUNT_MAX, -AMOUNT_MAX, 0, 1, -1, ONE, 99_900_000_000_000_000_003, 2**64 * ONE, -(2**63), 10**37]
    rows = rows_of("transfers", 0, records_of([a_transfer(amount=amount) for amount in amounts]))
    client.insert_arrow("transfers", rows.stored)
    found = client.query("SELECT toString(amount) FROM transfers ORDER BY _offset").result_columns[0]
    client.command("TRUNCATE TABLE transfers")
    assert [Decimal(text).scaleb(18, context=samples.EXACT) for text in found] == amounts


@given(st.lists(st.none() | st.integers(-AMOUNT_MAX, AMOUNT_MAX), max_size=40))
def test_amounts_become_decimals_without_loss(units):
    found = columns.amounts(units).to_pylist()
    assert found == [None if value is None else Decimal(value).scaleb(-18, context=samples.EXACT) for value in units]


# ── what can't be taken ─────────────────────────────────────────────────────────────────────────────────────────────

SOUND = codec.encode(a_transfer())
TOO_MUCH = bytearray(codec.encode(a_transfer(amount=AMOUNT_MAX)))


def an_overflow() -> bytes:
    """A transfer of 10⁴⁰ whole coins, as a stranger may write it: the codec itself refuses to."""
    short = codec.encode(a_transfer(amount=1))
    digits = (10**58).to_bytes(25, "big", signed=True)
    return short.replace(b"\x02\x01", bytes([2 * len(digits)]) + digits, 1)


POISON = {
    "undecodable": (b"garbage", UndecodableReason.NOT_WIRE_FORMAT),
    "empty": (None, UndecodableReason.EMPTY),
    "another message": (codec.encode(samples.message("tick", 1)), UndecodableReason.WRONG_SCHEMA),
    "cut off": (SOUND[:-3], UndecodableReason.TRUNCATED),
    "an unknown schema": (b"\0\0\xff\xff\xff" + SOUND[5:], UndecodableReason.UNKNOWN_SCHEMA_ID),
    "an amount of 40 digits": (an_overflow(), OUT_OF_RANGE),
    "a time beyond all calendars": (codec.encode(a_transfer(issued_at=1 << 62)), OUT_OF_RANGE),
    "a time before them": (codec.encode(a_transfer(issued_at=INSTANT_MIN - 1)), OUT_OF_RANGE),
}


def test_the_overflow_is_one():
    assert codec.decode(an_overflow(), Transfer).amount == 10**58


@pytest.mark.parametrize("what", POISON)
def test_a_record_that_can_not_be_taken_is_a_dead_letter_and_the_others_go_in(what):
    value, reason = POISON[what]
    records = [Record(7, 1_000, b"a", SOUND), Record(9, 2_000, b"\xffkey", value), Record(12, 3_000, None, SOUND)]
    rows = rows_of("transfers", 3, records)
    assert rows.stored is not None
    assert rows.stored["_offset"].to_pylist() == [7, 12]
    assert rows.dead_letters is not None
    (letter,) = rows.dead_letters.to_pylist()
    assert letter["detail"]
    assert {name: letter[name] for name in ("reason", "stage", "key", "value", "_topic", "_partition", "_offset")} == {
        "reason": reason,
        "stage": "sink",
        "key": b"\xffkey",
        "value": value,
        "_topic": "transfers",
        "_partition": 3,
        "_offset": 9,
    }
    assert (letter["source_topic"], letter["source_partition"], letter["source_offset"]) == ("transfers", 3, 9)
    assert (rows.records, rows.dead) == (2, 1)


def test_dead_letters_of_a_batch_are_in_the_order_of_their_offsets():
    values = [an_overflow(), b"x", SOUND, an_overflow(), None]
    rows = rows_of("transfers", 0, [Record(n, 0, None, value) for n, value in enumerate(values)])
    assert rows.dead_letters is not None
    assert rows.dead_letters["_offset"].to_pylist() == [0, 1, 3, 4]


def test_a_batch_of_nothing_but_poison_stores_dead_letters_only():
    rows = rows_of("order-events", 0, [Record(0, 0, None, b"x")])
    assert rows.stored is None
    assert rows.dead_letters is not None


def test_one_posting_out_of_range_takes_its_whole_entry_along():
    good = Posting("a", "AVAILABLE", "USD", 5)
    entry = JournalEntry("u", "t", 0, 1, 0, NOW, "CREDIT", "r", (good, good))
    bad = msgspec.structs.replace(entry, occurred_at=1 << 62)
    rows = rows_of("ledger-entries", 0, records_of([entry, bad, entry]))
    assert rows.stored is not None
    assert rows.stored["_offset"].to_pylist() == [0, 0, 6, 6]
    assert rows.stored["line"].to_pylist() == [0, 1, 0, 1]
    assert (rows.records, rows.dead) == (2, 1)


def test_an_entry_without_postings_has_no_row_and_is_no_fault():
    entry = JournalEntry("u", "t", 0, 1, 0, NOW, "CREDIT", "r", ())
    rows = rows_of("ledger-entries", 0, records_of([entry]))
    assert (rows.stored, rows.dead_letters, rows.records) == (None, None, 1)


@given(seeds=st.lists(st.integers(0, 50), max_size=12), poison=st.lists(st.sampled_from(sorted(POISON)), max_size=4))
def test_the_same_records_always_make_the_same_rows(seeds, poison):
    values = [codec.encode(samples.message("transfer", seed)) for seed in seeds] + [POISON[what][0] for what in poison]
    records = [Record(offset, 5, b"k", value) for offset, value in enumerate(values)]
    first, second = rows_of("transfers", 1, records), rows_of("transfers", 1, records)
    assert (first.records, first.dead) == (second.records, second.dead)
    assert first.records + first.dead == len(records)
    for one, other in ((first.stored, second.stored), (first.dead_letters, second.dead_letters)):
        assert one is None if other is None else other.equals(one)


# ── what is newer waits ─────────────────────────────────────────────────────────────────────────────────────────────


def with_schema(schema_id: int) -> Record:
    return Record(4, 0, None, b"\0" + schema_id.to_bytes(4, "big") + SOUND[5:])


def test_a_schema_newer_than_all_known_waits_and_is_not_dropped():
    newest = max(schema_id for name in catalog.ids() for schema_id in catalog.versions(name))
    for mapper, schema_id in ((Mapper(), newest + 1), (Mapper(50), 51), (Mapper(50), 50 + SCHEMAS_TO_COME)):
        with pytest.raises(SchemaNotKnown, match="offset 4"):
            mapper.rows("transfers", 0, [with_schema(schema_id)])


def test_an_id_that_no_schema_will_have_is_garbage():
    for mapper, schema_id in ((Mapper(51), 51), (Mapper(50), 51 + SCHEMAS_TO_COME), (Mapper(), 2**32 - 1)):
        assert mapper.rows("transfers", 0, [with_schema(schema_id)]).dead == 1


def test_a_schema_that_was_given_up_is_waited_for_no_more():
    assert Mapper(50, given_up=[51]).rows("transfers", 0, [with_schema(51)]).dead == 1
    with pytest.raises(SchemaNotKnown):
        Mapper(50, given_up=[51]).rows("transfers", 0, [with_schema(52)])


def test_a_schema_that_becomes_known_is_read():
    class Registry(catalog.CommittedIds):
        known = False

        def writer(self, schema_id: int) -> Any:
            if schema_id != 51:
                return super().writer(schema_id)
            return catalog.latest("transfer") if self.known else None

    registry = Registry()
    codec.use_ids(registry)
    try:
        mapper = Mapper(50)
        with pytest.raises(SchemaNotKnown):
            mapper.rows("transfers", 0, [with_schema(51)])
        registry.known = True
        assert mapper.rows("transfers", 0, [with_schema(51)]).records == 1
    finally:
        codec.use_ids(None)


def test_a_registry_that_does_not_answer_makes_no_dead_letters(monkeypatch):
    def unavailable(_data: bytes, _expected: type) -> None:
        raise Undecodable(UndecodableReason.SCHEMA_UNAVAILABLE, "away")

    monkeypatch.setattr(codec, "decode", unavailable)
    with pytest.raises(SchemaNotKnown, match="away"):
        rows_of("transfers", 0, [with_schema(1)])


def test_rows_are_as_many_as_arrow_says():
    rows = rows_of("order-events", 0, records_of([samples.message("order_event", 3)]))
    assert isinstance(rows.stored or rows.dead_letters, pa.Table)
    assert TABLES[OrderEvent].name == "order_events"
