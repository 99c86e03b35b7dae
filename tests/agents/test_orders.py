"""Commands and transfers through the agents' functions: answers, repeats, and records that can't be taken."""

import struct

import pytest

from agents.routing import partition_of
from domain import ids
from domain.messages import (
    Account,
    Answer,
    CancelAllOrders,
    CancelOrder,
    EventKind,
    Operation,
    OrderCommand,
    OrderStatus,
    Transfer,
    TransferDirection,
)
from domain.money import parse
from domain.reasons import Reason
from schemas import codec
from schemas.topics import ORDER_COMMANDS, TRANSFERS
from tests.agents.worker import NOW_MS, Worker, a_place


def test_an_accepted_order_is_answered_reserved_and_requested(worker):
    worker.send(ORDER_COMMANDS, a_place())

    (event,), (entry,), (request,) = worker.events, worker.entries, worker.requests
    assert (Answer.ACCEPTED, "place o1", OrderStatus.PENDING_SUBMISSION) == (
        event.answer,
        event.command_id,
        event.status,
    )
    assert {Account.AVAILABLE: parse("-25050"), Account.RESERVED: parse("25050")} == {
        posting.account: posting.amount for posting in entry.postings
    }
    assert (Operation.PLACE, parse("0.5")) == (request.operation, request.quantity)
    assert ids.parse_client_order_id(request.client_order_id)[0] == 0
    assert parse("74950") == worker.balances.available("alice", "USD")


def test_a_repeated_command_gets_the_first_answer_and_changes_nothing(worker):
    worker.send(ORDER_COMMANDS, a_place(), a_place())

    _, repeat = worker.events
    assert (Answer.DUPLICATE, Answer.ACCEPTED, 1) == (repeat.answer, repeat.first_answer, repeat.first_offset)
    assert len(worker.requests) == len(worker.entries) == 1


def test_a_repeat_of_a_rejected_command_is_told_the_first_reason(worker):
    command = a_place(quantity=0)
    worker.send(ORDER_COMMANDS, command, command)

    assert (Answer.REJECTED, Reason.QUANTITY_NOT_POSITIVE) == (
        worker.events[1].first_answer,
        worker.events[1].first_reason,
    )


def test_an_order_id_placed_again_under_another_command_id_is_a_duplicate(worker):
    worker.send(ORDER_COMMANDS, a_place(), a_place(command_id="another"))

    assert (Answer.DUPLICATE, Answer.ACCEPTED, 1) == (
        worker.events[1].answer,
        worker.events[1].first_answer,
        worker.events[1].first_offset,
    )
    assert len(worker.requests) == 1


def test_a_deleted_order_is_no_longer_live(worker):
    worker.send(ORDER_COMMANDS, a_place())
    worker.orders.delete(ids.order_key("alice", "o1"))

    assert worker.orders.live("alice") == []


def test_money_that_is_not_there_is_refused_by_name(worker):
    worker.send(ORDER_COMMANDS, a_place(quantity=parse("2")))

    assert Reason.INSUFFICIENT_FUNDS == worker.events[0].reason
    assert not worker.entries


def test_orders_of_one_chunk_can_not_reserve_the_same_money(worker):
    worker.send(ORDER_COMMANDS, *(a_place(f"o{n}", quantity=parse("0.9")) for n in range(3)))

    assert [Answer.ACCEPTED] * 2 + [Answer.REJECTED] == [event.answer for event in worker.events]
    assert parse("9820") == worker.balances.available("alice", "USD")


def test_somebody_elses_order_is_not_found(worker):
    worker.send(ORDER_COMMANDS, a_place())
    worker.send(ORDER_COMMANDS, OrderCommand("c", "mallory", 0, CancelOrder("o1")))

    assert Reason.ORDER_NOT_FOUND == worker.events[-1].reason
    assert OrderStatus.PENDING_SUBMISSION == worker.orders.find("alice", "o1").status


