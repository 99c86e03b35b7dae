"""The terms of the demo's orders: style, side, price and quantity, mostly of what a user can pay."""

from collections.abc import Mapping
from decimal import Decimal
from random import Random
from typing import Final

import msgspec

from runtime.trial import wire
from runtime.trial.plan import Market

SECOND_US: Final = 1_000_000
#: Of a hundred orders, about three are of an asset that their user may not have.
BEYOND_MEANS: Final = 0.03

STYLES: Final[Mapping[str, float]] = {
    "resting": 38,
    "near": 22,
    "marketable": 12,
    "market_sell": 4,
    "market_buy": 5,
    "ioc": 6,
    "fok": 4,
    "post_only": 5,
    "stop_limit": 2,
    "good_till": 2,
}

#: Where a buyer's limit lies against the market price, from and to, as a fraction of it; a seller's is its mirror.
OFFSETS: Final[Mapping[str, tuple[float, float]]] = {
    "resting": (-0.03, -0.004),
    "near": (-0.002, 0.0005),
    "marketable": (0.001, 0.004),
    "market_sell": (0.0, 0.0),
    "market_buy": (0.01, 0.02),
    "ioc": (-0.001, 0.003),
    "fok": (-0.001, 0.003),
    "post_only": (-0.004, 0.001),
    "stop_limit": (0.004, 0.006),
    "good_till": (-0.01, -0.001),
}


class Placed(msgspec.Struct, frozen=True):
    """An order that a user has sent, as they remember it. *price* is None for a market order."""

    order_id: str
    market: Market
    quantity: Decimal
    price: Decimal | None


def whole(value: Decimal, step: Decimal) -> Decimal:
    """*value* rounded down to a multiple of *step*, at least one."""
    return max(value // step, Decimal(1)) * step


class Taste(msgspec.Struct, frozen=True):
    """One user's way of choosing an order's terms, given the assets they have *held* since the start.

    With *lifetime_s*, no limit order rests for longer.
    """

    random: Random
    markets: tuple[Market, ...]
    held: frozenset[str]
    good_till_max_us: int
    lifetime_s: float | None = None

    def order(self, order_id: str, style: str, market: Market, now_us: int) -> tuple[Placed, wire.Avro]:
        """An order as its user remembers it, and the fields of its PlaceOrder."""
        side = self._side(market, style)
        quantity = self._quantity(market)
        price = self._price(market, side, style)
        fields: wire.Avro = {
            "order_id": order_id,
            "venue": market.venue,
            "symbol": market.symbol,
            "side": side,
            "order_type": "LIMIT",
            "quantity": wire.amount(quantity),
            "price": wire.amount(price),
            "stop_price": None,
            "max_cost": None,
            "time_in_force": "GTC",
            "good_till": None,
            "post_only": style == "post_only",
        }
        if style in {"ioc", "fok"}:
            fields |= {"time_in_force": style.upper()}
        elif style == "market_sell":
            fields |= {"order_type": "MARKET", "price": None}
        elif style == "market_buy":
            cost = whole(quantity * price, market.tick)
            fields |= {"order_type": "MARKET", "price": None, "max_cost": wire.amount(cost)}
        elif style == "stop_limit":
            away = Decimal("0.002") if side == "BUY" else Decimal("-0.002")
            stop = (market.price * (1 + away)).quantize(market.tick)
            fields |= {"order_type": "STOP_LIMIT", "stop_price": wire.amount(stop)}
        elif style == "good_till":
            till_us = now_us + self.random.randrange(3, 15) * SECOND_US
            fields |= {"time_in_force": "GTD", "good_till": min(till_us, self.good_till_max_us)}
        if self.lifetime_s is not None and fields["time_in_force"] == "GTC" and fields["price"] is not None:
            till_us = now_us + int(self.lifetime_s * self.random.uniform(0.5, 1.0) * SECOND_US)
            fields |= {"time_in_force": "GTD", "good_till": till_us}
        remembered = None if fields["price"] is None else price
        return Placed(order_id=order_id, market=market, quantity=quantity, price=remembered), fields

    def _side(self, market: Market, style: str) -> str:
        if style in {"market_sell", "market_buy"}:
            return style.removeprefix("market_").upper()
        sides = [side for side, asset in (("BUY", market.quote), ("SELL", market.base)) if asset in self.held]
        if not sides or self.random.random() < BEYOND_MEANS:
            sides = ["BUY", "SELL"]
        return self.random.choice(sides)

    def _price(self, market: Market, side: str, style: str) -> Decimal:
        offset = Decimal(f"{self.random.uniform(*OFFSETS[style]):.6f}")
        return (market.price * (1 + (offset if side == "BUY" else -offset))).quantize(market.tick)

    def _quantity(self, market: Market) -> Decimal:
        """On the lot; worth some tens to hundreds of dollars, now and then thousands."""
        worth = Decimal(f"{max(12.0, self.random.lognormvariate(4.2, 0.9)):.2f}")
        if market.quote != "USD":
            worth /= next(other.price for other in self.markets if other.symbol == f"{market.quote}-USD")
        return whole(worth / market.price, market.lot)
