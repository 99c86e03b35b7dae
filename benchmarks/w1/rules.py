"""What every variant in Python agrees on: symbols, venues, and what a user has at first."""

from typing import Final

SCALE: Final = 8
#: Three hundred million of each asset, in hundred millionths.
START: Final = 3 * 10**8 * 10**SCALE

SIDES: Final = ("BUY", "SELL")
TYPES: Final = ("LIMIT", "MARKET", "STOP")
TIMES_IN_FORCE: Final = ("GTC", "IOC", "FOK")
SYMBOLS: Final = tuple(
    f"{base}-{quote}" for base in ("BTC", "ETH", "SOL", "ADA", "XRP") for quote in ("USD", "EUR", "GBP", "JPY")
)

_VENUES: Final = ("BINX", "CBSE", "KRKN")
VENUES: Final = {symbol: _VENUES[(ord(symbol[0]) + ord(symbol[4])) % len(_VENUES)] for symbol in SYMBOLS}

#: What an order's row, its event and its request take over from the command.
ORDER_TERMS: Final = ("order_id", "user_id", "symbol", "side", "type", "price", "quantity", "time_in_force", "ts")
EVENT_TERMS: Final = ("command_id", "user_id", "order_id", "symbol", "side", "price", "quantity", "ts")
