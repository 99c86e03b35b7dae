"""The figures that were to be reached, and how each is worked out from the results."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from benchmarks.results import Result

Figures = Mapping[tuple[str, str], Result]
"""Results by work and variant."""

_OURS: Final = ("W1", "fillstream-1")
_OUR_TWO: Final = ("W1", "fillstream-2")
_KAFKA_STREAMS: Final = ("W1", "kafka-streams-1")
_GATEWAY: Final = ("gateway", "placements, hundreds under way")


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table. *measured* is None where the results don't hold what it takes."""

    what: str
    bound: float
    at_least: bool
    unit: str = ""
    measured: Callable[[Figures], float | None]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A goal as it is shown; *reached* is None if it wasn't measured."""

    what: str
    goal: str
    measured: str
    reached: bool | None


def lines(results: Iterable[Result]) -> list[Line]:
    """Each goal beside what was measured."""
    figures = {(result.work, result.variant): result for result in results}
    return [_line(goal, goal.measured(figures)) for goal in GOALS]


def _line(goal: Goal, measured: float | None) -> Line:
    wanted = f"{'≥' if goal.at_least else '≤'} {_text(goal.bound, goal.unit)}"
    if measured is None:
        return Line(what=goal.what, goal=wanted, measured="not measured", reached=None)
    reached = measured >= goal.bound if goal.at_least else measured <= goal.bound
    return Line(what=goal.what, goal=wanted, measured=_text(measured, goal.unit), reached=reached)


def _text(value: float, unit: str) -> str:
    return f"{value:,.0f}{unit}" if value >= 100 else f"{value:.3g}{unit}"


def _ratio(name: str, above: tuple[str, str], below: tuple[str, str]) -> Callable[[Figures], float | None]:
    """The figure *name* of one variant divided by that of another."""

    def measured(figures: Figures) -> float | None:
        first, second = _figure(figures, above, name), _figure(figures, below, name)
        return first / second if first is not None and second else None

    return measured


def _plain(name: str, *of: tuple[str, str]) -> Callable[[Figures], float | None]:
    """The figure *name* of the first of these that has it."""
    return lambda figures: next((value for one in of if (value := _figure(figures, one, name)) is not None), None)


def _best(name: str, work: str) -> Callable[[Figures], float | None]:
    """The greatest figure *name* of all variants of *work*: what restores is as fast as it is on many rows."""

    def measured(figures: Figures) -> float | None:
        of_work = (_figure(figures, key, name) for key in figures if key[0] == work)
        return max((value for value in of_work if value is not None), default=None)

    return measured


def _figure(figures: Figures, of: tuple[str, str], name: str) -> float | None:
    """A field of a result, a percentile of its latency, or a detail. None of one whose outputs were wrong."""
    result = figures.get(of)
    if result is None or not result.verified:
        return None
    found = getattr(result, name, None) or (result.latency_ms or {}).get(name) or result.detail.get(name)
    return float(found) if isinstance(found, int | float) else None


GOALS: Final[Sequence[Goal]] = (
    Goal(
        what="W1, one worker, throughput against Kafka Streams with one thread",
        bound=3,
        at_least=True,
        unit=" ×",
        measured=_ratio("rate", _OURS, _KAFKA_STREAMS),
    ),
    Goal(
        what="… CPU per command",
        bound=0.22,
        at_least=False,
        unit=" ×",
        measured=_ratio("cpu_s_per_100k", _OURS, _KAFKA_STREAMS),
    ),
    Goal(what="… memory", bound=0.4, at_least=False, unit=" ×", measured=_ratio("rss_mib", _OURS, _KAFKA_STREAMS)),
    Goal(
        what="W1, two workers, throughput against Kafka Streams with two threads",
        bound=3,
        at_least=True,
        unit=" ×",
        measured=_ratio("rate", _OUR_TWO, ("W1", "kafka-streams-2")),
    ),
    Goal(
        what="W1 against Quix Streams",
        bound=9,
        at_least=True,
        unit=" ×",
        measured=_ratio("rate", _OURS, ("W1", "quix")),
    ),
    Goal(
        what="W1 against plain Faust",
        bound=70,
        at_least=True,
        unit=" ×",
        measured=_ratio("rate", _OURS, ("W1", "faust")),
    ),
    Goal(
        what="W1 against the raw transactional loop",
        bound=0.75,
        at_least=True,
        unit=" ×",
        measured=_ratio("rate", _OURS, ("W1", "raw-loop")),
    ),
    Goal(
        what="W2, whole orders per second, one worker",
        bound=10_000,
        at_least=True,
        measured=_plain("rate", ("W2", "fillstream, 1 worker")),
    ),
    Goal(
        what="latency at 2,000 commands/s, to the readable answer: p50",
        bound=40,
        at_least=False,
        unit=" ms",
        measured=_plain("p50", _OURS),
    ),
    Goal(what="… p99", bound=100, at_least=False, unit=" ms", measured=_plain("p99", _OURS)),
    Goal(
        what="recovery: kill −9 to first new commit, W1 half-way",
        bound=4,
        at_least=False,
        unit=" s",
        measured=_plain("recovery_s", _OURS),
    ),
    Goal(
        what="restore, rows per second",
        bound=300_000,
        at_least=True,
        measured=_best("restored_rows_per_second", "recovery"),
    ),
    Goal(
        what="memory an open order",
        bound=1.2,
        at_least=False,
        unit=" KiB",
        measured=_plain("kib_per_open_order", ("memory", "open orders")),
    ),
    Goal(
        what="one gateway, hundreds of calls under way, placements per second",
        bound=1_500,
        at_least=True,
        measured=_plain("rate", _GATEWAY),
    ),
    Goal(what="… calls under way at one time", bound=400, at_least=True, measured=_plain("under_way_max", _GATEWAY)),
    Goal(
        what="sink and ClickHouse on one core, records per second, all views on",
        bound=60_000,
        at_least=True,
        measured=_plain("rate", ("sink", "drain, one core")),
    ),
    Goal(
        what="from Kafka to a row in ClickHouse at 2,000 commands/s, p99",
        bound=3_000,
        at_least=False,
        unit=" ms",
        measured=_plain("p99", ("sink", "steady")),
    ),
)
