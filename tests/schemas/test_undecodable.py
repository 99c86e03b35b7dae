"""Any bytes give a value or an Undecodable that names why: no other exception, no memory for what isn't there."""

import random
from functools import partial

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.messages import (
    Account,
    CancelOrder,
    EntryKind,
    JournalEntry,
    Liquidity,
    OrderCommand,
    PlaceOrder,
    Posting,
    Side,
    Tick,
    Transfer,
    VenueReport,
)
from domain.money import AMOUNT_MAX
from domain.state import Balance, Position
from schemas import codec, wire
from schemas.codec import Undecodable, UndecodableReason
from tests.schemas import samples
from tests.schemas.memory import fits

CANCEL = OrderCommand(command_id="c-1", user_id="u-1", issued_at=1_700_000_000_000_000, command=CancelOrder("o-1"))
TICK = b"\0\0\0\0\x03"
BALANCE = b"\0\0\0\0\x0a\x02a\x02b"
ENTRY = JournalEntry("u", "t", 0, 0, 0, 1, EntryKind.RESERVE, "r", (Posting("o", Account.AVAILABLE, "BTC", 1),))
HOSTILE_LENGTH = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"  # 2⁶³ - 1


def refusal(data, expected):
    with pytest.raises(Undecodable) as caught:
        codec.decode(data, expected)
    assert "\n" not in str(caught.value)
    assert str(caught.value) == f"{caught.value.reason}: {caught.value.detail}"
    return caught.value.reason


def command_with(field_bytes):
    """An order command up to its union, and then *field_bytes*."""
    return codec.encode(CANCEL)[: -len(b"\x02\x06o-1\x00")] + field_bytes


REFUSED = {
    "no bytes": (b"", Tick, UndecodableReason.EMPTY),
    "a null value": (None, Tick, UndecodableReason.EMPTY),
    "half a header": (b"\0\0\0", Tick, UndecodableReason.NOT_WIRE_FORMAT),
    "another magic byte": (b"\x01\0\0\0\x03\x00", Tick, UndecodableReason.NOT_WIRE_FORMAT),
    "JSON": (b'{"at": 1}', Tick, UndecodableReason.NOT_WIRE_FORMAT),
    "an id of nothing": (b"\0\0\0\xff\xff\x00", Tick, UndecodableReason.UNKNOWN_SCHEMA_ID),
    "another message": (codec.encode(CANCEL), Tick, UndecodableReason.WRONG_SCHEMA),
    "a header alone": (TICK, Tick, UndecodableReason.TRUNCATED),
    "half a number": (TICK + b"\x80\x80", Tick, UndecodableReason.TRUNCATED),
    "a byte too many": (TICK + b"\x02\x00", Tick, UndecodableReason.TRAILING_BYTES),
    "a number of 11 bytes": (TICK + b"\x80" * 10 + b"\x01", Tick, UndecodableReason.BAD_VALUE),
    "a number of 65 bits": (TICK + b"\x80" * 9 + b"\x02", Tick, UndecodableReason.BAD_VALUE),
    "a text longer than the bytes": (b"\0\0\0\0\x0a\x7e", Balance, UndecodableReason.TRUNCATED),
    "a text cut inside a character": (b"\0\0\0\0\x0a\x04\xc3", Balance, UndecodableReason.TRUNCATED),
    "a text of hostile length": (b"\0\0\0\0\x0a" + HOSTILE_LENGTH, Balance, UndecodableReason.TRUNCATED),
    "a text of negative length": (b"\0\0\0\0\x0a\x01" + b"a" * 9, Balance, UndecodableReason.BAD_VALUE),
    "a long text of negative length": (b"\0\0\0\0\x0a\x81\x01" + b"a" * 99, Balance, UndecodableReason.BAD_VALUE),
    "a text that is no UTF-8": (b"\0\0\0\0\x0a\x02\xff\x02b\x00\x00", Balance, UndecodableReason.BAD_VALUE),
    "a shared text that is no UTF-8": (b"\0\0\0\0\x0a\x02a\x02\xff\x00\x00", Balance, UndecodableReason.BAD_VALUE),
    "an amount longer than the bytes": (BALANCE + b"\x04\x01", Balance, UndecodableReason.TRUNCATED),
    "an amount of 64 bytes": (BALANCE + b"\x80\x01" + b"\0" * 64 + b"\0", Balance, UndecodableReason.BAD_VALUE),
    "an amount of a megabyte": (
        BALANCE + b"\x80\x80\x80\x01" + b"\1" * (1 << 20),
        Balance,
        UndecodableReason.BAD_VALUE,
    ),
    "an amount of negative length": (BALANCE + b"\x01\x00\x00", Balance, UndecodableReason.BAD_VALUE),
    "bytes of hostile length": (b"\0\0\0\0\x0c\x02t\x00" + HOSTILE_LENGTH, Position, UndecodableReason.TRUNCATED),
    "a branch that is none": (command_with(b"\x0c"), OrderCommand, UndecodableReason.BAD_VALUE),
    "a negative branch": (command_with(b"\x01"), OrderCommand, UndecodableReason.BAD_VALUE),
    "a null of two branches": (command_with(b"\x04\x04"), OrderCommand, UndecodableReason.BAD_VALUE),
    "a symbol that is none": (command_with(b"\x00\x02o\x02v\x02s\x04"), OrderCommand, UndecodableReason.BAD_VALUE),
}


