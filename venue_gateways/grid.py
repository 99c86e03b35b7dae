"""What a venue takes of one symbol, as it publishes it: which prices and quantities, and how little is too little.

An instrument of ours (:mod:`domain.instruments`) says so too, but a venue changes its rules as it likes, and is asked
for them every hour: a placement that breaks them is not signed.
"""

import msgspec

from domain import money
from domain.messages import VenueRequest


class Grid(msgspec.Struct, frozen=True):
    """In units; 0 where the venue has no such rule. *closed*: the venue takes no new orders in this symbol now."""

    tick_size: int = 0
    lot_size: int = 0
    price_min: int = 0
    price_max: int = 0
    quantity_min: int = 0
    quantity_max: int = 0
    notional_min: int = 0
    closed: bool = False


def violation(grid: Grid, request: VenueRequest) -> str | None:
    """The rule of *grid* that a placement breaks, with its figure, or None. What only the venue can tell is its to say:
    the worth of an order without a price, for one.
    """
    if grid.closed:
        return "MARKET_CLOSED"
    prices = [price for price in (request.price, request.stop_price) if price is not None]
    notional = None if request.price is None else money.multiply_up(request.price, request.quantity)
    rules = (
        ("TICK_SIZE", grid.tick_size, any(price % grid.tick_size for price in prices if grid.tick_size)),
        ("LOT_SIZE", grid.lot_size, grid.lot_size and request.quantity % grid.lot_size),
        ("PRICE_MIN", grid.price_min, any(price < grid.price_min for price in prices)),
        ("PRICE_MAX", grid.price_max, any(price > grid.price_max for price in prices if grid.price_max)),
        ("QUANTITY_MIN", grid.quantity_min, request.quantity < grid.quantity_min),
        ("QUANTITY_MAX", grid.quantity_max, grid.quantity_max and request.quantity > grid.quantity_max),
        ("NOTIONAL_MIN", grid.notional_min, notional is not None and notional < grid.notional_min),
    )
    return next((f"{name} {money.text(figure)}" for name, figure, broken in rules if broken), None)
