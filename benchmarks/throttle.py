"""Microseconds of our own for each call to a venue: its tokens, by the shape of the venue's limits, and its signature.

    python -m benchmarks.throttle

A grant is what a gateway does before each call: what it costs, by the venue's rules, and taking that from every limit
there is. Time is an argument, so none passes: the clock is put forward until tokens are there. CPU time, best of the
rounds. Ends with 1 if a grant takes longer than the goal.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import cycle, islice
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from domain import ids, money
from domain.messages import Operation, OrderType, Side, VenueRequest
from domain.throttle import Throttle
from runtime import settings
from venue_gateways import venues
from venue_gateways.debugging.dialects import dialect
from venue_gateways.grid import Grid
from venue_gateways.venue import Adapter, Call, Cancel, Place, Rules, priority

GOAL_US: Final = 50.0
VENUES: Final = ("binance", "coinbase", "kraken")
GRANTS: Final = 5_000
SIGNATURES: Final = 1_000
ROUNDS: Final = 5
PARTITIONS: Final = 64
#: A gateway of eight: shares are cut, and smaller than the limits.
OWNED: Final = 8
SYMBOLS: Final = tuple(f"{base}-USD" for base in ("BTC", "ETH", "SOL", "ADA", "XRP", "DOT", "LTC", "LINK"))
NOW_US: Final = 1_800_000_000_000_000
#: After so long, every bucket is full again.
STEP_US: Final = 3_600_000_000


class Cost(msgspec.Struct, frozen=True):
    """Microseconds of CPU: a grant, being told to wait, and the bytes of the request."""

    venue: str
    call: str
    grant_us: float
    wait_us: float
    build_us: float


def measure() -> Iterator[Cost]:
    for venue in VENUES:
        adapter = _adapter(venue)
        for name, calls in _calls(adapter).items():
            yield Cost(
                venue,
                name,
                _best(GRANTS, partial(_grant, adapter, calls)),
                _best(GRANTS, partial(_be_told_to_wait, adapter, calls)),
                _best(SIGNATURES, partial(_build, adapter, calls)),
            )


def _adapter(venue: str) -> Adapter:
    """One that has read the venue's rules, with a key that opens nothing."""
    made = venues.find(venue).make(venue, dialect(venue).example(), settings.load())
    names = {symbol: dialect(venue).symbol(symbol) for symbol in SYMBOLS}
    made.learn(Rules(made.limits, names, dict.fromkeys(SYMBOLS, Grid())))
    return made


def _calls(adapter: Adapter) -> Mapping[str, list[Call]]:
    """By name, each for every symbol."""
    requests = [_request(adapter.name, symbol) for symbol in SYMBOLS]
    return {
        "place": [Place(request) for request in requests],
        "cancel": [Cancel(request, "venue-order-id") for request in requests],
        "look-up": [next(adapter.look_up(request.symbol, request.client_order_id)) for request in requests],
    }


def _request(venue: str, symbol: str) -> VenueRequest:
    return VenueRequest(
        request_id="request",
        client_order_id=ids.client_order_id(0, ids.order_key("user", symbol), 0),
        user_id="user",
        order_id=symbol,
        venue=venue,
        symbol=symbol,
        operation=Operation.PLACE,
        sequence=1,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity=money.parse("0.01"),
        requested_at=0,
        price=money.parse("30000"),
    )


def _throttle(adapter: Adapter) -> Throttle:
    throttle = Throttle(adapter.limits, PARTITIONS, settings.load().cancel_share, NOW_US)
    throttle.own(OWNED, NOW_US)
    return throttle


def _grant(adapter: Adapter, calls: list[Call]) -> Callable[[], None]:
    throttle = _throttle(adapter)

    def work() -> None:
        now_us = NOW_US
        for call in islice(cycle(calls), GRANTS):
            now_us += STEP_US
            if throttle.take(adapter.charges(call, now_us), priority(call), now_us) is not None:
                raise AssertionError(f"{call} was not granted")

    return work


def _be_told_to_wait(adapter: Adapter, calls: list[Call]) -> Callable[[], None]:
    throttle = _throttle(adapter)
    for limit in adapter.limits:
        throttle.freeze(NOW_US + STEP_US, limit.name)

    def work() -> None:
        for call in islice(cycle(calls), GRANTS):
            throttle.take(adapter.charges(call, NOW_US), priority(call), NOW_US)

    return work


def _build(adapter: Adapter, calls: list[Call]) -> Callable[[], None]:
    def work() -> None:
        for call in islice(cycle(calls), SIGNATURES):
            adapter.build(call, NOW_US)

    return work


def _best(times: int, prepare: Callable[[], Callable[[], None]]) -> float:
    """Microseconds of CPU a time, of the best round of what *prepare* makes."""
    costs = []
    for _ in range(ROUNDS):
        work = prepare()
        began_ns = time.process_time_ns()
        work()
        costs.append((time.process_time_ns() - began_ns) / 1_000 / times)
    return min(costs)


def show(costs: list[Cost]) -> None:
    table = Table(
        *("venue", "call", "grant, µs", "told to wait, µs", "built and signed, µs"),
        title=f"A call's own costs, {OWNED} of {PARTITIONS} partitions; goal: a grant in less than {GOAL_US:.0f} µs",
    )
    for each in costs:
        table.add_row(each.venue, each.call, f"{each.grant_us:.1f}", f"{each.wait_us:.1f}", f"{each.build_us:.1f}")
    Console().print(table)


def main() -> int:
    costs = list(measure())
    show(costs)
    return 1 if max(each.grant_us for each in costs) >= GOAL_US else 0


if __name__ == "__main__":
    sys.exit(main())
