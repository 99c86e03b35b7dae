"""The consumer hands over every stretch it has fetched, or fetches it again."""

from types import SimpleNamespace

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from faust.types import TP

from runtime.settings import Settings
from streaming.app import application
from streaming.chunk import Admission, Stretch
from streaming.transport import BareRecords

INPUT = TP("commands", 0)


def stretch(start, end, size=0):
    records = [
        SimpleNamespace(offset=offset, timestamp=5_000, value=bytes(size) or None) for offset in range(start, end)
    ]
    admission = Admission(*INPUT, 0)
    return Stretch(start=start, end=end, records=records, weight=0.1, highwater=end, admission=admission)


class Thread:
    def __init__(self):
        self.fetched, self.again, self.went_on, self.meanwhile = [], [], [], lambda: None

    async def stretches(self, _timeout):
        self.meanwhile()
        return [(INPUT, each) for each in self.fetched]

    def fetch_again(self, unused):
        self.again.append(unused)

    def go_on(self, admission):
        self.went_on.append(admission)


@pytest.fixture
async def consumer(tmp_path):
    app = application(Settings(var=tmp_path, chunk_records_max=100, chunk_bytes_max=1_000))
    made = app.consumer
    made._thread = Thread()
    made.flow_active = True
    app.consumer_generation_id = 1
    return made


async def messages(consumer):
    return [message async for _, message in consumer.getmany(1.0)]


async def test_a_stretch_is_one_message_and_messages_count_up_whatever_their_offsets(consumer):
    consumer._thread.fetched = [stretch(10, 12), stretch(3, 5)]
    first, second = await messages(consumer)
    assert (first.value.start, second.value.start) == (10, 3)
    assert first.tp == INPUT
    assert first.timestamp == 5.0
    assert first.offset < second.offset


async def test_what_was_fetched_after_a_rebalance_is_of_the_new_generation(consumer):
    consumer._thread.fetched = [stretch(0, 2)]
    consumer._thread.meanwhile = lambda: setattr(consumer.app, "consumer_generation_id", 2)
    (message,) = await messages(consumer)
    assert message.generation_id == 2


async def test_what_a_rebalance_interrupts_is_fetched_again(consumer):
    consumer._thread.fetched = [stretch(0, 2), stretch(2, 4), stretch(4, 6)]
    taken = []
    async for _, message in consumer.getmany(1.0):
        taken.append(message.value)
        consumer.app.consumer_generation_id += 1
    assert taken == consumer._thread.fetched[:1]
    assert consumer._thread.again == consumer._thread.fetched[1:]


async def test_what_was_fetched_while_the_flow_stopped_is_fetched_again(consumer):
    consumer._thread.fetched = [stretch(0, 2)]
    consumer._thread.meanwhile = lambda: setattr(consumer, "flow_active", False)
    assert await messages(consumer) == []
    assert consumer._thread.again == consumer._thread.fetched


async def test_a_chunk_is_full_by_records_or_by_bytes(consumer):
    assert consumer.weigh(stretch(0, 50).records) == 0.5
    assert consumer.weigh(stretch(0, 10, size=80).records) == pytest.approx(0.8)


async def test_a_held_input_goes_on_when_half_of_what_may_wait_is_taken(consumer):
    waiting = stretch(0, 4)
    waiting.admission.fetched, waiting.admission.held = 1.15, True
    consumer.taken(waiting)
    assert consumer._thread.went_on == []
    consumer.taken(waiting)
    assert consumer._thread.went_on == [waiting.admission]


def test_a_record_is_what_the_parser_made_of_it():
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=16_384,
    )
    builder.append(0, 1_000, b"key", b"value", [("name", b"header")])
    builder.append(1, 1_001, None, None, [])
    parsed = BareRecords(INPUT, MemoryRecords(bytes(builder.build())), [], 0, None, None, True, 1)
    assert [(each.offset, each.timestamp, each.key, each.value, list(each.headers)) for each in parsed] == [
        (0, 1_000, b"key", b"value", [("name", b"header")]),
        (1, 1_001, None, None, []),
    ]
    assert parsed.next_fetch_offset == 2


def test_a_stretch_splits_and_shortens_without_losing_an_offset():
    whole = stretch(0, 10)
    holes = Stretch(
        start=0,
        end=20,
        records=[whole.records[2], whole.records[5], whole.records[9]],
        weight=0.3,
        highwater=20,
        admission=whole.admission,
    )
    first, second = holes.split(1)
    assert [(part.start, part.end, [each.offset for each in part.records]) for part in (first, second)] == [
        (0, 5, [2]),
        (5, 20, [5, 9]),
    ]
    assert first.weight + second.weight == pytest.approx(holes.weight)
    rest = holes.after(6)
    assert (rest.start, rest.end, [each.offset for each in rest.records]) == (6, 20, [9])