@pytest.mark.parametrize("case", REFUSED)
def test_each_kind_of_damage_has_its_reason(case):
    data, expected, reason = REFUSED[case]
    assert refusal(data, expected) is reason


def test_a_boolean_is_zero_or_one():
    place = PlaceOrder("o", "v", "s", Side.BUY, "LIMIT", 1, post_only=True)
    data = codec.encode(msgspec.structs.replace(CANCEL, command=place))
    assert data[-2:] == b"\x01\x00"
    assert refusal(data[:-2] + b"\x02\x00", OrderCommand) is UndecodableReason.BAD_VALUE


def test_an_int_has_32_bits():
    data = codec.encode(ENTRY)
    position = data.index(b"\x02t") + 2  # source_partition
    beyond = b"\x80\x80\x80\x80\x20"
    assert refusal(data[:position] + beyond + data[position + 1 :], JournalEntry) is UndecodableReason.BAD_VALUE
    most = b"\xfe\xff\xff\xff\x0f"
    entry = codec.decode(data[:position] + most + data[position + 1 :], JournalEntry)
    assert entry.source_partition == (1 << 31) - 1


@pytest.mark.timeout(20)  # it counts to 2⁶³ otherwise
def test_a_hostile_count_of_items_ends_with_the_bytes():
    data = codec.encode(ENTRY)
    position = data.index(b"\x02\x02o")  # one posting, whose owner is "o"
    assert refusal(data[:position] + HOSTILE_LENGTH + data[position + 1 :], JournalEntry) is UndecodableReason.TRUNCATED
    assert refusal(data[:position] + HOSTILE_LENGTH, JournalEntry) is UndecodableReason.TRUNCATED


def test_an_array_may_come_in_blocks_that_say_their_size():
    """Avro 1.11, Arrays: a negative count is followed by the size of the block in bytes."""
    data = codec.encode(ENTRY)
    position = data.index(b"\x02\x02o")
    item = data[position + 1 : data.index(b"\x00\x00\x00\x00", position)]
    sized = b"\x01" + bytes([2 * len(item)]) + item  # a count of -1
    blocks = data[:position] + sized + b"\x02" + item + b"\x04" + item + item + b"\x00" + b"\x00\x00\x00"
    assert codec.decode(blocks, JournalEntry).postings == ENTRY.postings * 4


def test_an_array_may_end_with_a_zero_of_several_bytes():
    data = codec.encode(ENTRY)
    assert data[-4:] == b"\x00\x00\x00\x00"  # the array's end, and three fields that are null
    assert codec.decode(data[:-4] + b"\x80\x80\x00" + data[-3:], JournalEntry) == ENTRY


def test_no_length_reserves_memory():
    small = [(data, expected) for data, expected, _ in REFUSED.values() if data is None or len(data) < 10_000]
    for data, expected in small:  # whatever code they need is there before memory is counted
        refusal(data, expected)
        assert fits(1_000_000, partial(refusal, data, expected))


def test_an_amount_too_large_to_write_can_be_read():
    units = 10**40 * 10**18
    encoded = units.to_bytes(26, "big", signed=True)
    data = BALANCE + bytes([2 * len(encoded)]) + encoded + b"\x00"
    balance = codec.decode(data, Balance)
    assert balance == Balance("a", "b", units, 0)
    with pytest.raises(ValueError, match="38 digits"):
        codec.encode(balance)


@pytest.mark.parametrize("units", [AMOUNT_MAX + 1, -AMOUNT_MAX - 1, 10**58, -(10**58)])
def test_an_amount_that_does_not_fit_is_never_cut(units):
    with pytest.raises(ValueError, match="38 digits"):
        codec.encode(Balance("a", "b", units, 0))
    report = VenueReport("c", "v", "s", "FILL", "STREAM", 1, fill_quantity=units, liquidity=Liquidity.MAKER)
    with pytest.raises(ValueError, match="38 digits"):
        codec.encode(report)


@pytest.mark.parametrize("units", [AMOUNT_MAX, -AMOUNT_MAX, 0, -1])
def test_an_amount_at_the_edge_fits(units):
    balance = Balance("a", "b", units, -units)
    assert codec.decode(codec.encode(balance), Balance) == balance


