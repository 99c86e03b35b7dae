"""Bad input: every way in which a stranger's record can be wrong, one function each, in a table."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from random import Random
from typing import Final

import msgspec

from runtime.trial import wire
from runtime.trial.plan import COMMANDS, TRANSFERS, Expect, Market, Planned


class Culprit(msgspec.Struct, frozen=True):
    """Whose record is spoilt, and what a good one of theirs would hold."""

    random: Random
    market: Market
    at_ms: int
    now_us: int
    partitions: int
    user_id: str
    stranger_id: str
    stranger_order_id: str
    command_id: str
    order_id: str


def place(culprit: Culprit, **changes: object) -> wire.Avro:
    """A sound limit order with *changes*."""
    market = culprit.market
    order: wire.Avro = {
        "order_id": culprit.order_id,
        "venue": market.venue,
        "symbol": market.symbol,
        "side": "BUY",
        "order_type": "LIMIT",
        "quantity": wire.amount(market.lot * 100),
        "price": wire.amount(market.price.quantize(market.tick)),
        "stop_price": None,
        "max_cost": None,
        "time_in_force": "GTC",
        "good_till": None,
        "post_only": False,
    }
    return order | changes


def command(culprit: Culprit, name: str, fields: wire.Avro, *, expires_at: int | None = None) -> bytes:
    """An OrderCommand of the culprit's that holds the record *name* with *fields*."""
    record = {
        "command_id": culprit.command_id,
        "user_id": culprit.user_id,
        "issued_at": culprit.now_us,
        "command": (f"fillstream.{name}", fields),
        "expires_at": expires_at,
    }
    return wire.encode("order_command", record)


def _record(culprit: Culprit, kind: str, expect: Expect, value: bytes | None, topic: str = COMMANDS) -> Planned:
    decodable = expect is not Expect.DEAD_LETTER
    return Planned(
        at_ms=culprit.at_ms,
        topic=topic,
        kind=kind,
        expect=expect,
        user_id=culprit.user_id,
        key=culprit.user_id.encode(),
        value=value,
        command_id=culprit.command_id if decodable else None,
        order_id=culprit.order_id if decodable else None,
    )


def _spoilt(value: Callable[[Culprit, bytes], bytes | None]) -> Callable[[Culprit, str], Planned]:
    """Records whose bytes are a sound command's, changed by *value* so that nobody can read them."""

    def build(culprit: Culprit, kind: str) -> Planned:
        sound = command(culprit, "PlaceOrder", place(culprit))
        return _record(culprit, kind, Expect.DEAD_LETTER, value(culprit, sound))

    return build


def _rejected(
    expect: Expect = Expect.REJECTED, **changes: Callable[[Market], object]
) -> Callable[[Culprit, str], Planned]:
    """Records that can be read, and whose order has fields that must not pass."""

    def build(culprit: Culprit, kind: str) -> Planned:
        fields = place(culprit, **{name: change(culprit.market) for name, change in changes.items()})
        return _record(culprit, kind, expect, command(culprit, "PlaceOrder", fields))

    return build


def _misrouted(**changes: Callable[[Culprit], object]) -> Callable[[Culprit, str], Planned]:
    """Records that are sound in themselves, under a key or in a partition where they don't belong."""

    def build(culprit: Culprit, kind: str) -> Planned:
        sound = _record(culprit, kind, Expect.REFUSED, command(culprit, "PlaceOrder", place(culprit)))
        return msgspec.structs.replace(sound, **{name: change(culprit) for name, change in changes.items()})

    return build


def _late(culprit: Culprit, kind: str) -> Planned:
    value = command(culprit, "PlaceOrder", place(culprit), expires_at=culprit.now_us - 1_000_000)
    return _record(culprit, kind, Expect.REJECTED, value)


def _aimed_at(order_id: Callable[[Culprit], str], name: str) -> Callable[[Culprit, str], Planned]:
    """Commands for an order that is not the culprit's."""

    def build(culprit: Culprit, kind: str) -> Planned:
        value = command(culprit, name, {"order_id": order_id(culprit)})
        planned = _record(culprit, kind, Expect.REJECTED, value)
        return msgspec.structs.replace(planned, order_id=order_id(culprit))

    return build


