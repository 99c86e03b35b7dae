"""The demo's traffic: a seeded plan of transfers and order commands by many users, most of whom are quiet.

Pure: the same shape and markets give the same records, byte for byte.
"""

import itertools
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Final

import msgspec

from runtime.trial import mischief, terms, wire
from runtime.trial.plan import COMMANDS, TRANSFERS, Expect, Market, Planned, Shape

BURST_COUNT: Final = 12
BURST_SHARE: Final = 0.35
BURST_MS: Final = 250
#: How often each bad kind comes: once in this many commands, and at least once.
BAD_EVERY: Final = 4_000
REMEMBERED_ORDERS: Final = 30
SECOND_US: Final = 1_000_000

ACTIONS: Final[Mapping[str, float]] = {
    "place": 62,
    "cancel": 15,
    "pause": 5,
    "resume": 5,
    "amend": 5,
    "cancel_all": 0.7,
    "duplicate": 4,
    "order_id_again": 1.5,
    "late_soon": 1.8,
}


class Workload(msgspec.Struct, frozen=True):
    """The transfers, which come first and are awaited, and the commands. Bad records are among both."""

    transfers: tuple[Planned, ...]
    commands: tuple[Planned, ...]


def make(shape: Shape, markets: Sequence[Market]) -> Workload:
    """The plan of a *shape*: users' money first, then commands with bad ones strewn among them."""
    random = Random(shape.seed)  # noqa: S311  # a workload must be repeatable, not secret
    crowd = Crowd(shape, markets, random)
    transfers = _transfers(crowd)
    times_ms = _times_ms(shape, random)
    bad = _bad_positions(shape.commands, random)
    commands = tuple(
        crowd.misbehave(bad[number], mischief.COMMAND_KINDS[bad[number]], at_ms) if number in bad else crowd.act(at_ms)
        for number, at_ms in enumerate(times_ms)
    )
    return Workload(transfers=transfers, commands=commands)


def _times_ms(shape: Shape, random: Random) -> list[int]:
    """When each command is sent: evenly over the duration, with a share of all in a few bursts."""
    duration_ms = shape.duration_s * 1_000
    in_bursts = int(shape.commands * BURST_SHARE)
    times = [random.uniform(0, duration_ms) for _ in range(shape.commands - in_bursts)]
    starts = [random.uniform(0.02, 0.95) * duration_ms for _ in range(BURST_COUNT)]
    times += [starts[number % BURST_COUNT] + random.uniform(0, BURST_MS) for number in range(in_bursts)]
    return sorted(int(time) for time in times)


