"""An event as a broker would push it, signed."""

from typing import Any

import msgspec

from domain import ids
from venue_gateways.webhook.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign

NOW_US = 1_763_800_000_000_000
SECRET = "5f2b" * 16
OTHER_SECRET = "c0de" * 16
OURS = ids.client_order_id(3, ids.order_key("alice", "o"), 0)
ELSEWHERE = ids.client_order_id(4, ids.order_key("alice", "o"), 0)
BEYOND = ids.client_order_id(8, ids.order_key("alice", "o"), 0)

TRADE = {
    "trade_id": "11",
    "quantity": "0.5",
    "price": "20000.01",
    "fee": "-0.1",
    "fee_asset": "USD",
    "liquidity": "MAKER",
    "traded_at": NOW_US - 1,
}
EVENT = {
    "event_id": "e-1",
    "venue": "binance",
    "symbol": "BTC-USD",
    "client_order_id": OURS,
    "venue_order_id": "7",
    "state": "OPEN",
    "filled_quantity": "0.5",
    "trades": [TRADE],
    "updated_at": NOW_US,
}


def body(**changes: Any) -> bytes:
    """The event's bytes; what is changed to ``...`` is left out."""
    return msgspec.json.encode({name: value for name, value in (EVENT | changes).items() if value is not ...})


def headers(content: bytes, *, at_us: int = NOW_US, secret: str = SECRET) -> dict[str, str]:
    timestamp = str(at_us // 1_000_000)
    return {TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: sign(secret.encode(), timestamp, content)}