def test_amounts_may_be_longer_than_they_need_to_be():
    assert codec.decode(BALANCE + b"\x08\x00\x00\x00\x05\x00", Balance) == Balance("a", "b", 5, 0)
    assert codec.decode(BALANCE + b"\x08\xff\xff\xff\xfb\x00", Balance) == Balance("a", "b", -5, 0)


@pytest.mark.parametrize("value", [1 << 63, -(1 << 63) - 1])
def test_a_number_that_does_not_fit_is_not_written(value):
    with pytest.raises(ValueError, match="does not fit a long"):
        codec.encode(Tick(value))
    with pytest.raises(ValueError, match="does not fit an int"):
        codec.encode(msgspec.structs.replace(ENTRY, index=1 << 31))


def test_a_decoded_message_holds_the_types_that_its_class_declares():
    for name in samples.NAMES:
        message = samples.message(name, 1)
        decoded = codec.decode(codec.encode(message), type(message))
        assert [type(part) for part in parts(decoded)] == [type(part) for part in parts(message)]


def parts(message):
    for field in message.__struct_fields__:
        part = getattr(message, field)
        yield part
        for inner in part if isinstance(part, tuple) else (part,):
            if hasattr(inner, "__struct_fields__"):
                yield inner
                yield from parts(inner)


def test_equal_symbols_of_many_records_are_one_object():
    for number in range(wire.SHARED_MAX):  # whatever came before
        wire.share_text(str(number).encode())
    first, second = (
        codec.decode(codec.encode(Transfer(str(n), "u", "BTC-é", "CREDIT", 1, 1)), Transfer) for n in (1, 2)
    )
    assert first.asset is second.asset


def test_what_is_remembered_of_texts_and_instants_is_bounded():
    for number in range(wire.SHARED_MAX + 100):
        transfer = Transfer("t", "u", f"asset {number}", "CREDIT", 1, 1_700_000_000_000_000 + number)
        assert codec.decode(codec.encode(transfer), Transfer) == transfer
    long = Transfer("t", "u", "long" * 100, "CREDIT", 1, 1)
    assert codec.decode(codec.encode(long), Transfer) == long
    sizes = [len(table.__self__) for table in (wire.shared_text, wire.written_text, wire.known_instant)]
    assert max(sizes) <= wire.SHARED_MAX


def test_a_class_without_a_schema_of_its_own_is_refused_by_name():
    with pytest.raises(TypeError, match="CancelOrder has no schema of its own"):
        codec.encode(CancelOrder("o-1"))
    with pytest.raises(TypeError, match="CancelOrder has no schema of its own"):
        codec.decode(b"", CancelOrder)


def test_a_union_takes_its_own_records_alone():
    with pytest.raises(TypeError, match="command can not be a Tick"):
        codec.encode(msgspec.structs.replace(CANCEL, command=Tick(1)))


# ── fuzzing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def decoded_or_refused(data, expected):
    """Decodes *data*; a value must survive its own encoding, unless an amount in it is too large for that."""
    try:
        message = codec.decode(data, expected)
    except Undecodable:
        return
    try:
        again = codec.encode(message)
    except ValueError as error:
        assert "38 digits" in str(error)  # noqa: PT017  # the only value that can be read and not written
        return
    assert codec.decode(again, expected) == message


@pytest.mark.parametrize("name", samples.NAMES)
@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=200))
def test_random_bytes_give_a_value_or_a_refusal(name, body):
    expected = samples.PLANS[name].holder
    header = codec.encode(samples.message(name, 0))[:5]
    decoded_or_refused(body, expected)
    decoded_or_refused(header + body, expected)


@pytest.mark.parametrize("name", samples.NAMES)
def test_mutated_records_give_a_value_or_a_refusal(name):
    expected = samples.PLANS[name].holder
    rng = random.Random(name)
    for seed in range(150):
        original = codec.encode(samples.message(name, seed))
        for _ in range(10):
            data = bytearray(original)
            for _ in range(rng.choice((1, 1, 2, 8))):
                position = rng.randrange(5 if rng.random() < 0.9 else 0, len(data))
                data[position] = rng.choice((0, 1, 2, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            decoded_or_refused(bytes(data), expected)


@pytest.mark.parametrize("name", samples.NAMES)
def test_a_record_that_is_cut_anywhere_is_truncated(name):
    original = min((codec.encode(samples.message(name, seed)) for seed in range(20)), key=len)
    for end in range(5, len(original)):
        assert refusal(original[:end], samples.PLANS[name].holder) is UndecodableReason.TRUNCATED


@pytest.mark.parametrize("name", samples.NAMES)
def test_a_record_with_anything_behind_it_has_trailing_bytes(name):
    original = codec.encode(samples.message(name, 3))
    for more in (b"\0", b"\xff", original):
        assert refusal(original + more, samples.PLANS[name].holder) is UndecodableReason.TRAILING_BYTES
