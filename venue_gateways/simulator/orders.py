"""What the simulated venue knows of orders: the words of its core, which no venue's dialect has a part in.

Amounts are integers in units of 10⁻¹⁸, instants are microseconds since the epoch.
"""

from enum import StrEnum
from typing import Final

import msgspec

from domain.messages import Side, TimeInForce


class Kind(StrEnum):
    """What an order is. The last four wait for a price, and become the first two when it is reached."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"


#: Kinds that wait until the last price has reached their stop price.
TRIGGERED: Final = frozenset({Kind.STOP, Kind.STOP_LIMIT, Kind.TAKE_PROFIT, Kind.TAKE_PROFIT_LIMIT})
#: Kinds that trade at any price.
UNPRICED: Final = frozenset({Kind.MARKET, Kind.STOP, Kind.TAKE_PROFIT})


class SelfTrade(StrEnum):
    """What happens instead of a trade of an account with itself; the taker's mode decides."""

    NONE = "NONE"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"
    DECREMENT = "DECREMENT"


class Status(StrEnum):
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    PREVENTED = "PREVENTED"  # expired because it would have traded with its own account


OPEN: Final = frozenset({Status.NEW, Status.PARTIALLY_FILLED})


class Reason(StrEnum):
    """Why an order expired."""

    UNFILLED_IOC = "UNFILLED_IOC"
    UNFILLED_FOK = "UNFILLED_FOK"
    NO_LIQUIDITY = "NO_LIQUIDITY"
    SELF_TRADE = "SELF_TRADE"
    WOULD_MATCH = "WOULD_MATCH"  # it was to rest only
    DUE = "DUE"  # its time was up


class Refusal(StrEnum):
    """Why something asked of the venue changed nothing."""

    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL"
    UNKNOWN_ORDER = "UNKNOWN_ORDER"
    DUPLICATE_CLIENT_ORDER_ID = "DUPLICATE_CLIENT_ORDER_ID"
    INSUFFICIENT_BALANCE = "INSUFFICIENT_BALANCE"
    WOULD_MATCH = "WOULD_MATCH"
    WOULD_TRIGGER = "WOULD_TRIGGER"
    NO_LIQUIDITY = "NO_LIQUIDITY"
    PRICE_RULE = "PRICE_RULE"
    QUANTITY_RULE = "QUANTITY_RULE"
    NOTIONAL_RULE = "NOTIONAL_RULE"
    TOO_MANY_ORDERS = "TOO_MANY_ORDERS"
    TOO_MANY_TRIGGER_ORDERS = "TOO_MANY_TRIGGER_ORDERS"
    NO_CHANGE = "NO_CHANGE"
    QUANTITY_INCREASE = "QUANTITY_INCREASE"


class Fees(msgspec.Struct, frozen=True):
    """What the venue charges: fractions of the asset received, or always of the quote asset, rounded down to a multiple
    of *grain*.
    """

    maker_rate: int
    taker_rate: int
    grain: int = 10**10
    in_quote: bool = False


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """An order as a client asks for it. *budget* is an amount of the quote asset, in place of a market quantity.

    *expires_at* is when its time is up, in µs; 0: never.
    """

    symbol: str
    side: Side
    kind: Kind
    quantity: int = 0
    price: int = 0
    stop_price: int = 0
    budget: int = 0
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    self_trade: SelfTrade = SelfTrade.NONE
    client_order_id: str | None = None
    labels: tuple[tuple[str, int], ...] = ()
    expires_at: int = 0


class Order(msgspec.Struct, kw_only=True, eq=False, gc=False):
    """An order at the venue. Only the book changes it. *house*: one of the market's own, about which nobody is told."""

    order_id: int
    account: str
    client_order_id: str
    symbol: str
    side: Side
    kind: Kind
    quantity: int
    created_at: int
    price: int = 0
    stop_price: int = 0
    budget: int = 0
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    self_trade: SelfTrade = SelfTrade.NONE
    labels: tuple[tuple[str, int], ...] = ()
    expires_at: int = 0
    house: bool = False
    updated_at: int = 0
    working_at: int | None = None
    executed: int = 0
    cost: int = 0
    prevented: int = 0
    status: Status = Status.NEW
    reason: Reason | None = None

    @property
    def leaves(self) -> int:
        """What may still trade."""
        return self.quantity - self.executed - self.prevented

    @property
    def open(self) -> bool:
        return self.status in OPEN

    @property
    def named(self) -> bool:
        """Whether the client has given it an ID."""
        return self.client_order_id != unnamed(self.order_id)


def unnamed(order_id: int) -> str:
    """The client order ID of an order to which the client has given none."""
    return f"venue-{order_id}"


class Happening(StrEnum):
    ACCEPTED = "ACCEPTED"
    TRIGGERED = "TRIGGERED"  # the stop price was reached: the order works from now on
    TRADED = "TRADED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    PREVENTED = "PREVENTED"
    REDUCED = "REDUCED"


class Execution(msgspec.Struct, frozen=True, kw_only=True, eq=False, gc=False):
    """One thing that happened to one order, with the order's figures as they were just after it.

    *quantity* and *price* are those of this one trade, or of this one prevented match; a reduction's *quantity* is what
    was taken away. *request_id* is a cancel's own name, where a venue has such names; a reduction's is the client order
    ID that the order had before.
    """

    what: Happening
    order: Order
    at: int
    status: Status
    executed: int
    cost: int
    quantity: int = 0
    price: int = 0
    trade_id: int = -1
    fee: int = 0
    fee_asset: str | None = None
    maker: bool = False
    request_id: str | None = None
