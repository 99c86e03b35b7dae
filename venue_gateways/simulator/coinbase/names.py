"""What Coinbase calls things: everything is a UUID."""

from collections.abc import Iterable
from typing import Final
from uuid import NAMESPACE_OID, UUID, uuid5

from typing_extensions import override

from venue_gateways.simulator.names import ScrambledNames
from venue_gateways.simulator.orders import Execution

#: A UUID but for its version and its variant, which are always those of a random one.
_BITS: Final = 122
_FACTOR: Final = 0x2_9E37_79B9_7F4A_7C15_F39D_C0DE_CAFE_F00D


class Entries(ScrambledNames):
    """UUIDs of orders, and of the entries that fills are in the books of an account."""

    def __init__(self, symbols: Iterable[str]) -> None:
        super().__init__(symbols, bits=_BITS, factor=_FACTOR)

    @override
    def written(self, kind: str, number: int) -> str:
        high, middle, low = number >> 74, number >> 62 & 0xFFF, number & (1 << 62) - 1
        return str(UUID(int=high << 80 | 4 << 76 | middle << 64 | 2 << 62 | low))

    @override
    def read(self, kind: str, name: str) -> int:
        number = UUID(name).int
        return number >> 80 << 74 | (number >> 64 & 0xFFF) << 62 | number & (1 << 62) - 1


def trade_id(execution: Execution) -> str:
    """A trade's own ID, which both of its sides share."""
    return str(uuid5(NAMESPACE_OID, f"trade/{execution.order.symbol}/{execution.trade_id}"))


def account_id(account: str, asset: str) -> str:
    """The ID of an account's balance of one asset."""
    return str(uuid5(NAMESPACE_OID, f"account/{account}/{asset}"))


def user_id(account: str) -> str:
    return str(uuid5(NAMESPACE_OID, f"user/{account}"))


def portfolio_id(account: str) -> str:
    return str(uuid5(NAMESPACE_OID, f"portfolio/{account}"))
