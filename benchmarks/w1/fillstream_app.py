"""W1 on fillstream's own lane, with its tables and its generated codec."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.w1 import rules
from benchmarks.w1.codec import CODEC
from benchmarks.w1.messages import Balance, OrderEvent, OrderState, PlaceOrder, Seen, Side, Status, VenueRequest
from benchmarks.w1.place import TABLES, Place
from domain.state import Position
from runtime import telemetry
from runtime.settings import Settings, load
from schemas.topics import Topic
from streaming.app import App, application, input_topic, run
from streaming.chunk import Chunk
from streaming.lane import Lane
from streaming.table import Rows, Table

_SCALES: Final[tuple[int, ...]] = tuple(10 ** (rules.SCALE - digits) for digits in range(rules.SCALE + 1))


class W1Rows(Rows[Any]):
    encoder = staticmethod(CODEC.encoder)
    decoder = staticmethod(CODEC.decoder)


def cost(price: str, quantity: str) -> int:
    """Price times quantity in hundred millionths, exactly. Raises IndexError for digits beyond those."""
    whole_price, _, cents = price.partition(".")
    whole_quantity, _, lots = quantity.partition(".")
    return int(whole_price + cents) * int(whole_quantity + lots) * _SCALES[len(cents) + len(lots)]


def step(events: str, requests: str, rows: Callable[[str, int], Any]) -> Callable[[Chunk], None]:
    """The work on a chunk, with the names of both outputs; *rows* gives a table's rows by its name and partition."""
    decode = CODEC.decoder(PlaceOrder)
    encode_event, encode_request = CODEC.encoder(OrderEvent), CODEC.encoder(VenueRequest)
    start, buy, accepted, rejected = rules.START, Side.BUY, Status.ACCEPTED, Status.REJECTED

    def reserve(chunk: Chunk) -> None:
        emit, partition = chunk.emit, chunk.partition
        seen, balances, orders = (rows(table, partition) for table in TABLES)
        for record in chunk.records:
            command = decode(record.value)
            user, order = command.user_id, command.order_id
            once = f"{user}|{order}".encode()
            if seen.get(once) is not None:
                continue
            seen.put(once, Seen(command.ts))
            base, _, quote = command.symbol.partition("-")
            asset = quote if command.side is buy else base
            account = f"{user}|{asset}".encode()
            balance = balances.get(account)
            available, reserved = (start, 0) if balance is None else (balance.available, balance.reserved)
            held, status = cost(command.price, command.quantity), accepted
            if held > available:
                held, status = 0, rejected
            available -= held
            if held or balance is None:
                balances.put(account, Balance(available, reserved + held))
            orders.put(order.encode(), order_row(command, status, asset, held))
            emit(events, encode_event(event(command, status, asset, held, available)), record.key)
            if status is accepted:
                emit(requests, encode_request(request(command)), record.key)

    return reserve


def order_row(of: PlaceOrder, status: Status, asset: str, held: int) -> OrderState:
    return OrderState(
        of.order_id,
        of.user_id,
        of.symbol,
        of.side,
        of.type,
        of.price,
        of.quantity,
        of.time_in_force,
        status,
        asset,
        held,
        of.ts,
    )


def event(of: PlaceOrder, status: Status, asset: str, held: int, available: int) -> OrderEvent:
    return OrderEvent(
        f"e-{of.order_id}",
        of.command_id,
        of.user_id,
        of.order_id,
        of.symbol,
        of.side,
        status,
        of.price,
        of.quantity,
        asset,
        held,
        available,
        of.ts,
    )


def request(of: PlaceOrder) -> VenueRequest:
    return VenueRequest(
        f"r-{of.order_id}",
        of.order_id,
        of.user_id,
        rules.VENUES[of.symbol],
        of.symbol,
        of.side,
        of.type,
        of.price,
        of.quantity,
        of.time_in_force,
        of.ts,
    )


def build(place: Place, settings: Settings) -> App:
    app = application(settings, place.application)
    tables = {
        name: Table(app, Topic(name=place.changelog(name), value=row, key="text", compacted=True), rows=W1Rows)
        for name, row in (("seen", Seen), ("balances", Balance), ("orders", OrderState))
    }
    positions = Topic(name=place.changelog("positions"), value=Position, key="topic", compacted=True)
    lane = Lane(app, settings, list(tables.values()), positions)
    reserve = step(place.events, place.requests, lambda table, number: tables[table].partition(number))

    async def agent(stream: Any) -> None:
        await lane.run(stream, reserve)

    commands = Topic(name=place.commands, value=PlaceOrder, key="user_id")
    app.agent(input_topic(app, commands), name="reserve")(agent)
    return app


def main(place: Place) -> int:
    settings = load(
        bootstrap_servers=place.bootstrap,
        var=Path(place.state),
        worker_id=f"worker-{place.worker}",
        partitions=4,
        session_timeout_ms=place.session_timeout_ms,
    )
    telemetry.start(settings, settings.worker_id)
    return run(build(place, settings), settings)


if __name__ == "__main__":
    sys.exit(main(Place.from_environment(os.environ)))
