"""W1 on fillstream's own lane, with its tables and its generated codec."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.w1 import rules
from benchmarks.w1.codec import CODEC
from benchmarks.w1.messages import Balance, OrderEvent, OrderState, PlaceOrder, Seen, Side, Status, VenueRequest
from benchmarks.w1.place import Place
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
    encode = staticmethod(CODEC.encode)
    decode = staticmethod(CODEC.decode)


def cost(price: str, quantity: str) -> int:
    """Price times quantity in hundred millionths, exactly. Raises IndexError for digits beyond those."""
    whole_price, _, cents = price.partition(".")
    whole_quantity, _, lots = quantity.partition(".")
    return int(whole_price + cents) * int(whole_quantity + lots) * _SCALES[len(cents) + len(lots)]


def step(events: str, requests: str, rows: Callable[[str, int], Any]) -> Callable[[Chunk], None]:
    """The work on a chunk, with the names of both outputs; *rows* gives a table's rows by its name and partition."""
    decode = CODEC.decoder(PlaceOrder)
    encode_event, encode_request = CODEC.encoder(OrderEvent), CODEC.encoder(VenueRequest)
    venues, start = rules.VENUES, rules.START

    def reserve(chunk: Chunk) -> None:
        emit, partition = chunk.emit, chunk.partition
        seen, balances, orders = (rows(table, partition) for table in ("seen", "balances", "orders"))
        for record in chunk.records:
            command, key = decode(record.value), record.key
            user, order, symbol, side, price = (
                command.user_id,
                command.order_id,
                command.symbol,
                command.side,
                command.price,
            )
            type_, quantity, in_force, ts = command.type, command.quantity, command.time_in_force, command.ts
            once = f"{user}|{order}".encode()
            if seen.get(once) is not None:
                continue
            seen.put(once, Seen(ts))
            base, _, quote = symbol.partition("-")
            asset = quote if side is Side.BUY else base
            account = f"{user}|{asset}".encode()
            balance = balances.get(account)
            available, reserved = (start, 0) if balance is None else (balance.available, balance.reserved)
            held, status = cost(price, quantity), Status.ACCEPTED
            if held > available:
                held, status = 0, Status.REJECTED
            available -= held
            if held or balance is None:
                balances.put(account, Balance(available, reserved + held))
            orders.put(
                order.encode(),
                OrderState(order, user, symbol, side, type_, price, quantity, in_force, status, asset, held, ts),
            )
            event = OrderEvent(
                f"e-{order}",
                command.command_id,
                user,
                order,
                symbol,
                side,
                status,
                price,
                quantity,
                asset,
                held,
                available,
                ts,
            )
            emit(events, encode_event(event), key)
            if status is Status.ACCEPTED:
                request = VenueRequest(
                    f"r-{order}", order, user, venues[symbol], symbol, side, type_, price, quantity, in_force, ts
                )
                emit(requests, encode_request(request), key)

    return reserve


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