def _transfer(amount: str, expect: Expect, direction: str = "CREDIT") -> Callable[[Culprit, str], Planned]:
    def build(culprit: Culprit, kind: str) -> Planned:
        record = {
            "transfer_id": culprit.command_id,
            "user_id": culprit.user_id,
            "asset": "USD",
            "direction": direction,
            "amount": wire.amount(amount),
            "issued_at": culprit.now_us,
        }
        planned = _record(culprit, kind, expect, wire.encode("transfer", record), TRANSFERS)
        return msgspec.structs.replace(planned, order_id=None)

    return build


def _unreadable_transfer(culprit: Culprit, kind: str) -> Planned:
    return _record(culprit, kind, Expect.DEAD_LETTER, wire.frame(wire.known().ids["transfer"], b"\xff" * 9), TRANSFERS)


def wrong_partition(key: bytes, partitions: int) -> int:
    """The partition after the right one: where a producer without murmur2 might send it."""
    return (wire.murmur2(key) + 1) % partitions


_NULL: Final[Callable[[Market], object]] = lambda _: None  # noqa: E731  # one word for the table below


def _units(value: Callable[[Market], Decimal]) -> Callable[[Market], object]:
    return lambda market: wire.amount(value(market))


COMMAND_KINDS: Final[Mapping[str, Callable[[Culprit, str], Planned]]] = {
    "bad_undecodable_bytes": _spoilt(lambda culprit, _: culprit.random.randbytes(40)),
    "bad_cut_short": _spoilt(lambda _, sound: sound[: len(sound) // 2]),
    "bad_bytes_left_over": _spoilt(lambda _, sound: sound + b"\0"),
    "bad_empty": _spoilt(lambda _culprit, _sound: b""),
    "bad_null_value": _spoilt(lambda _culprit, _sound: None),
    "bad_unknown_schema_id": _spoilt(lambda _, sound: wire.frame(4_000_000_000, sound[wire.HEADER_BYTES :])),
    "bad_other_schema": _spoilt(lambda culprit, _: wire.encode("tick", {"at": culprit.now_us})),
    "bad_null_key": _misrouted(key=lambda _: None, partition=lambda c: wire.murmur2(c.user_id.encode()) % c.partitions),
    "bad_key_of_another": _misrouted(key=lambda culprit: culprit.stranger_id.encode()),
    "bad_wrong_partition": _misrouted(partition=lambda c: wrong_partition(c.user_id.encode(), c.partitions)),
    "bad_negative_quantity": _rejected(quantity=_units(lambda market: -market.lot)),
    "bad_zero_quantity": _rejected(quantity=_units(lambda _: Decimal(0))),
    "bad_huge_quantity": _rejected(Expect.REFUSED, quantity=_units(lambda _: Decimal(10) ** 40)),
    "bad_negative_price": _rejected(price=_units(lambda market: -market.price.quantize(market.tick))),
    "bad_zero_price": _rejected(price=_units(lambda _: Decimal(0))),
    "bad_huge_price": _rejected(Expect.REFUSED, price=_units(lambda _: Decimal(10) ** 40)),
    "bad_off_tick": _rejected(price=_units(lambda market: market.price.quantize(market.tick) + market.tick / 10)),
    "bad_off_lot": _rejected(quantity=_units(lambda market: market.lot * 100 + market.lot / 10)),
    "bad_no_price": _rejected(price=_NULL),
    "bad_unknown_symbol": _rejected(symbol=lambda _: "DOGE-EUR"),
    "bad_unknown_venue": _rejected(venue=lambda _: "nowhere"),
    "bad_market_buy_without_max_cost": _rejected(order_type=lambda _: "MARKET", price=_NULL),
    "bad_expired": _late,
    "bad_cancel_of_a_stranger": _aimed_at(lambda culprit: culprit.stranger_order_id, "CancelOrder"),
    "bad_pause_of_no_order": _aimed_at(lambda culprit: f"no-{culprit.order_id}", "PauseOrder"),
}

TRANSFER_KINDS: Final[Mapping[str, Callable[[Culprit, str], Planned]]] = {
    "bad_transfer_unreadable": _unreadable_transfer,
    "bad_transfer_negative": _transfer("-5", Expect.REJECTED),
    "bad_transfer_zero": _transfer("0", Expect.REJECTED),
    "bad_transfer_huge": _transfer("1e40", Expect.REFUSED),
    "bad_transfer_overdraft": _transfer("1e15", Expect.REJECTED, "DEBIT"),
}
