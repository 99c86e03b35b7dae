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
from runtime.broker import EmbeddedBroker

_USERS: Final = 1_000
_WARM_UP_ORDERS: Final = 4_000
_GROWN_AT_ONCE_MAX: Final = 100_000


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Grow to so many *open_orders*, play so many *measured* ones, and kill if told so."""

    open_orders: int
    measured: int = 0
    kill: bool = False


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Of a worker after its last growth: *order_kib* is what that growth took, for each order that came to be open.

    *all_in_kib* is everything above an idle worker, buffers included, divided by all orders held, ended ones too.
    """

    resident_mib: float
    order_kib: float
    all_in_kib: float


class _Growing:
    """One worker on its way through the steps, and what was found at each."""

    def __init__(self, installation: Installation, worker: Measured) -> None:
        self._installation = installation
        self._worker = worker
        self._idle_mib = worker.resident_mib()
        self._open_orders = 0
        self.costs: dict[int, Spent] = {}
        self.recoveries: dict[int, Recovery] = {}
        self.memory: Memory | None = None

    def take(self, step: Step) -> None:
        self._grow(step.open_orders)
        if step.measured:
            self.costs[step.open_orders] = self._installation.play(self._installation.following(step.measured))
        if step.kill:
            self.recoveries[step.open_orders] = recover(self._installation, self._worker)

    def _grow(self, wanted: int) -> None:
        """Memory is compared before the first kill only: what restoring leaves free would hide what orders take."""
        before_mib, grown = self._worker.resident_mib(), wanted - self._open_orders
        while self._open_orders < wanted:
            count = min(_GROWN_AT_ONCE_MAX, wanted - self._open_orders)
            self._installation.play(self._installation.following(count, rests=True))
            self._open_orders += count
        if grown and not self.recoveries:
            resident_mib, held = self._worker.resident_mib(), sum(lot.count for lot in self._installation.lots)
            self.memory = Memory(
                resident_mib=resident_mib,
                order_kib=(resident_mib - before_mib) * 1_024 / grown,
                all_in_kib=(resident_mib - self._idle_mib) * 1_024 / held,
            )


def measure(steps: Sequence[Step], tell: Callable[[str], object], broker: EmbeddedBroker | None = None) -> list[Result]:
    """Takes the *steps*, telling which: one result for each that plays orders, each that kills, and one for memory."""
    with installed(_USERS, broker=broker) as installation:
        worker = installation.start_worker()
        installation.await_read()
        growing = _Growing(installation, worker)
        installation.play(installation.following(_WARM_UP_ORDERS))
        for step in steps:
            tell(f"W2: {step.open_orders:,} open orders")
            growing.take(step)
        installation.stop_workers()
        faults = examine(installation.settings, _USERS, installation.lots).faults()
    results = [*_costs(growing.costs), *_recoveries(growing.recoveries), *_memory(growing.memory)]
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
                "start_s": recovery.start_s,
                "join_s": recovery.join_s,
                "restore_s": recovery.restore_s,
                "cpu_s": recovery.cpu_s,
                "restored_rows_per_second": recovery.rows / recovery.restore_s,
            },
        )
        for open_orders, recovery in recoveries.items()
    ]


def _memory(memory: Memory | None) -> list[Result]:
    if memory is None:
        return []
    detail: dict[str, float | str] = {
        "kib_per_open_order": memory.order_kib,
        "kib_per_order_all_in": memory.all_in_kib,
    }
    return [Result(work="memory", variant="open orders", rss_mib=memory.resident_mib, detail=detail)]
