"""W1 in Quix Streams, exactly-once, committing every 100 ms. Run in an environment of its own (``peers.py``)."""

import os
from decimal import Decimal
from typing import Any

from quixstreams import Application, State  # type: ignore[import-not-found]  # it has an environment of its own
from quixstreams.models.serializers import (  # type: ignore[import-not-found]  # as above
    Deserializer,
    SerializationContext,
    Serializer,
)

from benchmarks.w1 import rules, wire
from benchmarks.w1.place import Place


class FromAvro(Deserializer):  # type: ignore[misc]  # Quix isn't typed for us
    def __init__(self, schema: str) -> None:
        super().__init__()
        self._decode = wire.decoder(schema)

    def __call__(self, value: bytes, ctx: SerializationContext) -> wire.Fields:  # noqa: ARG002  # Quix passes it
        return self._decode(value)


class ToAvro(Serializer):  # type: ignore[misc]  # Quix isn't typed for us
    def __init__(self, schema: str) -> None:
        super().__init__()
        self._encode = wire.encoder(schema)

    def __call__(self, value: wire.Fields, ctx: SerializationContext) -> bytes:  # noqa: ARG002  # Quix passes it
        return self._encode(value)


def reserve(command: wire.Fields, state: State) -> wire.Fields | None:
    """One command. The state is that of the record's key, the user, already."""
    order_id, symbol = command["order_id"], command["symbol"]
    if state.get(f"seen:{order_id}") is not None:
        return None
    state.set(f"seen:{order_id}", 1)
    base, quote = symbol.split("-")
    asset = quote if command["side"] == "BUY" else base
    cost = int(Decimal(command["price"]) * Decimal(command["quantity"]) * 10**rules.SCALE)
    balance = state.get(f"balance:{asset}")
    available, reserved = balance or (rules.START, 0)
    accepted = available >= cost
    if accepted:
        available, reserved = available - cost, reserved + cost
    if accepted or balance is None:
        state.set(f"balance:{asset}", [available, reserved])
    outcome = {"status": "ACCEPTED" if accepted else "REJECTED", "asset": asset, "reserved": cost if accepted else 0}
    state.set(f"order:{order_id}", {name: command[name] for name in rules.ORDER_TERMS} | outcome)
    return {
        **command,
        **outcome,
        "event_id": f"e-{order_id}",
        "available": available,
        "request_id": f"r-{order_id}",
        "venue": rules.VENUES[symbol],
    }


def application(place: Place) -> Any:
    app = Application(
        place.bootstrap,
        consumer_group=place.application,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=0.1,
        state_dir=place.state,
        loglevel="WARNING",
        consumer_extra_config={"session.timeout.ms": place.session_timeout_ms, "heartbeat.interval.ms": 1_000},
        producer_extra_config={"compression.type": "lz4"},
    )
    commands = app.topic(place.commands, value_deserializer=FromAvro("place_order"), key_deserializer="str")
    events = app.topic(place.events, value_serializer=ToAvro("order_event"), key_serializer="str")
    requests = app.topic(place.requests, value_serializer=ToAvro("venue_request"), key_serializer="str")
    outcomes = app.dataframe(commands).apply(reserve, stateful=True).filter(lambda outcome: outcome is not None)
    outcomes.to_topic(events)
    outcomes.filter(lambda outcome: outcome["status"] == "ACCEPTED").to_topic(requests)
    return app


if __name__ == "__main__":
    application(Place.from_environment(os.environ)).run()
