"""What a venue calls its orders and trades: the core counts them, and each dialect has a way of writing the counts.

A name gives its number back, so that a journal can be read with nothing but the names in it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Final

from typing_extensions import override

from venue_gateways.simulator.orders import Execution

#: How many symbols a venue of unique trade names can have.
_SYMBOLS_MAX: Final = 1 << 12


class Names:
    """Plain decimal numbers: a trade's is its symbol's own, and the same for both sides (Binance)."""

    def order(self, number: int) -> str:  # others write it otherwise
        return str(number)

    def order_number(self, name: str) -> int:
        """Raises ValueError for what is no name."""
        return int(name)

    def trade(self, execution: Execution) -> str:
        return str(execution.trade_id)

    def trade_number(self, name: str) -> int:
        """Raises ValueError for what is no name."""
        return int(name)


class ScrambledNames(Names, ABC):
    """Names that tell nothing of any order: numbers of *bits* bits, multiplied by an odd *factor*.

    A trade's name is that of one side of it, and of no other trade of the venue. Subclasses say how numbers are
    written.
    """

    def __init__(self, symbols: Iterable[str], *, bits: int, factor: int) -> None:
        self._symbols = {symbol: number for number, symbol in enumerate(symbols)}
        self._modulus = 1 << bits
        self._factor = factor
        self._inverse = pow(factor, -1, self._modulus)

    @abstractmethod
    def written(self, kind: str, number: int) -> str:
        """The name of what has that *number* of that *kind*, ``O`` for orders, ``T`` for trades."""

    @abstractmethod
    def read(self, kind: str, name: str) -> int:
        """Raises ValueError for what is no name of that *kind*."""

    @override
    def order(self, number: int) -> str:
        return self.written("O", number * self._factor % self._modulus)

    @override
    def order_number(self, name: str) -> int:
        return self.read("O", name) * self._inverse % self._modulus

    @override
    def trade(self, execution: Execution) -> str:
        side = (execution.trade_id * 2 + execution.maker) * _SYMBOLS_MAX + self._symbols[execution.order.symbol]
        return self.written("T", side * self._factor % self._modulus)

    @override
    def trade_number(self, name: str) -> int:
        return self.read("T", name) * self._inverse % self._modulus // _SYMBOLS_MAX // 2
