"""How much a venue lets us ask: token buckets for its published limits, shared by every gateway of the fleet.

A bucket that holds at most *burst* tokens and refills at a steady rate admits at most ``burst + rate × window`` in any
window, wherever the window starts. So a published limit of N per window is kept, whether the venue's window is fixed
or rolling, by ``burst + rate × (window + guard) < N + 1``, for tokens are granted whole. The guard covers requests that
are granted in one window and arrive in the next. The fleet needs no coordinator: each gateway takes the share of the
partitions it owns, and tokens are never handed over, so a share that moves starts empty.

Time is an argument everywhere, in microseconds; levels are integers, so refilling loses nothing to rounding.
"""

from collections.abc import Iterable, Sequence
from copy import copy
from enum import IntEnum
from typing import Final

import msgspec

#: "Ask again" for what can never be granted: the limit's share is smaller than the charge.
NEVER_US: Final = 1 << 62

_GUARD_SHARE: Final = 40  # a fortieth of the window, but never more than
_GUARD_MAX_US: Final = 1_000_000
_BURST_SHARE: Final = 40
_LONG_US: Final = 3_600_000_000
_MILLION: Final = 1_000_000


class Priority(IntEnum):
    """What goes first, and who may draw on the share that is kept back (the others)."""

    CANCEL = 0
    PLACE = 1
    QUERY = 2


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A published limit as a bucket: at most *burst* tokens in hand, *refill* more every *per_us*.

    *floor* is the smallest burst of a gateway with however small a share: it pays for the difference with a slower
    refill, which is sound for windows but not for counters, so those leave it 0. *heaviest* is the largest charge of a
    cancel or query; *kept_back* says whether those draw on the limit at all, so that a share of it is kept for them.
    *published* and *window_us* are what the venue's own count is compared with (0: it tells none). *per_key*: the venue
    counts each key by itself, and every gateway has one of its own, so that there is nothing to share.
    """

    name: str
    burst: int
    refill: int
    per_us: int
    floor: int = 0
    heaviest: int = 1
    kept_back: bool = False
    published: int = 0
    window_us: int = 0
    per_key: bool = False


class Charge(msgspec.Struct, frozen=True):
    """What a call takes of a limit; *scope* tells apart the counters of one limit (a pair's, for Kraken)."""

    limit: str
    tokens: int
    scope: str = ""


def windowed(
    name: str,
    published: int,
    window_us: int,
    *,
    heaviest: int = 1,
    kept_back: bool = False,
    guard_us: int | None = None,
) -> Limit:
    """A limit of *published* per *window_us*, fixed or rolling. *guard_us* is how much longer one request may take to
    arrive than another: a fortieth of the window, and a second at most, unless it is known better.

    The burst is a fortieth, so that a saturated gateway keeps 95 % of the published rate; over a window longer than an
    hour it is half, so that a busy morning may use up what a steady trickle would have had all day.
    """
    floor = 2 * heaviest if kept_back else heaviest
    share = published // 2 if window_us > _LONG_US else published // _BURST_SHARE
    burst = min(max(share, floor), published)
    guard = min(window_us // _GUARD_SHARE, _GUARD_MAX_US) if guard_us is None else guard_us
    return Limit(
        name=name,
        burst=burst,
        refill=published - burst + 1,
        per_us=window_us + guard + 1,  # so that what comes within window and guard is less than refill
        floor=floor,
        heaviest=heaviest,
        kept_back=kept_back,
        published=published,
        window_us=window_us,
    )


def counter(
    name: str,
    cap: int,
    decay: int,
    per_us: int,
    *,
    heaviest: int = 1,
    kept_back: bool = False,
    per_key: bool = False,
) -> Limit:
    """A counter that may not pass *cap* and falls by *decay* every *per_us*, steadily.

    Where the venue's falls in steps, or calls may arrive closer together than they were granted, *cap* has to be below
    the published one by a step, or by what decays meanwhile.
    """
    return Limit(
        name=name,
        burst=cap,
        refill=decay,
        per_us=per_us,
        heaviest=heaviest,
        kept_back=kept_back,
        per_key=per_key,
    )


class _Bucket:
    """One limit's tokens at one gateway. *kept* is the part of *level* that placements may not touch; below 0, calls
    have drawn on more than was kept, and wait until it has come back.

    Levels, bursts and costs are counted in token × partitions × per_us, so that *refill* units come every microsecond.
    """

    __slots__ = (
        "_at_us",
        "_burst",
        "_contended_until_us",
        "_kept_cap",
        "_owned",
        "_partitions",
        "_refill",
        "_share_ppm",
        "_window",
        "frozen_until_us",
        "kept",
        "level",
        "limit",
        "used",
    )

    def __init__(self, limit: Limit, partitions: int, share_ppm: int, now_us: int) -> None:
        self.limit = limit
        self.level = self.kept = self.used = self.frozen_until_us = 0
        self._partitions, self._share_ppm, self._at_us = partitions, share_ppm, now_us
        self._owned = self._burst = self._refill = self._kept_cap = 0
        self._contended_until_us = self._window = 0

    def own(self, owned: int, now_us: int) -> None:
        """Take the share of *owned* partitions from now on. What is gained starts empty, or in debt."""
        self.advance(now_us)
        limit = self.limit
        if limit.per_key and owned:
            owned = self._partitions
        self.level -= self._debt(owned) * limit.per_us
        extra = self._excess(owned)
        if extra > (limit.refill - 1) * owned:  # the share is too small for the floor
            extra = 0
        self._burst = (limit.burst * owned + extra) * limit.per_us
        self._refill = limit.refill * owned - extra
        # with what a placement leaves over, the heaviest call has enough; what is a whole token more would be missing
        # as room for refills while somebody is late to ask
        heaviest = self._cost(limit.heaviest) - self._cost(1) * (_MILLION - self._share_ppm) // _MILLION
        kept = max(self._burst * self._share_ppm // _MILLION, heaviest)
        self._kept_cap = min(kept, self._burst // 2) if limit.kept_back else 0
        self._owned = owned
        self.level = min(self.level, self._burst)
        self.kept = min(self.kept, self._kept_cap, max(0, self.level))

    def _debt(self, owned: int) -> int:
        """What may have been in hand elsewhere, or here, beyond the additive share of the burst before a gain."""
        gained = owned - self._owned
        if gained <= 0:
            return 0
        return max(0, gained * self._excess(1) + self._excess(self._owned) - self._excess(owned))

    def _excess(self, owned: int) -> int:
        """By how many tokens × partitions the floor is above the burst's share of *owned* partitions."""
        return max(0, self.limit.floor * self._partitions - self.limit.burst * owned) if owned else 0

    def _cost(self, tokens: int) -> int:
        return tokens * self._partitions * self.limit.per_us

    def advance(self, now_us: int) -> None:
        """Refill up to *now_us*. A clock that goes back refills nothing."""
        elapsed = now_us - self._at_us
        if elapsed <= 0:
            return
        self._at_us = now_us
        gained = self._refill * elapsed
        self.level = min(self._burst, self.level + gained)
        kept = self.kept + gained * self._share_ppm // _MILLION
        self.kept = min(self._kept_cap, kept, max(0, self.level))
        if self.limit.window_us:
            current = self._window_at(now_us)
            if current > self._window:
                self._window, self.used = current, 0

    def _window_at(self, now_us: int) -> int:
        """The number of the fixed window at that instant; it turns late by the guard, for calls under way."""
        window = self.limit.window_us
        return (now_us - (self.limit.per_us - window)) // window

    def shift(self, by_us: int) -> None:
        self._at_us += by_us
        self.frozen_until_us += by_us
        self._contended_until_us += by_us
        if self.limit.window_us:
            self._window = self._window_at(self._at_us)

    def ask(self, tokens: int, priority: Priority, now_us: int) -> int:
        """When *tokens* may be taken: *now_us* or earlier if now, NEVER_US if never."""
        limit = self.limit
        until = self.frozen_until_us
        if limit.published and self.used + tokens > limit.published:  # the venue counts others' calls too
            until = max(until, self._window * limit.window_us + limit.per_us)
        cost = self._cost(tokens)
        if priority is Priority.PLACE:
            until = max(until, now_us + self._wait_for_place(cost))
            self._contended_until_us = until
            return until
        until = max(until, now_us + self._wait(cost - self.level, cost <= self._burst, _MILLION))
        if priority is Priority.QUERY and now_us < self._contended_until_us:
            enough = min(cost, max(self._kept_cap, 1))  # a call that costs more leaves what is kept in debt
            until = max(until, now_us + self._wait(enough - self.kept, self._kept_cap > 0, self._share_ppm))
        return until

    def _wait_for_place(self, cost: int) -> int:
        """Microseconds until *level* minus *kept* is *cost*, with both growing and *kept* up to its cap."""
        possible = cost + self._kept_cap <= self._burst
        while_kept_grows = self._wait(cost + self.kept - self.level, possible, _MILLION - self._share_ppm)
        once_kept_is_full = self._wait(cost + self._kept_cap - self.level, possible, _MILLION)
        without_any = self._wait(cost - self.level, possible, _MILLION)
        return max(without_any, min(while_kept_grows, once_kept_is_full))

    def _wait(self, short: int, possible: bool, rate_ppm: int) -> int:
        if short <= 0:
            return 0
        rate = self._refill * rate_ppm
        return -(-short * _MILLION // rate) if possible and rate else NEVER_US

    def take(self, tokens: int, priority: Priority, now_us: int) -> None:
        """What is kept back is drawn on only while a placement waits: else it would be missing, slow to come, later."""
        self.level -= self._cost(tokens)
        self.used += tokens
        if priority is not Priority.PLACE and now_us < self._contended_until_us:
            self.kept = max(-self._burst, self.kept - self._cost(tokens))
        self.kept = min(self.kept, max(0, self.level))

    def observe(self, used: int, sent_us: int, received_us: int) -> None:
        self.advance(received_us)
        window = self.limit.window_us
        if window and sent_us // window == received_us // window == self._window:
            self.used = max(self.used, used)

    def correct(self, used: int, now_us: int) -> None:
        self.advance(now_us)
        self.level = min(self.level, (self.limit.burst - used) * self._owned * self.limit.per_us)
        self.kept = min(self.kept, max(0, self.level))

    def seed(self, used: int, now_us: int) -> None:
        self.advance(now_us)
        share = (self.limit.published + 1) * self._owned - used * self._partitions - self._refill
        self.level = max(self.level, min(self._burst, share * self.limit.per_us))
        self.used = max(self.used, used)

    def left(self) -> float:
        return self.level / self._cost(1)


class Throttle:
    """All limits of one venue, at one gateway that owns some of the partitions.

    Every instant is by the venue's clock as far as it is known, because fixed windows are aligned to it.
    """

    def __init__(self, limits: Iterable[Limit], partitions: int, cancel_share: float, now_us: int) -> None:
        self._partitions = partitions
        self._share_ppm = round(cancel_share * _MILLION)
        self._owned = 0
        self._frozen_until_us = 0
        self._limits: dict[str, Limit] = {}
        self._buckets: dict[tuple[str, str], _Bucket] = {}
        self.configure(limits, now_us)

    def configure(self, limits: Iterable[Limit], now_us: int) -> None:
        """Use *limits* from now on. A limit that hasn't changed keeps its tokens, any other starts empty."""
        self._limits = {limit.name: limit for limit in limits}
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if bucket.limit in self._limits.values()}
        for name in self._limits:
            self._bucket(name, "", now_us)

    def _bucket(self, name: str, scope: str, now_us: int) -> _Bucket:
        bucket = self._buckets.get((name, scope))
        if bucket is None:
            if scope:  # it has been there as long as the limit, and nobody has used it
                bucket = copy(self._bucket(name, "", now_us))
            else:
                bucket = _Bucket(self._limits[name], self._partitions, self._share_ppm, now_us)
                bucket.own(self._owned, now_us)
            self._buckets[name, scope] = bucket
        return bucket

    def own(self, owned: int, now_us: int) -> None:
        """Hold the share of *owned* partitions from now on."""
        self._owned = owned
        for bucket in self._buckets.values():
            bucket.own(owned, now_us)

    def take(self, charges: Sequence[Charge], priority: Priority, now_us: int) -> int | None:
        """Take all *charges* at once: None if they are granted, else when to ask again, and nothing is taken.

        A placement that has to wait for tokens is remembered until then, and queries leave them to it, except for what
        is kept back. A limit that isn't configured is no limit.
        """
        known = [charge for charge in charges if charge.limit in self._limits]
        buckets = [(self._bucket(charge.limit, charge.scope, now_us), charge.tokens) for charge in known]
        until = self._frozen_until_us
        for bucket, tokens in buckets:
            bucket.advance(now_us)
            until = max(until, bucket.ask(tokens, priority, now_us))
        if until > now_us:
            return min(until, NEVER_US)
        for bucket, tokens in buckets:
            bucket.take(tokens, priority, now_us)
        return None

    def observe(self, limit: str, used: int, *, sent_us: int, received_us: int) -> None:
        """The venue says that *used* of *limit*'s current window is gone, whoever used it: the larger count holds.

        An answer that may belong to the window before is passed over.
        """
        if limit in self._limits:
            self._bucket(limit, "", received_us).observe(used, sent_us, received_us)

    def seed(self, limit: str, used: int, now_us: int) -> None:
        """Start *limit* from what the venue counts instead of empty; all of *used* is charged to this gateway.

        For windows so long that an empty start would be a standstill.
        """
        if limit in self._limits:
            self._bucket(limit, "", now_us).seed(used, now_us)

    def correct(self, limit: str, used: int, now_us: int, scope: str = "") -> None:
        """The venue says that the counter of *limit* (of *scope* alone, if one is given) stands at *used*.

        What has been granted and is not counted yet makes no difference: a correction takes tokens, it gives none.
        """
        for bucket in self._of(limit, scope, now_us):
            bucket.correct(used, now_us)

    def freeze(self, until_us: int, limit: str | None = None, scope: str = "") -> None:
        """Grant nothing (of *limit*, of its *scope* alone if one is given, or at all) before *until_us*."""
        if limit is None:
            self._frozen_until_us = max(self._frozen_until_us, until_us)
        else:
            for bucket in self._of(limit, scope, until_us):
                bucket.frozen_until_us = max(bucket.frozen_until_us, until_us)

    def _of(self, limit: str, scope: str, now_us: int) -> list[_Bucket]:
        if scope and limit in self._limits:
            return [self._bucket(limit, scope, now_us)]
        return [bucket for (name, _), bucket in self._buckets.items() if name == limit]

    def shift(self, by_us: int) -> None:
        """The clock that every instant is by has been set forward by *by_us*, or back: nothing is gained or lost by it.

        Waits go on for as long as before. What a fixed window's count stood at is kept for the window that it is now.
        """
        self._frozen_until_us += by_us
        for bucket in self._buckets.values():
            bucket.shift(by_us)

    def left(self, now_us: int) -> dict[str, float]:
        """Tokens in hand by limit (the emptiest of its scopes), for people and metrics."""
        tokens: dict[str, float] = {}
        for (name, _), bucket in self._buckets.items():
            bucket.advance(now_us)
            tokens[name] = min(tokens.get(name, bucket.left()), bucket.left())
        return tokens
