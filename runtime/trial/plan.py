"""What the demo intends: records to produce, in order, and what must become of each."""

from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

#: Where everything is traded, unless a run is on other venues.
VENUE: Final = "simulated"
COMMANDS: Final = "order-commands"
TRANSFERS: Final = "transfers"
GOOD_AFTER_END_S: Final = 2


class Expect(StrEnum):
    """What must become of a record. Money and the market decide about most, and the oracle checks only the answer."""

    ANSWER = "ANSWER"  # exactly one answer, whichever
    REJECTED = "REJECTED"  # an answer that says no
    DUPLICATE = "DUPLICATE"  # the first answer again
    DEAD_LETTER = "DEAD_LETTER"  # no one to answer: kept whole among the dead letters
    REFUSED = "REFUSED"  # rejected or among the dead letters, but one of them


class Planned(msgspec.Struct, frozen=True):
    """One record to produce *at_ms* after the start. A *partition* is given only to break the routing on purpose."""

    at_ms: int
    topic: str
    kind: str
    expect: Expect
    user_id: str
    key: bytes | None
    value: bytes | None
    command_id: str | None = None
    order_id: str | None = None
    partition: int | None = None


class Sent(msgspec.Struct, frozen=True):
    """One record that the broker has acknowledged: where it stands in the log, and what must become of it.

    *sent_us* is when the producer was given it; *digest* is of key and value, so that the log can be compared.
    """

    topic: str
    partition: int
    offset: int
    sent_us: int
    kind: str
    expect: Expect
    user_id: str
    command_id: str | None
    order_id: str | None
    digest: str


class Market(msgspec.Struct, frozen=True):
    """One symbol as its venue publishes it: its grid, and the price it trades at when the demo starts."""

    symbol: str
    price: Decimal
    tick: Decimal
    lot: Decimal
    venue: str = VENUE

    @property
    def base(self) -> str:
        return self.symbol.partition("-")[0]

    @property
    def quote(self) -> str:
        return self.symbol.partition("-")[2]


class Shape(msgspec.Struct, frozen=True):
    """How much, how fast, and of which randomness. *start_us* is the instant from which deadlines are counted.

    Orders that would rest until somebody cancels them are good for at most *lifetime_s*, if that is given.
    """

    commands: int = 20_000
    users: int = 1_000
    rate: float = 650.0
    seed: int = 1
    partitions: int = 8
    start_us: int = 0
    lifetime_s: float | None = None

    @property
    def duration_s(self) -> float:
        return self.commands / self.rate

    @property
    def good_till_max_us(self) -> int:
        """No order is good for longer: a run that is to come to rest can't wait for those that end by the clock."""
        return self.start_us + int((self.duration_s + GOOD_AFTER_END_S) * 1_000_000)
