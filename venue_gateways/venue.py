"""The seam between fillstream and a venue: what an adapter is asked, in values, and what it answers, in values.

An adapter does no I/O and reads no clock: it builds the bytes of a request and says what a response, or an event of the
private stream, means. Whoever calls it owns sockets, time, retries and limits. So every rule of a venue can be tested
as a function, and a new venue is one more implementation of :class:`Adapter`.
"""

from collections.abc import Generator, Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from domain.messages import Liquidity, Side, VenueRequest
from domain.throttle import Charge, Limit, Priority
from venue_gateways.credentials import Credentials
from venue_gateways.grid import Grid


class Value(msgspec.Struct, frozen=True, gc=False):
    """A frozen value."""


# ── bytes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class HttpRequest(Value, frozen=True):
    """What goes over the wire, exactly: *target* and *body* are the bytes that were signed."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class HttpResponse(Value, frozen=True):
    """What came back; the names of *headers* are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


# ── what a venue can be asked ───────────────────────────────────────────────────────────────────────────────────────


class Call(Value, frozen=True):
    """One HTTP exchange. An adapter may have calls of its own besides these, for its look-ups."""


class Place(Call, frozen=True):
    request: VenueRequest


class Cancel(Call, frozen=True):
    """*venue_order_id* is given if it is known; some venues change orders by nothing else (:class:`Traits`)."""

    request: VenueRequest
    venue_order_id: str | None = None


class Amend(Call, frozen=True):
    """Makes an order smaller where it is, so that it keeps its place in the queue: to the quantity of *request*, what
    it has traded included. Made twice, it comes to the same. *venue_order_id* as for :class:`Cancel`.

    At venues where an amendment may also make an order larger, :meth:`Adapter.build` gives it a short life: a copy that
    comes after the next amendment would undo that.
    """

    request: VenueRequest
    venue_order_id: str | None = None


class CancelAll(Call, frozen=True):
    """Many open orders, whoever placed them: those of *venue_order_ids*, or if there are none, all that the account has
    of *symbols*. See :meth:`Adapter.cancel_all`.
    """

    symbols: tuple[str, ...]
    venue_order_ids: tuple[str, ...] = ()


class FindOrder(Call, frozen=True):
    """One order, by either ID; by the venue's own if both are given."""

    symbol: str
    client_order_id: str | None = None
    venue_order_id: str | None = None


class ListTrades(Call, frozen=True):
    """The account's trades, oldest first: of one order, or of *scope* from *position*, or since an instant."""

    scope: str
    venue_order_id: str | None = None
    position: str | None = None
    since_us: int | None = None


class ListOrders(Call, frozen=True):
    """The account's orders, open and ended, oldest first, from *position* or since an instant."""

    scope: str
    position: str | None = None
    since_us: int | None = None


class ListOpenOrders(Call, frozen=True):
    scope: str


class ReadRules(Call, frozen=True):
    """Limits and symbols."""


class ReadClock(Call, frozen=True):
    """The venue's time. Costs little, asks nothing of the account: also the probe of a half-open breaker."""


class ReadUsage(Call, frozen=True):
    """How much of the account's limits is used up."""


class ReadBalances(Call, frozen=True):
    """What the account has, of all assets: a page of it from *position*."""

    position: str | None = None


class ReadQuotes(Call, frozen=True):
    """The best prices of *symbols*, each of which the venue lists. There is at least one."""

    symbols: tuple[str, ...]


class ReadStreamToken(Call, frozen=True):
    """The token that opens one connection to the private stream, at venues that want one (:class:`Traits`)."""


class OpenStream(Call, frozen=True):
    """A connection and a subscription to the private stream: no HTTP, but it may cost as a call does."""


# ── what a venue can say ────────────────────────────────────────────────────────────────────────────────────────────


