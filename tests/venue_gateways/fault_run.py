"""Hundreds of orders at a venue that lies all the time, with 5 % of each fault that there is: what came of them.

    python -m tests.venue_gateways.fault_run [--orders 300] [VENUE…]

A venue's simulator, a gateway and Kafka are real, and the workers' own functions decide. Meanwhile no request and no
event is safe; it ends when no outcome is open any more, and then the venue's own journal is compared with our orders.
Prints a table, and exits with 1 if anything is wrong. Waits are a tenth of the real ones (``gateway_process.py``).
"""

import argparse
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table
from typing_extensions import override

from domain import ids, money
from domain.decision import SECOND_US, Policy
from domain.lifecycle import TERMINAL
from domain.messages import Evidence, OrderStatus, PauseOrder, ResumeOrder
from runtime.broker import EmbeddedBroker
from tests.conftest import JAR_CACHE
from tests.venue_gateways.closed_loop import Loop
from tests.venue_gateways.harness import Rig, Simulator
from venue_gateways.simulator import faults

VENUES = ("binance", "coinbase", "kraken")
ORDERS = 300
SHARE = 0.05
#: The shortest that each venue's adapter allows.
WINDOWS_MS = {"binance": "1000", "coinbase": "2000", "kraken": "3000"}
#: As long as a request may be under way at a simulator: its receive window, and the time in which it settles.
POLICY = Policy(
    unknown_bound_us=9 * SECOND_US,
    patience_us=9 * SECOND_US,
    patience_us_max=12 * SECOND_US,
    look_interval_us=SECOND_US,
    look_interval_us_max=2 * SECOND_US,
)
#: Each fault as short as it can be and still be one: a stall outlasts a gateway's patience.
SHORT = {
    "stall_ms": 4_000,
    "delay_ms": 20,
    "hold_ms": 300,
    "hide_ms": 1_000,
    "stream_delay_ms": 300,
    "retry_after_s": 1,
    "ban_s": 1,
}
#: How many orders a turn gives. More would be under way at once than a lost list of them could be told apart from.
_BATCH = 5
_RESOLVED_WITHIN_S = 420
_SETTLED_WITHIN_S = 60
_TELL_INTERVAL_S = 10

Tell = Callable[[str], None]


class Telling(Loop):
    """A loop that says from time to time how its orders are."""

    def __init__(self, rig: Rig, tell: Tell) -> None:
        super().__init__(rig)
        self._tell = tell
        self._told_s = time.monotonic()

    @override
    def turn(self) -> None:
        super().turn()
        if time.monotonic() - self._told_s > _TELL_INTERVAL_S:
            self._told_s = time.monotonic()
            self._tell(", ".join(f"{count} {status}" for status, count in Counter(self.statuses().values()).items()))


class Outcome(msgspec.Struct, kw_only=True):
    """What one run came to. *wrong* says, a line each, what is not as it must be."""

    venue: str
    orders: int
    seconds: float
    faults: dict[str, int]
    unknown: int
    statuses: Counter[OrderStatus]
    accepted: int
    fills: int
    wrong: list[str]


def run(broker: str, folder: Path, venue: str, orders: int = ORDERS, tell: Tell = lambda _: None) -> Outcome:
    """One venue, from its start to the comparison of its journal with our orders. *tell* is told how far it is."""
    simulator = Simulator(folder / "venue", venue=venue, generous=True)
    rig = Rig(broker, folder / "gateway", simulator)
    try:
        window_ms = WINDOWS_MS[venue]
        rig.start_gateway(
            hurried=True,
            impatient=True,
            receive_window_ms=window_ms,
            kraken_tier="pro",
            coinbase_requests_per_s="30",
        )
        rig.wait_for_log("venue_ready", within_s=60)
        return _run(rig, orders, tell)
    finally:
        rig.close()
        simulator.stop()


def _run(rig: Rig, orders: int, tell: Tell) -> Outcome:
    began = time.monotonic()
    loop = Telling(rig, tell)
    loop.worker.books.policy = POLICY
    rig.lie(seed=7, **dict.fromkeys(faults.NAMES, SHARE), **SHORT)
    wanted = _trade(loop, orders)
    loop.until(lambda: _as_wanted(loop, wanted), _RESOLVED_WITHIN_S, "every order is where it should be")
    seconds, happened = time.monotonic() - began, rig.simulator.faults()
    rig.lie()
    loop.until(lambda: not _differences(loop), _SETTLED_WITHIN_S, "our orders are the venue's")
    unknown = {event.order_id for event in loop.worker.events if event.status is OrderStatus.UNKNOWN}
    return Outcome(
        venue=rig.simulator.venue,
        orders=orders,
        seconds=seconds,
        faults=happened,
        unknown=len(unknown),
        statuses=Counter(loop.statuses().values()),
        accepted=len(rig.placed()),
        fills=len(rig.journal("fill")),
        wrong=[*_differences(loop), *_unproved(loop), *_refused_for_a_limit(rig)],
    )


# ── traffic ─────────────────────────────────────────────────────────────────────────────────────────────────────────

OPEN, FILLED, CANCELED, PAUSED = OrderStatus.OPEN, OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.PAUSED
#: What may become of each kind of order: a cancel may find that its order has just been filled.
KINDS = {
    "bought": {FILLED},
    "resting": {OPEN},
    "canceled": {CANCELED, FILLED},
    "resumed": {OPEN, FILLED},
}


