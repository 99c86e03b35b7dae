"""The dialects that the simulated venue speaks, by the name of the venue whose API it is."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from venue_gateways.simulator.binance.front import Binance
from venue_gateways.simulator.binance.limits import Limit, LimitType
from venue_gateways.simulator.coinbase.front import Coinbase
from venue_gateways.simulator.coinbase.limits import PRIVATE_PER_S
from venue_gateways.simulator.dialect import Dialect
from venue_gateways.simulator.kraken.front import Kraken
from venue_gateways.simulator.kraken.limits import Tier

#: The venue that is nobody's: it has its own instruments, and Binance's API.
SIMULATED: Final = "simulated"


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """The limits that venues publish, as far as one may choose: Binance's two, Coinbase's, and the tier at Kraken."""

    weight_per_minute: int = 120_000
    orders_per_10_s: int = 8_000
    requests_per_s: int = PRIVATE_PER_S
    kraken_tier: str = Tier.PRO


def _binance(published: Published) -> Dialect:
    limits = (
        Limit(LimitType.REQUEST_WEIGHT, "MINUTE", 1, published.weight_per_minute),
        Limit(LimitType.ORDERS, "SECOND", 10, published.orders_per_10_s),
    )
    return Binance(limits=limits)


def _coinbase(published: Published) -> Dialect:
    return Coinbase(private_per_s=published.requests_per_s)


def _kraken(published: Published) -> Dialect:
    return Kraken(tier=Tier(published.kraken_tier))


DIALECTS: Final[Mapping[str, Callable[[Published], Dialect]]] = {
    SIMULATED: _binance,
    "binance": _binance,
    "coinbase": _coinbase,
    "kraken": _kraken,
}
