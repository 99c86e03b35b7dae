"""The acts of a play: how often each happens, when it can, and what it may be given; and walks of many of them."""

import random
from collections.abc import Callable
from typing import Any, Final

import msgspec

from domain.decision import SECOND_US
from domain.messages import AmendOrder, CancelOrder, PauseOrder, ResumeOrder, Side, TransferDirection
from tests.domain.play import ASSETS, KINDS, SYMBOLS, USERS, Play
from tests.domain.venue import ENDINGS


class Act(msgspec.Struct, frozen=True):
    """What may be done when *possible*; how often, against the other acts; and what each argument may be."""

    weight: int
    options: dict[str, list[Any]]
    possible: Callable[[Play], Any] = bool


INDEX: Final = list(range(12))
_PARTS: Final = [0, 1, 2, 3, 4]
_CHANCES: Final = [0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
_QUANTITIES: Final = ["1", "2", "0.5", "0.333"]
_PRICES: Final = ["100", "90", "110", "99.99"]
_DEADLINES: Final = [None, None, None, None, 0, 1_000, 5 * SECOND_US, 60 * SECOND_US]
_WAITS: Final = [0, 1_000, SECOND_US, 3 * SECOND_US, 7 * SECOND_US, 17 * SECOND_US, 45 * SECOND_US]

ACTS: Final[dict[str, Act]] = {
    "place": Act(
        8,
        {
            "user": list(USERS),
            "kind": list(KINDS),
            "side": list(Side),
            "symbol": list(SYMBOLS),
            "quantity": _QUANTITIES,
            "price": _PRICES,
            "deadline": _DEADLINES,
        },
    ),
    "change": Act(
        12,
        {
            "asked": [CancelOrder, PauseOrder, PauseOrder, ResumeOrder, ResumeOrder, AmendOrder, AmendOrder],
            "index": INDEX,
            "quantity": [None, *_QUANTITIES],
            "price": [None, *_PRICES],
            "deadline": _DEADLINES,
        },
        lambda play: play.world.orders,
    ),
    "shrink": Act(6, {"index": INDEX, "part": [1, 2, 3]}, lambda play: play.resting()),
    "cancel_all": Act(1, {"user": list(USERS), "symbol": [None, *SYMBOLS]}),
    "transfer": Act(
        2,
        {"user": list(USERS), "asset": list(ASSETS), "direction": list(TransferDirection), "amount": _QUANTITIES},
    ),
    "repeat": Act(3, {"index": INDEX, "renamed": [False, True]}),
    "gateway_works": Act(
        25, {"index": INDEX, "chance": _CHANCES, "part": _PARTS, "lag": _PARTS}, lambda play: play.venue.queues
    ),
    "venue_trades": Act(
        12,
        {"index": INDEX, "part": _PARTS, "better": [0, 1, 2], "fee": _PARTS, "lag": _PARTS},
        lambda play: play.venue.open_orders(),
    ),
    "venue_closes": Act(
        2,
        {"index": INDEX, "kind": list(ENDINGS), "lag": _PARTS},
        lambda play: play.venue.open_orders(),
    ),
    "answers_come": Act(
        25, {"index": INDEX, "count": [1, 2, 3, 4, 5, 6], "first": [0, 0, 0, 1, 2]}, lambda play: play.venue.answers
    ),
    "stream_speaks": Act(15, {"index": INDEX, "lost": [False, False, True]}, lambda play: play.venue.stream),
    "poll_closes_the_gap": Act(2, {}, lambda play: play.venue.missed),
    "report_is_repeated": Act(6, {"index": INDEX}, lambda play: play.venue.told),
    "time_passes": Act(10, {"wait": _WAITS}),
    "a_quiet_while_passes": Act(3, {"wait": [SECOND_US, 3 * SECOND_US, 5 * SECOND_US], "rounds": [4, 8]}),
}

Step = tuple[str, dict[str, Any]]


def perform(play: Play, step: Step, acts: dict[str, Act] = ACTS) -> None:
    """Plays a step, if it is possible, and checks what must hold after it."""
    name, arguments = step
    if acts[name].possible(play):
        getattr(play, name)(**arguments)
        play.check()


def walk(seed: int, length: int, acts: dict[str, Act] = ACTS) -> list[Step]:
    """As many steps as *length*, drawn by weight."""
    dice = random.Random(seed)
    names = dice.choices(list(acts), [act.weight for act in acts.values()], k=length)
    return [(name, {key: dice.choice(values) for key, values in acts[name].options.items()}) for name in names]


def fault(steps: list[Step], stage: Callable[[], Play] = Play, acts: dict[str, Act] = ACTS) -> Exception | None:
    """What goes wrong when *steps* are played to the end, or None."""
    play = stage()
    try:
        for step in steps:
            perform(play, step, acts)
        play.finish()
    except Exception as error:  # noqa: BLE001  # whatever it is, it is what the walk has found
        return error
    return None


def play_out(steps: list[Step], stage: Callable[[], Play] = Play, acts: dict[str, Act] = ACTS) -> None:
    """Plays *steps* to the end. If they go wrong, tells the shortest story found that does, too."""
    error = fault(steps, stage, acts)
    if error is not None:
        story = "\n".join(map(str, _shortened(steps, stage, acts)))
        raise AssertionError(f"these steps go wrong:\n{story}") from error


def _shortened(steps: list[Step], stage: Callable[[], Play], acts: dict[str, Act]) -> list[Step]:
    """A shorter list of steps that still goes wrong."""
    size = len(steps) // 2
    while size:
        at = 0
        while at < len(steps):
            shorter = steps[:at] + steps[at + size :]
            if fault(shorter, stage, acts):
                steps = shorter
            else:
                at += size
        size //= 2
    return steps
