"""The orders agent's work: order commands and transfers, a chunk at a time."""

from collections.abc import Callable
from typing import TypeVar

from agents.desk import Books, Desk
from agents.routing import partition_of
from domain import commands, ids
from domain.decision import Decision
from domain.messages import (
    AmendOrder,
    Answer,
    CancelAllOrders,
    CancelOrder,
    OrderCommand,
    PauseOrder,
    PlaceOrder,
    ResumeOrder,
    Transfer,
)
from domain.state import FirstAnswer
from schemas import codec
from streaming.chunk import Chunk, Record

MessageT = TypeVar("MessageT", OrderCommand, Transfer)


def take_commands(chunk: Chunk, books: Books, partitions: int) -> None:
    """Answers every order command of *chunk*: accepted, duplicate, rejected by name, or buried as a dead letter."""
    desk, decode = Desk(chunk, books), codec.decoder(OrderCommand)
    for record in chunk.records:
        command = admit(desk, record, decode, partitions)
        if command is not None:
            _take_command(desk, record, command)
    desk.close()


def take_transfers(chunk: Chunk, books: Books, partitions: int) -> None:
    """Books every transfer of *chunk*, once each."""
    desk, decode = Desk(chunk, books), codec.decoder(Transfer)
    for record in chunk.records:
        transfer = admit(desk, record, decode, partitions)
        if transfer is not None:
            _take_transfer(desk, record, transfer)
    desk.close()


def admit(desk: Desk, record: Record, decode: Callable[[bytes | None], MessageT], partitions: int) -> MessageT | None:
    """The message in *record*, or None after burying what can't be read or may not be here.

    A record in the wrong partition must not be decided: its user's orders and balances are elsewhere.
    """
    message = desk.read(record, decode)
    if message is None:
        return None
    if record.key is None:
        desk.bury(record, "NULL_KEY", "the key must be the user_id")
    elif record.key != message.user_id.encode() or not message.user_id:
        desk.bury(record, "KEY_MISMATCH", f"the key must be the user_id {message.user_id!r}")
    elif len(message.user_id) > commands.IDENTIFIER_LENGTH_MAX:
        desk.bury(record, "INVALID_USER_ID", f"a user_id has at most {commands.IDENTIFIER_LENGTH_MAX} characters")
    elif partition_of(record.key, partitions) != desk.chunk.partition:
        right = partition_of(record.key, partitions)
        desk.bury(
            record, "WRONG_PARTITION", f"murmur2 sends this key to partition {right}: set partitioner=murmur2_random"
        )
    else:
        return message
    return None


def _take_command(desk: Desk, record: Record, command: OrderCommand) -> None:
    key = ids.command_key(command.user_id, command.command_id)
    first = desk.answers.get(key) or _first_placement(desk, command)
    if first is not None:
        desk.repeat(record, command.user_id, command.command_id, first)
        return
    decided = desk.decision(record)
    reason = commands.refused_outright(command, decided.cause.now)
    if reason is not None:
        commands.refuse(decided, command, reason)
    else:
        _decide(desk, decided, command)
    desk.publish(decided)
    desk.remember(key, decided)


def _first_placement(desk: Desk, command: OrderCommand) -> FirstAnswer | None:
    """The answer to the order ID's first placement, if *command* places it again under another command ID."""
    if not isinstance(command.command, PlaceOrder):
        return None
    key = ids.order_key(command.user_id, command.command.order_id)
    order = desk.orders.get(key)
    if order is not None:
        return FirstAnswer(Answer.ACCEPTED, None, order.order_id, order.accepted_offset, 0)
    return desk.answers.get(key)


def _decide(desk: Desk, decided: Decision, command: OrderCommand) -> None:
    user_id, asked = command.user_id, command.command
    match asked:
        case PlaceOrder():
            instrument = desk.rules.find(asked.venue, asked.symbol)
            available = desk.balances.available(user_id, commands.reserve_asset(asked, instrument)) if instrument else 0
            commands.place(decided, command, asked, available)
        case CancelAllOrders():
            commands.cancel_all(decided, command, asked, desk.orders.live(user_id))
        case CancelOrder() | PauseOrder() | ResumeOrder() | AmendOrder():
            order = desk.orders.find(user_id, asked.order_id)
            available = desk.balances.available(user_id, order.reserve_asset) if order else 0
            commands.change(decided, command, asked, order, available)


def _take_transfer(desk: Desk, record: Record, transfer: Transfer) -> None:
    key = ids.transfer_key(transfer.user_id, transfer.transfer_id)
    first = desk.answers.get(key)
    if first is not None:
        desk.repeat(record, transfer.user_id, transfer.transfer_id, first)
        return
    decided = desk.decision(record)
    commands.transfer(decided, transfer, desk.balances.available(transfer.user_id, transfer.asset))
    desk.publish(decided)
    desk.remember(key, decided)