class Outcome(StrEnum):
    """What is known after a call. Anything that leaves room for doubt is UNKNOWN."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"  # definite: it did not happen and will not
    RETRY_SAFE = "RETRY_SAFE"  # definite: it did not happen, and the same call may be made again
    UNKNOWN = "UNKNOWN"  # it may have happened, or may yet


class Remedy(StrEnum):
    """What to do besides, before anything else."""

    NONE = "NONE"
    LOOK_UP = "LOOK_UP"  # the venue has, or had, an order under this client order ID: ask for it
    SET_CLOCK = "SET_CLOCK"
    BACK_OFF = "BACK_OFF"  # the venue is overloaded or going down: counts against the breaker
    BLOCK = "BLOCK"  # the address is refused, or with REJECTED the credential: open the breaker


class OrderState(StrEnum):
    """A venue's order, in the few words that matter here; each adapter maps its venue's statuses to them."""

    OPEN = "OPEN"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


class OrderSeen(Value, frozen=True):
    """An order as the venue shows it. *filled_quantity* counts all its trades; *quantity* is what it is for, None where
    that isn't told.
    """

    client_order_id: str
    symbol: str
    state: OrderState
    filled_quantity: int
    venue_order_id: str | None = None
    reason: str | None = None
    updated_at: int | None = None
    quantity: int | None = None


class TradeSeen(Value, frozen=True):
    """One of the account's trades. *side* is None where whoever told it didn't say."""

    trade_id: str
    venue_order_id: str
    symbol: str
    quantity: int
    price: int
    fee: int
    fee_asset: str
    liquidity: Liquidity
    traded_at: int
    side: Side | None = None


class QuoteSeen(Value, frozen=True):
    """The best prices of a book, and the quantities at them. A book with an empty side has none."""

    symbol: str
    bid: int
    bid_quantity: int
    ask: int
    ask_quantity: int


class Balance(Value, frozen=True):
    """What the account has of an asset: *free* to be ordered with, and *held* for open orders.

    Rows of one asset add up.
    """

    asset: str
    free: int
    held: int


class Rules(Value, frozen=True):
    """*symbols* maps our names to the venue's, *aliases* other names of the venue's to ours, *grids* our names to what
    it takes. *limits* are those of :mod:`domain.throttle`.
    """

    limits: tuple[Limit, ...]
    symbols: Mapping[str, str]
    grids: Mapping[str, Grid] = {}
    aliases: Mapping[str, str] = {}


class Answer(Value, frozen=True):
    """What one call brought. *absent* is a definite "no such order, now"; *position* is where a next page starts.

    *wait_us* is how long the venue wants not to be asked, about *limit* (of *scope* alone, if that is given) or (None)
    at all. A cancel, or an amendment, that is ACCEPTED without an *order* has been taken note of: what comes of it has
    to be looked up. One of many orders may be ACCEPTED with a *reason*, if it holds for some of them only.
    """

    outcome: Outcome
    reason: str | None = None
    remedy: Remedy = Remedy.NONE
    wait_us: int = 0
    limit: str | None = None
    scope: str = ""
    order: OrderSeen | None = None
    orders: tuple[OrderSeen, ...] = ()
    trades: tuple[TradeSeen, ...] = ()
    balances: tuple[Balance, ...] = ()
    quotes: tuple[QuoteSeen, ...] = ()
    position: str | None = None
    more: bool = False
    absent: bool = False
    rules: Rules | None = None
    usage: tuple[tuple[str, int], ...] = ()
    venue_time_us: int = 0
    token: str | None = None


class Finding(Value, frozen=True):
    """What a look-up by client order ID found out. *order* is None if there is none; *usable* says if that is known."""

    usable: bool
    order: OrderSeen | None = None
    trades: tuple[TradeSeen, ...] = ()


LookUp: TypeAlias = Generator[Call, Answer, Finding]


class StreamSignal(StrEnum):
    UPDATE = "UPDATE"
    SUBSCRIBED = "SUBSCRIBED"
    REFUSED = "REFUSED"  # the subscription failed
    ENDING = "ENDING"  # the venue is about to close the connection
    GAP = "GAP"  # messages are missing before this one: only a new connection, and a look at everything, make up for it
    UNCLEAR = "UNCLEAR"  # it concerns an order, and can't be understood: everything has to be looked at
    OTHER = "OTHER"  # nothing that matters here


class StreamEvent(Value, frozen=True):
    """One thing that the private stream says: an order's new state, and the trade behind it if there is one.

    *counted* is where the venue says that its own counters stand. *trades_due*: there are trades behind it that only
    the history tells.
    """

    signal: StreamSignal
    order: OrderSeen | None = None
    trade: TradeSeen | None = None
    counted: tuple[Charge, ...] = ()
    trades_due: bool = False
    detail: str | None = None


class Unparsable(ValueError):  # noqa: N818  # it names the bytes, as a refusal does
    """Bytes from a venue that do not say what they should."""


class Repeat(StrEnum):
    """What comes of a placement that is sent once more under its client order ID."""

    SECOND_ORDER = "SECOND_ORDER"  # refused while the first order is open; once that has ended, a second one
    SAME_ORDER = "SAME_ORDER"  # nothing: the venue answers with the order that it has


class Traits(Value, frozen=True):
    """A venue's ways that whoever calls it has to know.

    *late_us*: for so long after a placement was signed, the venue may still execute it, and that it can't be found
    proves nothing. *ordered_calls*: calls must arrive in the order in which they were signed, so one is made at a time.
    *silence_max_s*: a private stream that says nothing for so long is dead, whatever its connection looks like (None:
    silence means nothing).
    """

    repeat: Repeat
    late_us: int
    changes_by_venue_order_id: bool = False
    ordered_calls: bool = False
    stream_token: bool = False
    silence_max_s: float | None = None


class StreamSession(Protocol):
    """One connection to the private stream, as far as bytes go. What it remembers ends with the connection."""

    def subscriptions(self, now_us: int) -> tuple[bytes, ...]:
        """The messages that open the account's private stream, in the order in which they are sent."""

    def events(self, message: str | bytes) -> tuple[StreamEvent, ...]:
        """All that one message says. Raises Unparsable."""


