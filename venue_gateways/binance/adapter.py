"""Binance Spot behind the seam: which request each call is, and what its answer means."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

from typing_extensions import override

from domain import money
from domain.messages import OrderType, TimeInForce, VenueRequest
from domain.throttle import Charge, Limit, windowed
from venue_gateways.binance import errors, payloads, signing
from venue_gateways.binance.stream import Session
from venue_gateways.credentials import Credentials
from venue_gateways.grid import Grid, violation
from venue_gateways.venue import (
    Adapter,
    Amend,
    Answer,
    Call,
    Cancel,
    CancelAll,
    Finding,
    FindOrder,
    HttpRequest,
    HttpResponse,
    ListOpenOrders,
    ListOrders,
    ListTrades,
    LookUp,
    OpenStream,
    OrderSeen,
    OrderState,
    Outcome,
    Place,
    ReadBalances,
    ReadClock,
    ReadQuotes,
    ReadRules,
    ReadUsage,
    Repeat,
    Rules,
    StreamSession,
    TradeSeen,
    Traits,
    Unparsable,
    decode,
)

#: Documented: at most this many trades or orders come in one answer.
PAGE: Final = 1000

#: Until exchangeInfo is read: the figures of the documents' examples.
DOCUMENTED_LIMITS: Final = (
    windowed("request_weight_1m", 6_000, 60_000_000, heaviest=payloads.HEAVIEST, kept_back=True),
    windowed("raw_requests_5m", 61_000, 300_000_000, kept_back=True),
    windowed("orders_10s", 50, 10_000_000),
)

#: Documented weights of the calls below (rest-api.md). ListTrades costs less for one order.
_WEIGHTS: Final[Mapping[type[Call], int]] = {
    Place: 1,
    Cancel: 1,
    Amend: 4,
    CancelAll: 1,
    FindOrder: 4,
    ListTrades: 20,
    ListOrders: 20,
    ListOpenOrders: 6,
    ReadRules: 20,
    ReadBalances: 20,
    ReadQuotes: 4,  # of any number of symbols
    ReadClock: 1,
    ReadUsage: 40,
    OpenStream: 4,  # 2 for the connection, 2 for the subscription
}
_ENDPOINTS: Final[Mapping[type[Call], tuple[str, str]]] = {
    Place: ("POST", "/api/v3/order"),
    Cancel: ("DELETE", "/api/v3/order"),
    Amend: ("PUT", "/api/v3/order/amend/keepPriority"),
    CancelAll: ("DELETE", "/api/v3/openOrders"),
    FindOrder: ("GET", "/api/v3/order"),
    ListTrades: ("GET", "/api/v3/myTrades"),
    ListOrders: ("GET", "/api/v3/allOrders"),
    ListOpenOrders: ("GET", "/api/v3/openOrders"),
    ReadBalances: ("GET", "/api/v3/account"),
    ReadRules: ("GET", "/api/v3/exchangeInfo"),
    ReadClock: ("GET", "/api/v3/time"),
    ReadQuotes: ("GET", "/api/v3/ticker/bookTicker"),
    ReadUsage: ("GET", "/api/v3/rateLimit/order"),
}
_PUBLIC: Final = frozenset({ReadRules, ReadClock, ReadQuotes})
_WEIGHT_OF_ONE_ORDERS_TRADES: Final = 5

_TYPES: Final[Mapping[OrderType, str]] = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.STOP: "STOP_LOSS",
    OrderType.STOP_LIMIT: "STOP_LOSS_LIMIT",
}
#: Documented: the receive window is looked at a last time before the matching engine, which may then take 10 s.
_ENGINE_US: Final = 10_000_000

#: Documented: which types have a timeInForce. GTD is unknown to the venue; such an order is canceled from here.
_TIMED: Final = frozenset({"LIMIT", "STOP_LOSS_LIMIT"})
_TIMES: Final[Mapping[TimeInForce, str]] = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
    TimeInForce.GTD: "GTC",
}

Parameters = list[tuple[str, str]]


class Binance(Adapter):
    """One account at Binance Spot, or at a venue that speaks its dialect under another *name*."""

    def __init__(
        self,
        name: str,
        key: str,
        signer: signing.Signer,
        *,
        receive_window_ms: int = 5_000,
        self_trade_prevention: str = "EXPIRE_TAKER",
    ) -> None:
        self.name = name
        # documented: an ID is unique among open orders, and may be used again once its order has ended
        self.traits = Traits(Repeat.SECOND_ORDER, late_us=receive_window_ms * 1_000 + _ENGINE_US)
        self.limits: tuple[Limit, ...] = DOCUMENTED_LIMITS
        self._key, self._signer = key, signer
        self._receive_window_ms = receive_window_ms
        self._self_trade_prevention = self_trade_prevention
        self._names: dict[str, str] = {}  # ours to the venue's
        self._ours: dict[str, str] = {}
        self._grids: Mapping[str, Grid] = {}

    @override
    def rekey(self, credentials: Credentials) -> None:
        signer = signing.signer(credentials)
        self._key, self._signer = credentials.key.get_secret_value(), signer

    # ── requests ───────────────────────────────────────────────────────────────────────────────────────────────────

    @override
    def build(self, call: Call, now_us: int) -> HttpRequest:
        method, path = _ENDPOINTS[type(call)]
        if type(call) in _PUBLIC:
            return HttpRequest(method, path + self._public_query(call))
        timing = [("recvWindow", str(self._receive_window_ms)), ("timestamp", str(now_us // 1000))]
        target = f"{path}?{signing.signed_query([*self._parameters(call), *timing], self._signer)}"
        return HttpRequest(method, target, (("X-MBX-APIKEY", self._key),))

    def _public_query(self, call: Call) -> str:
        """Documented: symbols are a JSON array."""
        if not isinstance(call, ReadQuotes):
            return ""
        names = ",".join(f'"{self._name(symbol)}"' for symbol in call.symbols)
        return f"?symbols={quote(f'[{names}]', safe='')}"

    def _parameters(self, call: Call) -> Parameters:
        parameters: Parameters = []
        match call:
            case Place(request):
                parameters = self._order(request)
            case Cancel(request):
                parameters = [("symbol", self._name(request.symbol)), ("origClientOrderId", request.client_order_id)]
            case Amend(request):
                parameters = [
                    ("symbol", self._name(request.symbol)),
                    ("origClientOrderId", request.client_order_id),
                    ("newClientOrderId", request.client_order_id),  # documented: the current one may be used again
                    ("newQty", money.text(request.quantity)),
                ]
            case CancelAll((symbol,)):
                parameters = [("symbol", self._name(symbol))]
            case FindOrder(symbol, client_order_id, venue_order_id):
                by = ("orderId", venue_order_id) if venue_order_id else ("origClientOrderId", client_order_id or "")
                parameters = [("symbol", self._name(symbol)), by]
            case ListTrades(scope, venue_order_id, position, since_us):
                of = [("orderId", venue_order_id)] if venue_order_id else []
                parameters = [("symbol", self._name(scope)), *of, *_page("fromId", position, since_us)]
            case ListOrders(scope, position, since_us):
                parameters = [("symbol", self._name(scope)), *_page("orderId", position, since_us)]
            case ListOpenOrders(scope):
                parameters = [("symbol", self._name(scope))]
            case ReadBalances():
                parameters = [("omitZeroBalances", "true")]
            case _:
                pass
        return parameters

    def _order(self, request: VenueRequest) -> Parameters:
        type_ = "LIMIT_MAKER" if request.post_only else _TYPES[request.order_type]
        parameters = [("symbol", self._name(request.symbol)), ("side", request.side.value), ("type", type_)]
        if type_ in _TIMED:
            parameters.append(("timeInForce", _TIMES[request.time_in_force]))
        parameters.append(("quantity", money.text(request.quantity)))
        if request.price is not None and type_ not in {"MARKET", "STOP_LOSS"}:
            parameters.append(("price", money.text(request.price)))
        if request.stop_price is not None and type_.startswith("STOP_LOSS"):
            parameters.append(("stopPrice", money.text(request.stop_price)))
        return [
            *parameters,
            ("newClientOrderId", request.client_order_id),
            ("newOrderRespType", "FULL"),  # the default is ACK for stop orders, which tells no fills (documented)
            ("selfTradePreventionMode", self._self_trade_prevention),
        ]

    def _name(self, symbol: str) -> str:
        """The venue's name of *symbol*; of one it doesn't list, the name it would have."""
        return self._names.get(symbol) or symbol.replace("-", "")

    def _symbol(self, name: str) -> str:
        try:
            return self._ours[name]
        except KeyError as error:
            raise Unparsable(f"unknown symbol {name!r}") from error

    # ── answers ────────────────────────────────────────────────────────────────────────────────────────────────────

    @override
    def parse(self, call: Call, response: HttpResponse) -> Answer:
        if not 200 <= response.status < 300:
            return self._refused(call, errors.refusal(call, response))
        try:
            return _PARSERS[type(call)](self, call, response.body)
        except Unparsable as error:
            return Answer(Outcome.UNKNOWN, f"UNPARSABLE: {error}"[:200])

    def _refused(self, call: Call, answer: Answer) -> Answer:
        """An archived order (-2026) is known after all: it ended with nothing executed, long ago (documented)."""
        if answer.reason != "ORDER_ARCHIVED" or not isinstance(call, FindOrder):
            return answer
        order = OrderSeen(call.client_order_id or "", call.symbol, OrderState.CANCELED, 0, reason="ARCHIVED")
        return Answer(Outcome.ACCEPTED, order=order)

    def parse_order(self, call: Call, body: bytes) -> Answer:
        payload: payloads.OrderPayload = decode(body, payloads.OrderPayload)
        order = payloads.order_seen(payload, self._symbol)
        asked = call.request.client_order_id if isinstance(call, Place | Cancel) else order.client_order_id
        if order.client_order_id != asked:
            raise Unparsable(f"the answer is about {order.client_order_id!r}")
        if order.state is OrderState.REJECTED and isinstance(call, Place):
            return Answer(Outcome.REJECTED, order.reason or "VENUE_REFUSED", order=order)
        return Answer(Outcome.ACCEPTED, order=order, trades=payloads.immediate_trades(payload, self._symbol))

    def parse_amended(self, call: Amend, body: bytes) -> Answer:
        payload: payloads.AmendmentPayload = decode(body, payloads.AmendmentPayload)
        order = payloads.amended_seen(payload, self._symbol)
        if order.client_order_id != call.request.client_order_id:
            raise Unparsable(f"the answer is about {order.client_order_id!r}")
        return Answer(Outcome.ACCEPTED, order=order)

    def parse_trades(self, call: Call, body: bytes) -> Answer:
        listed: tuple[payloads.TradePayload, ...] = decode(body, tuple[payloads.TradePayload, ...])
        trades = tuple(payloads.trade_seen(trade, self._symbol) for trade in listed)
        position = str(listed[-1].id + 1) if listed else getattr(call, "position", None)
        return Answer(Outcome.ACCEPTED, trades=trades, position=position, more=len(listed) >= PAGE)

    def parse_orders(self, call: Call, body: bytes) -> Answer:
        listed: tuple[payloads.OrderPayload, ...] = decode(body, tuple[payloads.OrderPayload, ...])
        orders = tuple(payloads.order_seen(order, self._symbol) for order in listed)
        position = str(listed[-1].order_id + 1) if listed else getattr(call, "position", None)
        return Answer(Outcome.ACCEPTED, orders=orders, position=position, more=len(listed) >= PAGE)

    def parse_canceled(self, _call: CancelAll, body: bytes) -> Answer:
        """Documented: the answer has every order that was canceled. One with an order list in it, which none of ours
        is in, is not understood: what is still listed as open tells.
        """
        listed: tuple[payloads.OrderPayload, ...] = decode(body, tuple[payloads.OrderPayload, ...])
        return Answer(Outcome.ACCEPTED, orders=tuple(payloads.order_seen(order, self._symbol) for order in listed))

    def parse_balances(self, _call: Call, body: bytes) -> Answer:
        payload: payloads.AccountPayload = decode(body, payloads.AccountPayload)
        return Answer(Outcome.ACCEPTED, balances=tuple(map(payloads.balance, payload.balances)))

    def parse_quotes(self, _call: Call, body: bytes) -> Answer:
        listed: tuple[payloads.TickerPayload, ...] = decode(body, tuple[payloads.TickerPayload, ...])
        return Answer(Outcome.ACCEPTED, quotes=payloads.quotes(listed, self._symbol))

    def parse_rules(self, _call: Call, body: bytes) -> Answer:
        return Answer(Outcome.ACCEPTED, rules=payloads.rules(decode(body, payloads.ExchangePayload)))

    def parse_clock(self, _call: Call, body: bytes) -> Answer:
        payload: payloads.ClockPayload = decode(body, payloads.ClockPayload)
        return Answer(Outcome.ACCEPTED, venue_time_us=payload.server_time * 1000)

    def parse_usage(self, _call: Call, body: bytes) -> Answer:
        listed: tuple[payloads.RateLimitPayload, ...] = decode(body, tuple[payloads.RateLimitPayload, ...])
        return Answer(Outcome.ACCEPTED, usage=tuple((payloads.limit_name(limit), limit.count) for limit in listed))

    # ── limits ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @override
    def refusal(self, request: VenueRequest) -> str | None:
        return violation(self._grids.get(request.symbol, Grid()), request)

    @override
    def charges(self, call: Call, now_us: int) -> tuple[Charge, ...]:
        weight = _WEIGHTS[type(call)]
        if isinstance(call, ListTrades) and call.venue_order_id:
            weight = _WEIGHT_OF_ONE_ORDERS_TRADES
        return tuple(
            Charge(limit.name, weight if limit.name.startswith("request_weight") else 1)
            for limit in self.limits
            if not limit.name.startswith(errors.ORDERS_LIMITS) or isinstance(call, Place)
        )

    @override
    def usage(self, response: HttpResponse) -> tuple[tuple[str, int], ...]:
        """Documented headers: ``X-MBX-USED-WEIGHT-1M`` on every answer, ``X-MBX-ORDER-COUNT-10S`` on placements."""
        found = []
        for header, limit in (("x-mbx-used-weight-", "request_weight_"), ("x-mbx-order-count-", "orders_")):
            for name, text in response.headers.items():
                if name.startswith(header) and text.isascii() and text.isdigit() and len(text) < 12:
                    found.append((limit + name.removeprefix(header).lower(), int(text)))
        return tuple(found)

    @override
    def learn(self, rules: Rules) -> None:
        self.limits = rules.limits
        self._names = dict(rules.symbols)
        self._ours = {name: symbol for symbol, name in rules.symbols.items()}
        self._grids = rules.grids

    @override
    def lane(self, request: VenueRequest) -> str:
        return ""  # the limits are the account's and the address's, whatever the symbol

    # ── look-ups and the stream ────────────────────────────────────────────────────────────────────────────────────

    @override
    def look_up(self, symbol: str, client_order_id: str) -> LookUp:
        found = yield FindOrder(symbol, client_order_id=client_order_id)
        if found.order is None:
            return Finding(usable=found.absent)
        if not found.order.filled_quantity or found.order.venue_order_id is None:
            return Finding(usable=True, order=found.order)
        trades: list[TradeSeen] = []
        position = None
        while True:
            page = yield ListTrades(symbol, venue_order_id=found.order.venue_order_id, position=position)
            if page.outcome is not Outcome.ACCEPTED:
                return Finding(usable=False)
            trades += page.trades
            position = page.position
            if not page.more:
                return Finding(usable=True, order=found.order, trades=tuple(trades))

    @override
    def cancel_all(self, listed: Iterable[OrderSeen], *, whole_account: bool) -> tuple[CancelAll, ...]:
        """Documented: all of one symbol at a time."""
        return tuple(CancelAll((symbol,)) for symbol in sorted({order.symbol for order in listed}))

    @override
    def scopes(self, symbols: Iterable[str]) -> tuple[str, ...]:
        return tuple(symbol for symbol in sorted(symbols) if symbol in self._names)

    @override
    def stream_session(self, token: str | None) -> StreamSession:
        return Session(self._key, self._signer, self._symbol)


def _page(name: str, position: str | None, since_us: int | None) -> Parameters:
    """From where a list starts. From a time on, the oldest come first (assumed; documented for IDs)."""
    if position is not None:
        return [(name, position), ("limit", str(PAGE))]
    return [*([("startTime", str(since_us // 1000))] if since_us is not None else []), ("limit", str(PAGE))]


_PARSERS: Final[Mapping[type[Call], Callable[[Binance, Any, bytes], Answer]]] = {
    Place: Binance.parse_order,
    Cancel: Binance.parse_order,
    Amend: Binance.parse_amended,
    CancelAll: Binance.parse_canceled,
    FindOrder: Binance.parse_order,
    ListTrades: Binance.parse_trades,
    ListOrders: Binance.parse_orders,
    ListOpenOrders: Binance.parse_orders,
    ReadBalances: Binance.parse_balances,
    ReadRules: Binance.parse_rules,
    ReadClock: Binance.parse_clock,
    ReadQuotes: Binance.parse_quotes,
    ReadUsage: Binance.parse_usage,
}
