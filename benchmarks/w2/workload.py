"""What W2 asks for: orders that follow from their numbers, the messages of each, and what all must come to.

An order is a place command, the venue's acknowledgement and one fill of the full quantity. Users, sides, symbols,
quantities, prices, improvements and fees vary. Each user trades one symbol on one side, and is given what that takes.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from agents.routing import partition_of
from domain import ids
from domain.messages import (
    Evidence,
    Liquidity,
    Operation,
    OrderCommand,
    OrderType,
    PlaceOrder,
    ReportKind,
    Side,
    Transfer,
    TransferDirection,
    VenueReport,
)
from domain.money import ONE, parse
from runtime import instruments
from schemas import codec

VENUE: Final = "simulated"
_SYMBOLS: Final = (
    ("BTC", parse("0.00001"), parse("60000")),
    ("ETH", parse("0.0001"), parse("3000")),
    ("SOL", parse("0.001"), parse("150")),
)
_TICK: Final = parse("0.01")
_FEE_BASIS_POINTS: Final = (0, 5, 10, 20)
_GIVEN: Final = {Side.BUY: parse("1000000000"), Side.SELL: parse("1000000")}
#: Spreads consecutive numbers over users (Knuth's multiplicative hashing).
_SPREAD: Final = 2_654_435_761
_INSTANT: Final = 1_763_780_000_000_000


class Lot(msgspec.Struct, frozen=True, kw_only=True):
    """The orders with the numbers from *first* on, *count* of them; they stay open if *rests*, without a fill."""

    first: int
    count: int
    rests: bool = False

    @property
    def numbers(self) -> range:
        return range(self.first, self.first + self.count)


class Order(msgspec.Struct, frozen=True, gc=False):
    """An order as the workload wants it, in plain integers: amounts are units of 10⁻¹⁸."""

    number: int
    user: str
    side: Side
    base: str
    quantity: int
    price: int
    fill_price: int
    fee: int
    fee_asset: str

    @property
    def order_id(self) -> str:
        return f"order-{self.number:09d}"

    @property
    def symbol(self) -> str:
        return f"{self.base}-USD"

    @property
    def reserve_asset(self) -> str:
        return "USD" if self.side is Side.BUY else self.base

    @property
    def cost(self) -> int:
        """What the fill is worth: exact, since ticks and lots have no more than 18 decimals together."""
        return self.fill_price * self.quantity // ONE


def order(number: int, users: int) -> Order:
    """The order of that number, of one of so many *users*."""
    index = (number * _SPREAD >> 8) % users
    side, (base, lot, floor) = _side(index), _SYMBOLS[index // 2 % len(_SYMBOLS)]
    quantity = lot * (100 + number % 900)
    price = floor + _TICK * (number * 31 % 10_000)
    better = _TICK * (number % 3)
    fill_price = price - better if side is Side.BUY else price + better
    fee_in_quote = (side is Side.SELL) == (number % 5 != 0)
    charged = fill_price * quantity // ONE if fee_in_quote else quantity
    fee = charged * _FEE_BASIS_POINTS[number % 4] // 10_000
    return Order(number, _user(index), side, base, quantity, price, fill_price, fee, "USD" if fee_in_quote else base)


def _user(index: int) -> str:
    return f"user-{index:06d}"


def _side(index: int) -> Side:
    return Side.SELL if index % 2 else Side.BUY


def transfers(users: int) -> Iterator[Transfer]:
    """What each user is given to begin with."""
    for index in range(users):
        side, base = _side(index), _SYMBOLS[index // 2 % len(_SYMBOLS)][0]
        asset, user = "USD" if side is Side.BUY else base, _user(index)
        yield Transfer(f"start-{user}", user, asset, TransferDirection.CREDIT, _GIVEN[side], _INSTANT)


class Inputs(msgspec.Struct, frozen=True, gc=False):
    """The records that make an order happen, encoded, all of one *partition*."""

    partition: int
    user: bytes
    place: bytes
    client_order_id: bytes
    acknowledgement: bytes
    fill: bytes


def client_order_id(wanted: Order, partitions: int) -> str:
    """What the venue will know the order as: it is placed once."""
    partition = partition_of(wanted.user.encode(), partitions)
    return ids.client_order_id(partition, ids.order_key(wanted.user, wanted.order_id), 1)


def inputs(wanted: Order, partitions: int) -> Inputs:
    """The command, and what a gateway would report of it."""
    user = wanted.user.encode()
    partition = partition_of(user, partitions)
    named = client_order_id(wanted, partitions)
    place = PlaceOrder(
        wanted.order_id, VENUE, wanted.symbol, wanted.side, OrderType.LIMIT, wanted.quantity, price=wanted.price
    )
    acknowledged = VenueReport(
        client_order_id=named,
        venue=VENUE,
        symbol=wanted.symbol,
        kind=ReportKind.ACKNOWLEDGED,
        evidence=Evidence.RESPONSE,
        reported_at=_INSTANT,
        request_id=f"{named}:1",
        operation=Operation.PLACE,
        venue_order_id=str(wanted.number),
        cumulative_quantity=0,
        requested_at=_INSTANT,
        sent_at=_INSTANT,
        received_at=_INSTANT,
        transacted_at=_INSTANT,
    )
    filled = VenueReport(
        client_order_id=named,
        venue=VENUE,
        symbol=wanted.symbol,
        kind=ReportKind.FILL,
        evidence=Evidence.STREAM,
        reported_at=_INSTANT,
        venue_order_id=str(wanted.number),
        trade_id=f"{wanted.number}-1",
        fill_quantity=wanted.quantity,
        fill_price=wanted.fill_price,
        fee=wanted.fee,
        fee_asset=wanted.fee_asset,
        liquidity=Liquidity.MAKER,
        transacted_at=_INSTANT,
    )
    command = OrderCommand(f"command-{wanted.number:09d}", wanted.user, _INSTANT, place)
    return Inputs(
        partition,
        user,
        codec.encode(command),
        named.encode(),
        codec.encode(acknowledged),
        codec.encode(filled),
    )


Balances = dict[tuple[str, str], tuple[int, int]]
"""Available and reserved, by owner and asset; only what isn't zero."""


