"""What a dialect of the simulated venue is: a venue's API over the one matching core, without the web and the faults.

A :class:`Dialect` is what a venue publishes (addresses, limits, keys) and opens a :class:`Front`: what clients meet.
No I/O in any of it: requests and texts come in as values, answers and events go out as values, and time is an argument.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

import msgspec

from venue_gateways.simulator.exchange import Exchange
from venue_gateways.simulator.faults import Dice, Fate, Outcome
from venue_gateways.simulator.names import Names
from venue_gateways.simulator.orders import Execution, Fees
from venue_gateways.simulator.venue import Rules, Venue

Headers = list[tuple[bytes, bytes]]
#: Takes an event of a stream, to which something may happen on its way.
Deliver = Callable[[bytes], None]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came. *arrived* is when, in µs; the names of *headers* are in lower case."""

    verb: str
    path: str
    query: bytes = b""
    body: bytes = b""
    address: str
    arrived: int
    headers: Mapping[bytes, bytes] = {}

    def header(self, name: bytes) -> str:
        """Its value, or nothing."""
        return self.headers.get(name, b"").decode("latin-1")


class Reply(msgspec.Struct, frozen=True):
    status: int
    body: bytes
    headers: Headers = []


_PAGE: Final = b"<html>\r\n<head><title>Error</title></head>\r\n<body>Something is in the way.</body>\r\n</html>\r\n"


def html(status: int) -> Reply:
    """Somebody's error page."""
    return Reply(status, _PAGE, [(b"content-type", b"text/html")])


class Refused(Exception):  # noqa: N818  # it says what happened
    """A connection to the stream that is not opened: *reply* is said instead."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"status {reply.status}")
        self.reply = reply


class Lies(msgspec.Struct, frozen=True):
    """How one request is to be deceived.

    *hide_us*: its new order can't be found for so long. *denied*: the order that it asks for is said not to be there.
    *no_open_orders*: none are shown. *filled_first*: the order that it would cancel is filled before.
    """

    hide_us: int = 0
    denied: bool = False
    no_open_orders: bool = False
    filled_first: bool = False


HONEST: Final = Lies()


def lies(fate: Fate) -> Lies:
    """What a dialect has to know of a request's fate."""
    told = Lies(
        hide_us=fate.hide_ms * 1_000,
        denied=fate.denied,
        no_open_orders=fate.no_open_orders,
        filled_first=fate.filled_first,
    )
    return HONEST if told == HONEST else told


class Session(ABC):
    """One connection of a client to the stream."""

    #: How often :meth:`beat` is to be called; None: never.
    beat_s: float | None = None

    def welcome(self, now: int) -> tuple[bytes, ...]:  # noqa: ARG002  # for those that say something
        """What is said before anything is asked."""
        return ()

    @abstractmethod
    def operation(self, text: str | bytes) -> str:
        """The name of what *text* asks for, for faults and metrics."""

    @abstractmethod
    def answer(self, text: str | bytes, arrived: int, now: int, lies: Lies = HONEST) -> tuple[bytes, ...]:
        """What is said to *text*, performed at *now*, which may be later than it arrived."""

    @abstractmethod
    def instead(self, text: str | bytes, outcome: Outcome) -> bytes | None:
        """What is said in place of an answer that leaves open what became of *text*; None: nothing, ever."""

    def beat(self, now: int) -> tuple[bytes, ...] | None:  # noqa: ARG002
        """What is said every :attr:`beat_s`; None: the venue closes the connection."""
        return ()

    def goodbye(self, now: int) -> None:  # noqa: B027  # most venues say nothing
        """The venue is going to stop."""


AnySession = TypeVar("AnySession", bound=Session)


class Front(ABC, Generic[AnySession]):
    """A venue as its clients meet it. *exchange* is its state besides the matching core's."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.sessions: dict[AnySession, None] = {}  # in the order in which they came

    @abstractmethod
    def operation(self, request: Request) -> str:
        """The name of what *request* asks for, for faults and metrics."""

    def admit(self, request: Request) -> Reply | None:  # noqa: ARG002  # for those that look at the door
        """What is looked at when a request arrives, whenever it is performed; a reply if it gets no further."""
        return None

    @abstractmethod
    def answer(self, request: Request, now: int, lies: Lies = HONEST) -> Reply:
        """Perform *request* at *now*, which may be later than it arrived, and say what came of it."""

    @abstractmethod
    def instead(self, outcome: Outcome, dice: Dice, now: int) -> Reply:
        """What is said in place of an answer; of an error before and after the deed, the same."""

    @abstractmethod
    def session(self, address: str, query: str, deliver: Deliver, now: int) -> AnySession:
        """A new connection to the stream. Raises Refused."""

    @abstractmethod
    def publish(self, executions: Iterable[Execution], now: int) -> None:
        """Tell every session of what has happened to what it listens to."""

    def announce_shutdown(self, now: int) -> None:
        """Tell every session that the venue is going to stop."""
        for session in self.sessions:
            session.goodbye(now)


AnyFront: TypeAlias = Front[Any]


class Dialect(Protocol):
    """A venue's published terms, and how it is opened. Implementations are frozen values."""

    @property
    def stream_path(self) -> str:
        """Where the stream is, besides ``/``."""

    @property
    def fees(self) -> Fees:
        """What it charges unless told otherwise."""

    @property
    def rules(self) -> Rules:
        """How its matching differs from other venues', unless told otherwise."""

    def names(self, symbols: Iterable[str]) -> Names:
        """What the orders and trades of a venue of these *symbols* are called."""

    def credential(self, account: str, key: str, secret: str) -> Any:
        """What a client's *key* is to this venue. Raises ValueError."""

    def new_key(self) -> tuple[str, str]:
        """A new key, and its secret."""

    def open(self, venue: Venue, names: Names, credentials: Mapping[str, Any]) -> AnyFront:
        """The venue, for clients with these *credentials*, by key."""
