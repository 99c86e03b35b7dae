"""One row for each venue: its adapter, and what the venue answers, as its documents or recordings show it.

A new venue joins the contract suite with one more row in DIALECTS.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from domain import money
from domain.messages import VenueRequest
from tests.venue_gateways.binance import examples as binance
from tests.venue_gateways.coinbase import examples as coinbase
from tests.venue_gateways.kraken import examples as kraken
from venue_gateways.binance import Binance
from venue_gateways.binance.signing import HmacSigner
from venue_gateways.coinbase.adapter import Search
from venue_gateways.kraken.calls import FindClosed, FindOpen, FindTrades
from venue_gateways.venue import (
    Adapter,
    Amend,
    Balance,
    Call,
    Cancel,
    CancelAll,
    FindOrder,
    HttpResponse,
    ListOpenOrders,
    ListOrders,
    ListTrades,
    Outcome,
    Place,
    QuoteSeen,
    ReadBalances,
    ReadClock,
    ReadQuotes,
    ReadRules,
    ReadStreamToken,
    ReadUsage,
)

Path = tuple[str | int, ...]

#: What every venue quotes here.
QUOTE = QuoteSeen("BTC-USD", 4 * money.ONE, 431 * money.ONE, money.parse("4.000002"), 9 * money.ONE)


class Dialect(msgspec.Struct, frozen=True):
    """*succeeds* has each call with its answer when all is well; the order in it is open, and *client_order_id* is its
    name. *balances* is what the account has; *amounts* and *status* are where the answer to *found* has them;
    *nowhere* are the answers to what a look-up asks, for an order that isn't there. *messages* are a connection's
    private stream from its beginning.
    """

    adapter: Callable[[], Adapter]
    order: Callable[..., VenueRequest]
    client_order_id: str
    venue_order_id: str
    succeeds: Mapping[Call, HttpResponse]
    rejected: tuple[HttpResponse, str]
    try_again: HttpResponse
    repeated: tuple[HttpResponse, Outcome]
    found: FindOrder
    not_found: HttpResponse
    not_open: HttpResponse
    balances: tuple[Balance, ...]
    amounts: tuple[Path, ...]
    status: Path
    nowhere: Mapping[type[Call], HttpResponse]
    messages: tuple[bytes, ...]


def _binance() -> Adapter:
    made = Binance("binance", "key", HmacSigner("secret"))
    rules = made.parse(ReadRules(), binance.answer(200, binance.RULES)).rules
    assert rules is not None
    made.learn(rules)
    return made


_BINANCE_FOUND = FindOrder("BTC-USD", venue_order_id="28")
_BINANCE_EVENT = {
    "e": "executionReport",
    "s": "BTCUSD",
    "c": binance.OURS,
    "x": "TRADE",
    "X": "PARTIALLY_FILLED",
    "i": 28,
    "l": "1.25",
    "z": "1.25",
    "L": "4000.5",
    "n": "0.004",
    "N": "BNB",
    "T": 1499405658657,
    "t": 56,
    "m": False,
    "r": "NONE",
    "S": "BUY",
}
BINANCE = Dialect(
    adapter=_binance,
    order=binance.order,
    client_order_id=binance.OURS,
    venue_order_id="28",
    succeeds={
        Place(binance.order()): binance.answer(200, binance.ORDER),
        Cancel(binance.order()): binance.answer(200, binance.ORDER | {"status": "CANCELED"}),
        Amend(binance.order()): binance.answer(200, binance.AMENDED),
        CancelAll(("BTC-USD",)): binance.answer(200, [binance.ORDER | {"status": "CANCELED"}]),
        _BINANCE_FOUND: binance.answer(200, binance.ORDER),
        ListTrades("BTC-USD"): binance.answer(200, [binance.TRADE]),
        ListOrders("BTC-USD"): binance.answer(200, [binance.ORDER]),
        ListOpenOrders("BTC-USD"): binance.answer(200, [binance.ORDER]),
        ReadRules(): binance.answer(200, binance.RULES),
        ReadClock(): binance.answer(200, {"serverTime": 1499827319559}),
        ReadBalances(): binance.answer(
            200, {"balances": [{"asset": "BTC", "free": "4723846.89208129", "locked": "0.5"}], "canTrade": True}
        ),
        ReadQuotes(("BTC-USD",)): binance.answer(
            200,
            [
                {
                    "symbol": "BTCUSD",
                    "bidPrice": "4.00000000",
                    "bidQty": "431.00000000",
                    "askPrice": "4.00000200",
                    "askQty": "9.00000000",
                }
            ],
        ),
        ReadUsage(): binance.answer(200, [binance.RULES["rateLimits"][1] | {"count": 7}]),
    },
    rejected=(binance.error(-2010, "Account has insufficient balance for requested action."), "INSUFFICIENT_FUNDS"),
    try_again=binance.error(-1015, "Too many new orders.", status=429),
    repeated=(binance.error(-2010, "Duplicate order sent."), Outcome.UNKNOWN),
    found=_BINANCE_FOUND,
    not_found=binance.error(-2013, "Order does not exist."),
    not_open=binance.error(-2011, "Unknown order sent."),
    balances=(Balance("BTC", money.parse("4723846.89208129"), money.parse("0.5")),),
    amounts=(("executedQty",),),
    status=("status",),
    nowhere={FindOrder: binance.error(-2013, "Order does not exist.")},
    messages=(
        msgspec.json.encode({"id": "1", "status": 200, "result": {"subscriptionId": 0}}),
        msgspec.json.encode({"subscriptionId": 0, "event": _BINANCE_EVENT}),
    ),
)

_KRAKEN_FOUND = FindOrder("BTC-USD", venue_order_id=kraken.TXID)
_KRAKEN_EVENT = {
    "order_id": kraken.TXID,
    "cl_ord_id": kraken.OURS,
    "symbol": "BTC/USD",
    "side": "buy",
    "exec_type": "trade",
    "order_status": "partially_filled",
    "timestamp": "2023-09-22T10:33:05.709993Z",
    "exec_id": "TGBB7L-HT5LX-J3BZ4A",
    "cum_qty": 1.25,
    "last_qty": 1.25,
    "last_price": 4000.5,
    "liquidity_ind": "t",
    "fees": [{"asset": "USD", "qty": 0.3458}],
}
_KRAKEN_TRADE = "TCCCTY-WE2O6-P3NB37"
KRAKEN = Dialect(
    adapter=kraken.learned,
    order=kraken.order,
    client_order_id=kraken.OURS,
    venue_order_id=kraken.TXID,
    succeeds={
        Place(kraken.order()): kraken.answer({"descr": {"order": "buy"}, "txid": [kraken.TXID]}),
        Cancel(kraken.order()): kraken.answer({"count": 1}),
        Amend(kraken.order()): kraken.answer({"amend_id": "TTW6PD-RC36L-ZZSWNU"}),
        CancelAll(("BTC-USD",)): kraken.answer({"count": 4}),
        CancelAll(("BTC-USD",), (kraken.TXID,)): kraken.answer({"count": 1}),
        _KRAKEN_FOUND: kraken.answer({kraken.TXID: kraken.ORDER}),
        FindOpen(kraken.OURS): kraken.answer({"open": {kraken.TXID: kraken.ORDER}}),
        FindClosed(kraken.OURS): kraken.closed(kraken.ORDER | {"status": "closed"}),
        FindTrades((_KRAKEN_TRADE,)): kraken.answer({_KRAKEN_TRADE: kraken.TRADE}),
        ListTrades("account"): kraken.answer({"trades": {_KRAKEN_TRADE: kraken.TRADE}, "count": 1}),
        ListOrders("account"): kraken.closed(kraken.ORDER | {"status": "closed"}),
        ListOpenOrders("account"): kraken.answer({"open": {kraken.TXID: kraken.ORDER}}),
        ReadBalances(): kraken.answer(
            {
                "ZUSD": {"balance": "25435.21", "hold_trade": "8249.76"},
                "XXBT": {"balance": "1.2435", "hold_trade": "0.8423"},
                "ZORA": {"balance": "1", "hold_trade": "0"},
            }
        ),
        ReadRules(): kraken.answer(kraken.PAIRS),
        ReadClock(): kraken.answer({"unixtime": 1688669448}),
        ReadQuotes(("BTC-USD",)): kraken.answer(
            {
                "XXBTZUSD": {
                    "a": ["4.0000020", "9", "9.000"],
                    "b": ["4.0000000", "431", "431.000"],
                    "c": ["4.0000020", "0.00067643"],
                    "t": [34619, 38907],
                    "o": "4.1000000",
                }
            }
        ),
        ReadStreamToken(): kraken.answer({"token": "1Dwc4l", "expires": 900}),
    },
    rejected=(kraken.error("EOrder:Insufficient funds"), "INSUFFICIENT_FUNDS"),
    try_again=kraken.error("EOrder:Rate limit exceeded"),
    repeated=(kraken.error("EGeneral:Invalid arguments:cl_ord_id"), Outcome.UNKNOWN),
    found=_KRAKEN_FOUND,
    not_found=kraken.error("EOrder:Unknown order"),
    not_open=kraken.error("EOrder:Unknown order"),
    balances=(
        Balance("USD", money.parse("17185.45"), money.parse("8249.76")),
        Balance("BTC", money.parse("0.4012"), money.parse("0.8423")),
        Balance("ZORA", money.ONE, 0),
    ),
    amounts=(("result", kraken.TXID, "vol_exec"), ("result", kraken.TXID, "vol")),
    status=("result", kraken.TXID, "status"),
    nowhere={FindOpen: kraken.answer({"open": {}}), FindClosed: kraken.closed()},
    messages=(
        msgspec.json.encode({"method": "subscribe", "success": True, "result": {"channel": "executions"}}),
        msgspec.json.encode({"channel": "executions", "type": "snapshot", "data": [], "sequence": 1}),
        msgspec.json.encode({"channel": "executions", "type": "update", "data": [_KRAKEN_EVENT], "sequence": 2}),
        msgspec.json.encode({"channel": "heartbeat"}),
    ),
)

_COINBASE_FOUND = FindOrder("BTC-USD", venue_order_id=coinbase.THEIRS)
_COINBASE_UPDATE = {
    "order_id": coinbase.THEIRS,
    "client_order_id": coinbase.OURS,
    "cumulative_quantity": "1.25",
    "leaves_quantity": "0.001",
    "status": "OPEN",
    "product_id": "BTC-USD",
    "order_side": "BUY",
    "order_type": "Limit",
    "cancel_reason": "",
    "reject_reason": "",
}
COINBASE = Dialect(
    adapter=lambda: coinbase.adapter(self_trade_prevention_id="1"),
    order=coinbase.order,
    client_order_id=coinbase.OURS,
    venue_order_id=coinbase.THEIRS,
    succeeds={
        Place(coinbase.order()): coinbase.answer(200, coinbase.PLACED),
        Cancel(coinbase.order(), coinbase.THEIRS): coinbase.canceled(success=True),
        Amend(coinbase.order(), coinbase.THEIRS): coinbase.edited(success=True),
        CancelAll(("BTC-USD",), (coinbase.THEIRS,)): coinbase.canceled(success=True),
        _COINBASE_FOUND: coinbase.answer(200, {"order": coinbase.ORDER}),
        Search("BTC-USD", coinbase.OURS): coinbase.listed(coinbase.ORDER),
        ListTrades("account"): coinbase.fills(coinbase.FILL),
        ListOrders("account"): coinbase.listed(coinbase.ORDER),
        ListOpenOrders("account"): coinbase.listed(coinbase.ORDER),
        ReadBalances(): coinbase.answer(200, coinbase.ACCOUNTS),
        ReadQuotes(("BTC-USD",)): coinbase.answer(
            200,
            {
                "pricebooks": [
                    {
                        "product_id": "BTC-USD",
                        "bids": [{"price": "4", "size": "431"}],
                        "asks": [{"price": "4.000002", "size": "9"}],
                        "time": "2024-01-15T10:30:00.123456Z",
                    }
                ]
            },
        ),
        ReadRules(): coinbase.answer(200, coinbase.RULES),
        ReadClock(): coinbase.answer(
            200, {"iso": "2024", "epochSeconds": "1705314600", "epochMillis": "1705314600123"}
        ),
    },
    rejected=(coinbase.refused(error="INSUFFICIENT_FUND"), "INSUFFICIENT_FUNDS"),
    try_again=coinbase.answer(429, {"errors": [{"id": "rate_limit_exceeded", "message": "slow down"}]}),
    repeated=(coinbase.answer(200, coinbase.PLACED), Outcome.ACCEPTED),
    found=_COINBASE_FOUND,
    not_found=coinbase.answer(404, {"error": "NOT_FOUND", "message": "order with this orderID was not found"}),
    not_open=coinbase.canceled(success=False, reason="UNKNOWN_CANCEL_ORDER"),
    balances=(
        Balance("BTC", money.parse("1.23"), money.parse("0.01")),
        Balance("USD", money.parse("10000.5"), money.parse("450")),
    ),
    amounts=(("order", "filled_size"),),
    status=("order", "status"),
    nowhere={Search: coinbase.listed()},
    messages=(
        msgspec.json.encode(
            {"channel": "subscriptions", "sequence_num": 0, "events": [{"subscriptions": {"user": ["0a1b"]}}]}
        ),
        msgspec.json.encode(
            {"channel": "user", "sequence_num": 1, "events": [{"type": "update", "orders": [_COINBASE_UPDATE]}]}
        ),
        msgspec.json.encode({"channel": "heartbeats", "sequence_num": 2, "events": [{"heartbeat_counter": 7}]}),
    ),
)

DIALECTS: Mapping[str, Dialect] = {"binance": BINANCE, "coinbase": COINBASE, "kraken": KRAKEN}


def changed(response: HttpResponse, path: Path, value: object) -> HttpResponse:
    """*response* with what is at *path* of its body replaced."""
    body = msgspec.json.decode(response.body)
    inner: Any = body
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return HttpResponse(response.status, response.headers, msgspec.json.encode(body))


def leaves(body: object, path: Path = ()) -> list[Path]:
    """Where *body* has something that is neither an object nor a list."""
    if isinstance(body, dict):
        return [found for name, inner in body.items() for found in leaves(inner, (*path, name))]
    if isinstance(body, list):
        return [found for index, inner in enumerate(body) for found in leaves(inner, (*path, index))]
    return [path]


def with_surprises(body: object) -> object:
    """*body* with a field more in every object that has any that are named in the documents."""
    if isinstance(body, dict):
        inner = {name: with_surprises(value) for name, value in body.items()}
        is_map = all(isinstance(value, dict) for value in body.values())  # by ID, say: one more would be one more
        return inner if is_map else inner | {"surprise": {"of": ["tomorrow", 1.5, None]}}
    return [with_surprises(value) for value in body] if isinstance(body, list) else body