class Adapter(Protocol):
    """One venue's dialect, for one account. Instants are by the venue's clock."""

    name: str
    traits: Traits
    limits: tuple[Limit, ...]
    """The limits that :meth:`charges` charges: documented ones, until :meth:`learn` has been told better."""

    def rekey(self, credentials: Credentials) -> None:
        """Sign with these from now on. Raises SettingsError, and goes on as before, if they are of no use here."""

    def build(self, call: Call, now_us: int) -> HttpRequest:
        """The signed request of *call*. Each is for one sending: it may have a nonce."""

    def parse(self, call: Call, response: HttpResponse) -> Answer:
        """What *response* says about *call*. Never raises: what can't be understood is UNKNOWN."""

    def refusal(self, request: VenueRequest) -> str | None:
        """By which of its rules the venue would certainly refuse a placement, which is not sent then. None: by none."""

    def charges(self, call: Call, now_us: int) -> tuple[Charge, ...]:
        """What *call* takes of which limits if it is made now."""

    def usage(self, response: HttpResponse) -> tuple[tuple[str, int], ...]:
        """What the venue says is used up of its limits, by name."""

    def learn(self, rules: Rules) -> None:
        """Use *rules* from now on."""

    def lane(self, request: VenueRequest) -> str:
        """What a placement queues with: one waits for limits behind another of its lane only."""

    def look_up(self, symbol: str, client_order_id: str) -> LookUp:
        """All there is to know of one order, its trades included."""

    def cancel_all(self, listed: Iterable[OrderSeen], *, whole_account: bool) -> tuple[CancelAll, ...]:
        """The calls that cancel all open orders that were *listed*; *whole_account*: those are all that there are."""

    def scopes(self, symbols: Iterable[str]) -> tuple[str, ...]:
        """What trades and orders have to be listed by, to see those of all *symbols*."""

    def stream_session(self, token: str | None) -> StreamSession:
        """A new connection's part in the private stream; *token* is what :class:`ReadStreamToken` brought for it."""


PRIORITIES: Mapping[type[Call], Priority] = {
    Place: Priority.PLACE,
    Cancel: Priority.CANCEL,
    Amend: Priority.CANCEL,
    CancelAll: Priority.CANCEL,
}


#: What says nothing of the account or its orders.
MARKET_DATA: Final[frozenset[type[Call]]] = frozenset({ReadQuotes})


def priority(call: Call) -> Priority:
    """What takes back first, then placements, then everything that only asks."""
    return PRIORITIES.get(type(call), Priority.QUERY)


def decode(body: bytes | str, expected: Any) -> Any:
    """*body* as JSON of type *expected*. Raises Unparsable."""
    try:
        return msgspec.json.decode(body, type=expected)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unparsable(str(error)) from error
