"""What Kraken calls things: transactions, assets and pairs, of which each has up to four names."""

import base64
import binascii
import secrets
from collections.abc import Iterable
from typing import Final

import msgspec
from typing_extensions import override

from domain.instruments import Instrument
from venue_gateways.simulator.names import ScrambledNames

#: 16 characters of base 32 in a transaction ID, after the letter that says what it is of.
_CHARACTERS: Final = 16
_BITS: Final = 5 * _CHARACTERS
_FACTOR: Final = 0x9E37_79B9_7F4A_7C15_F39D

#: Assets that are not called by their ticker symbol: by the REST API's old name, and in the names of pairs.
_ASSETS: Final = {
    "BTC": ("XXBT", "XBT"),
    "ETH": ("XETH", "ETH"),
    "XRP": ("XXRP", "XRP"),
    "LTC": ("XLTC", "LTC"),
    "DOGE": ("XXDG", "XDG"),
    "USD": ("ZUSD", "USD"),
    "EUR": ("ZEUR", "EUR"),
}


class Transactions(ScrambledNames):
    """``OABCDE-FGHIJ-KLMNOP`` for an order, ``T…`` for a trade."""

    def __init__(self, symbols: Iterable[str]) -> None:
        super().__init__(symbols, bits=_BITS, factor=_FACTOR)

    @override
    def written(self, kind: str, number: int) -> str:
        return _written(kind, number)

    @override
    def read(self, kind: str, name: str) -> int:
        parts = name.split("-")
        if [len(part) for part in parts] != [6, 5, 6] or not name.startswith(kind):
            raise ValueError(f"{name!r} is no transaction ID")
        try:
            return int.from_bytes(base64.b32decode("".join(parts)[1:]), "big")
        except binascii.Error as error:
            raise ValueError(f"{name!r} is no transaction ID") from error


def amendment() -> str:
    """A new ID of an amendment, which nobody can look up here; it looks like a trade's."""
    return _written("T", secrets.randbits(_BITS))


def _written(kind: str, number: int) -> str:
    text = base64.b32encode(number.to_bytes(_BITS // 8, "big")).decode()
    return f"{kind}{text[:5]}-{text[5:10]}-{text[10:]}"


class Pair(msgspec.Struct, frozen=True):
    """One symbol: ``XXBTZUSD`` is its *key*, ``XBTUSD`` its *altname*, ``XBT/USD`` its *wsname*, and ``BTC/USD`` what
    version 2 of the WebSocket API calls it.
    """

    instrument: Instrument
    key: str
    altname: str
    wsname: str
    name: str
    base: str
    quote: str

    @property
    def rest_names(self) -> tuple[str, ...]:
        """By which the REST API knows it."""
        return self.key, self.altname, self.wsname

    @property
    def price_decimals(self) -> int:
        return decimals(self.instrument.tick_size)

    @property
    def lot_decimals(self) -> int:
        return decimals(self.instrument.lot_size)


def pair(instrument: Instrument) -> Pair:
    base, quote = asset(instrument.base), asset(instrument.quote)
    base_alias, quote_alias = (_ASSETS.get(name, (name, name))[1] for name in (instrument.base, instrument.quote))
    altname = base_alias + quote_alias
    old = instrument.base in _ASSETS and instrument.quote in _ASSETS  # newer pairs have one name (assumed)
    return Pair(
        instrument=instrument,
        key=base + quote if old else altname,
        altname=altname,
        wsname=f"{base_alias}/{quote_alias}",
        name=f"{instrument.base}/{instrument.quote}",
        base=base,
        quote=quote,
    )


def asset(name: str) -> str:
    """The REST API's name of an asset: ``XXBT`` for ``BTC``."""
    return _ASSETS.get(name, (name, name))[0]


def decimals(units: int) -> int:
    """How many decimals an amount of *units* has."""
    digits = f"{units:019d}"[-18:].rstrip("0")
    return len(digits)
