"""What Kraken sends and is sent, as its documents and recorded messages show it."""

from urllib.parse import parse_qsl

import msgspec

from domain import money
from domain.messages import Operation, OrderType, Side, VenueRequest
from venue_gateways.kraken import Kraken
from venue_gateways.kraken.signing import KrakenSigner
from venue_gateways.venue import Call, HttpResponse, ReadRules

NOON = 1_616_492_376_594_000
OURS = "00000000-0000-8000-8000-000000000001"
TXID = "OUF4EM-FRGI2-MQMWZD"
PAIRS = {
    "XXBTZUSD": {
        "altname": "XBTUSD",
        "wsname": "XBT/USD",
        "base": "XXBT",
        "quote": "ZUSD",
        "pair_decimals": 1,
        "cost_decimals": 5,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "fees": [[0, 0.4], [10000, 0.35]],
        "ordermin": "0.0001",
        "costmin": "0.5",
        "tick_size": "0.1",
        "status": "online",
    },
    "XDGUSD": {
        "altname": "XDGUSD",
        "wsname": "XDG/USD",
        "pair_decimals": 7,
        "lot_decimals": 8,
        "ordermin": "50",
        "costmin": "0.5",
        "status": "cancel_only",
    },
    "ETHUSDT": {"altname": "ETHUSDT", "wsname": "ETH/USDT", "pair_decimals": 2, "lot_decimals": 8},
    "XXBTZUSD.d": {"altname": "XBTUSD.d", "pair_decimals": 1, "lot_decimals": 8},
}
ORDER = {
    "refid": None,
    "userref": 0,
    "cl_ord_id": OURS,
    "status": "open",
    "opentm": 1688666559.8974,
    "starttm": 0,
    "expiretm": 0,
    "descr": {
        "pair": "XBTUSD",
        "type": "buy",
        "ordertype": "limit",
        "price": "30010.0",
        "price2": "0",
        "leverage": "none",
        "order": "buy 1.25000000 XBTUSD @ limit 30010.0",
        "close": "",
    },
    "vol": "1.25000000",
    "vol_exec": "0.37500000",
    "cost": "11253.7",
    "fee": "0.00000",
    "price": "30010.0",
    "stopprice": "0.00000",
    "limitprice": "0.00000",
    "misc": "",
    "oflags": "fciq",
    "trades": ["TCCCTY-WE2O6-P3NB37"],
}
TRADE = {
    "ordertxid": TXID,
    "postxid": "TKH2SE-M7IF5-CFI7LT",
    "pair": "XXBTZUSD",
    "time": 1688667796.8802,
    "type": "buy",
    "ordertype": "limit",
    "price": "30010.00000",
    "cost": "600.20000",
    "fee": "0.90030",
    "vol": "0.37500000",
    "margin": "0.00000",
    "misc": "",
    "trade_id": 93748276,
    "maker": True,
}


def raw(body: object) -> bytes:
    return body if isinstance(body, bytes) else msgspec.json.encode(body)


def answer(result: object, status: int = 200) -> HttpResponse:
    return HttpResponse(status, {}, raw({"error": [], "result": result}))


def error(*texts: str, status: int = 200) -> HttpResponse:
    return HttpResponse(status, {}, raw({"error": texts}))


def closed(*orders: dict[str, object], count: int | None = None) -> HttpResponse:
    listed = {f"O{number:05}-AAAAA-AAAAAA": order for number, order in enumerate(orders)}
    return answer({"closed": listed, "count": len(orders) if count is None else count})


def order(operation: Operation = Operation.PLACE, **fields: object) -> VenueRequest:
    made = {
        "request_id": "r",
        "client_order_id": OURS,
        "user_id": "u",
        "order_id": "o",
        "venue": "kraken",
        "symbol": "BTC-USD",
        "operation": operation,
        "sequence": 1,
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "quantity": money.parse("1.25"),
        "price": money.parse("37500"),
        "requested_at": 0,
    }
    return VenueRequest(**(made | fields))


def unlearned() -> Kraken:
    return Kraken("kraken", "key", KrakenSigner(b"secret"))


def learned() -> Kraken:
    made = unlearned()
    rules = made.parse(ReadRules(), answer(PAIRS)).rules
    assert rules is not None
    made.learn(rules)
    return made


def fields(adapter: Kraken, call: Call, now_us: int = NOON) -> dict[str, str]:
    return dict(parse_qsl(adapter.build(call, now_us).body.decode(), strict_parsing=True))
