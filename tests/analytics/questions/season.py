"""A seeded season of trading, decided by the real domain: what every topic holds after it. Time and seed are arguments.

Users place and cancel orders at two venues; the venues fill them in parts, refuse some, and never answer others.
Reports and commands are repeated; a probe's commands are rejected; prices and balances are looked at now and then.
"""

import heapq
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import msgspec

from domain import commands, ids, ledger, money, reports
from domain.decision import Cause, Decision
from domain.instruments import Rulebook
from domain.messages import (
    Answer,
    CancelOrder,
    Command,
    Evidence,
    Liquidity,
    Message,
    Operation,
    OrderCommand,
    OrderStatus,
    OrderType,
    PlaceOrder,
    ReportKind,
    Side,
    Transfer,
    TransferDirection,
    VenueReport,
    VenueRequest,
)
from domain.observations import Quote, VenueBalance
from domain.state import Balance, FirstAnswer, Order
from tests.builders import POLICY, an_instrument, units

PARTITIONS: Final = 2
USERS: Final = 8
BETWEEN_ORDERS_MS: Final = 4_000
SECOND_MS: Final = 1_000


class Market(msgspec.Struct, frozen=True):
    """A symbol at a venue: where its price begins, its grid, and how much an order is for."""

    venue: str
    symbol: str
    price: int
    tick: int
    lot: int
    quantity: int
    quoted: bool = True


MARKETS: Final = {
    (market.venue, market.symbol): market
    for market in (
        Market("simulated", "BTC-USD", units("60000"), units("0.01"), units("0.00001"), units("0.1")),
        Market("simulated", "ETH-BTC", units("0.05"), units("0.00000001"), units("0.00000001"), units("2")),
        Market("binance.hedge", "BTC-USD", units("60000"), units("0.01"), units("0.00001"), units("0.2")),
        Market("binance.hedge", "SOL-USD", units("150"), units("0.01"), units("0.001"), units("9"), quoted=False),
    )
}
RULES: Final = Rulebook(
    [
        an_instrument(
            venue=market.venue, symbol=market.symbol, tick_size=market.tick, lot_size=market.lot, notional_min="0.0001"
        )
        for market in MARKETS.values()
    ]
)
#: Venues may fill at a better price, finer than the grid: the cost of such a fill has more decimals than money, and is
#: rounded.
BETTER: Final = units("0.0000000000001")
HELD_AT_FIRST: Final = units("1000000")
#: What somebody takes from the account of a venue that no ledger knows of.
TAKEN: Final = units("1.5")


class Stored(msgspec.Struct, frozen=True):
    """A record of a topic, where and when it stood."""

    partition: int
    offset: int
    timestamp_ms: int
    message: Any


