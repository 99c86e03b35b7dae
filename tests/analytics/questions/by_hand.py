"""What analysts' questions come to, by plain arithmetic on the records of a season: no SQL, no table, no view.

Amounts are whole units of 10⁻¹⁸, ratios are Fractions; `decimal` turns units into what a column shows.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any, Final, TypeVar

import msgspec

from domain.messages import OrderEvent, Side, VenueReport
from tests.analytics.questions.season import Season, Stored

ONE: Final = 10**18
EXACT: Final = Context(prec=100)
ENDED: Final = {"FILLED", "CANCELED", "EXPIRED", "REJECTED"}
T = TypeVar("T")
Row = dict[str, Any]


def decimal(units: int | Fraction | None, scale: int = 18) -> Decimal | None:
    return None if units is None else Decimal(int(units)).scaleb(-scale, context=EXACT)


def half_away(value: Fraction) -> int:
    """*value* as a whole number, a half away from zero."""
    return int(value + Fraction(1, 2)) if value >= 0 else -int(-value + Fraction(1, 2))


def ratio(part: int, whole: int, factor: int, decimals: int) -> Decimal | None:
    """*part* of *whole* times *factor*, rounded towards zero."""
    return decimal(int(Fraction(part * factor * 10**decimals, whole)), decimals) if whole else None


def middle_one(values: Sequence[T], level: float) -> T | None:
    """The value at *level* of all, one that was there."""
    return sorted(values)[min(int(level * len(values)), len(values) - 1)] if values else None  # type: ignore[type-var]


def groups(items: Iterable[T], key: Callable[[T], Hashable]) -> list[tuple[Any, list[T]]]:
    """*items* by their *key*, in its order."""
    found: dict[Any, list[T]] = defaultdict(list)
    for item in items:
        found[key(item)].append(item)
    return sorted(found.items())


def within(moment: int, period: tuple[int, int]) -> bool:
    return period[0] <= moment < period[1]


# ── what happened ───────────────────────────────────────────────────────────────────────────────────────────────────


class Fill(msgspec.Struct, frozen=True):
    record: Stored
    event: OrderEvent
    report: VenueReport

    @property
    def market(self) -> tuple[str, str]:
        return self.event.venue or "", self.event.symbol or ""

    @property
    def sign(self) -> int:
        return 1 if self.event.side is Side.BUY else -1

    @property
    def quantity(self) -> int:
        return self.event.fill_quantity or 0

    @property
    def cost(self) -> int:
        return half_away(Fraction(self.quantity * (self.event.fill_price or 0), ONE))

    @property
    def moved(self) -> tuple[int, int]:
        """What the user's account got of the base asset and gave of the quote asset, fees included; both signed."""
        base, _, quote = self.market[1].partition("-")
        fee = self.event.fee or 0
        return (
            self.sign * self.quantity - (fee if self.event.fee_asset == base else 0),
            self.sign * self.cost + (fee if self.event.fee_asset == quote else 0),
        )


def fills(season: Season) -> list[Fill]:
    """All fills in the order in which they were booked; a user's are in one partition."""
    reports = {(record.partition, record.offset): record.message for record in season.of("venue-reports")}
    return [
        Fill(record, record.message, reports[record.message.source_partition, record.message.source_offset])
        for record in season.of("order-events")
        if record.message.kind == "ORDER_FILLED"
    ]


class Told(msgspec.Struct, frozen=True):
    """An order by its events, first to last."""

    records: list[Stored]

    @property
    def first(self) -> OrderEvent:
        return self.records[0].message

    @property
    def last(self) -> OrderEvent:
        return self.records[-1].message

    @property
    def market(self) -> tuple[str, str]:
        return self.first.venue or "", self.first.symbol or ""

    @property
    def name(self) -> tuple[str, str]:
        return self.first.user_id, self.first.order_id or ""

    @property
    def filled_at(self) -> list[int]:
        return [record.message.occurred_at for record in self.records if record.message.kind == "ORDER_FILLED"]


def orders(season: Season, period: tuple[int, int] | None = None) -> list[Told]:
    """All orders, or those accepted in *period*."""
    told = groups(
        (record for record in season.of("order-events") if record.message.sequence),
        lambda record: (record.message.user_id, record.message.order_id),
    )
    found = [Told(sorted(records, key=lambda record: record.message.sequence)) for _, records in told]
    return [order for order in found if period is None or within(order.first.occurred_at, period)]


