"""More workers on more partitions, and what a change among them costs: the longest pause while orders go through."""

import time
from collections.abc import Callable
from statistics import median
from typing import Final

from benchmarks.results import Result
from benchmarks.w2.installation import Installation, installed
from benchmarks.w2.outcome import examine

_USERS: Final = 1_000
_PARTITIONS: Final = 8
_WARM_UP_ORDERS: Final = 2_000
#: Orders a second while workers come and go: so few that catching up takes no time worth mentioning.
_RATE: Final = 400.0
_CHANGE_AFTER_S: Final = 4.0
_LASTS_S: Final = 20.0


def rebalance() -> list[Result]:
    """Two workers under a steady load: a third joins, then one is killed and started again at once."""
    with installed(_USERS, _PARTITIONS) as installation:
        workers = [installation.start_worker(), installation.start_worker()]
        installation.await_read()
        installation.play(installation.following(_WARM_UP_ORDERS))

        def kill() -> None:
            installation.kill(workers[0])
            installation.restart(workers[0])

        changes: dict[str, Callable[[], object]] = {
            "a worker joins": installation.start_worker,
            "a worker is killed": kill,
        }
        for change in changes.values():
            _play_while(installation, change)
        installation.stop_workers()
        check = examine(installation.settings, _USERS, installation.lots)
        faults = check.faults()
        spans = check.spans[1:]
    return [
        Result(
            work="rebalance",
            variant=variant,
            rate=_RATE,
            recovery_s=max(span.pauses.values()) / 1_000,
            verified=not faults,
            detail={
                "longest_pause_s_of_median_partition": median(span.pauses.values()) / 1_000,
                "partitions": _PARTITIONS,
            }
            | ({"first_fault": faults[0]} if faults else {}),
        )
        for variant, span in zip(changes, spans, strict=True)
    ]


def _play_while(installation: Installation, change: Callable[[], object]) -> None:
    orders = int(_RATE * _LASTS_S)
    with installation.driving(installation.following(orders), window=orders * _PARTITIONS, rate=_RATE) as driver:
        driver.start()
        time.sleep(_CHANGE_AFTER_S)
        change()
        driver.finish()
        installation.await_read()
