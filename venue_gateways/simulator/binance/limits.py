"""Binance's limits: fixed windows aligned to the clock, 429 at their end, 418 for who goes on (rest-api.md, LIMITS;
faqs/order_count_decrement.md).

Request weight is counted per address, unfilled orders per account. Requests that a limit refused count as weight too
(assumed), but nothing that a window had no room for is ever let through.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

from venue_gateways.simulator.binance.errors import ApiError

_SECONDS: Final = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}

TOO_MANY_REQUESTS: Final = -1003
TOO_MANY_ORDERS: Final = -1015
TOO_MANY_CONNECTIONS: Final = -1034

#: By how much an account's unfilled orders become fewer when one of them trades for the first time.
TAKER_DECREMENT: Final = 1
MAKER_DECREMENT: Final = 5


class LimitType(StrEnum):
    REQUEST_WEIGHT = "REQUEST_WEIGHT"
    RAW_REQUESTS = "RAW_REQUESTS"
    ORDERS = "ORDERS"
    CONNECTIONS = "CONNECTIONS"


class Limit(msgspec.Struct, frozen=True):
    """One published limit: *limit* in each *interval_count* of SECOND, MINUTE, HOUR or DAY."""

    type: LimitType
    interval: str
    interval_count: int
    limit: int

    @property
    def interval_us(self) -> int:
        return _SECONDS[self.interval] * self.interval_count * 1_000_000

    @property
    def suffix(self) -> str:
        """As in ``X-MBX-USED-WEIGHT-1M``."""
        return f"{self.interval_count}{self.interval[0]}"

    def payload(self, count: int | None = None) -> dict[str, str | int]:
        body: dict[str, str | int] = {
            "rateLimitType": self.type,
            "interval": self.interval,
            "intervalNum": self.interval_count,
            "limit": self.limit,
        }
        return body if count is None else {**body, "count": count}


#: web-socket-api.md, Connection limits.
CONNECTIONS: Final = Limit(LimitType.CONNECTIONS, "MINUTE", 5, 300)
CONNECTION_WEIGHT: Final = 2


class Ban(msgspec.Struct, frozen=True, kw_only=True):
    """Who goes on after a 429 is banned: after *tolerated* requests that came more than *grace_us* after the first 429
    of a window. The first ban lasts *first_s*, each later one twice as long as the one before, three days at most.
    """

    tolerated: int = 10
    grace_us: int = 1_000_000
    first_s: int = 120
    longest_s: int = 3 * 86_400


class Window:
    """The count of one limit in the interval that the clock is in."""

    __slots__ = ("_interval", "count", "limit", "taken")

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.count = 0
        self.taken = 0  # in all, whatever was given back since
        self._interval = -1

    def roll(self, now: int) -> None:
        interval = now // self.limit.interval_us
        if interval != self._interval:
            self._interval = interval
            self.count = 0

    def add(self, amount: int) -> None:
        self.count += amount
        self.taken += amount

    def used(self) -> dict[str, float]:
        """How much of it there is, and how much was taken in all."""
        return {"limit": self.limit.limit, "window_s": self.limit.interval_us / 1_000_000, "taken": self.taken}

    def room(self, amount: int) -> bool:
        return self.count + amount <= self.limit.limit

    def ends_at(self) -> int:
        return (self._interval + 1) * self.limit.interval_us


class AddressMeter:
    """The weight and the requests of one address, and whether it is banned."""

    __slots__ = (
        "_ban",
        "_banned_until",
        "_bans",
        "_connections",
        "_ignored",
        "_refused_at",
        "_refused_until",
        "windows",
    )

    def __init__(self, limits: Iterable[Limit], ban: Ban) -> None:
        self.windows = [Window(limit) for limit in limits if limit.type is not LimitType.ORDERS]
        self._connections = Window(CONNECTIONS)
        self._ban = ban
        self._banned_until = 0
        self._bans = 0
        self._ignored = 0
        self._refused_at = 0
        self._refused_until = 0

    def charge(self, weight: int, now: int) -> None:
        """Count one request of that *weight*. Raises ApiError 429 if a window has no room, 418 under a ban."""
        for window in self.windows:
            window.roll(now)
        if now < self._banned_until:
            raise self._banned()
        full: Window | None = None
        for window in self.windows:
            amount = weight if window.limit.type is LimitType.REQUEST_WEIGHT else 1
            if not window.room(amount):
                full = window
            window.add(amount)
        if full is not None:
            self.refuse(full.ends_at(), now)
            raise too_much_weight(full.limit, full.ends_at())

    def connect(self, now: int) -> None:
        """Count one attempt to open a WebSocket connection. Raises ApiError if there have been too many."""
        self._connections.roll(now)
        self._connections.count += 1
        if not self._connections.room(0):
            raise ApiError(
                TOO_MANY_CONNECTIONS,
                f"Too many connection attempts from IP; current limit is {CONNECTIONS.limit} per '5 MINUTE'.",
                429,
                retry_at=self._connections.ends_at(),
            )
        self.charge(CONNECTION_WEIGHT, now)

    def refuse(self, until: int, now: int) -> None:
        """Note that this address was answered 429 until *until*. Raises ApiError 418 if it has gone too far."""
        if now >= self._refused_until:
            self._refused_at, self._ignored = now, 0
        self._refused_until = max(until, self._refused_until)
        if now - self._refused_at > self._ban.grace_us:
            self._ignored += 1
        if self._ignored > self._ban.tolerated:
            seconds = min(self._ban.first_s * 2**self._bans, self._ban.longest_s)
            self._bans += 1
            self._ignored = 0
            self._banned_until = now + seconds * 1_000_000
            raise self._banned()

    def _banned(self) -> ApiError:
        return banned(self._banned_until)


class AccountMeter:
    """The unfilled orders of one account."""

    __slots__ = ("windows",)

    def __init__(self, limits: Iterable[Limit]) -> None:
        self.windows = [Window(limit) for limit in limits if limit.type is LimitType.ORDERS]

    def full(self, now: int) -> Window | None:
        """The window without room for one more order, if there is one: the one that stays so the longest."""
        for window in self.windows:
            window.roll(now)
        return max((w for w in self.windows if not w.room(1)), key=Window.ends_at, default=None)

    def add(self, now: int) -> None:
        for window in self.windows:
            window.roll(now)
            window.add(1)

    def filled(self, now: int, *, maker: bool) -> None:
        """An order of the account has traded for the first time."""
        for window in self.windows:
            window.roll(now)
            window.count = max(window.count - (MAKER_DECREMENT if maker else TAKER_DECREMENT), 0)


def too_much_weight(limit: Limit, until: int) -> ApiError:
    what = "request weight" if limit.type is LimitType.REQUEST_WEIGHT else "requests"
    message = (
        f"Too much request weight used; current limit is {limit.limit} {what} per {limit.interval_count} "
        f"{limit.interval}. Please use WebSocket Streams for live updates to avoid polling the API."
    )
    return ApiError(TOO_MANY_REQUESTS, message, 429, retry_at=until)


def too_many_orders(limit: Limit, until: int) -> ApiError:
    period = f"{limit.interval_count} {limit.interval}"
    message = f"Too many new orders; current limit is {limit.limit} orders per {period}."
    return ApiError(TOO_MANY_ORDERS, message, 429, retry_at=until)


def banned(until: int) -> ApiError:
    message = (
        f"Way too much request weight used; IP banned until {until // 1_000}. "
        "Please use WebSocket Streams for live updates to avoid bans."
    )
    return ApiError(TOO_MANY_REQUESTS, message, 418, retry_at=until)
