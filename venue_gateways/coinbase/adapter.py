"""Coinbase Advanced Trade behind the seam: which request each call is, and what its answer means."""

import secrets
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec
from msgspec.structs import replace
from typing_extensions import override

from domain.messages import VenueRequest
from domain.throttle import Charge, Limit, windowed
from venue_gateways.coinbase import cancels, configurations, edits, errors, payloads, signing
from venue_gateways.coinbase.paging import Bookmark, bookmark
from venue_gateways.coinbase.stream import SILENCE_MAX_S, UserStream
from venue_gateways.credentials import Credentials, PrivateKey
from venue_gateways.grid import Grid, violation
from venue_gateways.memory import Memory
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
    Repeat,
    Rules,
    StreamSession,
    TradeSeen,
    Traits,
    Unparsable,
    decode,
)

HOST: Final = "api.coinbase.com"
_PREFIX: Final = "/api/v3/brokerage"
_ORDERS: Final = f"{_PREFIX}/orders"
_CANCELS: Final = f"{_ORDERS}/batch_cancel"
_EDITS: Final = f"{_ORDERS}/edit"
_HISTORY: Final = f"{_ORDERS}/historical"

#: Scope of lists: the account's are told all at once, whatever the product (documented: product_ids is optional).
ACCOUNT: Final = "account"
#: How many rows are asked for at a time. Told: at most 1,000 open orders are listed at all. Documented: at most 250
#: accounts. That as many fills are given is assumed.
ORDERS_PAGE: Final = 1_000
FILLS_PAGE: Final = 250
ACCOUNTS_PAGE: Final = 250

#: Told: 30 private requests a second for each user, 10 public ones for each address, 8 new streams. The page that said
#: so is gone, so less is used, and the headers of the answers correct it.
PRIVATE_PER_S: Final = 20
_PRIVATE, _PUBLIC, _STREAMS = "private_1s", "public_1s", "streams_1s"
_SECOND_US: Final = 1_000_000
#: Each answer tells how many requests are left in its second: no more is guarded against than the last ones being late.
_GUARD_US: Final = 5_000

#: Nothing is published on how long an order may take; safe is half a minute after its token has expired (assumed).
_ENGINE_US: Final = 30 * _SECOND_US
#: An order isn't listed as older than its first sending; clocks differ.
_CLOCKS_US: Final = 60 * _SECOND_US
#: How far back an order is searched for that wasn't sent from here. One that is still open is found however old.
_SEARCH_US: Final = 24 * 3600 * _SECOND_US
#: A look-up that would take more pages than this is given up.
_PAGES_MAX: Final = 400
_REFUSED_MAX: Final = 10_000

#: Tokens count whole seconds, and a placement's, or an edit's, expires no later than asked: of less than this, too
#: little is left.
LIFETIME_MIN_MS: Final = 2_000

_JSON: Final = ("Content-Type", "application/json")

Parameters = list[tuple[str, str]]


class Search(Call, frozen=True):
    """One page of the orders of *symbol*, all or those that are open, among which one may be."""

    symbol: str
    client_order_id: str
    cursor: str = ""
    only_open: bool = False


