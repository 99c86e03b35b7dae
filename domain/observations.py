"""What is seen of venues besides orders: their best prices, and what an account there holds. Nothing decides on it.

Amounts and instants are as in :mod:`domain.messages`; ``observed_at`` is when the venue's answer was there, by the
venue's clock.
"""

from domain.messages import Message


class Quote(Message, frozen=True):
    """A book's best prices, and how much is wanted or offered at them. A book with an empty side has no quote."""

    venue: str
    symbol: str
    bid: int
    bid_quantity: int
    ask: int
    ask_quantity: int
    observed_at: int


class VenueBalance(Message, frozen=True):
    """What *account* at *venue* has of *asset*: *free* to be ordered with, and *locked* by open orders.

    *account* is the credentials' table of that name, empty for the credentials without one. All balances of one reading
    have one ``observed_at``; an asset that a reading doesn't name was not there.
    """

    venue: str
    account: str
    asset: str
    free: int
    locked: int
    observed_at: int
