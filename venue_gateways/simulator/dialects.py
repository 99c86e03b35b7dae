"""The dialects that the simulated venue speaks, by the name of the venue whose API it is."""

from collections.abc import Callable, Mapping
from typing import Final

from venue_gateways.simulator.binance.front import Binance
from venue_gateways.simulator.coinbase.front import Coinbase
from venue_gateways.simulator.dialect import Dialect
from venue_gateways.simulator.kraken.front import Kraken

#: The venue that is nobody's: it has its own instruments, and Binance's API.
SIMULATED: Final = "simulated"

DIALECTS: Final[Mapping[str, Callable[[], Dialect]]] = {
    SIMULATED: Binance,
    "binance": Binance,
    "coinbase": Coinbase,
    "kraken": Kraken,
}