def reference(users: int, lots: Iterable[Lot]) -> Balances:
    """The balances that everything must come to, reckoned without the ledger's code: sums over all partitions."""
    available: dict[tuple[str, str], int] = defaultdict(int)
    reserved: dict[tuple[str, str], int] = defaultdict(int)
    for transfer in transfers(users):
        available[f"user:{transfer.user_id}", transfer.asset] += transfer.amount
        available["treasury", transfer.asset] -= transfer.amount
    fee_rates_max = {rule.symbol: rule.fee_rate_max for rule in instruments.load().of(VENUE)}
    for lot in lots:
        for wanted in (order(number, users) for number in lot.numbers):
            owner = f"user:{wanted.user}"
            if lot.rests:
                held = _held(wanted, fee_rates_max[wanted.symbol])
                available[owner, wanted.reserve_asset] -= held
                reserved[owner, wanted.reserve_asset] += held
                continue
            bought = 1 if wanted.side is Side.BUY else -1
            for asset, amount in ((wanted.base, bought * wanted.quantity), ("USD", -bought * wanted.cost)):
                available[owner, asset] += amount
                available[f"clearing:{VENUE}", asset] -= amount
            available[owner, wanted.fee_asset] -= wanted.fee
            available[f"fees:{VENUE}", wanted.fee_asset] += wanted.fee
    return {
        account: (available[account], reserved[account])
        for account in available.keys() | reserved.keys()
        if available[account] or reserved[account]
    }


def _held(wanted: Order, fee_rate_max: int) -> int:
    """What an open order holds: a seller's quantity; a buyer's cost at the limit and the worst fee, rounded up."""
    if wanted.side is Side.SELL:
        return wanted.quantity
    cost = wanted.price * wanted.quantity // ONE
    return -(-cost * (ONE + fee_rate_max) // ONE)
