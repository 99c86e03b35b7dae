"""The venue's lies: what may go wrong with a request or an event, how likely, and by which dice.

A plan is set at start or while running (``PUT /simulator/faults``); an empty one heals the venue. One seed and one
sequence of requests give the same faults.
"""

from collections.abc import Callable
from enum import StrEnum
from random import Random
from typing import Annotated, Final

import msgspec

Probability = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class Outcome(StrEnum):
    """What becomes of a request. The first group is never performed, the second is; no answer tells which."""

    REQUEST_LOST = "request_lost"  # the connection is reset
    ERROR_BEFORE = "error_before"  # 5xx
    TOO_MANY_REQUESTS = "too_many_requests"  # 429 with Retry-After
    BANNED = "banned"  # 418 with Retry-After
    FORBIDDEN = "forbidden"  # 403 from a firewall in front

    RESPONSE_LOST = "response_lost"  # the connection is reset
    ERROR_AFTER = "error_after"  # 5xx
    STALL_BEFORE = "stall_before"  # performed late, if its time has not run out by then
    STALL_AFTER = "stall_after"  # answered late
    TRUNCATED = "truncated"  # half of the JSON, with status 200
    HTML = "html"  # somebody's error page, with status 200


NEVER_PERFORMED: Final = frozenset(
    {Outcome.REQUEST_LOST, Outcome.ERROR_BEFORE, Outcome.TOO_MANY_REQUESTS, Outcome.BANNED, Outcome.FORBIDDEN}
)
#: What is said then comes from no request: the connection is cut, or somebody answers in the venue's place.
UNANSWERED: Final = NEVER_PERFORMED | {Outcome.RESPONSE_LOST, Outcome.ERROR_AFTER}


class Mishap(StrEnum):
    """What becomes of an event on a client's stream."""

    STREAM_LOSS = "stream_loss"
    STREAM_DUPLICATE = "stream_duplicate"
    STREAM_REORDER = "stream_reorder"  # the next event overtakes it
    STREAM_DELAY = "stream_delay"
    STREAM_RESET = "stream_reset"  # the connection is cut, and the event lost


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How likely each fault is. At most one outcome meets a request, and one mishap an event; the rest comes on top.

    *operations*: the requests that faults may meet (``place``, ``cancel``, ``query`` …); all if there are none.
    *times*: how often a fault happens at most. *clock_offset_ms*: by how much the venue's clock is ahead.
    """

    seed: int = 1
    request_lost: Probability = 0.0
    error_before: Probability = 0.0
    too_many_requests: Probability = 0.0
    banned: Probability = 0.0
    forbidden: Probability = 0.0
    response_lost: Probability = 0.0
    error_after: Probability = 0.0
    stall_before: Probability = 0.0
    stall_after: Probability = 0.0
    truncated: Probability = 0.0
    html: Probability = 0.0
    delay: Probability = 0.0  # a request is performed up to delay_ms late
    hold: Probability = 0.0  # its answer comes hold_ms late: fills on the stream overtake it
    hide: Probability = 0.0  # a new order can't be found for hide_ms
    deny: Probability = 0.0  # a look-up says that there is no such order
    empty_open_orders: Probability = 0.0
    fill_first: Probability = 0.0  # a cancel finds that the order has just been filled
    stream_loss: Probability = 0.0
    stream_duplicate: Probability = 0.0
    stream_reorder: Probability = 0.0
    stream_delay: Probability = 0.0
    stream_reset: Probability = 0.0
    stall_ms: Annotated[int, msgspec.Meta(ge=0)] = 10_000
    delay_ms: Annotated[int, msgspec.Meta(ge=0)] = 50
    hold_ms: Annotated[int, msgspec.Meta(ge=0)] = 500
    hide_ms: Annotated[int, msgspec.Meta(ge=0)] = 2_000
    stream_delay_ms: Annotated[int, msgspec.Meta(ge=0)] = 1_000
    retry_after_s: Annotated[int, msgspec.Meta(ge=0)] = 1
    ban_s: Annotated[int, msgspec.Meta(ge=0)] = 5
    clock_offset_ms: int = 0
    operations: tuple[str, ...] = ()
    times: dict[str, int] = {}


#: Every fault by name: the probabilities of a plan.
NAMES: Final = tuple(field.name for field in msgspec.structs.fields(Plan) if field.type == Probability)


class InvalidPlan(Exception):  # noqa: N818  # it reads better so
    """A plan that can't be; the message says why."""


