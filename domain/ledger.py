"""The double-entry ledger: reserve at acceptance, settle per fill, release what is left.

Every entry's postings sum to zero per asset, so the sum over all accounts of an asset is zero, always. Users have an
AVAILABLE and a RESERVED side; ``clearing:<venue>`` is the counterpart of trades, ``fees:<venue>`` collects what the
venue charged, ``treasury`` is where money comes from and goes to.
"""

from collections.abc import Iterable
from typing import Final

from domain import money
from domain.messages import Account, Liquidity, Message, Posting, Side
from domain.state import Balance, Order

TREASURY: Final = "treasury"
_AVAILABLE: Final = Account.AVAILABLE
_RESERVED: Final = Account.RESERVED
_BUY: Final = Side.BUY


class Fill(Message, frozen=True):
    """One trade of ours: *price* and *quantity* in units; *fee* may be negative (a rebate)."""

    trade_id: str
    quantity: int
    price: int
    fee: int
    fee_asset: str
    liquidity: Liquidity | None = None


def user(user_id: str) -> str:
    return f"user:{user_id}"


def clearing(venue: str) -> str:
    return f"clearing:{venue}"


def fees(venue: str) -> str:
    return f"fees:{venue}"


def credit(user_id: str, asset: str, amount: int) -> tuple[Posting, ...]:
    """The treasury gives *amount* to the user; a negative one goes back."""
    return (
        Posting(TREASURY, _AVAILABLE, asset, -amount),
        Posting(user(user_id), _AVAILABLE, asset, amount),
    )


def reserve(user_id: str, asset: str, amount: int) -> tuple[Posting, ...]:
    """Moves *amount* from available to reserved; a negative one is a release."""
    owner = user(user_id)
    return (
        Posting(owner, _AVAILABLE, asset, -amount),
        Posting(owner, _RESERVED, asset, amount),
    )


def settle(order: Order, fill: Fill, base: str, quote: str) -> tuple[tuple[Posting, ...], int]:
    """The postings of a fill, and what is left of the order's reserve after it.

    What the user gives is taken from the order's reserve, and from the available side where the reserve doesn't reach
    (a late fill after the release): the trade has happened, so it is booked even if less than nothing is left. A fee
    in the received asset comes off what is received, in the given asset it adds to what is given; in a third asset (a
    venue's own coin) the house bears it.
    """
    cost = money.multiply(fill.price, fill.quantity)
    buying = order.side is _BUY
    given_asset, given = (quote, cost) if buying else (base, fill.quantity)
    taken_asset, taken = (base, fill.quantity) if buying else (quote, cost)
    fee_given = fill.fee if fill.fee_asset == given_asset else 0
    fee_taken = fill.fee if fill.fee_asset == taken_asset and not fee_given else 0
    due = given + fee_given
    from_reserve = max(0, min(order.reserved, due))
    owner, venue = user(order.user_id), clearing(order.venue)
    postings = [
        Posting(owner, _RESERVED, given_asset, -from_reserve),
        Posting(owner, _AVAILABLE, given_asset, from_reserve - due),
        Posting(venue, _AVAILABLE, given_asset, given),
        Posting(venue, _AVAILABLE, taken_asset, -taken),
        Posting(owner, _AVAILABLE, taken_asset, taken - fee_taken),
        Posting(fees(order.venue), _AVAILABLE, fill.fee_asset, fill.fee),
    ]
    if fill.fee and not fee_given and not fee_taken:
        postings.append(Posting(TREASURY, _AVAILABLE, fill.fee_asset, -fill.fee))
    return tuple([p for p in postings if p.amount]), order.reserved - from_reserve


def apply(balance: Balance, posting: Posting) -> Balance:
    """*balance* after *posting*."""
    owner, asset, available, reserved = balance.owner, balance.asset, balance.available, balance.reserved
    if posting.account is _AVAILABLE:
        return Balance(owner, asset, available + posting.amount, reserved)
    return Balance(owner, asset, available, reserved + posting.amount)


def imbalance(postings: Iterable[Posting]) -> dict[str, int]:
    """Per asset, what *postings* fail to sum to zero by. Empty when they balance."""
    sums: dict[str, int] = {}
    for posting in postings:
        asset = posting.asset
        sums[asset] = sums.get(asset, 0) + posting.amount
    return {asset: amount for asset, amount in sums.items() if amount} if any(sums.values()) else {}