def test_a_cancel_all_reaches_every_live_order_of_the_user_and_of_nobody_else(worker):
    worker.credit("bob")
    worker.send(ORDER_COMMANDS, a_place("o1", quantity=parse("0.1")), a_place("o2", quantity=parse("0.1")))
    worker.send(ORDER_COMMANDS, a_place("o3", user="bob"))
    worker.events.clear()

    worker.send(ORDER_COMMANDS, OrderCommand("all", "alice", 0, CancelAllOrders()))

    assert [EventKind.CANCEL_REQUESTED, EventKind.CANCEL_REQUESTED, EventKind.CANCEL_ALL_REQUESTED] == [
        event.kind for event in worker.events
    ]
    assert 2 == worker.events[-1].affected
    assert OrderStatus.PENDING_SUBMISSION == worker.orders.find("bob", "o3").status


def test_a_command_past_its_deadline_by_the_brokers_clock_is_refused(worker):
    command = a_place()
    late = OrderCommand("late", "alice", 0, command.command, expires_at=NOW_MS * 1_000)
    worker.send(ORDER_COMMANDS, late)

    assert Reason.DEADLINE_PASSED == worker.events[0].reason


GOOD = a_place()
BYTES = codec.encode(GOOD)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (b"alice", b"", "EMPTY"),
        (b"alice", None, "EMPTY"),
        (b"alice", b"\x00\x00", "NOT_WIRE_FORMAT"),
        (b"alice", b"{}", "NOT_WIRE_FORMAT"),
        (b"alice", struct.pack(">bI", 0, 4_000_000) + BYTES[5:], "UNKNOWN_SCHEMA_ID"),
        (b"alice", BYTES[:-3], "TRUNCATED"),
        (None, BYTES, "NULL_KEY"),
        (b"bob", BYTES, "KEY_MISMATCH"),
        (b"\xff", BYTES, "KEY_MISMATCH"),
    ],
)
def test_what_can_not_be_taken_is_buried_with_its_coordinates(worker, key, value, reason):
    at = worker.offset + 1
    worker.feed(ORDER_COMMANDS, (b"alice", codec.encode(a_place("before"))), (key, value))
    worker.send(ORDER_COMMANDS, a_place("after", quantity=parse("0.1")))

    (letter,) = worker.letters
    assert (reason, "order-commands", 0, at) == (
        letter.reason,
        letter.source_topic,
        letter.source_partition,
        letter.source_offset,
    )
    assert (key, value) == (letter.key, letter.value)
    assert [Answer.ACCEPTED, Answer.ACCEPTED] == [event.answer for event in worker.events]


def test_a_record_that_another_partitioner_sent_is_buried_and_told_where_it_belongs():
    elsewhere = next(user for user in map(str, range(100)) if partition_of(user.encode(), 8) == 5)
    worker = Worker(partitions=8)
    worker.send(ORDER_COMMANDS, a_place(user=elsewhere))

    assert "WRONG_PARTITION" == worker.letters[0].reason
    assert "partition 5" in worker.letters[0].detail


@pytest.mark.parametrize(
    ("key", "partition"),
    # Java: Utils.toPositive(Utils.murmur2(key)) % 12, from the client's own test vectors
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)],
)
def test_keys_are_hashed_as_the_java_client_hashes_them(key, partition):
    assert (partition & 0x7FFFFFFF) % 12 == partition_of(key, 12)


def test_a_transfer_is_booked_once(worker):
    transfer = Transfer("t1", "bob", "BTC", TransferDirection.CREDIT, parse("2"), 0)
    worker.send(TRANSFERS, transfer, transfer)

    assert [Answer.ACCEPTED, Answer.DUPLICATE] == [event.answer for event in worker.events]
    assert parse("2") == worker.balances.available("bob", "BTC")


def test_a_debit_of_more_than_there_is_is_refused(worker):
    worker.send(TRANSFERS, Transfer("t1", "alice", "USD", TransferDirection.DEBIT, parse("100001"), 0))

    assert Reason.INSUFFICIENT_FUNDS == worker.events[0].reason
    assert parse("100000") == worker.balances.available("alice", "USD")