def parse(data: bytes) -> Plan:
    """The plan in a JSON object. Raises InvalidPlan for unknown faults and impossible figures."""
    try:
        plan = msgspec.json.decode(data, type=Plan)
    except msgspec.MsgspecError as error:
        raise InvalidPlan(f"{error}; the faults are {', '.join(NAMES)}") from error
    unknown = sorted(set(plan.times) - set(NAMES))
    if unknown:
        raise InvalidPlan(f"times of {', '.join(unknown)}: the faults are {', '.join(NAMES)}")
    return plan


class Fate(msgspec.Struct, frozen=True):
    """What is going to happen to one request."""

    outcome: Outcome | None = None
    delay_ms: float = 0.0
    hold_ms: int = 0
    hide_ms: int = 0
    denied: bool = False
    no_open_orders: bool = False
    filled_first: bool = False

    def before_s(self, plan: Plan) -> float:
        """How long the request waits before it is performed."""
        return (self.delay_ms + (plan.stall_ms if self.outcome is Outcome.STALL_BEFORE else 0)) / 1_000

    def after_s(self, plan: Plan) -> float:
        """How long its answer waits."""
        return (self.hold_ms + (plan.stall_ms if self.outcome is Outcome.STALL_AFTER else 0)) / 1_000


KIND: Final = Fate()


class Dice:
    """Decides by the current plan, and counts what it decided."""

    __slots__ = ("_active", "_events", "_left", "_note", "_requests", "counts", "plan")

    def __init__(self, plan: Plan | None = None, note: Callable[[str], None] = lambda _fault: None) -> None:
        """*note* is told of every fault that happens."""
        self._note = note
        self.counts = dict.fromkeys(NAMES, 0)
        self.set(plan or Plan())

    def set(self, plan: Plan) -> None:
        """Go on by *plan*, from its seed."""
        self.plan = plan
        self._requests = Random(plan.seed)  # noqa: S311  # dice, not secrets
        self._events = Random(plan.seed)  # noqa: S311  # a die of their own: requests don't depend on events
        self._left = dict(plan.times)
        self._active = [name for name in NAMES if getattr(plan, name)]

    def request(self, operation: str) -> Fate:
        """The fate of a request of that *operation*."""
        plan = self.plan
        if not self._active or (plan.operations and operation not in plan.operations):
            return KIND
        outcome = next((o for o in Outcome if self._hits(self._requests, o)), None)
        return Fate(
            outcome=outcome,
            delay_ms=self._requests.uniform(0, plan.delay_ms) if self._hits(self._requests, "delay") else 0.0,
            hold_ms=plan.hold_ms if self._hits(self._requests, "hold") else 0,
            hide_ms=plan.hide_ms if operation == "place" and self._hits(self._requests, "hide") else 0,
            denied=operation == "query" and self._hits(self._requests, "deny"),
            no_open_orders=operation == "open_orders" and self._hits(self._requests, "empty_open_orders"),
            filled_first=operation == "cancel" and self._hits(self._requests, "fill_first"),
        )

    def event(self) -> Mishap | None:
        """The fate of an event on a stream."""
        if not self._active:
            return None
        return next((mishap for mishap in Mishap if self._hits(self._events, mishap)), None)

    def choose(self, count: int) -> int:
        """One of *count* ways in which a fault may show."""
        return self._requests.randrange(count)

    def _hits(self, dice: Random, name: str) -> bool:
        probability: float = getattr(self.plan, name)
        if not probability or dice.random() >= probability:
            return False
        left = self._left.get(name)
        if left is not None:
            if not left:
                return False
            self._left[name] = left - 1
        self.counts[name] += 1
        self._note(name)
        return True