class Coinbase(Adapter):
    """One account at Coinbase.

    *host* is the one that is called: tokens name it. *lifetime_ms*: the token of a placement, or of an edit, expires so
    soon after it was signed, so that one that was held up is refused: an edit that came after a later one would make
    the order larger again. *nonce* makes what is in each token but once.
    """

    def __init__(
        self,
        name: str,
        key_name: str,
        private_key: PrivateKey,
        *,
        host: str = HOST,
        lifetime_ms: int = 5_000,
        requests_per_s: int = PRIVATE_PER_S,
        self_trade_prevention_id: str | None = None,
        nonce: Callable[[], str] = secrets.token_hex,
    ) -> None:
        if lifetime_ms < LIFETIME_MIN_MS:
            raise ValueError(
                f"tokens count whole seconds: make lifetime_ms {LIFETIME_MIN_MS} or more, not {lifetime_ms}"
            )
        self.name = name
        self.traits = Traits(
            Repeat.SAME_ORDER,
            late_us=lifetime_ms * 1_000 + _ENGINE_US,
            changes_by_venue_order_id=True,
            silence_max_s=SILENCE_MAX_S,
        )
        self.limits: tuple[Limit, ...] = (
            windowed(_PRIVATE, requests_per_s, _SECOND_US, kept_back=True, guard_us=_GUARD_US),
            windowed(_PUBLIC, 10, _SECOND_US, kept_back=True),
            windowed(_STREAMS, 8, _SECOND_US),
        )
        self._tokens = signing.Tokens(key_name, private_key)
        self._host = host
        self._lifetime_us = lifetime_ms * 1_000
        self._self_trade_prevention_id = self_trade_prevention_id
        self._nonce = nonce
        self._names: dict[str, str] = {}  # ours to the venue's
        self._ours: dict[str, str] = {}
        self._grids: Mapping[str, Grid] = {}
        self._venue_ids: Memory[str, str] = Memory()  # by client order ID
        self._sent_us: Memory[str, int] = Memory()
        self._refused: Memory[Call, bool] = Memory(_REFUSED_MAX)  # which have had a 401

    @override
    def rekey(self, credentials: Credentials) -> None:
        self._tokens = signing.Tokens(credentials.key.get_secret_value(), signing.private_key(credentials))
        self._refused.clear()

    # ── requests ───────────────────────────────────────────────────────────────────────────────────────────────────

    @override
    def build(self, call: Call, now_us: int) -> HttpRequest:
        expires_at_s = (now_us + self._lifetime_us) // _SECOND_US  # of what must not come late
        match call:
            case ReadClock():
                return HttpRequest("GET", f"{_PREFIX}/time")
            case ReadRules():
                return HttpRequest("GET", f"{_PREFIX}/market/products?product_type=SPOT")
            case Place(request):
                if self._sent_us.get(request.client_order_id) is None:
                    self._sent_us.note(request.client_order_id, now_us)
                return self._post(_ORDERS, self._order(request), now_us, expires_at_s)
            case Amend(request, venue_order_id):
                body = edits.body(request, self._id(request, venue_order_id))
                return self._post(_EDITS, body, now_us, expires_at_s)
            case Cancel() | CancelAll():
                return self._post(_CANCELS, {"order_ids": self._canceled(call)}, now_us)
            case _:
                return self._get(*self._query(call, now_us), now_us)

    def _query(self, call: Call, now_us: int) -> tuple[str, Parameters]:
        """Path and parameters of a call that asks for something of the account's."""
        path, parameters = f"{_HISTORY}/batch", []
        match call:
            case FindOrder(symbol, client_order_id, venue_order_id):
                found = venue_order_id or self._venue_ids.get(client_order_id or "")
                if found is None:
                    parameters = self._orders(symbol, Bookmark(self._first_us(client_order_id or "")))
                else:
                    path = f"{_HISTORY}/{quote(found, safe='')}"
            case Search(symbol, client_order_id, cursor, only_open):
                since_us = None if only_open else self._first_us(client_order_id) or now_us - _SEARCH_US
                parameters = self._orders(symbol, Bookmark(since_us, cursor=cursor), only_open=only_open)
            case ListOpenOrders(scope):
                parameters = self._orders(scope, Bookmark(), only_open=True)
            case ListOrders(scope, position, since_us):
                parameters = self._orders(scope, bookmark(position, since_us))
            case ListTrades(scope, venue_order_id, position, since_us):
                of = [("order_ids", venue_order_id)] if venue_order_id else self._of(scope)
                page = _page("start_sequence_timestamp", bookmark(position, since_us), FILLS_PAGE)
                path, parameters = f"{_HISTORY}/fills", [*of, *page]
            case ReadBalances(position):
                path, parameters = f"{_PREFIX}/accounts", _page("", Bookmark(cursor=position or ""), ACCOUNTS_PAGE)
            case ReadQuotes(symbols):
                path, parameters = f"{_PREFIX}/best_bid_ask", [("product_ids", self._name(each)) for each in symbols]
            case _:
                raise TypeError(f"Coinbase has no {type(call).__name__}")
        return path, parameters

    def _first_us(self, client_order_id: str) -> int | None:
        """When that order can have been created at the earliest, if it was sent from here."""
        sent_us = self._sent_us.get(client_order_id)
        return None if sent_us is None else sent_us - _CLOCKS_US

    def _orders(self, scope: str, mark: Bookmark, *, only_open: bool = False) -> Parameters:
        """Told: OPEN can't be listed together with any other status, and excludes what is PENDING or QUEUED."""
        status = [("order_status", "OPEN")] if only_open else []
        return [("product_type", "SPOT"), *self._of(scope), *status, *_page("start_date", mark, ORDERS_PAGE)]

    def _of(self, scope: str) -> Parameters:
        """Told: only the plural is heeded; the singular is silently ignored."""
        return [] if scope == ACCOUNT else [("product_ids", self._name(scope))]

    def _order(self, request: VenueRequest) -> dict[str, Any]:
        order: dict[str, Any] = {
            "client_order_id": request.client_order_id,
            "product_id": self._name(request.symbol),
            "side": request.side.value,
            "order_configuration": configurations.configuration(request),
        }
        if self._self_trade_prevention_id is not None:
            order["self_trade_prevention_id"] = self._self_trade_prevention_id
        return order

    def _canceled(self, call: Cancel | CancelAll) -> tuple[str, ...]:
        """The venue's own IDs of what *call* cancels."""
        if isinstance(call, CancelAll):
            return call.venue_order_ids
        return (self._id(call.request, call.venue_order_id),)

    def _id(self, request: VenueRequest, venue_order_id: str | None) -> str:
        found = venue_order_id or self._venue_ids.get(request.client_order_id)
        if found is None:
            raise ValueError(f"{request.client_order_id} can't be changed before its venue order ID is looked up")
        return found

    def _get(self, path: str, parameters: Parameters, now_us: int) -> HttpRequest:
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters)
        return HttpRequest("GET", f"{path}?{query}" if query else path, (self._bearer("GET", path, now_us),))

    def _post(self, path: str, body: object, now_us: int, expires_at_s: int | None = None) -> HttpRequest:
        headers = (self._bearer("POST", path, now_us, expires_at_s), _JSON)
        return HttpRequest("POST", path, headers, msgspec.json.encode(body))

    def _bearer(self, method: str, path: str, now_us: int, expires_at_s: int | None = None) -> tuple[str, str]:
        """Documented: the token names the path without its query."""
        uri = f"{method} {self._host}{path}"
        token = self._tokens.token(now_us // _SECOND_US, self._nonce(), uri=uri, expires_at_s=expires_at_s)
        return "Authorization", f"Bearer {token}"

    def _name(self, symbol: str) -> str:
        """The venue's name of *symbol*; of one it doesn't list, the name it would have."""
        return self._names.get(symbol, symbol)

    # ── answers ────────────────────────────────────────────────────────────────────────────────────────────────────

    @override
    def parse(self, call: Call, response: HttpResponse) -> Answer:
        if not 200 <= response.status < 300:
            return self._not_ok(call, response)
        try:
            self._refused.forget(call)
            return _PARSERS[type(call)](self, call, response.body)
        except Unparsable as error:
            return Answer(Outcome.UNKNOWN, f"UNPARSABLE: {error}"[:200])

    def _not_ok(self, call: Call, response: HttpResponse) -> Answer:
        again = self._refused.get(call) is not None
        if response.status == 401:
            self._refused.note(call, True)
        answer = errors.refusal(call, response, again=again)
        return replace(answer, limit=_limit_of(call)) if response.status == 429 else answer

    def parse_placement(self, call: Place, body: bytes) -> Answer:
        """Documented: the answer to a client order ID that isn't new is the order that has it, so it is compared."""
        request = call.request
        payload: payloads.PlacementPayload = decode(body, payloads.PlacementPayload)
        if not payload.success:
            return errors.not_placed(decode(bytes(payload.error_response) or b"{}", errors.PlacementError))
        created = payload.success_response
        if created is None or created.client_order_id != request.client_order_id:
            raise Unparsable(f"the answer is about {created.client_order_id if created else 'nothing'!r}")
        self._venue_ids.note(request.client_order_id, created.order_id)
        same = (created.product_id, created.side) == (self._name(request.symbol), request.side.value)
        if not same or not configurations.agrees(request, payload.order_configuration or {}):
            return Answer(Outcome.UNKNOWN, f"ANOTHER_ORDER: {created.order_id}"[:60])
        order = OrderSeen(request.client_order_id, request.symbol, OrderState.OPEN, 0, venue_order_id=created.order_id)
        return Answer(Outcome.ACCEPTED, order=order)

    def parse_cancel(self, call: Cancel, body: bytes) -> Answer:
        return cancels.of_one(body, call.venue_order_id or self._venue_ids.get(call.request.client_order_id))

    def parse_cancels(self, call: CancelAll, body: bytes) -> Answer:
        return cancels.of_many(body, call.venue_order_ids)

    def parse_found(self, call: FindOrder, body: bytes) -> Answer:
        """Either the order itself, or, if its ID at the venue wasn't known, a list in which it may be."""
        payload: payloads.FoundPayload = decode(body, payloads.FoundPayload)
        if payload.order is None:
            return self._searched(call.client_order_id or "", body)
        order = self._seen(payload.order)
        if order is None:
            raise Unparsable(f"unknown product {payload.order.product_id!r}")
        asked = (call.venue_order_id or order.venue_order_id, call.client_order_id or order.client_order_id)
        if (order.venue_order_id, order.client_order_id) != asked:
            raise Unparsable(f"the answer is about {order.venue_order_id}, which is {order.client_order_id!r}")
        return Answer(Outcome.ACCEPTED, order=order)

    def parse_search(self, call: Search, body: bytes) -> Answer:
        return self._searched(call.client_order_id, body)

    def _searched(self, client_order_id: str, body: bytes) -> Answer:
        payload: payloads.OrdersPayload = decode(body, payloads.OrdersPayload)
        for order in self._all_seen(payload):
            if order.client_order_id == client_order_id:
                return Answer(Outcome.ACCEPTED, order=order)
        if payload.next_cursor:
            return Answer(Outcome.REJECTED, "NOT_ON_THIS_PAGE", position=payload.next_cursor, more=True)
        return Answer(Outcome.REJECTED, "ORDER_NOT_FOUND", absent=True)

    def parse_orders(self, call: ListOrders | ListOpenOrders, body: bytes) -> Answer:
        payload: payloads.OrdersPayload = decode(body, payloads.OrdersPayload)
        mark = bookmark(call.position, call.since_us) if isinstance(call, ListOrders) else Bookmark()
        position = mark.turned(None, payload.next_cursor).position()
        return Answer(
            Outcome.ACCEPTED, orders=self._all_seen(payload), position=position, more=bool(payload.next_cursor)
        )

    def parse_trades(self, call: ListTrades, body: bytes) -> Answer:
        payload: payloads.FillsPayload = decode(body, payloads.FillsPayload)
        fills = sorted(payload.fills, key=payloads.posted_us)
        mark = bookmark(call.position, call.since_us)
        turned = mark.turned(payloads.posted_us(fills[-1]) if fills else None, payload.next_cursor)
        trades = tuple(filter(None, map(self._traded, fills)))
        return Answer(Outcome.ACCEPTED, trades=trades, position=turned.position(), more=bool(payload.next_cursor))

    def _traded(self, fill: payloads.FillPayload) -> TradeSeen | None:
        """None for what is no trade, or of a product that nothing of ours can be of."""
        symbol = self._ours.get(fill.product_id)
        if symbol is None or fill.trade_type != payloads.TRADE:
            return None
        return payloads.trade_seen(fill, symbol, self._grids.get(symbol, Grid()).lot_size)

    def _all_seen(self, payload: payloads.OrdersPayload) -> tuple[OrderSeen, ...]:
        return tuple(filter(None, (self._seen(order) for order in payload.orders)))

    def _seen(self, payload: payloads.OrderPayload) -> OrderSeen | None:
        """None for an order on a product that nothing of ours can be on."""
        symbol = self._ours.get(payload.product_id)
        if symbol is None:
            return None
        order = payloads.order_seen(payload, symbol)
        self._note(order)
        return order

    def _note(self, order: OrderSeen) -> None:
        if order.venue_order_id and order.client_order_id:  # others' orders may have none
            self._venue_ids.note(order.client_order_id, order.venue_order_id)

    def parse_balances(self, _call: ReadBalances, body: bytes) -> Answer:
        payload: payloads.AccountsPayload = decode(body, payloads.AccountsPayload)
        balances, cursor = tuple(map(payloads.balance, payload.accounts)), payload.next_cursor
        return Answer(Outcome.ACCEPTED, balances=balances, position=cursor or None, more=bool(cursor))

    def parse_quotes(self, _call: ReadQuotes, body: bytes) -> Answer:
        return Answer(Outcome.ACCEPTED, quotes=payloads.quotes(decode(body, payloads.BooksPayload), self._ours.get))

    def parse_rules(self, _call: ReadRules, body: bytes) -> Answer:
        return Answer(Outcome.ACCEPTED, rules=payloads.rules(decode(body, payloads.ProductsPayload), self.limits))

    def parse_clock(self, _call: ReadClock, body: bytes) -> Answer:
        payload: payloads.ClockPayload = decode(body, payloads.ClockPayload)
        return Answer(Outcome.ACCEPTED, venue_time_us=payload.milliseconds * 1_000)

    # ── rules and limits ───────────────────────────────────────────────────────────────────────────────────────────

    @override
    def learn(self, rules: Rules) -> None:
        self.limits = rules.limits
        self._names = dict(rules.symbols)
        self._ours |= {name: symbol for symbol, name in rules.symbols.items()}  # orders outlive listings
        self._grids = rules.grids

    @override
    def refusal(self, request: VenueRequest) -> str | None:
        grid = self._grids.get(request.symbol)
        if grid is None:
            return "UNKNOWN_SYMBOL"
        return violation(grid, request) if configurations.is_offered(request) else "UNSUPPORTED_ORDER"

    @override
    def charges(self, call: Call, now_us: int) -> tuple[Charge, ...]:
        return (Charge(_limit_of(call), 1),)

    @override
    def usage(self, response: HttpResponse) -> tuple[tuple[str, int], ...]:
        """Documented headers, by name alone: ``x-ratelimit-remaining`` is how many requests are left.

        Whatever limit they are about, no more than that are made in this second.
        """
        text = response.headers.get("x-ratelimit-remaining", "")
        if not text.isascii() or not text.isdigit() or len(text) >= 12:
            return ()
        return tuple(
            (limit.name, max(0, limit.published - int(text))) for limit in self.limits if limit.name == _PRIVATE
        )

    @override
    def lane(self, request: VenueRequest) -> str:
        return ""  # the limits are the user's, whatever the symbol

    # ── look-ups and the stream ────────────────────────────────────────────────────────────────────────────────────

    @override
    def look_up(self, symbol: str, client_order_id: str) -> LookUp:
        found = yield from self._find(symbol, client_order_id)
        if found.order is None:
            return Finding(usable=found.absent)
        if not found.order.filled_quantity or found.order.venue_order_id is None:
            return Finding(usable=True, order=found.order)
        trades: list[TradeSeen] = []
        position = None
        for _ in range(_PAGES_MAX):
            page = yield ListTrades(symbol, venue_order_id=found.order.venue_order_id, position=position)
            if page.outcome is not Outcome.ACCEPTED:
                return Finding(usable=False)
            trades += page.trades
            position = page.position
            if not page.more:
                return Finding(usable=True, order=found.order, trades=tuple(trades))
        return Finding(usable=False)

    def _find(self, symbol: str, client_order_id: str) -> Generator[Call, Answer, Answer]:
        """The answer that has the order, or the last one. Of old orders, only the open ones are looked through."""
        if self._venue_ids.get(client_order_id) is not None:
            return (yield FindOrder(symbol, client_order_id))
        page = Answer(Outcome.UNKNOWN)
        for only_open in (False, True):
            cursor = ""
            for _ in range(_PAGES_MAX):
                page = yield Search(symbol, client_order_id, cursor, only_open)
                cursor = page.position or ""
                if not page.more:
                    break
            if not page.absent:  # there it is, or nobody knows
                break
        return page

    @override
    def cancel_all(self, listed: Iterable[OrderSeen], *, whole_account: bool) -> tuple[CancelAll, ...]:
        return tuple(cancels.calls(listed))

    @override
    def scopes(self, symbols: Iterable[str]) -> tuple[str, ...]:
        return (ACCOUNT,) if any(symbol in self._names for symbol in symbols) else ()

    @override
    def stream_session(self, token: str | None) -> StreamSession:
        return UserStream(self._stream_token, self._ours.get, self._note)

    def _stream_token(self, now_us: int) -> str:
        return self._tokens.token(now_us // _SECOND_US, self._nonce())


def _page(since: str, mark: Bookmark, rows: int) -> Parameters:
    """A page of *rows*, by the parameter that says *since* when."""
    start = [(since, payloads.instant_text(mark.since_us))] if mark.since_us is not None else []
    return [*start, ("limit", str(rows)), *([("cursor", mark.cursor)] if mark.cursor else [])]


_LIMITS: Final[Mapping[type[Call], str]] = {ReadClock: _PUBLIC, ReadRules: _PUBLIC, OpenStream: _STREAMS}


def _limit_of(call: Call) -> str:
    return _LIMITS.get(type(call), _PRIVATE)


_PARSERS: Final[Mapping[type[Call], Callable[[Coinbase, Any, bytes], Answer]]] = {
    Place: Coinbase.parse_placement,
    Cancel: Coinbase.parse_cancel,
    Amend: lambda _coinbase, _call, body: edits.answer(body),
    CancelAll: Coinbase.parse_cancels,
    FindOrder: Coinbase.parse_found,
    Search: Coinbase.parse_search,
    ListTrades: Coinbase.parse_trades,
    ListOrders: Coinbase.parse_orders,
    ListOpenOrders: Coinbase.parse_orders,
    ReadBalances: Coinbase.parse_balances,
    ReadRules: Coinbase.parse_rules,
    ReadClock: Coinbase.parse_clock,
    ReadQuotes: Coinbase.parse_quotes,
}
