"""Each venue's adapter against the simulator of that venue, behind a real gateway, with the workers' own decisions."""

import pytest

from domain.messages import OrderStatus, ReportKind
from tests.venue_gateways.closed_loop import Loop
from tests.venue_gateways.fault_run import POLICY, SHARE, SHORT, WINDOWS_MS
from tests.venue_gateways.harness import Rig, Simulator
from venue_gateways.simulator import faults

OPEN, FILLED, CANCELED = OrderStatus.OPEN, OrderStatus.FILLED, OrderStatus.CANCELED


@pytest.fixture(scope="module", params=["coinbase", "kraken"])
def rig(request, broker, tmp_path_factory):
    simulator = Simulator(tmp_path_factory.mktemp("venue"), venue=request.param, generous=True)
    made = Rig(broker, tmp_path_factory.mktemp("gateway") / "var", simulator)
    made.start_gateway(hurried=True, impatient=True, receive_window_ms=WINDOWS_MS[request.param], kraken_tier="pro")
    made.wait_for_log("venue_ready")
    yield made
    made.close()
    simulator.stop()


def test_orders_are_placed_filled_and_canceled(rig):
    loop = Loop(rig)
    loop.buy("bought")
    loop.place("resting")
    loop.place("canceled")
    loop.until_told("canceled", {ReportKind.ACKNOWLEDGED})
    loop.cancel("canceled")
    wanted = {"bought": FILLED, "resting": OPEN, "canceled": CANCELED}
    loop.until(lambda: loop.statuses() == wanted, 20, f"{wanted}")
    assert loop.order("bought").reserved == loop.order("canceled").reserved == 0
    assert rig.journal("request_refused") == []


ORDERS = 6


def test_a_twentieth_of_each_fault_leaves_no_order_unknown_and_none_twice(rig):
    """The long form, with hundreds of orders, is in fault_run.py."""
    loop = Loop(rig)
    loop.worker.books.policy = POLICY
    rig.lie(seed=7, **dict.fromkeys(faults.NAMES, SHARE), **SHORT)
    wanted = {}
    for number in range(ORDERS):
        loop.buy(f"bought-{number}")
        loop.place(f"canceled-{number}")
        wanted |= {f"bought-{number}": {FILLED}, f"canceled-{number}": {CANCELED, FILLED}}
        loop.turn()
    for number in range(ORDERS):
        loop.cancel(f"canceled-{number}")
        loop.turn()
    loop.until(lambda: sum(rig.simulator.faults().values()) > 3, 30, "lies")
    rig.lie()
    loop.until(lambda: all(status in wanted[name] for name, status in loop.statuses().items()), 60, f"{wanted}")
    placed = {name: loop.times_placed(name) for name in wanted}
    assert all(placed[name] == 1 for name in wanted if name.startswith("bought"))
    assert max(placed.values()) == 1
    assert not any(loop.order(name).reserved for name in wanted)
