"""Money by plain arithmetic on the records of a season: fees, positions, balances, profit, and what venues hold."""

import itertools
import math
from collections import Counter, defaultdict, deque
from fractions import Fraction
from typing import Final, NamedTuple

from tests.analytics.questions.by_hand import (
    ONE,
    Fill,
    Quotes,
    Row,
    decimal,
    fills,
    groups,
    half_away,
    postings,
    ratio,
    within,
)
from tests.analytics.questions.season import Season

NOTHING: Final = Fraction(0)


def fees(season: Season, period: tuple[int, int]) -> list[Row]:
    rows = []
    chosen = [fill for fill in fills(season) if within(fill.event.occurred_at, period)]
    for (venue, quote, asset), group in groups(
        chosen, lambda fill: (fill.market[0], fill.market[1].partition("-")[2], fill.event.fee_asset or "")
    ):
        volume, paid = sum(fill.cost for fill in group), sum(fill.event.fee or 0 for fill in group)
        maker = sum(fill.cost for fill in group if fill.event.liquidity == "MAKER")
        rows.append(
            {
                "venue": venue,
                "quote": quote,
                "fee_asset": asset,
                "fills": len(group),
                "volume": decimal(volume),
                "fees": decimal(paid),
                "fee_basis_points": ratio(paid, volume, 10_000, 3) if asset == quote else None,
                "maker_share": ratio(maker, volume, 1, 3),
            }
        )
    return sorted(rows, key=lambda row: -row["volume"])


def balances_at(season: Season, instant: int) -> list[Row]:
    sums: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: {"AVAILABLE": 0, "RESERVED": 0})
    for posting, entry in postings(season):
        if entry.occurred_at <= instant:
            sums[posting.owner, posting.asset][posting.account] += posting.amount
    return [
        {
            "owner": owner,
            "asset": asset,
            "available": decimal(of["AVAILABLE"]),
            "reserved": decimal(of["RESERVED"]),
            "total": decimal(of["AVAILABLE"] + of["RESERVED"]),
        }
        for (owner, asset), of in sorted(sums.items())
    ]


def by_user_and_symbol(season: Season, instant: float = math.inf) -> list[tuple[tuple[str, str], list[Fill]]]:
    return groups(
        (fill for fill in fills(season) if fill.event.occurred_at <= instant),
        lambda fill: (fill.event.user_id, fill.market[1]),
    )


def positions_at(season: Season, instant: int) -> list[Row]:
    rows = []
    for (user, symbol), group in by_user_and_symbol(season, instant):
        bought = [fill.moved for fill in group if fill.sign > 0]
        sold = [fill.moved for fill in group if fill.sign < 0]
        got, gave = sum(base for base, _ in bought), -sum(base for base, _ in sold)
        rows.append(
            {
                "user_id": user,
                "symbol": symbol,
                "bought": decimal(got),
                "sold": decimal(gave),
                "position": decimal(got - gave),
                "paid": decimal(sum(quote for _, quote in bought)),
                "received": decimal(-sum(quote for _, quote in sold)),
                "fills": len(group),
            }
        )
    return rows


# ── profit ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Fifo(NamedTuple):
    """How much is closed, what was paid and received for that, and the cost of what is open."""

    closed: int
    paid: int
    received: int
    open_cost: int

    @property
    def realised(self) -> int:
        return self.received - self.paid


def fifo(trades: list[tuple[int, int]]) -> Fifo:
    """Lots in a queue, the oldest closed first.

    A trade is what came of the base asset and what was given of the quote asset, both negative for a sale. Sums of what
    was realised by purchases and by sales are each rounded towards zero.
    """
    lots: deque[tuple[Fraction, Fraction]] = deque()  # quantity and amount of what is open, signed like the trades
    paid = received = all_closed = NOTHING
    for base, quote in trades:
        quantity, amount = Fraction(base), Fraction(quote)
        while quantity and lots and (lots[0][0] > 0) != (quantity > 0):
            lot_quantity, lot_amount = lots.popleft()
            closed = min(abs(lot_quantity), abs(quantity))
            all_closed += closed
            of_lot, of_trade = lot_amount * closed / abs(lot_quantity), amount * closed / abs(quantity)
            paid += of_lot if lot_quantity > 0 else of_trade
            received -= of_trade if lot_quantity > 0 else of_lot
            sign = 1 if quantity > 0 else -1
            if abs(lot_quantity) > closed:
                lots.appendleft((lot_quantity + sign * closed, lot_amount - of_lot))
            quantity, amount = quantity - sign * closed, amount - of_trade
        if quantity:
            lots.append((quantity, amount))
    open_cost = sum(quote for _, quote in trades) + int(received) - int(paid)
    return Fifo(int(all_closed), int(paid), int(received), open_cost)


def average_cost(trades: list[tuple[int, int]]) -> tuple[int, int]:
    """What is realised, and the cost of what is open, at the average of what is open. Shares are rounded to zero."""
    position = cost = realised = 0
    for base, quote in trades:
        closing = min(abs(position), abs(base)) if position * base < 0 else 0
        of_trade = int(Fraction(quote * closing, abs(base)))
        of_cost = int(Fraction(cost * closing, abs(position))) if closing else 0
        realised -= of_trade + of_cost
        position, cost = position + base, cost - of_cost + quote - of_trade
    return realised, cost


