"""What must not grow with a worker's tables, the cost of an order; and what does, memory and the way back after a kill.

One installation gets more and more orders that stay open. At each size whole orders are played and their cost is taken.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from benchmarks.processes import Measured
from benchmarks.results import Result
from benchmarks.w2.installation import Installation, Spent, installed
from benchmarks.w2.outcome import examine
from benchmarks.w2.recovery import Recovery, recover

_USERS: Final = 1_000
_WARM_UP_ORDERS: Final = 4_000
_GROWN_AT_ONCE_MAX: Final = 100_000


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Grow to so many *open_orders*, play so many *measured* ones, and kill if told so."""

    open_orders: int
    measured: int = 0
    kill: bool = False


class _Growing:
    """One worker on its way through the steps, and what was found at each."""

    def __init__(self, installation: Installation, worker: Measured) -> None:
        self._installation = installation
        self._worker = worker
        self._open_orders = 0
        self.costs: dict[int, Spent] = {}
        self.recoveries: dict[int, Recovery] = {}
        self.order_kib: float | None = None
        self.resident_mib = 0.0

    def take(self, step: Step) -> None:
        self._grow(step.open_orders)
        if step.measured:
            self.costs[step.open_orders] = self._installation.play(self._installation.following(step.measured))
        if step.kill:
            self.recoveries[step.open_orders] = recover(self._installation, self._worker)

    def _grow(self, wanted: int) -> None:
        """Memory is compared before the first kill only: rows that were restored are held otherwise."""
        before_mib, grown = self._worker.resident_mib(), wanted - self._open_orders
        while self._open_orders < wanted:
            count = min(_GROWN_AT_ONCE_MAX, wanted - self._open_orders)
            self._installation.play(self._installation.following(count, rests=True))
            self._open_orders += count
        if grown and not self.recoveries:
            self.resident_mib = self._worker.resident_mib()
            self.order_kib = (self.resident_mib - before_mib) * 1_024 / grown


def measure(steps: Sequence[Step], tell: Callable[[str], object]) -> list[Result]:
    """Takes the *steps*, telling which: one result for each that plays orders, each that kills, and one for memory."""
    with installed(_USERS) as installation:
        growing = _Growing(installation, installation.start_worker())
        installation.await_read()
        installation.play(installation.following(_WARM_UP_ORDERS))
        for step in steps:
            tell(f"W2: {step.open_orders:,} open orders")
            growing.take(step)
        installation.stop_workers()
        faults = examine(installation.settings, _USERS, installation.lots).faults()
    results = [*_costs(growing.costs), *_recoveries(growing.recoveries)]
    if growing.order_kib is not None:
        kib: dict[str, float | str] = {"kib_per_open_order": growing.order_kib}
        results.append(Result(work="memory", variant="open orders", rss_mib=growing.resident_mib, detail=kib))
    return [
        msgspec.structs.replace(
            result, verified=not faults, detail=result.detail | ({"first_fault": faults[0]} if faults else {})
        )
        for result in results
    ]


def _costs(costs: dict[int, Spent]) -> list[Result]:
    smallest = next(iter(costs.values())).cpu_us_per_order if costs else 0.0
    return [
        Result(
            work="W2 open orders",
            variant=f"{open_orders:,} open orders",
            cpu_s_per_100k=spent.cpu_us_per_order / 10,
            detail={"ratio_to_fewest": spent.cpu_us_per_order / smallest},
        )
        for open_orders, spent in costs.items()
    ]


def _recoveries(recoveries: dict[int, Recovery]) -> list[Result]:
    return [
        Result(
            work="recovery",
            variant=f"{open_orders:,} open orders",
            recovery_s=recovery.seconds,
            detail={
                "rows": recovery.rows,
                "restore_s": recovery.restore_s,
                "restored_rows_per_second": recovery.rows / recovery.restore_s,
            },
        )
        for open_orders, recovery in recoveries.items()
    ]
