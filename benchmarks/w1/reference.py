"""What must come of a run of W1: worked out with Decimal and dictionaries, by no code that a variant uses."""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from benchmarks.w1 import rules, wire
from benchmarks.w1.wire import Fields

Record = tuple[bytes, bytes]
"""A key and a value, as they are on the wire."""


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """Every record that the outputs must hold, and the last row of every key of the tables.

    *seen* has keys alone: what a variant writes beside them is its own affair.
    """

    commands: tuple[Record, ...]
    events: frozenset[Record]
    requests: frozenset[Record]
    seen: frozenset[bytes]
    orders: dict[bytes, bytes]
    balances: dict[bytes, tuple[int, int]]


def expect(commands: Iterable[Fields]) -> Expected:
    """The outcome of *commands*, taken in this order."""
    command, event = wire.encoder("place_order"), wire.encoder("order_event")
    request, order = wire.encoder("venue_request"), wire.encoder("order_state")
    start = Decimal(rules.START).scaleb(-rules.SCALE)
    funds: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
    sent, events, requests, seen, orders = [], set(), set(), set(), {}
    for fields in commands:
        user, order_id, symbol = fields["user_id"], fields["order_id"], fields["symbol"]
        key, once = user.encode(), f"{user}|{order_id}".encode()
        sent.append((key, command(fields)))
        if once in seen:
            continue
        seen.add(once)
        base, quote = symbol.split("-")
        asset = quote if fields["side"] == "BUY" else base
        cost = Decimal(fields["price"]) * Decimal(fields["quantity"])
        available, reserved = funds.get((user, asset), (start, Decimal(0)))
        accepted = available >= cost
        held = cost if accepted else Decimal(0)
        available, reserved = funds[user, asset] = available - held, reserved + held
        outcome = fields | {
            "status": "ACCEPTED" if accepted else "REJECTED",
            "asset": asset,
            "reserved": _units(held),
            "available": _units(available),
            "event_id": f"e-{order_id}",
            "request_id": f"r-{order_id}",
            "venue": rules.VENUES[symbol],
        }
        orders[order_id.encode()] = order(outcome)
        events.add((key, event(outcome)))
        if accepted:
            requests.add((key, request(outcome)))
    return Expected(
        commands=tuple(sent),
        events=frozenset(events),
        requests=frozenset(requests),
        seen=frozenset(seen),
        orders=orders,
        balances={f"{user}|{asset}".encode(): (_units(a), _units(r)) for (user, asset), (a, r) in funds.items()},
    )


def _units(amount: Decimal) -> int:
    scaled = amount.scaleb(rules.SCALE)
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{amount} has more than {rules.SCALE} digits")
    return int(scaled)
