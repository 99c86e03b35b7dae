"""The consumer hands over every stretch it has fetched, or fetches it again."""

from types import SimpleNamespace

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c_py
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


CONTROL, TRANSACTIONAL = 0x20, 0x10
ABORT, COMMIT = b"\0\0\0\0", b"\0\0\0\1"


def batch(base_offset, values, *, producer=-1, attributes=0):
    """The bytes of one batch as a broker keeps them: clients set no offset, and make no control batches."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=attributes & TRANSACTIONAL,
        producer_id=producer,
        producer_epoch=0,
        base_sequence=0,
        batch_size=16_384,
    )
    for offset, (key, value, *headers) in enumerate(values):
        builder.append(offset, 1_000 + offset, key, value, headers)
    made = bytearray(builder.build())
    made[:8] = base_offset.to_bytes(8, "big")
    if attributes & CONTROL:
        made[22] |= CONTROL
        made[17:21] = calc_crc32c_py(made[21:]).to_bytes(4, "big")
    return bytes(made)


def marker(base_offset, producer, kind):
    return batch(base_offset, [(kind, b"\0" * 6)], producer=producer, attributes=CONTROL | TRANSACTIONAL)


def of_two_producers(start=0):
    """Offsets up to 11, from the batch on that has *start*, as a broker sends them: one producer commits, one aborts
    and commits later, with their records between each other's.
    """
    some = [(b"key", b"value", ("name", b"header")), (None, None)]
    batches = {
        1: batch(0, some, producer=1, attributes=TRANSACTIONAL),
        3: batch(2, some, producer=2, attributes=TRANSACTIONAL),
        5: batch(4, some, producer=1, attributes=TRANSACTIONAL),
        6: marker(6, 2, ABORT),
        7: marker(7, 1, COMMIT),
        9: batch(8, some),
        10: batch(10, some[:1], producer=2, attributes=TRANSACTIONAL),
        11: marker(11, 2, COMMIT),
    }
    return b"".join(data for last, data in batches.items() if last >= start)


def parsed(kind, data, start, aborted=()):
    return kind(INPUT, MemoryRecords(data), aborted, start, None, None, True, READ_COMMITTED)


@pytest.mark.parametrize("start", range(13))
def test_records_are_those_that_aiokafka_reads_and_as_its_parser_made_them(start):
    data, aborted = of_two_producers(start), [(2, 2)] if start <= 6 else []
    ours, theirs = (parsed(kind, data, start, aborted) for kind in (BareRecords, PartitionRecords))
    read = [
        [(each.offset, each.timestamp, each.key, each.value, tuple(each.headers)) for each in records]
        for records in (ours, theirs)
    ]
    assert read[0] == read[1]
    assert [offset for offset, *_ in read[0]] == [offset for offset in (0, 1, 4, 5, 8, 9, 10) if offset >= start]
    assert ours.next_fetch_offset == theirs.next_fetch_offset == max(start, 12)


def test_a_damaged_batch_is_not_read():
    damaged = bytearray(of_two_producers())
    damaged[-1] ^= 1
    with pytest.raises(CorruptRecordException, match="offset 11 is damaged"):
        list(parsed(BareRecords, bytes(damaged), 0, [(2, 2)]))


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
