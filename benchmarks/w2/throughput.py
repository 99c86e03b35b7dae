"""How many whole orders a worker takes a second, and what an order costs."""

from statistics import median
from typing import Final

import msgspec

from benchmarks.results import Result
from benchmarks.w2.installation import Spent, installed
from benchmarks.w2.outcome import Span, examine
from runtime.broker import EmbeddedBroker

_WARM_UP_ORDERS: Final = 4_000


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """Where orders are played."""

    users: int = 1_000
    workers: int = 1
    partitions: int = 8


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """One round: what it took, when its events were written, the workers' memory at most, and what was wrong."""

    spent: Spent
    span: Span
    resident_mib: float
    faults: list[str]

    @property
    def rate(self) -> float:
        """Orders a second between the first event and the last."""
        return self.spent.lot.count / self.span.seconds


def play(orders: int, setting: Setting, broker: EmbeddedBroker | None = None) -> Played:
    """Plays so many orders once, after a warm-up, and checks all that was written."""
    with installed(setting.users, setting.partitions, broker) as installation:
        for _ in range(setting.workers):
            installation.start_worker()
        installation.await_read()
        installation.play(installation.following(min(orders, _WARM_UP_ORDERS)))
        spent = installation.play(installation.following(orders))
        resident_mib = sum(worker.resident_mib_max() for worker in installation.workers)
        installation.stop_workers()
        check = examine(installation.settings, setting.users, installation.lots)
        return Played(spent=spent, span=check.spans[-1], resident_mib=resident_mib, faults=check.faults())


def rates(work: str, variant: str, orders: int, rounds: int, setting: Setting) -> Result:
    """The medians of so many rounds."""
    played = [play(orders, setting) for _ in range(rounds)]
    figures = {
        "rate": [each.rate for each in played],
        "cpu_s_per_100k": [each.spent.cpu_us_per_order / 10 for each in played],
        "rss_mib": [each.resident_mib for each in played],
    }
    medians = {name: median(values) for name, values in figures.items()}
    faults = [fault for each in played for fault in each.faults]
    detail: dict[str, float | str] = {
        "orders": orders,
        "users": setting.users,
        "orders_per_core_second": 100_000 / medians["cpu_s_per_100k"],
        "driver_cpu_share": max(each.spent.driver_cpu_share for each in played),
    }
    return Result(
        work=work,
        variant=variant,
        rate=medians["rate"],
        cpu_s_per_100k=medians["cpu_s_per_100k"],
        rss_mib=medians["rss_mib"],
        rounds=rounds,
        verified=not faults,
        spread={name: (min(values), max(values)) for name, values in figures.items()},
        detail=detail | ({"first_fault": faults[0]} if faults else {}),
    )
