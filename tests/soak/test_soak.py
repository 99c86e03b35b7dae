"""A soak tells who grows, who is behind and who died; its traffic is as even at the end as at the start."""

from decimal import Decimal

import msgspec
import pytest

from runtime.soak import page, report
from runtime.soak.backlog import READERS, fullness
from runtime.soak.growth import Sample, growth
from runtime.soak.report import Course, Look
from runtime.soak.traffic import FLOOD_RECORDS, Flood, Steady
from runtime.trial import wire
from runtime.trial.plan import Market, Shape
from runtime.trial.workload import Crowd

MARKETS = [Market("BTC-USD", Decimal(65_000), Decimal("0.01"), Decimal("0.00001"))]


def course(*, mib_per_hour=0.0, name="worker-0", **changes):
    """Half an hour, a look every ten seconds, in which *name* grows; three times as fast in the warm-up."""
    looks = [
        Look(
            at_s=float(at_s),
            sent=at_s * 100,
            memory_mib={"worker-0": 90.0, "sink": 70.0, "broker": 500.0}
            | {name: 80.0 + mib_per_hour * (at_s + 2 * min(at_s, 300)) / 3_600},
            orders=1_000,
            waiting=dict.fromkeys(READERS, 10),
            restarts={},
        )
        for at_s in range(0, 1_800, 10)
    ]
    looks[-1] = msgspec.structs.replace(looks[-1], **changes)
    return Course(looks=looks, warm_up_s=300.0, wanted=100.0, capacity=140.0, refused=())


def failed(course):
    return {check.name: check.faults for check in report.checks(course) if not check.holds}


def test_a_line_is_found_by_least_squares():
    found = growth([Sample(0.0, 10.0), Sample(1_800.0, 12.0), Sample(3_600.0, 11.0)])
    assert (found.per_hour, found.begins_at, found.ends_at, found.most) == (1.0, 10.5, 11.5, 12.0)


def test_one_look_alone_has_no_slope():
    assert growth([Sample(5.0, 3.0)]).per_hour == 0.0


def test_a_soak_in_which_nobody_grows_is_fine():
    assert failed(course(mib_per_hour=1.9)) == {}


@pytest.mark.parametrize("name", ["worker-0", "worker-1", "gateway-simulated", "sink"])
def test_who_grows_by_more_than_two_mib_an_hour_after_the_warm_up_is_told(name):
    (told,) = failed(course(mib_per_hour=2.1, name=name))["nobody_grows"]
    assert told.startswith(f"{name} grows by 2.10 MiB/h")


@pytest.mark.parametrize("name", ["broker", "simulator", "clickhouse"])
def test_whose_work_is_to_keep_things_may_grow(name):
    assert failed(course(mib_per_hour=500.0, name=name)) == {}


def test_who_falls_behind_dies_or_does_not_take_the_load_is_told():
    assert failed(course(waiting={"gateway": READERS["gateway"].room + 1})).keys() == {"nobody_falls_behind"}
    assert failed(course(restarts={"worker-1": 2}))["nobody_dies"] == ("worker-1 died 2 times",)
    assert failed(msgspec.structs.replace(course(), wanted=110.0))["all_was_sent"]
    assert failed(msgspec.structs.replace(course(), refused=["too large"]))["all_was_sent"] == ("too large",)


def test_the_report_and_the_page_have_the_figures():
    seen = course(mib_per_hour=3.0)
    checks = report.checks(seen)
    made = report.make(seen, checks, 1, {})
    assert (made.violations, made.load_share, made.records_per_second) == (1, round(100 / 140, 3), 100.0)
    assert made.memory_mib["worker-0"].per_hour == pytest.approx(3.0, abs=0.01)
    html = page.render(made, seen, checks)
    assert html.count("<svg") == 4
    assert "worker-0 grows by 3.00 MiB/h" in html


def test_a_steady_pace_catches_up_with_what_was_late():
    pace = Steady(rate=8.0, began_s=100.0)
    assert [pace.due(100.0), pace.due(100.25), pace.due(101.0), pace.due(101.0)] == [0, 2, 6, 0]


def test_a_flood_leaves_off_as_rooms_fill():
    full = [0.0, 0.75, 2.0]
    pace = Flood(lambda: full.pop(0))
    assert [pace.due(at_s) for at_s in (1.0, 1.1, 2.0, 3.0)] == [FLOOD_RECORDS, 0, FLOOD_RECORDS // 4, 0]


def test_the_fullest_room_counts():
    assert fullness({"workers": READERS["workers"].room // 2, "gateway": READERS["gateway"].room * 2, "sink": 0}) == 2.0


def test_no_order_of_a_soak_rests_for_longer_than_its_lifetime():
    from random import Random

    shape = Shape(users=20, start_us=1_700_000_000_000_000, lifetime_s=30.0)
    crowd = Crowd(shape, MARKETS, Random(3))
    for user in range(20):
        crowd.wealth(user)
    placed = [wire.decode(one.value)[1] for one in (crowd.act(0) for _ in range(500)) if one.kind.startswith("place_")]
    resting = [one["command"] for one in placed if one["command"]["time_in_force"] in {"GTC", "GTD"}]
    assert len(resting) > 200
    for order in resting:
        assert order["price"] is None or 3e6 <= order["good_till"] - shape.start_us <= 30e6