class Quotes:
    """The quotes of each market by time; of two at one instant the later one."""

    def __init__(self, season: Season) -> None:
        self._seen: dict[tuple[str, str], dict[int, tuple[int, int]]] = defaultdict(dict)
        for record in season.of("quotes"):
            quote = record.message
            self._seen[quote.venue, quote.symbol][quote.observed_at] = quote.bid, quote.ask

    def middle(self, market: tuple[str, str], at_us: int, age_s_max: int) -> Fraction | None:
        """Of the last quote at or before the instant, unless that is too old."""
        earlier = [seen_us for seen_us in self._seen[market] if seen_us <= at_us]
        if not earlier or at_us - max(earlier) > age_s_max * 1_000_000:
            return None
        return Fraction(sum(self._seen[market][max(earlier)]), 2)

    def reach(self, market: tuple[str, str], at_us: int) -> bool:
        return max(self._seen[market], default=0) >= at_us


# ── execution ───────────────────────────────────────────────────────────────────────────────────────────────────────


def slippage(season: Season, period: tuple[int, int], quote_age_s_max: int) -> list[Row]:
    quotes, rows = Quotes(season), []
    traded = [order for order in orders(season, period) if order.last.filled_quantity]
    for (market, side), group in groups(traded, lambda order: (order.market, str(order.first.side))):
        known = []
        for order in group:
            middle = quotes.middle(market, order.first.occurred_at, quote_age_s_max)
            if middle is not None:
                arrival = half_away((order.last.filled_quantity or 0) * middle / ONE)
                cost = order.last.filled_cost or 0
                known.append((cost, arrival, (cost - arrival) * (1 if side == "BUY" else -1)))
        points = [ratio(slipped, arrival, 10_000, 6) for _, arrival, slipped in known]
        cost, arrival, slipped = (sum(column) for column in zip(*known, strict=True)) if known else (None, None, None)
        rows.append(
            {
                "venue": market[0],
                "symbol": market[1],
                "side": side,
                "orders": len(group),
                "unknown": len(group) - len(known),
                "cost": decimal(cost or 0),
                "slippage": decimal(slipped),
                "slippage_basis_points": ratio(slipped or 0, arrival or 0, 10_000, 3),
                "median_basis_points": middle_one(points, 0.5),
                "p95_basis_points": middle_one(points, 0.95),
                "known_cost": decimal(arrival),
            }
        )
    return rows


def markouts(season: Season, period: tuple[int, int], quote_age_s_max: int) -> list[Row]:
    quotes, rows = Quotes(season), []
    chosen = [(fill, s) for fill in fills(season) if within(fill.event.occurred_at, period) for s in (1, 10, 60)]
    for (market, liquidity, horizon_s), group in groups(
        chosen, lambda pair: (pair[0].market, str(pair[0].event.liquidity or ""), pair[1])
    ):
        known = []
        for fill, _ in group:
            at_us = (fill.report.transacted_at or fill.event.occurred_at) + horizon_s * 1_000_000
            middle = quotes.middle(market, at_us, quote_age_s_max)
            if middle is not None and quotes.reach(market, at_us):
                known.append((fill.cost, (half_away(fill.quantity * middle / ONE) - fill.cost) * fill.sign))
        cost, gain = (sum(column) for column in zip(*known, strict=True)) if known else (0, None)
        rows.append(
            {
                "venue": market[0],
                "symbol": market[1],
                "liquidity": liquidity,
                "horizon_s": horizon_s,
                "fills": len(group),
                "unknown": len(group) - len(known),
                "cost": decimal(cost),
                "markout": decimal(gain),
                "markout_basis_points": ratio(gain or 0, cost, 10_000, 3),
            }
        )
    return rows


def fill_rates(season: Season, period: tuple[int, int]) -> list[Row]:
    rows = []
    for (market, kind), group in groups(
        orders(season, period), lambda order: (order.market, str(order.first.order_type))
    ):
        first = [order.filled_at[0] - order.first.occurred_at for order in group if order.filled_at]
        whole = [order for order in group if order.last.status == "FILLED"]
        last = [order.filled_at[-1] - order.first.occurred_at for order in whole]
        quantity = sum(order.last.quantity or 0 for order in group)
        filled = sum(order.last.filled_quantity or 0 for order in group)
        rows.append(
            {
                "venue": market[0],
                "symbol": market[1],
                "order_type": kind,
                "orders": len(group),
                "live": sum(order.last.status not in ENDED for order in group),
                "with_fills": len(first),
                "filled": len(whole),
                "percent_with_fills": 100 * len(first) / len(group),
                "percent_filled": 100 * len(whole) / len(group),
                "quantity": decimal(quantity),
                "filled_quantity": decimal(filled),
                "percent_of_quantity": ratio(filled, quantity, 100, 2),
                "first_fill_p50_ms": in_ms(middle_one(first, 0.5)),
                "first_fill_p99_ms": in_ms(middle_one(first, 0.99)),
                "filled_p50_ms": in_ms(middle_one(last, 0.5)),
                "filled_p99_ms": in_ms(middle_one(last, 0.99)),
            }
        )
    return rows


def in_ms(us: int | None) -> float | None:
    return None if us is None else us / 1_000


