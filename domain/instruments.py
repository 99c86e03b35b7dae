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
        largest = max(self.quantity_max, self.price_max, money.multiply_up(self.price_max, self.quantity_max))
        faults = (
            (self.symbol != f"{self.base}-{self.quote}", f"a symbol is base-quote, here {self.base}-{self.quote}"),
            (not self.base or not self.quote or self.base == self.quote, "base and quote must be two assets"),
            (min(self.tick_size, self.lot_size) <= 0, "tick and lot must be positive"),
            (min(self.quantity_min, self.price_max) <= 0, "the bounds must be positive"),
            (self.quantity_min > self.quantity_max, "the smallest quantity is larger than the largest"),
            (self.notional_min < 0, "the minimum notional must not be negative"),
            (not 0 <= self.fee_rate_max <= money.ONE, "the fee rate must be a fraction from 0 to 1"),
            (self.tick_size * self.lot_size % money.ONE != 0, "a price times a quantity is not exact on the grid"),
            (largest * 2 > money.AMOUNT_MAX, "the largest order and its fee do not fit decimal(38, 18)"),
        )
        for wrong, why in faults:
            if wrong:
                raise ValueError(f"{self.venue} {self.symbol!r}: {why}")


class Rulebook:
    """The instruments of all venues, by venue and symbol. Raises ValueError for two rules on one symbol of a venue."""

    __slots__ = ("_instruments", "venues")

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        found: dict[tuple[str, str], Instrument] = {}
        for instrument in instruments:
            if found.setdefault((instrument.venue, instrument.symbol), instrument) is not instrument:
                raise ValueError(f"{instrument.venue} has two rules for {instrument.symbol}")
        self._instruments: Mapping[tuple[str, str], Instrument] = found
        self.venues = frozenset(venue for venue, _ in self._instruments)

    def find(self, venue: str, symbol: str) -> Instrument | None:
        return self._instruments.get((venue, symbol))

    def of(self, venue: str) -> tuple[Instrument, ...]:
        return tuple(i for i in self._instruments.values() if i.venue == venue)
