"""What may be traded where, and on which grid: the rules a venue publishes for each symbol."""

from collections.abc import Iterable, Mapping

from domain import money
from domain.messages import Message


class Instrument(Message, frozen=True):
    """One symbol at one venue, in units of 10⁻¹⁸.

    Tick and lot are such that a price times a quantity is exact on the grid: their decimals add up to at most 18.
    *fee_rate_max* is the worst fee the venue may charge, as a fraction in units: what a reserve must cover.
    """

    venue: str
    symbol: str
    base: str
    quote: str
    tick_size: int
    lot_size: int
    quantity_min: int
    quantity_max: int
    price_max: int
    notional_min: int
    fee_rate_max: int

    def __post_init__(self) -> None:
        if self.symbol != f"{self.base}-{self.quote}":
            raise ValueError(f"symbol {self.symbol!r} is not {self.base}-{self.quote}")
        if min(self.tick_size, self.lot_size, self.quantity_min, self.quantity_max, self.price_max) <= 0:
            raise ValueError(f"{self.symbol}: tick, lot, and bounds must be positive")
        if min(self.notional_min, self.fee_rate_max) < 0:
            raise ValueError(f"{self.symbol}: minimum notional and fee rate must not be negative")
        if self.tick_size * self.lot_size % money.ONE:
            raise ValueError(f"{self.symbol}: a price times a quantity would not be exact on the grid")
        if money.multiply_up(self.price_max, self.quantity_max) * 2 > money.AMOUNT_MAX:
            raise ValueError(f"{self.symbol}: the largest order would not fit decimal(38, 18)")


class Rulebook:
    """The instruments of all venues, by venue and symbol."""

    __slots__ = ("_instruments", "venues")

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._instruments: Mapping[tuple[str, str], Instrument] = {(i.venue, i.symbol): i for i in instruments}
        self.venues = frozenset(venue for venue, _ in self._instruments)

    def find(self, venue: str, symbol: str) -> Instrument | None:
        return self._instruments.get((venue, symbol))

    def of(self, venue: str) -> tuple[Instrument, ...]:
        return tuple(i for i in self._instruments.values() if i.venue == venue)