def realised_pnl(season: Season, period: tuple[int, int]) -> list[Row]:
    """Over *period*: what is realised by its end, less what was before it."""
    rows = []
    before = {key: [fill.moved for fill in group] for key, group in by_user_and_symbol(season, period[0] - 1)}
    for key, group in by_user_and_symbol(season, period[1] - 1):
        trades, earlier = [fill.moved for fill in group], before.get(key, [])
        by_fifo, by_average = fifo(trades), average_cost(trades)
        rows.append(
            {
                "user_id": key[0],
                "symbol": key[1],
                "position": decimal(sum(base for base, _ in trades)),
                "realised_fifo": decimal(by_fifo.realised - fifo(earlier).realised),
                "realised_average": decimal(by_average[0] - average_cost(earlier)[0]),
                "open_cost_fifo": decimal(by_fifo.open_cost),
                "open_cost_average": decimal(by_average[1]),
            }
        )
    return rows


def closed(season: Season, period: tuple[int, int]) -> list[Row]:
    """What of the lots was closed in *period*, by FIFO, and for how much."""
    before = {key: fifo([fill.moved for fill in group]) for key, group in by_user_and_symbol(season, period[0] - 1)}
    rows = []
    for key, group in by_user_and_symbol(season, period[1] - 1):
        by_end, earlier = fifo([fill.moved for fill in group]), before.get(key, Fifo(0, 0, 0, 0))
        rows.append(
            {
                "user_id": key[0],
                "symbol": key[1],
                "closed": decimal(by_end.closed - earlier.closed),
                "cost": decimal(by_end.paid - earlier.paid),
                "proceeds": decimal(by_end.received - earlier.received),
            }
        )
    return rows


def profit(season: Season) -> list[Row]:
    """Of all users together, by FIFO, from the first fill on."""
    of_users = [(symbol, fifo([fill.moved for fill in group])) for (_, symbol), group in by_user_and_symbol(season)]
    return [
        {
            "symbol": symbol,
            "quote": symbol.partition("-")[2],
            "users": len(group),
            "quantity_closed": decimal(sum(each.closed for _, each in group)),
            "paid": decimal(sum(each.paid for _, each in group)),
            "received": decimal(sum(each.received for _, each in group)),
            "realised": decimal(sum(each.realised for _, each in group)),
        }
        for symbol, group in groups(of_users, lambda each: each[0])
    ]


# ── venues ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def results(season: Season, instant: int) -> list[Row]:
    """What all trades brought, with what they left valued at the middle of the last quote within an hour."""
    rows, quotes = [], Quotes(season)
    for (venue, symbol), group in groups(fills(season), lambda fill: fill.market):
        left, paid = sum(fill.moved[0] for fill in group), sum(fill.moved[1] for fill in group)
        price = quotes.middle((venue, symbol), instant, 3_600)
        worth = None if price is None else half_away(left * price / ONE)
        rows.append(
            {
                "venue": venue,
                "symbol": symbol,
                "bought": decimal(sum(fill.quantity for fill in group if fill.sign > 0)),
                "sold": decimal(sum(fill.quantity for fill in group if fill.sign < 0)),
                "left": decimal(left),
                "earned": decimal(-paid),
                "left_is_worth": decimal(worth),
                "result": None if worth is None else decimal(worth - paid),
            }
        )
    return rows


def venue_moves(season: Season, period: tuple[int, int], every_us: int = 1) -> list[Row]:
    """From each look at a venue to the next: what moved there, and what the ledger says did.

    Of the looks within a stretch of *every_us* the last one counts.
    """
    seen: dict[tuple[str, str, str], list[tuple[int, int]]] = defaultdict(list)
    for record in season.of("venue-balances"):
        balance = record.message
        if within(balance.observed_at, period):
            name = balance.venue, balance.account, balance.asset
            seen[name].append((balance.observed_at, balance.free + balance.locked))
    booked: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for posting, entry in postings(season):
        kind, _, venue = posting.owner.partition(":")
        if kind in ("clearing", "fees"):
            booked[venue, posting.asset].append((entry.occurred_at, -posting.amount))
    rows = []
    for (venue, account, asset), all_looks in sorted(seen.items()):
        looks = list({at // every_us: (at, total) for at, total in all_looks}.values())
        for (earlier, total_before), (later, total) in itertools.pairwise(looks):
            moved = sum(amount for at, amount in booked[venue, asset] if earlier < at <= later)
            rows.append(
                {
                    "venue": venue,
                    "account": account,
                    "asset": asset,
                    "total": decimal(total),
                    "venue_moved": decimal(total - total_before),
                    "ledger_moved": decimal(moved),
                    "difference": decimal(total - total_before - moved),
                    "motion_before": decimal(_volume(booked[venue, asset], earlier)),
                    "motion_now": decimal(_volume(booked[venue, asset], later)),
                }
            )
    return rows


def _volume(moves: list[tuple[int, int]], look: int) -> int:
    """What was booked within ten seconds of *look*, in and out; of one instant, what its postings come to."""
    booked: Counter[int] = Counter()
    for at, amount in moves:
        booked[at] += amount
    return sum(abs(amount) for at, amount in booked.items() if look - 10_000_000 <= at <= look + 10_000_000)