def _bad_positions(count: int, random: Random) -> dict[int, str]:
    """Which commands are bad, and how: every kind at least once, none among the first tenth."""
    kinds = [kind for kind in mischief.COMMAND_KINDS for _ in range(max(1, count // BAD_EVERY))]
    later = range(count // 10, count)
    return dict(zip(random.sample(later, min(len(kinds), len(later))), kinds, strict=False))


def _transfers(crowd: "Crowd") -> tuple[Planned, ...]:
    """Money for every user, some of it credited twice under one ID, and every kind of bad transfer."""
    gifts = [
        crowd.credit(user, asset, amount) for user in range(crowd.shape.users) for asset, amount in crowd.wealth(user)
    ]
    repeats = [
        msgspec.structs.replace(credit, kind="transfer_duplicate", expect=Expect.DUPLICATE) for credit in gifts[::100]
    ]
    bad = [crowd.misbehave(kind, build, 0) for kind, build in mischief.TRANSFER_KINDS.items()]
    return (*gifts, *repeats, *bad)


class Crowd:
    """The users: who acts next, what they remember of their own orders, and what they do."""

    def __init__(self, shape: Shape, markets: Sequence[Market], random: Random) -> None:
        self.shape = shape
        self._random = random
        self._markets = list(markets)
        by_symbol = {market.symbol: market for market in reversed(markets) if market.quote == "USD"}
        self._dollar_markets = list(reversed(by_symbol.values()))  # of what several venues trade, the first one's
        weights = [1 / (rank + 1) for rank in range(shape.users)]  # Zipf
        self._shares = [weight / sum(weights) for weight in weights]
        self._cumulative = list(itertools.accumulate(weights))
        self._numbers = itertools.count(1)
        self._orders: dict[int, deque[terms.Placed]] = {}
        self._paused: dict[int, deque[str]] = {}
        self._sent: dict[int, deque[Planned]] = {}
        self._assets: dict[int, set[str]] = {}
        self._recent = "none"
        self._acts: Mapping[str, Callable[[int, int], Planned]] = {
            "place": self._place,
            "cancel": self._cancel,
            "pause": self._pause,
            "resume": self._resume,
            "amend": self._amend,
            "cancel_all": self._cancel_all,
            "duplicate": self._duplicate,
            "order_id_again": self._order_id_again,
            "late_soon": self._late_soon,
        }

    def name(self, user: int) -> str:
        return f"user-{user:05d}"

    def wealth(self, user: int) -> list[tuple[str, Decimal]]:
        """What a user starts with: dollars, more for busier ones, and the like of two other assets on average."""
        dollars = Decimal(5_000) + Decimal(int(4_000_000 * self._shares[user])) + self._random.randrange(5_000)
        holdings = [("USD", dollars)]
        chosen = [market for market in self._dollar_markets if self._random.random() < 0.5]
        holdings += [(market.base, terms.whole(dollars / 2 / market.price, market.lot)) for market in chosen]
        self._assets[user] = {asset for asset, _ in holdings}
        return holdings

    def credit(self, user: int, asset: str, amount: Decimal) -> Planned:
        transfer_id = f"t-{self.shape.seed}-{next(self._numbers):06d}"
        record = {
            "transfer_id": transfer_id,
            "user_id": self.name(user),
            "asset": asset,
            "direction": "CREDIT",
            "amount": wire.amount(amount),
            "issued_at": self.shape.start_us,
        }
        value = wire.encode("transfer", record)
        return self._planned(user, 0, "transfer", value, topic=TRANSFERS, command_id=transfer_id)

    def misbehave(self, kind: str, build: Callable[[mischief.Culprit, str], Planned], at_ms: int) -> Planned:
        """A bad record of *kind* by some user."""
        number = next(self._numbers)
        user = self.somebody()
        others = max(1, self.shape.users - 1)  # a user who is alone has an imaginary stranger
        stranger = (user + 1 + self._random.randrange(others)) % max(2, self.shape.users)
        culprit = mischief.Culprit(
            random=self._random,
            market=self._random.choice(self._markets),
            at_ms=at_ms,
            now_us=self._now_us(at_ms),
            partitions=self.shape.partitions,
            user_id=self.name(user),
            stranger_id=self.name(stranger),
            stranger_order_id=self._someones_order(user),
            command_id=f"c-{self.shape.seed}-{number:06d}",
            order_id=f"o-{number:06d}",
        )
        return build(culprit, kind)

    def act(self, at_ms: int) -> Planned:
        """The next command of the user whose turn it is. Who has nothing to cancel or repeat yet places an order."""
        action = self._random.choices(list(ACTIONS), list(ACTIONS.values()))[0]
        return self._acts[action](self.somebody(), at_ms)

    # ── one method an action ────────────────────────────────────────────────────────────────────────────────────────

    def _place(self, user: int, at_ms: int) -> Planned:
        style = self._random.choices(list(terms.STYLES), list(terms.STYLES.values()))[0]
        placed, fields = self._order(user, style, at_ms)
        self._remember(user, placed)
        expires_at = self._now_us(at_ms) + 120 * SECOND_US if self._random.random() < 0.2 else None
        return self._command(user, at_ms, f"place_{style}", "PlaceOrder", fields, expires_at=expires_at)

    def _late_soon(self, user: int, at_ms: int) -> Planned:
        """An order whose deadline is so near that it may or may not be met: whichever, it must be answered once."""
        placed, fields = self._order(user, "marketable", at_ms)
        self._remember(user, placed)
        deadline = self._now_us(at_ms) + self._random.choice((20_000, 50_000, 200_000, 500_000))
        return self._command(user, at_ms, "place_deadline_near", "PlaceOrder", fields, expires_at=deadline)

    def _cancel(self, user: int, at_ms: int) -> Planned:
        orders = self._orders.get(user)
        if not orders:
            return self._place(user, at_ms)
        chosen = self._random.choice(orders)
        orders.remove(chosen)
        return self._command(user, at_ms, "cancel", "CancelOrder", {"order_id": chosen.order_id})

    def _pause(self, user: int, at_ms: int) -> Planned:
        orders = self._orders.get(user)
        if not orders:
            return self._place(user, at_ms)
        order_id = self._random.choice(orders).order_id
        self._paused.setdefault(user, deque(maxlen=REMEMBERED_ORDERS)).append(order_id)
        return self._command(user, at_ms, "pause", "PauseOrder", {"order_id": order_id})

    def _resume(self, user: int, at_ms: int) -> Planned:
        paused = self._paused.get(user)
        if not paused:
            return self._pause(user, at_ms)
        return self._command(user, at_ms, "resume", "ResumeOrder", {"order_id": paused.popleft()})

    def _amend(self, user: int, at_ms: int) -> Planned:
        orders = [order for order in self._orders.get(user, ()) if order.price is not None]
        if not orders:
            return self._place(user, at_ms)
        order = self._random.choice(orders)
        price = order.price if order.price is not None else order.market.price
        change = self._random.choice(("price", "quantity", "both", "smaller"))
        quantity = order.quantity * (Decimal("0.5") if change == "smaller" else 2)
        nearer = price + (order.market.price - price) * Decimal("0.3")
        fields = {
            "order_id": order.order_id,
            "quantity": None if change == "price" else wire.amount(terms.whole(quantity, order.market.lot)),
            "price": None if change in {"quantity", "smaller"} else wire.amount(nearer.quantize(order.market.tick)),
        }
        return self._command(user, at_ms, "amend", "AmendOrder", fields)

    def _cancel_all(self, user: int, at_ms: int) -> Planned:
        symbol = self._random.choice([None, *dict.fromkeys(market.symbol for market in self._markets)])
        return self._command(user, at_ms, "cancel_all", "CancelAllOrders", {"symbol": symbol})

    def _duplicate(self, user: int, at_ms: int) -> Planned:
        """A record sent before, again, byte for byte: a producer that was not sure."""
        sent = self._sent.get(user)
        if not sent:
            return self._place(user, at_ms)
        first = self._random.choice(sent)
        return msgspec.structs.replace(first, at_ms=at_ms, kind="duplicate", expect=Expect.DUPLICATE)

    def _order_id_again(self, user: int, at_ms: int) -> Planned:
        """A new command that places an order under an order ID used before."""
        orders = self._orders.get(user)
        if not orders:
            return self._place(user, at_ms)
        _, fields = self._order(user, "near", at_ms)
        return self._command(user, at_ms, "order_id_again", "PlaceOrder", fields | {"order_id": orders[-1].order_id})

    def _order(self, user: int, style: str, at_ms: int) -> tuple[terms.Placed, wire.Avro]:
        market = self._random.choice(self._markets)
        held = frozenset(self._assets.get(user, ()))
        shape = self.shape
        taste = terms.Taste(
            self._random, tuple(self._markets), held, shape.good_till_max_us, lifetime_s=shape.lifetime_s
        )
        return taste.order(f"o-{next(self._numbers):06d}", style, market, self._now_us(at_ms))

    # ── odds and ends ───────────────────────────────────────────────────────────────────────────────────────────────

    def somebody(self) -> int:
        """The user whose turn it is."""
        return bisect_left(self._cumulative, self._random.uniform(0, self._cumulative[-1]))

    def _now_us(self, at_ms: int) -> int:
        return self.shape.start_us + at_ms * 1_000

    def _someones_order(self, not_of: int) -> str:
        others = [
            orders[-1].order_id
            for user, orders in itertools.islice(self._orders.items(), 20)
            if orders and user != not_of
        ]
        return self._random.choice(others) if others else "o-of-nobody"

    def _remember(self, user: int, placed: terms.Placed) -> None:
        self._orders.setdefault(user, deque(maxlen=REMEMBERED_ORDERS)).append(placed)

    def _command(
        self, user: int, at_ms: int, kind: str, name: str, fields: wire.Avro, *, expires_at: int | None = None
    ) -> Planned:
        command_id = f"c-{self.shape.seed}-{next(self._numbers):06d}"
        record = {
            "command_id": command_id,
            "user_id": self.name(user),
            "issued_at": self._now_us(at_ms),
            "command": (f"fillstream.{name}", fields),
            "expires_at": expires_at,
        }
        order_id = fields.get("order_id")
        value = wire.encode("order_command", record)
        planned = self._planned(user, at_ms, kind, value, topic=COMMANDS, command_id=command_id, order_id=order_id)
        self._sent.setdefault(user, deque(maxlen=REMEMBERED_ORDERS)).append(planned)
        return planned

    def _planned(
        self,
        user: int,
        at_ms: int,
        kind: str,
        value: bytes,
        *,
        topic: str,
        command_id: str,
        order_id: str | None = None,
    ) -> Planned:
        name = self.name(user)
        return Planned(
            at_ms=at_ms,
            topic=topic,
            kind=kind,
            expect=Expect.ANSWER,
            user_id=name,
            key=name.encode(),
            value=value,
            command_id=command_id,
            order_id=order_id,
        )