class Season:
    """All records of a season, by topic and partition, in their order."""

    def __init__(self, *, seed: int, began_at_ms: int, orders: int) -> None:
        self.logs: dict[tuple[str, int], list[Stored]] = defaultdict(list)
        self.began_at_us = began_at_ms * 1_000
        self._rng = random.Random(seed)
        self._now_ms = began_at_ms
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._orders: dict[ids.OrderKey, Order] = {}
        self._resting: dict[str, int] = {}
        self._balances: dict[tuple[str, str], Balance] = {}
        self._middles = {name: market.price for name, market in MARKETS.items()}
        self._held: dict[tuple[str, str], int] = {}
        self._trades = 0
        self.taken_at_us = 0
        self._begin(orders)
        while self._due:
            self._now_ms, _, act = heapq.heappop(self._due)
            act()
        self.ended_at_us = (self._now_ms + 60 * SECOND_MS) * 1_000

    def of(self, topic: str) -> Iterator[Stored]:
        """The records of *topic*, partition by partition."""
        for number in range(PARTITIONS):
            yield from self.logs.get((topic, number), ())

    def _begin(self, orders: int) -> None:
        for number in range(USERS):
            for asset in ("USD", "BTC", "SOL", "ETH"):
                self._after(number, partial(self._fund, f"user-{number}", asset))
        for number in range(orders):
            self._after(SECOND_MS + number * BETWEEN_ORDERS_MS, partial(self._place, number))
        last_ms = self._now_ms + orders * BETWEEN_ORDERS_MS + 30 * SECOND_MS
        for market in MARKETS.values():
            if market.quoted:
                self._after(self._rng.randrange(90 * SECOND_MS), partial(self._quote, market, last_ms))
        for venue in dict.fromkeys(venue for venue, _ in MARKETS):
            self._after(self._rng.randrange(SECOND_MS), partial(self._look, venue, last_ms))
        for number in range(orders // 10):
            self._after(number * 10 * BETWEEN_ORDERS_MS, partial(self._probe, number))
        self._after(orders * BETWEEN_ORDERS_MS // 2, self._take)

    # ── time, and the log ───────────────────────────────────────────────────────────────────────────────────────────

    def _after(self, wait_ms: int, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self._now_ms + wait_ms, len(self._due) + self._rng.getrandbits(40), act))

    def _write(self, topic: str, partition: int, message: Any, timestamp_ms: int) -> int:
        """Append a record; as with the markers of transactions, offsets have gaps."""
        log = self.logs[topic, partition]
        offset = log[-1].offset + self._rng.choice((1, 1, 1, 2)) if log else self._rng.randrange(100)
        log.append(Stored(partition, offset, timestamp_ms, message))
        return offset

    def _input(self, topic: str, partition: int, message: Message) -> Decision:
        offset = self._write(topic, partition, message, self._now_ms)
        return Decision(Cause(topic, partition, offset, self._now_ms * 1_000), POLICY, RULES)

    def _publish(self, d: Decision) -> None:
        partition, produced_ms = d.cause.partition, self._now_ms + self._rng.randrange(2, 30)
        for order in d.orders:
            self._orders[ids.order_key(order.user_id, order.order_id)] = order
        for entry in d.entries:
            for posting in entry.postings:
                key = posting.owner, posting.asset
                self._balances[key] = ledger.apply(self._balances.get(key, Balance(*key, 0, 0)), posting)
            self._write("ledger-entries", partition, entry, produced_ms)
        for event in d.events:
            self._write("order-events", partition, event, produced_ms)
        for request in d.requests:
            self._write(f"venue-requests.{request.venue}", partition, request, produced_ms)
            self._after(produced_ms - self._now_ms + self._rng.randrange(60), partial(self._serve, request))

    # ── users ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _available(self, user: str, asset: str) -> int:
        return self._balances.get((ledger.user(user), asset), Balance("", "", 0, 0)).available

    def _fund(self, user: str, asset: str) -> None:
        amount = units("400000") if asset == "USD" else units("40")
        transfer = Transfer(f"fund-{user}-{asset}", user, asset, TransferDirection.CREDIT, amount, self._now_ms * 1_000)
        d = self._input("transfers", _partition_of(user), transfer)
        commands.transfer(d, transfer, 0)
        self._publish(d)

    def _command(self, user: str, command_id: str, command: Command) -> tuple[Decision, OrderCommand]:
        envelope = OrderCommand(command_id, user, self._now_ms * 1_000 - self._rng.randrange(5_000), command)
        return self._input("order-commands", _partition_of(user), envelope), envelope

    def _place(self, number: int) -> None:
        rng, user, market = self._rng, f"user-{self._rng.randrange(USERS)}", self._rng.choice(tuple(MARKETS.values()))
        wanted = self._wanted(f"order-{number}", market)
        d, command = self._command(user, f"place-{number}", wanted)
        instrument = RULES.find(wanted.venue, wanted.symbol)
        asset = commands.reserve_asset(wanted, instrument) if instrument else "USD"
        commands.place(d, command, wanted, self._available(user, asset))
        self._publish(d)
        (event,) = d.events
        first = FirstAnswer(event.answer or Answer.REJECTED, event.reason, event.order_id, d.cause.offset, 0)
        if rng.random() < 0.08:
            self._after(rng.randrange(5_000), partial(self._repeat, command, first))
        if event.answer is Answer.ACCEPTED and rng.random() < 0.3:
            self._after(rng.randrange(1_000, 30_000), partial(self._cancel, user, wanted.order_id))

    def _wanted(self, order_id: str, market: Market) -> PlaceOrder:
        """An order near the price; now and then one that must be refused."""
        rng, middle = self._rng, self._middles[market.venue, market.symbol]
        side, limited = rng.choice(tuple(Side)), rng.random() < 0.7
        quantity = rng.randrange(market.quantity // market.lot // 10, market.quantity // market.lot) * market.lot
        flaw = rng.choices(("none", "venue", "funds", "lot"), (88, 4, 4, 4))[0]
        quantity *= 5_000 if flaw == "funds" else 1
        return PlaceOrder(
            order_id,
            "nowhere" if flaw == "venue" else market.venue,
            market.symbol,
            side,
            OrderType.LIMIT if limited else OrderType.MARKET,
            quantity + (flaw == "lot"),
            middle * rng.randrange(990, 1_011) // 1_000 // market.tick * market.tick if limited else None,
            max_cost=None if limited or side is Side.SELL else money.multiply_up(middle, quantity) * 102 // 100,
        )

    def _repeat(self, command: OrderCommand, first: FirstAnswer) -> None:
        d, _ = self._command(command.user_id, command.command_id, command.command)
        commands.repeat(d, command.user_id, command.command_id, first)
        self._publish(d)

    def _cancel(self, user: str, order_id: str) -> None:
        order = self._orders[ids.order_key(user, order_id)]
        if order.status is not OrderStatus.UNKNOWN:
            d, command = self._command(user, f"cancel-{order_id}", CancelOrder(order_id))
            commands.change(d, command, CancelOrder(order_id), order, 0)
            self._publish(d)

    def _probe(self, number: int) -> None:
        partition = number % PARTITIONS
        user = f"canary:{partition}"
        command = OrderCommand(f"{user}:{self._now_ms}", user, self._now_ms * 1_000, CancelOrder("canary"))
        d = self._input("order-commands", partition, command)
        commands.change(d, command, CancelOrder("canary"), None, 0)
        self._publish(d)

    # ── venues ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _serve(self, request: VenueRequest) -> None:
        """Do *request*: wait for the venue's limits, send it, and have its answer reported."""
        rng = self._rng
        wait_us = rng.choice((0, 0, rng.randrange(200_000)))
        sent_us = self._now_ms * 1_000 + wait_us + rng.randrange(1_000)
        received_us = sent_us + int(rng.lognormvariate(10, 0.8))
        times = {"sent_at": sent_us, "received_at": received_us, "throttle_wait_us": wait_us}
        answer = self._place_at_venue if request.operation is Operation.PLACE else self._cancel_at_venue
        self._after(received_us // 1_000 + 2 - self._now_ms, partial(answer, request, times))

    def _place_at_venue(self, request: VenueRequest, times: dict[str, int]) -> None:
        fate = self._rng.random()
        if fate < 0.06:
            self._answer(request, ReportKind.REJECTED, times, reason="VENUE_REFUSED")
        elif fate < 0.1:
            self._answer(request, ReportKind.NOT_SENT, {}, evidence=Evidence.GATEWAY)
        elif fate < 0.16:
            self._answer(request, ReportKind.UNKNOWN, {"sent_at": times["sent_at"]}, reason="TIMEOUT")
            if fate < 0.13:
                self._resting[request.client_order_id] = request.quantity
                self._after(8 * SECOND_MS, partial(self._trade, request))
        else:
            self._resting[request.client_order_id] = request.quantity
            first = partial(self._trade, request)
            if fate < 0.3:
                first()  # its report may pass the answer
            self._answer(request, ReportKind.ACKNOWLEDGED, times, venue_order_id=f"venue-{request.order_id}")
            if fate < 0.9:
                self._after(self._rng.randrange(20, 20 * SECOND_MS), first)

    def _cancel_at_venue(self, request: VenueRequest, times: dict[str, int]) -> None:
        left = self._resting.pop(request.client_order_id, 0)
        if left:
            placed = self._order(request).quantity
            self._answer(request, ReportKind.CANCELED, times, cumulative_quantity=placed - left)
        else:
            self._answer(request, ReportKind.CANCEL_REJECTED, times, reason="TOO_LATE_TO_CANCEL")

    def _trade(self, request: VenueRequest) -> None:
        """Fill a part of what rests, or all of it; another part follows."""
        rng, left = self._rng, self._resting.get(request.client_order_id, 0)
        if not left:
            return
        market = MARKETS[request.venue, request.symbol]
        quantity = left if rng.random() < 0.4 else rng.randrange(1, left // market.lot + 1) * market.lot
        self._resting[request.client_order_id] = left - quantity
        price = (request.price or self._middles[request.venue, request.symbol]) // market.tick * market.tick
        price += rng.randrange(10**6) * BETTER * (-1 if request.side is Side.BUY else 1)
        cost = money.multiply(price, quantity)
        fee, fee_asset = self._fee(request, quantity, cost)
        self._move_at_venue(request, quantity, cost, fee, fee_asset)
        self._trades += 1
        for wait_ms in rng.choice(((5,), (40,), (300,), (5, 200))):
            self._after(wait_ms, partial(self._report, self._fill(request, quantity, price, fee, fee_asset)))
        if rng.random() < 0.8:
            self._after(rng.randrange(100, 15_000), partial(self._trade, request))

    def _fill(self, request: VenueRequest, quantity: int, price: int, fee: int, fee_asset: str) -> VenueReport:
        return VenueReport(
            request.client_order_id,
            request.venue,
            request.symbol,
            ReportKind.FILL,
            Evidence.STREAM,
            self._now_ms * 1_000,
            venue_order_id=f"venue-{request.order_id}",
            trade_id=f"trade-{self._trades}",
            fill_quantity=quantity,
            fill_price=price,
            fee=fee,
            fee_asset=fee_asset,
            liquidity=self._rng.choice((*Liquidity, None)),
            transacted_at=self._now_ms * 1_000 if self._rng.random() < 0.9 else None,
        )

    def _fee(self, request: VenueRequest, quantity: int, cost: int) -> tuple[int, str]:
        base, _, quote = request.symbol.partition("-")
        asset = self._rng.choice((quote, quote, base, "BNB", ""))
        rate = self._rng.randrange(-200, 2_000)
        amount = {quote: cost, base: quantity, "BNB": units("1")}.get(asset, 0)
        return amount * rate // 1_000_000, asset

    def _move_at_venue(self, request: VenueRequest, quantity: int, cost: int, fee: int, fee_asset: str) -> None:
        base, _, quote = request.symbol.partition("-")
        sign = 1 if request.side is Side.BUY else -1
        for asset, amount in ((base, sign * quantity), (quote, -sign * cost), (fee_asset, -fee)):
            key = request.venue, asset
            self._held[key] = self._held.get(key, HELD_AT_FIRST) + amount

    def _order(self, request: VenueRequest) -> Order:
        return self._orders[ids.order_key(request.user_id, request.order_id)]

    def _answer(self, request: VenueRequest, kind: ReportKind, times: dict[str, int], **said: Any) -> None:
        self._report(
            VenueReport(
                request.client_order_id,
                request.venue,
                request.symbol,
                kind,
                said.pop("evidence", Evidence.RESPONSE),
                self._now_ms * 1_000,
                request_id=request.request_id,
                operation=request.operation,
                requested_at=request.requested_at,
                **times,
                **said,
            )
        )

    def _report(self, report: VenueReport) -> None:
        partition, key, attempt = ids.parse_client_order_id(report.client_order_id)
        for _ in range(2 if self._rng.random() < 0.05 else 1):
            d = self._input("venue-reports", partition, report)
            reports.interpret(d, report, attempt, self._orders[key])
            assert d.dead is None, d.dead
            self._publish(d)

    # ── looks at venues ─────────────────────────────────────────────────────────────────────────────────────────────

    def _quote(self, market: Market, last_ms: int) -> None:
        rng, name = self._rng, (market.venue, market.symbol)
        middle = self._middles[name] = self._middles[name] * rng.randrange(9_980, 10_021) // 10_000
        at_us = self._now_ms * 1_000 + rng.randrange(1_000)
        for _ in range(2 if rng.random() < 0.05 else 1):  # two looks at one instant: the later record counts
            half = middle * rng.randrange(1, 5) // 100_000
            bid, ask = middle - half, middle + half + rng.randrange(2)
            quote = Quote(*name, bid, rng.randrange(1, 9) * units("1"), ask, units("2"), at_us)
            self._write("quotes", 0, quote, self._now_ms + 1)
        pause_ms = 100 * SECOND_MS if rng.random() < 0.02 else rng.randrange(500, 5_000)
        if self._now_ms + pause_ms < last_ms:
            self._after(pause_ms, partial(self._quote, market, last_ms))

    def _look(self, venue: str, last_ms: int) -> None:
        for asset in ("BNB", "BTC", "ETH", "SOL", "USD"):
            total = self._held.get((venue, asset), HELD_AT_FIRST)
            locked = self._rng.randrange(total // 100)
            balance = VenueBalance(venue, venue.partition(".")[2], asset, total - locked, locked, self._now_ms * 1_000)
            self._write("venue-balances", 1, balance, self._now_ms + 3)
        if self._now_ms + 60 * SECOND_MS < last_ms:
            self._after(60 * SECOND_MS, partial(self._look, venue, last_ms))

    def _take(self) -> None:
        self.taken_at_us = self._now_ms * 1_000
        self._held["simulated", "BTC"] = self._held.get(("simulated", "BTC"), HELD_AT_FIRST) - TAKEN


def _partition_of(user: str) -> int:
    return int(user.rpartition("-")[2]) % PARTITIONS
