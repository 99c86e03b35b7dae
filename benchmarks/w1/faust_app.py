"""W1 in plain Faust, as its documentation would have it: records, codecs, tables, an agent; at least once."""

import os
import sys
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import faust
from faust.serializers import codecs

from benchmarks.w1 import place, rules, wire


class Avro(codecs.Codec):  # type: ignore[misc]  # Faust is not typed for us
    def __init__(self, schema: str = "", **options: Any) -> None:
        super().__init__(schema=schema, **options)
        self._decode, self._encode = wire.decoder(schema), wire.encoder(schema)

    def _loads(self, s: bytes) -> Any:
        return self._decode(s)

    def _dumps(self, obj: Any) -> bytes:
        return self._encode(obj)


class PlaceOrder(faust.Record, serializer="place_order"):  # type: ignore[misc,call-arg]  # as above
    command_id: str
    user_id: str
    order_id: str
    symbol: str
    side: str
    type: str
    price: str
    quantity: str
    time_in_force: str
    ts: int


class OrderEvent(faust.Record, serializer="order_event", include_metadata=False):  # type: ignore[misc,call-arg]
    event_id: str
    command_id: str
    user_id: str
    order_id: str
    symbol: str
    side: str
    status: str
    price: str
    quantity: str
    asset: str
    reserved: int
    available: int
    ts: int


class VenueRequest(faust.Record, serializer="venue_request", include_metadata=False):  # type: ignore[misc,call-arg]
    request_id: str
    order_id: str
    user_id: str
    venue: str
    symbol: str
    side: str
    type: str
    price: str
    quantity: str
    time_in_force: str
    ts: int


class Balance(faust.Record, include_metadata=False):  # type: ignore[misc,call-arg]
    available: int
    reserved: int


class OrderState(faust.Record, include_metadata=False):  # type: ignore[misc,call-arg]
    order_id: str
    user_id: str
    symbol: str
    side: str
    type: str
    price: str
    quantity: str
    time_in_force: str
    status: str
    asset: str
    reserved: int
    ts: int


async def reserve(stream: Any, tables: Mapping[str, faust.Table], events: Any, requests: Any) -> None:
    """The agent."""
    seen, balances, orders = (tables[name] for name in place.TABLES)
    async for command in stream:
        once = f"{command.user_id}|{command.order_id}"
        if once in seen:
            continue
        seen[once] = 1
        base, quote = command.symbol.split("-")
        asset = quote if command.side == "BUY" else base
        account = f"{command.user_id}|{asset}"
        balance = balances.get(account) or Balance(rules.START, 0)
        cost = int(Decimal(command.price) * Decimal(command.quantity) * 10**rules.SCALE)
        accepted = balance.available >= cost
        held = cost if accepted else 0
        if accepted or account not in balances:
            balance = balances[account] = Balance(balance.available - held, balance.reserved + held)
        terms = command.asdict()
        outcome = {"status": "ACCEPTED" if accepted else "REJECTED", "asset": asset, "reserved": held}
        orders[command.order_id] = OrderState(**{name: terms[name] for name in rules.ORDER_TERMS}, **outcome)
        event = OrderEvent(
            event_id=f"e-{command.order_id}",
            available=balance.available,
            **{name: terms[name] for name in rules.EVENT_TERMS},
            **outcome,
        )
        await events.send(key=command.user_id, value=event)
        if accepted:
            request = VenueRequest(
                request_id=f"r-{command.order_id}",
                venue=rules.VENUES[command.symbol],
                **{name: terms[name] for name in rules.ORDER_TERMS},
            )
            await requests.send(key=command.user_id, value=request)


def application(where: place.Place) -> faust.App:
    for schema in ("place_order", "order_event", "venue_request"):
        codecs.register(schema, Avro(schema))
    app = faust.App(
        where.application,
        broker=f"kafka://{where.bootstrap}",
        store="memory://",
        datadir=where.state,
        topic_partitions=4,
        topic_replication_factor=1,
        topic_disable_leader=True,
        web_enabled=False,
        broker_session_timeout=where.session_timeout_ms / 1_000,
        broker_heartbeat_interval=1,
        consumer_auto_offset_reset="earliest",
    )
    texts = {"key_type": str, "key_serializer": "raw"}
    events = app.topic(where.events, value_type=OrderEvent, **texts)
    requests = app.topic(where.requests, value_type=VenueRequest, **texts)
    rows = {"seen": int, "balances": Balance, "orders": OrderState}
    tables = {name: app.Table(name, value_type=row, partitions=4) for name, row in rows.items()}

    @app.agent(app.topic(where.commands, value_type=PlaceOrder, **texts))  # type: ignore[untyped-decorator]
    async def reserve_and_route(stream: Any) -> None:
        await reserve(stream, tables, events, requests)

    return app


if __name__ == "__main__":
    sys.argv[1:] = ["worker", "--loglevel", "warn"]
    application(place.Place.from_environment(os.environ)).main()
