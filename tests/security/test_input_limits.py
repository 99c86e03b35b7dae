"""Whatever anybody writes to an input ends as a named rejection or a dead letter, and what follows it goes through."""

import pytest

from domain.messages import (
    AmendOrder,
    Answer,
    CancelAllOrders,
    CancelOrder,
    OrderCommand,
    Transfer,
    TransferDirection,
)
from domain.money import AMOUNT_MAX
from schemas import codec
from schemas.topics import DEAD_LETTERS, MESSAGE_BYTES_MAX, ORDER_COMMANDS, TRANSFERS
from tests.agents.worker import Worker, a_place

#: As much as a broker takes in one record, but for what is around the text.
HUGE = "x" * 1_048_000
#: 10⁵⁸ units: what an Avro decimal may say, and no ledger can hold.
ENORMOUS = 10**58
#: A quantity that is easily found in a record's bytes, and what an attacker may write in its place.
MARKED = 0x0123_4567_89AB_CDEF
#: An event about a rejected command stays small, however large the command was.
ANSWER_BYTES_MAX = 1_000


@pytest.fixture
def worker():
    made = Worker()
    made.credit()
    made.events.clear()
    return made


def with_amount(digits: int) -> bytes:
    """A placement whose quantity is 10 to the power of *digits*. No encoder of ours would write it."""
    amount = (10**digits).to_bytes(digits // 2, "big")
    record = codec.encode(with_marked_quantity())
    mark = MARKED.to_bytes(8, "big")
    return record.replace(length(8) + mark, length(len(amount)) + amount)


def with_marked_quantity() -> OrderCommand:
    return a_place(quantity=MARKED)


def length(count: int) -> bytes:
    """As Avro writes it: zigzag, seven bits a byte."""
    rest, written = 2 * count, bytearray()
    while rest > 0x7F:
        written.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*written, rest])


def then_a_good_one_goes_through(worker):
    worker.send(ORDER_COMMANDS, a_place("good", quantity=10**16))
    assert worker.events[-1].answer is Answer.ACCEPTED
    assert worker.events[-1].order_id == "good"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (a_place(command_id=HUGE), "INVALID_COMMAND_ID"),
        (a_place(order_id=HUGE, command_id="c"), "INVALID_ORDER_ID"),
        (a_place(order_id="", command_id="c"), "INVALID_ORDER_ID"),
        (a_place(venue=HUGE), "UNKNOWN_VENUE"),
        (a_place(symbol=HUGE), "UNKNOWN_SYMBOL"),
        (a_place(quantity=ENORMOUS), "QUANTITY_TOO_LARGE"),
        (a_place(quantity=-ENORMOUS), "QUANTITY_NOT_POSITIVE"),
        (a_place(quantity=0), "QUANTITY_NOT_POSITIVE"),
        (a_place(price=ENORMOUS), "PRICE_TOO_LARGE"),
        (a_place(price=-1), "PRICE_NOT_POSITIVE"),
        (OrderCommand("c", "alice", 0, CancelOrder(HUGE)), "INVALID_ORDER_ID"),
        (OrderCommand("c", "alice", 0, AmendOrder("nobody's", ENORMOUS, ENORMOUS)), "ORDER_NOT_FOUND"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_command_that_asks_too_much_is_rejected_by_name_and_in_few_words(worker, command, reason):
    worker.feed(ORDER_COMMANDS, (b"alice", encoded(command)))
    (answer,) = worker.events
    assert (answer.answer, answer.reason) == (Answer.REJECTED, reason)
    assert len(codec.encode(answer)) < ANSWER_BYTES_MAX
    assert not worker.entries[1:]  # but for the credit
    assert not worker.requests
    then_a_good_one_goes_through(worker)


def encoded(command: OrderCommand) -> bytes:
    """*command* in bytes, amounts included that our own encoder refuses to write."""
    asked = command.command
    large = [name for name in ("quantity", "price") if abs(getattr(asked, name, None) or 0) > AMOUNT_MAX]
    marks = {name: MARKED + number for number, name in enumerate(large)}
    fields = {name: getattr(asked, name) for name in asked.__struct_fields__}
    record = codec.encode(
        OrderCommand(command.command_id, command.user_id, command.issued_at, type(asked)(**(fields | marks)))
    )
    for name, mark in marks.items():
        amount = fields[name].to_bytes(26, "big", signed=True)
        record = record.replace(length(8) + mark.to_bytes(8, "big"), length(26) + amount)
    return record


def test_a_cancel_of_all_orders_of_an_endless_symbol_is_answered_in_few_words(worker):
    worker.send(ORDER_COMMANDS, OrderCommand("c", "alice", 0, CancelAllOrders(HUGE)))
    (answer,) = worker.events
    assert len(codec.encode(answer)) < ANSWER_BYTES_MAX
    then_a_good_one_goes_through(worker)


@pytest.mark.parametrize(
    ("transfer", "reason"),
    [
        (Transfer(HUGE, "alice", "USD", TransferDirection.CREDIT, 1, 0), "INVALID_COMMAND_ID"),
        (Transfer("t", "alice", HUGE, TransferDirection.CREDIT, 1, 0), "INVALID_ASSET"),
        (Transfer("t", "alice", "USD", TransferDirection.CREDIT, AMOUNT_MAX, 0), "AMOUNT_TOO_LARGE"),
        (Transfer("t", "alice", "USD", TransferDirection.CREDIT, -AMOUNT_MAX, 0), "AMOUNT_NOT_POSITIVE"),
        (Transfer("t", "alice", "USD", TransferDirection.DEBIT, AMOUNT_MAX, 0), "INSUFFICIENT_FUNDS"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_transfer_that_asks_too_much_is_rejected_by_name(worker, transfer, reason):
    worker.send(TRANSFERS, transfer)
    (answer,) = worker.events
    assert (answer.answer, answer.reason) == (Answer.REJECTED, reason)
    assert len(codec.encode(answer)) < ANSWER_BYTES_MAX
    then_a_good_one_goes_through(worker)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (b"alice", with_amount(400), "BAD_VALUE"),
        (b"alice", with_amount(1_000_000), "BAD_VALUE"),
        (b"alice", codec.encode(a_place("ab")).replace(b"\x04ab", b"\x04\xc3\x28"), "BAD_VALUE"),  # no UTF-8
        (b"alice", b"\x00" * 1_048_000, "UNKNOWN_SCHEMA_ID"),
        (b"alice", b"NaN", "NOT_WIRE_FORMAT"),
        (b"alice", None, "EMPTY"),
        (None, codec.encode(a_place()), "NULL_KEY"),
        (b"\xc3\x28", codec.encode(a_place()), "KEY_MISMATCH"),
        (HUGE.encode(), codec.encode(a_place(user=HUGE)), "INVALID_USER_ID"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_record_that_is_none_is_buried_whole_and_its_letter_fits_its_topic(worker, key, value, reason):
    at = worker.offset
    worker.feed(ORDER_COMMANDS, (key, value))
    (letter,) = worker.letters
    assert (letter.reason, letter.source_topic, letter.source_offset) == (reason, "order-commands", at)
    assert (letter.key, letter.value) == (key, value)
    assert len(letter.detail) <= 500
    assert DEAD_LETTERS.message_bytes_max == MESSAGE_BYTES_MAX
    then_a_good_one_goes_through(worker)
