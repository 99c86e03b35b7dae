"""The saturated phase: for a while every venue is asked for more than it allows, and the venues count what they get."""

import time
from collections.abc import Collection, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from itertools import cycle
from typing import Final

import msgspec

from runtime.trial import wire
from runtime.trial.exchange import Limit
from runtime.trial.oracle.evidence import Check, Evidence
from runtime.trial.plan import COMMANDS, Expect, Market, Planned, Shape
from runtime.trial.run import Run

#: What the simulated venues publish: Binance as in its documents (rest-api.md), Coinbase as others tell of it. Kraken's
#: limits go by the tier.
PUBLISHED: Final[Mapping[str, int]] = {"orders_per_10_s": 50, "weight_per_minute": 6_000, "requests_per_s": 30}


class Asked(msgspec.Struct, frozen=True):
    """How many orders are asked of a venue: for every second of the phase, and besides, as a counter at rest has room.

    It is more than it allows: what doesn't get its turn by the end of the phase expires without having been sent.
    """

    per_s: int
    besides: int = 0


ASKED: Final[Mapping[str, Asked]] = {
    "simulated": Asked(7),
    "binance": Asked(7),
    "coinbase": Asked(33),
    "kraken": Asked(17, 4 * 180),
}
#: All are written within so many seconds.
WRITTEN_WITHIN_S: Final = 8.0
#: What was left of the limits from calmer times is used up first, and isn't counted.
LEAD_IN_SHARE: Final = 0.3
#: Counting ends so long before the phase does, while there is still something to send.
LEAD_OUT_S: Final = 1.0
#: How much of a published rate is to be used. A machine that is busy with other things as well uses less.
USED_SHARE_MIN: Final = 0.95
#: Orders that trade with nobody, for any user's purse: so far below the price, of so many dollars.
BELOW: Final = Decimal("0.03")
WORTH: Final = Decimal(15)
SECOND_US: Final = 1_000_000

Limits = Mapping[tuple[str, str], Limit]
"""The limits of one venue, by whose they are and their names."""


class Reading(msgspec.Struct, frozen=True):
    """What every venue had counted at an instant of the steady clock, by venue."""

    at_s: float
    limits: Mapping[str, Limits]


class Usage(msgspec.Struct, frozen=True):
    """How much of a venue's tightest limit was used between two readings, as the venue counts."""

    limit: str
    allowed: float
    used: float

    @property
    def share(self) -> float:
        return self.used / self.allowed


def saturate(run: Run, seconds: float) -> dict[str, Usage]:
    """Has *run* ask too much of its venues for so many *seconds*. Raises Unavailable or Stopped."""
    run.phase = "saturating the venues"
    began_us = time.time_ns() // 1_000
    ends_us = began_us + int(seconds * SECOND_US)
    run.send(flood(run.shape, run.markets(), began_us, ends_us))
    run.wait_until(began_us + int(seconds * LEAD_IN_SHARE * SECOND_US))
    before = _read(run)
    run.wait_until(ends_us - int(LEAD_OUT_S * SECOND_US))
    usage = used(before, _read(run), {market.symbol for market in run.markets()})
    run.wait_until(ends_us)
    return usage


def flood(shape: Shape, markets: Sequence[Market], began_us: int, ends_us: int) -> tuple[Planned, ...]:
    """The orders of the phase in order of time, of which none outlives it unsent."""
    times: list[tuple[int, Market]] = []
    for venue in dict.fromkeys(market.venue for market in markets):
        asked, turns = ASKED[venue], cycle([one for one in markets if (one.venue, one.quote) == (venue, "USD")])
        count = asked.besides + asked.per_s * (ends_us - began_us) // SECOND_US
        times += [(int(WRITTEN_WITHIN_S * 1_000 * number / count), next(turns)) for number in range(count)]
    times.sort(key=lambda timed: timed[0])
    return tuple(
        _order(shape, number, market, at_ms, began_us, ends_us) for number, (at_ms, market) in enumerate(times)
    )


def _order(shape: Shape, number: int, market: Market, at_ms: int, began_us: int, ends_us: int) -> Planned:
    user_id = f"user-{number % shape.users:05d}"
    command_id, order_id = f"s-{shape.seed}-{number:06d}", f"s-{number:06d}"
    price = (market.price * (1 - BELOW)).quantize(market.tick)
    fields = {
        "order_id": order_id,
        "venue": market.venue,
        "symbol": market.symbol,
        "side": "BUY",
        "order_type": "LIMIT",
        "quantity": wire.amount((WORTH / price / market.lot).to_integral_value(ROUND_CEILING) * market.lot),
        "price": wire.amount(price),
        "stop_price": None,
        "max_cost": None,
        "time_in_force": "IOC",
        "good_till": None,
        "post_only": False,
    }
    record = {
        "command_id": command_id,
        "user_id": user_id,
        "issued_at": began_us + at_ms * 1_000,
        "command": ("fillstream.PlaceOrder", fields),
        "expires_at": ends_us,
    }
    return Planned(
        at_ms=at_ms,
        topic=COMMANDS,
        kind="saturating",
        expect=Expect.ANSWER,
        user_id=user_id,
        key=user_id.encode(),
        value=wire.encode("order_command", record),
        command_id=command_id,
        order_id=order_id,
    )


def _read(run: Run) -> Reading:
    return Reading(time.monotonic(), {name: exchange.limits() for name, exchange in run.exchanges.items()})


def used(before: Reading, after: Reading, symbols: Collection[str]) -> dict[str, Usage]:
    """Of each venue, the limit of which the largest share was used in between."""
    seconds = after.at_s - before.at_s
    return {
        venue: max(_usages(before.limits.get(venue, {}), limits, seconds, symbols), key=lambda usage: usage.share)
        for venue, limits in after.limits.items()
    }


def _usages(before: Limits, after: Limits, seconds: float, symbols: Collection[str]) -> list[Usage]:
    """Of every kind of limit. One that a venue has for each of the *symbols* counts where it was used, all together."""
    kinds: dict[tuple[str, str], list[Usage]] = {}
    for (owner, name), limit in after.items():
        taken = limit.taken - (before[owner, name].taken if (owner, name) in before else 0)
        kind, _, scope = name.partition("/")
        one = Usage(kind if scope in symbols else name, limit.per_s * seconds, taken)
        if taken or scope not in symbols:
            kinds.setdefault((owner, one.limit), []).append(one)
    return [
        msgspec.structs.replace(
            found[0], allowed=round(sum(one.allowed for one in found), 1), used=round(sum(one.used for one in found), 1)
        )
        for found in kinds.values()
    ]


def published_rates_are_used(usage: Mapping[str, Usage]) -> Check:
    """While every venue was asked for more than it allows, it was given almost all of that."""
    faults = tuple(
        f"{venue} counts {one.used:g} {one.limit} where {one.allowed:g} were allowed: {one.share:.1%}"
        for venue, one in usage.items()
        if one.share < USED_SHARE_MIN
    )
    return Check("published_rates_are_used", f"{len(usage)} venues", faults)


def no_limit_was_passed(evidence: Evidence) -> Check:
    """No venue has refused anything because there was too much of it."""
    faults = tuple(
        f"{line['venue']} answered {line['status']} {line['code']} at {line['at_us']}"
        for line in evidence.lines("request_refused")
    )
    return Check("no_limit_was_passed", f"{len(evidence.venue_orders)} venue orders", faults)