def rejects(season: Season, period: tuple[int, int]) -> list[Row]:
    refused = [
        event
        for event in (record.message for record in season.of("order-events"))
        if event.kind in ("COMMAND_REJECTED", "ORDER_REJECTED", "CANCEL_REJECTED")
        and not event.user_id.startswith("canary:")
        and within(event.occurred_at, period)
    ]
    rows = [
        {
            "reason": reason,
            "kind": kind,
            "venue": venue,
            "refused": len(group),
            "users": len({event.user_id for event in group}),
            "percent": 100 * len(group) / len(refused),
        }
        for (reason, kind, venue), group in groups(
            refused, lambda event: (str(event.reason), str(event.kind), event.venue or "")
        )
    ]
    return sorted(rows, key=lambda row: -row["refused"])


# ── latency ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def calls(season: Season, period: tuple[int, int]) -> dict[tuple[str, str, str], list[tuple[int, int]]]:
    """By venue, operation and outcome: how long each answered call took, and waited before."""
    found: dict[tuple[str, str, str], list[tuple[int, int]]] = defaultdict(list)
    for record in season.of("venue-reports"):
        report = record.message
        answered = report.kind != "FILL" and report.sent_at is not None and report.received_at is not None
        if answered and within(record.timestamp_ms * 1_000, period):
            key = report.venue, str(report.operation), str(report.kind)
            found[key].append((report.received_at - report.sent_at, report.throttle_wait_us or 0))
    return found


STAGES: Final = ("accept", "queue", "throttle_wait", "venue", "fill", "sink", "total")


def stages(season: Season, period: tuple[int, int], stored_at_us: Mapping[tuple[int, int], int]) -> list[Row]:
    """*stored_at_us*: when the row of each record of order-events was stored."""
    answers: dict[str, VenueReport] = {}
    for record in season.of("venue-reports"):
        report = record.message
        if report.operation == "PLACE" and report.sent_at is not None and report.received_at is not None:
            answers.setdefault(report.client_order_id, report)
    taken = []
    for order in orders(season, period):
        answer, fill = answers.get(order.first.client_order_id or ""), _first_fill(order)
        if answer is not None and fill is not None:
            taken.append((order.market[0], _durations(order, answer, fill, stored_at_us)))
    rows = []
    for venue, group in groups(taken, lambda pair: pair[0]):
        for number, stage in enumerate(STAGES):
            spent = [durations[number] for _, durations in group]
            rows.append(
                {
                    "venue": venue,
                    "name": stage,
                    "orders": len(group),
                    "spent_ms": sum(spent) / 1_000,
                    "mean_ms": sum(spent) / len(group) / 1_000,
                    "percent": 100 * sum(spent) / sum(durations[-1] for _, durations in group),
                    "p50_ms": in_ms(middle_one(spent, 0.5)),
                    "p90_ms": in_ms(middle_one(spent, 0.9)),
                    "p99_ms": in_ms(middle_one(spent, 0.99)),
                    "slowest_ms": max(spent) / 1_000,
                }
            )
    return rows


def _first_fill(order: Told) -> Stored | None:
    return next((record for record in order.records if record.message.kind == "ORDER_FILLED"), None)


def _durations(
    order: Told, answer: VenueReport, fill: Stored, stored_at_us: Mapping[tuple[int, int], int]
) -> tuple[int, ...]:
    asked, answered = order.first.occurred_at, order.records[0].timestamp_ms * 1_000
    sent, received, waited = answer.sent_at or 0, answer.received_at or 0, answer.throttle_wait_us or 0
    booked, stored = fill.timestamp_ms * 1_000, stored_at_us[fill.partition, fill.offset]
    moments = (asked, answered, sent - waited, sent, received, booked, stored)
    return (*(later - earlier for earlier, later in itertools.pairwise(moments)), stored - asked)


# ── orders that hang ────────────────────────────────────────────────────────────────────────────────────────────────


def unsettled(season: Season) -> dict[tuple[str, str], Row]:
    """By user and order: what is reserved for it, and in which asset."""
    reserved: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for posting, entry in postings(season):
        if posting.account == "RESERVED" and entry.order_id:
            reserved[entry.user_id, entry.order_id][posting.asset] += posting.amount
    found = {}
    for order in orders(season):
        if order.last.status in ("NEW", "PENDING_SUBMISSION", "PENDING_CANCEL", "UNKNOWN"):
            ((asset, amount),) = reserved[order.name].items()
            found[order.name] = {
                "status": str(order.last.status),
                "reason": order.last.reason or "",
                "leaves_quantity": decimal(order.last.leaves_quantity),
                "exposure": decimal(amount),
                "exposure_asset": asset,
            }
    return found


def postings(season: Season) -> Iterator[tuple[Any, Any]]:
    for record in season.of("ledger-entries"):
        for posting in record.message.postings:
            yield posting, record.message