def _trade(loop: Loop, orders: int) -> dict[str, set[OrderStatus]]:
    """Place them, cancel some, pause and resume others; what each has to come to, by order."""
    kinds = list(KINDS)
    names = [f"{kinds[number % len(kinds)]}-{number}" for number in range(orders)]
    canceled = [name for name in names if name.startswith("canceled")]
    paused = [name for name in names if name.startswith("resumed")]
    for number, name in enumerate(names):
        loop.buy(name) if name.startswith("bought") else loop.place(name)
        if number % _BATCH == _BATCH - 1:
            loop.turn()
    for name in canceled:
        loop.cancel(name)
        loop.turn()
    _all_in(loop, paused, {OPEN, FILLED})
    for name in paused:
        loop.command(PauseOrder(name))
        loop.turn()
    _all_in(loop, paused, {PAUSED, FILLED})
    for name in paused:
        loop.command(ResumeOrder(name))
        loop.turn()
    return {name: KINDS[name.partition("-")[0]] for name in names}


def _all_in(loop: Loop, orders: list[str], ends: set[OrderStatus]) -> None:
    loop.until(lambda: {loop.order(name).status for name in orders} <= ends, _RESOLVED_WITHIN_S, f"{orders} in {ends}")


def _as_wanted(loop: Loop, wanted: dict[str, set[OrderStatus]]) -> bool:
    return all(status in wanted[name] for name, status in loop.statuses().items())


# ── judgement ───────────────────────────────────────────────────────────────────────────────────────────────────────


class _Theirs(msgspec.Struct):
    """One order of ours by the venue's journal: how often it accepted each attempt, and what is open or executed."""

    attempts: Counter[str] = msgspec.field(default_factory=Counter)
    open: set[str] = msgspec.field(default_factory=set)
    executed: int = 0


def _differences(loop: Loop) -> list[str]:
    """Between the venue's journal and our orders."""
    theirs = _journal(loop.rig)
    found = []
    for name, status in loop.statuses().items():
        order, there = loop.order(name), theirs[ids.order_key(loop.user, name)]
        twice = [attempt for attempt, times in there.attempts.items() if times > 1]
        checks = (
            (not twice, f"accepted twice under {twice}"),
            (len(there.open) == (status is OPEN), f"{status} here, {len(there.open)} open there"),
            (there.executed == order.filled_quantity, f"{order.filled_quantity} filled here, {there.executed} there"),
            (there.executed <= order.quantity, f"{there.executed} executed of {order.quantity}"),
            (status not in TERMINAL or order.reserved == 0, f"{status} with {order.reserved} reserved"),
        )
        found += [f"{name}: {what}" for right, what in checks if not right]
    return found


def _journal(rig: Rig) -> defaultdict[ids.OrderKey, _Theirs]:
    orders: defaultdict[ids.OrderKey, _Theirs] = defaultdict(_Theirs)
    left: Counter[str] = Counter()
    for entry in rig.journal():
        if "client_order_id" not in entry:
            continue
        attempt = str(entry["client_order_id"])
        order = orders[ids.parse_client_order_id(attempt)[1]]
        if entry["event"] == "order_accepted":
            order.attempts[attempt] += 1
            order.open.add(attempt)
            left[attempt] += money.parse(str(entry["quantity"]))
        elif entry["event"] == "fill":
            quantity = money.parse(str(entry["quantity"]))
            order.executed += quantity
            left[attempt] -= quantity
            if not left[attempt]:
                order.open.discard(attempt)
        else:
            order.open.discard(attempt)
    return orders


_VENUE_SAID = frozenset({Evidence.RESPONSE, Evidence.STREAM, Evidence.POLL, Evidence.QUERY})


def _unproved(loop: Loop) -> list[str]:
    """Orders that are where they are without evidence: what the venue has accepted, only the venue ends; what it hasn't
    may also have ended by the gateway, which sent nothing.
    """
    accepted, last = set(_journal(loop.rig)), {event.order_id: event for event in loop.worker.events if event.evidence}
    found = []
    for name in loop.statuses():
        key = ids.order_key(loop.user, name)
        enough = _VENUE_SAID if key in accepted else _VENUE_SAID | {Evidence.GATEWAY}
        if name not in last or last[name].evidence not in enough:
            found.append(f"{name}: evidence is {last[name].evidence if name in last else None}")
    return found


def _refused_for_a_limit(rig: Rig) -> list[str]:
    return [f"the venue refused a request for its limit: {entry}" for entry in rig.journal("request_refused")]


# ── for people ──────────────────────────────────────────────────────────────────────────────────────────────────────


def table(outcomes: list[Outcome]) -> Table:
    columns = ("venue", "orders", "faults", "UNKNOWN", "accepted", "fills", "left", "wrong")
    shown = Table(*columns, "seconds", title=f"{SHARE:.0%} of each of {len(faults.NAMES)} faults")
    for each in outcomes:
        row = (each.venue, each.orders, sum(each.faults.values()), each.unknown, each.accepted, each.fills)
        left = each.statuses[OrderStatus.UNKNOWN]
        shown.add_row(*map(str, (*row, left, len(each.wrong), round(each.seconds))))
    return shown


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("venues", nargs="*", metavar="VENUE", help=", ".join(VENUES))
    options.add_argument("--orders", type=int, default=ORDERS)
    chosen = options.parse_args()
    console, outcomes = Console(), []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with EmbeddedBroker(folder / "kafka", jar_cache=JAR_CACHE) as broker:
            for venue in chosen.venues or VENUES:
                outcomes.append(run(broker.bootstrap, folder / venue, venue, chosen.orders, console.print))
                console.print(table(outcomes[-1:]))
                console.print(dict(sorted(outcomes[-1].faults.items())))
                for line in outcomes[-1].wrong:
                    console.print(line, style="red", markup=False)
    return 1 if any(each.wrong for each in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
