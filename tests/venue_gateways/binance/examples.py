"""What Binance sends and is sent, as its documents show it."""

import msgspec

from domain import money
from domain.messages import Operation, OrderType, Side, VenueRequest
from venue_gateways.binance import Binance
from venue_gateways.venue import (
    HttpResponse,
)

OURS = "00000000-0000-8000-8000-000000000001"
RULES = {
    "timezone": "UTC",
    "rateLimits": [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50},
        {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 160000},
        {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 61000},
    ],
    "symbols": [
        {"symbol": "BTCUSD", "baseAsset": "BTC", "quoteAsset": "USD", "status": "TRADING"},
        {"symbol": "XBTUSDT", "baseAsset": "BTC", "quoteAsset": "USDT", "status": "TRADING"},
    ],
}
ORDER = {
    "symbol": "BTCUSD",
    "orderId": 28,
    "clientOrderId": OURS,
    "transactTime": 1507725176595,
    "price": "1.00000000",
    "origQty": "10.00000000",
    "executedQty": "0.00000000",
    "cummulativeQuoteQty": "0.00000000",
    "status": "NEW",
    "type": "LIMIT",
    "fills": [],
}
AMENDED = {
    "transactTime": 1741669661670,
    "executionId": 22,
    "amendedOrder": {
        "symbol": "BTCUSD",
        "orderId": 28,
        "orderListId": -1,
        "origClientOrderId": OURS,
        "clientOrderId": OURS,
        "price": "1.00000000",
        "qty": "5.00000000",
        "executedQty": "0.00000000",
        "preventedQty": "0.00000000",
        "quoteOrderQty": "0.00000000",
        "cumulativeQuoteQty": "0.00000000",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "SELL",
        "workingTime": 1741669661670,
        "selfTradePreventionMode": "EXPIRE_TAKER",
    },
}
FILL = {"price": "4000.5", "qty": "1.25", "commission": "0.004", "commissionAsset": "BNB", "tradeId": 56}
TRADE = {
    "symbol": "BTCUSD",
    "id": 28457,
    "orderId": 28,
    "price": "4.000001",
    "qty": "12.0",
    "quoteQty": "48",
    "commission": "10.1",
    "commissionAsset": "BNB",
    "time": 1499865549590,
    "isBuyer": True,
    "isMaker": True,
}


def answer(status: int, body: object, **headers: str) -> HttpResponse:
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return HttpResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, data)


def error(code: int, message: str = "", status: int = 400, **headers: str) -> HttpResponse:
    return answer(status, {"code": code, "msg": message}, **headers)


def order(operation: Operation = Operation.PLACE, **fields: object) -> VenueRequest:
    made = {
        "request_id": "r",
        "client_order_id": OURS,
        "user_id": "u",
        "order_id": "o",
        "venue": "binance",
        "symbol": "BTC-USD",
        "operation": operation,
        "sequence": 1,
        "side": Side.SELL,
        "order_type": OrderType.LIMIT,
        "quantity": money.parse("0.00001"),
        "price": money.parse("60000.5"),
        "requested_at": 0,
    }
    return VenueRequest(**(made | fields))


def parameters(adapter: Binance, call) -> dict[str, str]:
    query = adapter.build(call, 1_000_000_000).target.partition("?")[2]
    pairs = dict(pair.split("=") for pair in query.split("&"))
    for name in ("recvWindow", "timestamp", "signature"):
        del pairs[name]
    return pairs
