"""The page for producers in other languages says what is true, and its program gets its answer from real Kafka."""

import asyncio
import re
import sys
from pathlib import Path

import pytest
from aiokafka.partitioner import murmur2
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from domain import money
from domain.messages import Answer, EventKind, OrderCommand, OrderEvent, OrderStatus, OrderType, PlaceOrder, Side, Tick
from domain.state import Balance
from schemas import codec, topics
from schemas.codec import UndecodableReason

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "schemas.md").read_text()
PARTITIONS = 8


@pytest.fixture(autouse=True)
def back_end():
    """A page says the same whatever code runs: once is enough."""


def program(name):
    (found,) = re.findall(rf"<!-- tested: {name} -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    return found


@pytest.fixture
def bootstrap(fresh_broker):
    """A broker of its own: the program uses the real names of the topics."""
    admin = AdminClient({"bootstrap.servers": fresh_broker.bootstrap})
    for created in admin.create_topics(
        [NewTopic(n, PARTITIONS, 1) for n in ("order-commands", "order-events")]
    ).values():
        created.result(10)
    return fresh_broker.bootstrap


def next_command(bootstrap):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "agents", "auto.offset.reset": "earliest"})
    consumer.subscribe(["order-commands"])
    try:
        for _ in range(200):
            record = consumer.poll(0.1)
            if record is not None and not record.error():
                return record
        pytest.fail("the program sent no command")
    finally:
        consumer.close()


def answer(bootstrap, record, command):
    place = command.command
    event = OrderEvent(
        user_id=command.user_id,
        source_topic=record.topic(),
        source_partition=record.partition(),
        source_offset=record.offset(),
        index=0,
        occurred_at=command.issued_at,
        kind=EventKind.ORDER_ACCEPTED,
        answer=Answer.ACCEPTED,
        command_id=command.command_id,
        order_id=place.order_id,
        sequence=1,
        status=OrderStatus.PENDING_SUBMISSION,
        quantity=place.quantity,
    )
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce("order-events", codec.encode(event), key=record.key())
    assert producer.flush(10) == 0


async def test_the_program_of_the_page_gets_its_answer(bootstrap):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program("place-an-order"), bootstrap),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        record = await asyncio.to_thread(next_command, bootstrap)
        command = codec.decode(record.value(), OrderCommand)
        assert record.key() == command.user_id.encode() == b"alice"
        assert record.partition() == (murmur2(record.key()) & 0x7FFFFFFF) % PARTITIONS
        assert command.command == PlaceOrder(
            order_id=command.command.order_id,
            venue="simulated",
            symbol="BTC-USD",
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            quantity=money.parse("0.01"),
            price=money.parse("60000.5"),
        )
        await asyncio.to_thread(answer, bootstrap, record, command)
        said, errors = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    assert said.decode() == "ACCEPTED None PENDING_SUBMISSION 0.010000000000000000\n"


def test_the_bytes_on_the_page_are_the_bytes_on_the_wire():
    tick = "00 00000003 8080f28183898506"
    assert tick in PAGE
    assert codec.encode(Tick(1_700_000_000_000_000)) == bytes.fromhex(tick)
    assert "14d1120d7b160000" in PAGE
    assert bytes.fromhex("14d1120d7b160000") in codec.encode(Balance("o", "a", money.parse("1.5"), 0))


def test_every_reason_is_on_the_page():
    assert set(re.findall(r"`([A-Z_]+)`", PAGE[PAGE.index("## What can't be read") :])) >= set(UndecodableReason)


def test_every_topic_a_stranger_meets_is_on_the_page():
    strangers = (*topics.INPUTS, *topics.OUTPUTS)
    assert {topic.name for topic in strangers} - set(re.findall(r"^\| `([\w-]+)", PAGE, re.MULTILINE)) == {"ticks"}
