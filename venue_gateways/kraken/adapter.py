"""Kraken Spot behind the seam: which request each call is, and what its answer means.

An order is placed, amended and canceled without a word on what became of it: that is on the stream, and in the
look-ups. No address is for tests (documented), so all of this is from documents and recorded messages.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from typing_extensions import override

from domain import money
from domain.messages import OrderType, Side, TimeInForce, VenueRequest
from domain.throttle import Charge, Limit
from runtime.settings import SettingsError
from venue_gateways.credentials import Credentials
from venue_gateways.grid import Grid, violation
from venue_gateways.kraken import errors, limits, pages, payloads
from venue_gateways.kraken.calls import FindClosed, FindOpen, FindTrades, Found
from venue_gateways.kraken.signing import KrakenSigner, Nonces, form, signer
from venue_gateways.kraken.stream import Session
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
    OrderSeen,
    OrderState,
    Outcome,
    Place,
    ReadBalances,
    ReadClock,
    ReadQuotes,
    ReadRules,
    ReadStreamToken,
    Remedy,
    Repeat,
    Rules,
    StreamSession,
    TradeSeen,
    Traits,
    Unparsable,
    decode,
)

#: Documented: how far ahead the deadline of an order, or an amendment, may be. It has to be above the lower bound on
#: arrival.
DEADLINE_MIN_MS: Final = 3_000
DEADLINE_MAX_MS: Final = 60_000
#: How long after its deadline an order may not be found yet (assumed; documented: "may be absent briefly").
_SETTLING_US: Final = 5_000_000
#: Documented: a heartbeat comes every second, and a connection without any for five is to be given up.
_SILENCE_MAX_S: Final = 5.0
#: Documented: at most so many trades in one query.
_TRADES_MAX: Final = 20
#: All trades and orders of the account are in one list.
_ACCOUNT: Final = "account"

_ENDPOINTS: Final[Mapping[type[Call], str]] = {
    Place: "AddOrder",
    Cancel: "CancelOrder",
    Amend: "AmendOrder",
    CancelAll: "CancelAll",
    FindOrder: "QueryOrders",
    FindOpen: "OpenOrders",
    FindClosed: "ClosedOrders",
    FindTrades: "QueryTrades",
    ListTrades: "TradesHistory",
    ListOrders: "ClosedOrders",
    ListOpenOrders: "OpenOrders",
    ReadBalances: "BalanceEx",
    ReadStreamToken: "GetWebSocketsToken",
}
_PUBLIC: Final[Mapping[type[Call], str]] = {ReadRules: "AssetPairs", ReadClock: "Time", ReadQuotes: "Ticker"}
#: Of the REST counter. Documented: "ledger/trade history calls" count 2, AddOrder and CancelOrder nothing, all else 1.
#: Assumed: AmendOrder, which the engine counts as it does those, nothing either.
_COSTS: Final[Mapping[type[Call], int]] = {
    FindOrder: 1,
    FindOpen: 1,
    FindClosed: 1,
    FindTrades: limits.DEAREST_CALL,
    ListTrades: limits.DEAREST_CALL,
    ListOrders: 1,
    ListOpenOrders: 1,
    ReadBalances: 1,
    ReadStreamToken: 1,
    CancelAll: 1,
}

_TYPES: Final[Mapping[OrderType, str]] = {
    OrderType.MARKET: "market",
    OrderType.LIMIT: "limit",
    OrderType.STOP: "stop-loss",
    OrderType.STOP_LIMIT: "stop-loss-limit",
}
_SIDES: Final[Mapping[Side, str]] = {Side.BUY: "buy", Side.SELL: "sell"}
#: Documented. An order that is good till a date is canceled from here, as at every venue.
_TIMES: Final[Mapping[TimeInForce, str]] = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
    TimeInForce.GTD: "GTC",
}
#: Documented: those with a limit price have a time in force.
_TIMED: Final = frozenset({"limit", "stop-loss-limit"})

Fields = list[tuple[str, str]]


class Kraken(Adapter):
    """One account at Kraken Spot. Raises SettingsError for a receive window that can't be an order's deadline."""

    def __init__(
        self,
        name: str,
        key: str,
        signer: KrakenSigner,
        *,
        receive_window_ms: int = 5_000,
        tier: limits.Tier = limits.Tier.STARTER,
        self_trade_prevention: str = "cancel-newest",
    ) -> None:
        if not DEADLINE_MIN_MS <= receive_window_ms <= DEADLINE_MAX_MS:
            raise SettingsError(f"for Kraken, receive_window_ms must be from {DEADLINE_MIN_MS} to {DEADLINE_MAX_MS}")
        self.name = name
        self._window_us = receive_window_ms * 1_000
        self.traits = Traits(
            Repeat.SECOND_ORDER,  # documented: an ID is unique among the open orders of a client
            late_us=self._window_us + _SETTLING_US,
            ordered_calls=True,  # documented: a nonce that arrives after a higher one is refused
            stream_token=True,
            silence_max_s=_SILENCE_MAX_S,
        )
        self.limits: tuple[Limit, ...] = limits.limits(tier)
        self._key, self._signer, self._nonces = key, signer, Nonces()
        self._self_trade_prevention = self_trade_prevention
        self._ages = limits.Ages()
        self._names: Mapping[str, str] = {}  # ours to the venue's
        self._ours: Mapping[str, str] = {}  # every name of the venue's to ours
        self._grids: Mapping[str, Grid] = {}

    @override
    def rekey(self, credentials: Credentials) -> None:
        signs = signer(credentials)
        self._key, self._signer = credentials.key.get_secret_value(), signs

    # ── requests ───────────────────────────────────────────────────────────────────────────────────────────────────

    @override
    def build(self, call: Call, now_us: int) -> HttpRequest:
        if type(call) in _PUBLIC:
            return HttpRequest("GET", f"/0/public/{_PUBLIC[type(call)]}{self._pairs(call)}", (_AGENT,))
        path = f"/0/private/{_ENDPOINTS[_kind(call)]}"
        nonce = self._nonces.take(now_us)
        body = form([("nonce", str(nonce)), *self._fields(call, now_us)])
        signed = (("API-Key", self._key), ("API-Sign", self._signer.sign(path, nonce, body)))
        return HttpRequest("POST", path, (*signed, _FORM, _AGENT), body)

    def _pairs(self, call: Call) -> str:
        """The query of a public call."""
        return f"?pair={','.join(map(self._name, call.symbols))}" if isinstance(call, ReadQuotes) else ""

    def _name(self, symbol: str) -> str:
        """The venue's name of *symbol*; of one it doesn't list, the name it would have."""
        return self._names.get(symbol) or symbol.replace("-", "")

    def _fields(self, call: Call, now_us: int) -> Fields:
        fields: Fields = []
        match call:
            case Place(request):
                fields = self._order(request, now_us)
            case Cancel(request):
                fields = [("cl_ord_id", request.client_order_id)]
            case Amend(request):
                fields = self._amendment(request, now_us)
            case CancelAll(_, (venue_order_id,)):
                fields = [("txid", venue_order_id)]
            case FindOrder(_, _, str(venue_order_id)):
                fields = [("txid", venue_order_id)]
            case FindOrder(_, str(client_order_id)) | FindOpen(client_order_id) | FindClosed(client_order_id):
                fields = [("trades", "true"), ("cl_ord_id", client_order_id)]
            case FindTrades(trade_ids):
                fields = [("txid", ",".join(trade_ids))]
            case ListTrades(_, _, position, since_us):
                # the stream, which can't be asked otherwise, has one trade for each taker (assumed: the same default)
                fields = [*pages.page(position, since_us).fields(), ("consolidate_taker", "true")]
            case ListOrders(_, position, since_us):
                fields = [*pages.page(position, since_us).fields(), ("closetime", "close")]
            case _:
                pass
        return fields

    def _order(self, request: VenueRequest, now_us: int) -> Fields:
        type_ = _TYPES[request.order_type]
        fields = [
            ("pair", self._name(request.symbol)),
            ("type", _SIDES[request.side]),
            ("ordertype", type_),
            ("volume", money.text(request.quantity)),
            *_prices(type_, request),
        ]
        if type_ in _TIMED:
            fields.append(("timeinforce", _TIMES[request.time_in_force]))
        deadline_us = now_us + self._window_us
        self._ages.note(request.client_order_id, deadline_us)
        return [
            *fields,
            ("cl_ord_id", request.client_order_id),
            ("oflags", "post,fciq" if request.post_only else "fciq"),
            ("stptype", self._self_trade_prevention),
            ("deadline", _rfc3339(deadline_us)),
        ]

    def _amendment(self, request: VenueRequest, now_us: int) -> Fields:
        """Its quantity and nothing else, so that the order keeps its place.

        It has a deadline because it could make an order larger, too: a copy that came after a further amendment would
        undo that. One with this key would be refused for its nonce; one with the key of a gateway that had the order
        before, only because it is late.
        """
        deadline_us = now_us + self._window_us
        self._ages.note_amended(request.client_order_id, deadline_us)
        return [
            ("cl_ord_id", request.client_order_id),
            ("order_qty", money.text(request.quantity)),
            ("deadline", _rfc3339(deadline_us)),
        ]

    # ── answers ────────────────────────────────────────────────────────────────────────────────────────────────────

    @override
    def parse(self, call: Call, response: HttpResponse) -> Answer:
        try:
            envelope: payloads.Envelope = decode(response.body, payloads.Envelope)
            failures = tuple(text for text in envelope.error if not text.startswith("W"))  # documented: a warning
            if not 200 <= response.status < 300:
                return errors.of_status(call, response.status, failures)
            if failures:
                return errors.refusal(call, failures)
            return _PARSERS[_kind(call)](self, call, bytes(envelope.result))
        except Unparsable as error:
            if not 200 <= response.status < 300:
                return errors.of_status(call, response.status, ())
            return Answer(Outcome.UNKNOWN, f"UNPARSABLE: {error}"[:200])

    def parse_placed(self, call: Place, body: bytes) -> Answer:
        placed: payloads.PlacedPayload = decode(body, payloads.PlacedPayload)
        if len(placed.txid) != 1 or not placed.txid[0]:
            raise Unparsable(f"{len(placed.txid)} orders were placed")
        request = call.request
        order = OrderSeen(request.client_order_id, request.symbol, OrderState.OPEN, 0, placed.txid[0])
        return Answer(Outcome.ACCEPTED, order=order)

    def parse_canceled(self, _call: Call, body: bytes) -> Answer:
        """How many were canceled, or will be: what that left of the order is not said."""
        canceled: payloads.CanceledPayload = decode(body, payloads.CanceledPayload)
        if canceled.count < 1:
            return Answer(Outcome.REJECTED, "ORDER_NOT_FOUND", Remedy.LOOK_UP)
        return Answer(Outcome.ACCEPTED)

    def parse_amended(self, _call: Call, body: bytes) -> Answer:
        """The name of the amendment, and not what the order is for now."""
        amended: payloads.AmendedPayload = decode(body, payloads.AmendedPayload)
        if not amended.amend_id:
            raise Unparsable("an amendment without an ID")
        return Answer(Outcome.ACCEPTED)

    def parse_all_canceled(self, _call: Call, body: bytes) -> Answer:
        decode(body, payloads.CanceledPayload)  # how many they were, or none
        return Answer(Outcome.ACCEPTED)

    def parse_queried(self, call: FindOrder, body: bytes) -> Answer:
        listed: dict[str, payloads.OrderPayload] = decode(body, dict[str, payloads.OrderPayload])
        if listed and call.venue_order_id not in listed:
            raise Unparsable(f"the answer is about {', '.join(listed)}")
        return self._found({txid: order for txid, order in listed.items() if txid == call.venue_order_id}, None)

    def parse_open(self, call: FindOpen, body: bytes) -> Answer:
        listed: payloads.OpenPayload = decode(body, payloads.OpenPayload)
        return self._found(listed.open, call.client_order_id)

    def parse_closed(self, call: FindClosed | FindOrder, body: bytes) -> Answer:
        listed: payloads.ClosedPayload = decode(body, payloads.ClosedPayload)
        return self._found(listed.closed, call.client_order_id)

    def _found(self, listed: Mapping[str, payloads.OrderPayload], client_order_id: str | None) -> Answer:
        """The one order there is, or that there is none. Two under one ID are one too many for anybody to choose."""
        if not listed:
            return Answer(Outcome.REJECTED, "ORDER_NOT_FOUND", absent=True)
        if len(listed) > 1:
            return Answer(Outcome.UNKNOWN, f"ORDERS_UNDER_ONE_ID {','.join(listed)}"[:200])
        ((txid, payload),) = listed.items()
        order = self._seen(txid, payload)
        if client_order_id is not None and order.client_order_id != client_order_id:
            raise Unparsable(f"the answer is about {order.client_order_id!r}")
        return Found(Outcome.ACCEPTED, order=order, trade_ids=payload.trades)

    def _seen(self, txid: str, payload: payloads.OrderPayload) -> OrderSeen:
        order = payloads.order_seen(txid, payload, self._symbol)
        for known_as in (order.client_order_id, txid):
            self._ages.note(known_as, payloads.instant(payload.opentm))
        return order

    def parse_open_orders(self, _call: Call, body: bytes) -> Answer:
        listed: payloads.OpenPayload = decode(body, payloads.OpenPayload)
        return Answer(Outcome.ACCEPTED, orders=tuple(self._seen(*item) for item in listed.open.items()))

    def parse_orders(self, call: ListOrders, body: bytes) -> Answer:
        listed: payloads.ClosedPayload = decode(body, payloads.ClosedPayload)
        orders = sorted((self._seen(*item) for item in listed.closed.items()), key=lambda order: order.updated_at or 0)
        page = pages.page(call.position, call.since_us)
        after, more = page.after([order.updated_at or 0 for order in orders], listed.count)
        return Answer(Outcome.ACCEPTED, orders=tuple(orders), position=after.position(), more=more)

    def parse_trades(self, call: ListTrades, body: bytes) -> Answer:
        listed: payloads.TradesPayload = decode(body, payloads.TradesPayload)
        trades = self._trades(listed.trades)
        after, more = pages.page(call.position, call.since_us).after([t.traded_at for t in trades], listed.count)
        wanted = tuple(trade for trade in trades if call.venue_order_id in {None, trade.venue_order_id})
        return Answer(Outcome.ACCEPTED, trades=wanted, position=after.position(), more=more)

    def parse_balances(self, _call: ReadBalances, body: bytes) -> Answer:
        listed: dict[str, payloads.BalancePayload] = decode(body, dict[str, payloads.BalancePayload])
        return Answer(Outcome.ACCEPTED, balances=tuple(payloads.balance(*item) for item in listed.items()))

    def parse_named_trades(self, call: FindTrades, body: bytes) -> Answer:
        listed: dict[str, payloads.TradePayload] = decode(body, dict[str, payloads.TradePayload])
        if set(listed) != set(call.trade_ids):
            raise Unparsable(f"{len(listed)} of {len(call.trade_ids)} trades")
        return Answer(Outcome.ACCEPTED, trades=tuple(self._trades(listed)))

    def _trades(self, listed: Mapping[str, payloads.TradePayload]) -> list[TradeSeen]:
        """Oldest first."""
        trades = [payloads.trade_seen(*item, self._symbol) for item in listed.items()]
        return sorted(trades, key=lambda trade: trade.traded_at)

    def parse_rules(self, _call: Call, body: bytes) -> Answer:
        pairs: dict[str, payloads.PairPayload] = decode(body, dict[str, payloads.PairPayload])
        if not pairs:
            raise Unparsable("no pairs")
        return Answer(Outcome.ACCEPTED, rules=payloads.rules(pairs, self.limits))

    def parse_clock(self, _call: Call, body: bytes) -> Answer:
        """The venue tells whole seconds (documented): half of one more is the best guess."""
        clock: payloads.ClockPayload = decode(body, payloads.ClockPayload)
        return Answer(Outcome.ACCEPTED, venue_time_us=clock.unixtime * 1_000_000 + 500_000)

    def parse_quotes(self, _call: ReadQuotes, body: bytes) -> Answer:
        listed: dict[str, payloads.TickerPayload] = decode(body, dict[str, payloads.TickerPayload])
        return Answer(Outcome.ACCEPTED, quotes=payloads.quotes(listed, self._ours))

    def parse_token(self, _call: Call, body: bytes) -> Answer:
        token: payloads.TokenPayload = decode(body, payloads.TokenPayload)
        if not token.token:
            raise Unparsable("an empty token")
        return Answer(Outcome.ACCEPTED, token=token.token)

    def _symbol(self, name: str) -> str:
        """Our name of a pair; of one that isn't listed any more, the venue's."""
        return self._ours.get(name, name)

    # ── limits and rules ───────────────────────────────────────────────────────────────────────────────────────────

    @override
    def charges(self, call: Call, now_us: int) -> tuple[Charge, ...]:
        match call:
            case Place(request):
                return (Charge(limits.TRADING, 1, request.symbol),)
            case Cancel(request) | Amend(request):
                costs = self._ages.cancel_cost if isinstance(call, Cancel) else self._ages.amend_cost
                cost = costs(request.client_order_id, now_us)
                return (Charge(limits.TRADING, cost, request.symbol),) if cost else ()
            case CancelAll((symbol,), (venue_order_id,)):
                cost = self._ages.cancel_cost(venue_order_id, now_us)
                return (Charge(limits.TRADING, cost, symbol),) if cost else ()
            case CancelAll(symbols):
                pairs = (Charge(limits.TRADING, limits.CANCEL_ALL, symbol) for symbol in symbols)
                return (Charge(limits.REST, _COSTS[CancelAll]), *pairs)
            case ReadQuotes():
                return (Charge(limits.PUBLIC, 1),)
            case _:
                cost = _COSTS.get(_kind(call), 0)
                return (Charge(limits.REST, cost),) if cost else ()

    @override
    def usage(self, response: HttpResponse) -> tuple[tuple[str, int], ...]:
        return ()  # no answer tells

    @override
    def learn(self, rules: Rules) -> None:
        self._names, self._ours, self._grids = rules.symbols, rules.aliases, rules.grids

    @override
    def refusal(self, request: VenueRequest) -> str | None:
        return violation(self._grids.get(request.symbol, Grid()), request)

    @override
    def lane(self, request: VenueRequest) -> str:
        return request.symbol  # each pair has its own counter

    # ── look-ups and the stream ────────────────────────────────────────────────────────────────────────────────────

    @override
    def look_up(self, symbol: str, client_order_id: str) -> LookUp:
        """As the venue's own SDK does: among the open orders, then among those that have ended."""
        found = yield FindOpen(client_order_id)
        if found.order is None and found.absent:
            found = yield FindClosed(client_order_id)
        if found.order is None or not isinstance(found, Found):
            return Finding(usable=found.absent)
        trades: list[TradeSeen] = []
        ids = found.trade_ids
        for first in range(0, len(ids), _TRADES_MAX):
            page = yield FindTrades(ids[first : first + _TRADES_MAX])
            if page.outcome is not Outcome.ACCEPTED:
                return Finding(usable=False)
            trades += page.trades
        whole = sum(trade.quantity for trade in trades) == found.order.filled_quantity
        return Finding(usable=True, order=found.order, trades=tuple(trades)) if whole else Finding(usable=False)

    @override
    def cancel_all(self, listed: Iterable[OrderSeen], *, whole_account: bool) -> tuple[CancelAll, ...]:
        """Documented: one call for all pairs. Those of some pairs alone are canceled one by one."""
        orders = tuple(listed)
        if whole_account:
            return (CancelAll(tuple(sorted({order.symbol for order in orders}))),) if orders else ()
        return tuple(CancelAll((order.symbol,), (order.venue_order_id,)) for order in orders if order.venue_order_id)

    @override
    def scopes(self, symbols: Iterable[str]) -> tuple[str, ...]:
        return (_ACCOUNT,) if any(symbol in self._names for symbol in symbols) else ()

    @override
    def stream_session(self, token: str | None) -> StreamSession:
        return Session(token or "", self._symbol, self._ages)


