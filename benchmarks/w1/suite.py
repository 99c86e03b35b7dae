"""W1 from end to end: every variant, in rounds that take turns, and the medians of what came of it."""

import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
from confluent_kafka import KafkaException

from benchmarks.results import FOLDER, ROOT, Result
from benchmarks.w1 import measurements, workload
from benchmarks.w1.cluster import Cluster
from benchmarks.w1.measurements import Recovery, Throughput
from benchmarks.w1.reference import Expected, expect
from benchmarks.w1.run import RunFailed
from benchmarks.w1.variants import RAW_LOOP, VARIANTS, Variant
from runtime.broker import EmbeddedBroker
from runtime.exits import Unavailable

Tell = Callable[[str], None]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How much is done, and who takes part in what is slow: latency and recovery."""

    commands: int
    rounds: int
    latency_s: int
    slow: frozenset[str]


FULL: Final = Plan(commands=200_000, rounds=3, latency_s=20, slow=frozenset(variant.name for variant in VARIANTS))
QUICK: Final = Plan(commands=40_000, rounds=1, latency_s=5, slow=frozenset({"fillstream-1", "kafka-streams-1"}))


_WARM_UPS: Final = 2


class _Found(msgspec.Struct):
    """What is known of one variant so far."""

    rounds: list[Throughput] = []
    latency_ms: dict[str, float] | None = None
    recovery: Recovery | None = None
    failures: list[str] = []


def measure(quick: bool, tell: Tell = lambda _: None, only: Sequence[Variant] = VARIANTS) -> list[Result]:
    """Runs W1 on a broker of its own. A variant that fails is out, and its result says why; the others go on.

    *tell* hears of each step as it begins.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=FOLDER, prefix="broker-") as folder,
        EmbeddedBroker(Path(folder), jar_cache=ROOT / "var" / "kafka") as broker,
    ):
        return Suite(QUICK if quick else FULL, broker, tell).run(only)


class Suite:
    """The steps of one measurement, and what has been found so far."""

    def __init__(self, plan: Plan, broker: EmbeddedBroker, tell: Tell) -> None:
        self._plan = plan
        self._broker = broker
        self._tell = tell
        self._cluster = Cluster(broker.bootstrap)
        self._expected: dict[int, Expected] = {}
        self._found: dict[str, _Found] = defaultdict(_Found)

    def run(self, variants: Sequence[Variant]) -> list[Result]:
        self._prepare(variants)
        self._warm_up()
        for number in range(self._plan.rounds):
            for variant in self._sound(variants):
                self._step(variant, f"round {number + 1} of {self._plan.rounds}", self._throughput)
        slow = [variant for variant in variants if variant.name in self._plan.slow]
        for variant in self._sound(slow):
            if variant.latency_rate is not None:
                self._step(variant, f"latency at {variant.latency_rate:,}/s", self._latency)
        for variant in self._sound(slow):
            if variant.recovers:
                self._step(variant, "recovery", self._recovery)
        return [self._result(variant) for variant in variants]

    def _prepare(self, variants: Sequence[Variant]) -> None:
        """What need not disturb the runs: peers compiled and installed, workloads and references worked out."""
        for variant in variants:
            self._step(variant, "preparing", lambda variant, _: variant.command() and self._backlog(variant))

    def _warm_up(self) -> None:
        """Has the broker's code compiled before anything counts: its first minute is its slowest. The raw loop does
        that, which is nobody's competitor.
        """
        for number in range(_WARM_UPS):
            self._tell(f"warming the broker up, {number + 1} of {_WARM_UPS}")
            measurements.throughput(self._cluster, RAW_LOOP, self._backlog(RAW_LOOP), self._broker.pid)

    def _sound(self, variants: Sequence[Variant]) -> Iterator[Variant]:
        return (variant for variant in variants if not self._found[variant.name].failures)

    def _step(self, variant: Variant, what: str, act: Callable[[Variant, _Found], object]) -> None:
        self._tell(f"{variant.title}: {what}")
        found = self._found[variant.name]
        try:
            act(variant, found)
        except (RunFailed, Unavailable, TimeoutError, KafkaException) as failure:
            found.failures.append(f"{what}: {failure}")
            self._tell(f"{variant.title}: {what} FAILED: {failure}")

    def _backlog(self, variant: Variant) -> Expected:
        count = int(self._plan.commands * variant.share)
        if count not in self._expected:
            self._expected[count] = expect(workload.commands(count))
        return self._expected[count]

    def _throughput(self, variant: Variant, found: _Found) -> None:
        found.rounds.append(measurements.throughput(self._cluster, variant, self._backlog(variant), self._broker.pid))

    def _latency(self, variant: Variant, found: _Found) -> None:
        assert variant.latency_rate is not None
        found.latency_ms = measurements.latency(self._cluster, variant, variant.latency_rate, self._plan.latency_s)

    def _recovery(self, variant: Variant, found: _Found) -> None:
        found.recovery = measurements.recovery(self._cluster, variant, self._backlog(variant))

    def _result(self, variant: Variant) -> Result:
        found = self._found[variant.name]
        figures = (
            {name: [getattr(done, name) for done in found.rounds] for name in Throughput.__struct_fields__}
            if found.rounds
            else {}
        )
        medians = {name: round(statistics.median(values), 2) for name, values in figures.items()}
        detail: dict[str, float | str] = {
            "title": variant.title,
            "guarantee": variant.guarantee,
            "commands": float(int(self._plan.commands * variant.share)),
            **variant.detail(),
        }
        detail |= {name: value for name, value in medians.items() if name not in Result.__struct_fields__}
        if variant.latency_rate is not None:
            detail["latency_rate"] = float(variant.latency_rate)
        if found.recovery is not None:
            detail["backlog_done_s"] = round(found.recovery.last_s, 2)
        if found.failures:
            detail["failed"] = found.failures[0]
        return Result(
            work="W1",
            variant=variant.name,
            rate=medians.get("rate"),
            cpu_s_per_100k=medians.get("cpu_s_per_100k"),
            rss_mib=medians.get("rss_mib"),
            latency_ms=found.latency_ms and {name: round(value, 1) for name, value in found.latency_ms.items()},
            recovery_s=None if found.recovery is None else round(found.recovery.first_s, 2),
            rounds=len(found.rounds),
            verified=not found.failures,
            spread={name: (round(min(values), 2), round(max(values), 2)) for name, values in figures.items()},
            detail=detail,
        )