def _kind(call: Call) -> type[Call]:
    """What kind of call it comes to: an order can be queried by the venue's ID alone (documented)."""
    if isinstance(call, CancelAll) and call.venue_order_ids:
        return Cancel
    return FindClosed if isinstance(call, FindOrder) and call.venue_order_id is None else type(call)


def _prices(type_: str, request: VenueRequest) -> Fields:
    """Documented: ``price`` is the trigger's where there is one, and ``price2`` the limit then."""
    limit = [] if request.price is None else [money.text(request.price)]
    stop = [] if request.stop_price is None else [money.text(request.stop_price)]
    wanted = {"market": [], "limit": limit, "stop-loss": stop, "stop-loss-limit": [*stop, *limit]}[type_]
    fields = list(zip(("price", "price2"), wanted, strict=False))
    return [*fields, ("trigger", "last")] if stop and type_.startswith("stop-loss") else fields


def _rfc3339(at_us: int) -> str:
    at = datetime.fromtimestamp(at_us / 1_000_000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1_000:03d}Z"


_FORM: Final = ("Content-Type", "application/x-www-form-urlencoded")
_AGENT: Final = ("User-Agent", "fillstream")  # documented: required

_PARSERS: Final[Mapping[type[Call], Callable[[Kraken, Any, bytes], Answer]]] = {
    Place: Kraken.parse_placed,
    Cancel: Kraken.parse_canceled,
    Amend: Kraken.parse_amended,
    CancelAll: Kraken.parse_all_canceled,
    FindOrder: Kraken.parse_queried,
    FindOpen: Kraken.parse_open,
    FindClosed: Kraken.parse_closed,
    FindTrades: Kraken.parse_named_trades,
    ListTrades: Kraken.parse_trades,
    ListOrders: Kraken.parse_orders,
    ListOpenOrders: Kraken.parse_open_orders,
    ReadBalances: Kraken.parse_balances,
    ReadRules: Kraken.parse_rules,
    ReadClock: Kraken.parse_clock,
    ReadQuotes: Kraken.parse_quotes,
    ReadStreamToken: Kraken.parse_token,
}
