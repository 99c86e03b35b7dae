"""The venue lies, heals, and everything is as the venue itself has it, by evidence: one test a lie, as in the docs."""

import re
from pathlib import Path

import msgspec
import pytest

from domain.messages import Evidence, OrderStatus, ReportKind
from domain.money import parse
from tests.venue_gateways.closed_loop import HURRIED, Loop
from tests.venue_gateways.harness import Rig
from venue_gateways import guard
from venue_gateways.simulator import faults

PAGE = Path(__file__).parent.parent.parent / "docs" / "venue-faults.md"
#: The minute that a real venue is given, though time constants are a tenth of its.
RESOLVED_WITHIN_S = 60.0

AMEND_REJECTED = ReportKind.AMEND_REJECTED
ACKNOWLEDGED, FILL, UNKNOWN = ReportKind.ACKNOWLEDGED, ReportKind.FILL, ReportKind.UNKNOWN
OPEN, FILLED, CANCELED = OrderStatus.OPEN, OrderStatus.FILLED, OrderStatus.CANCELED


class Lie(msgspec.Struct, frozen=True, kw_only=True):
    """*plan* is told to the venue before, and once the orders are there *then*; *shows* is what is reported of the
    order named ``bought`` or ``canceled`` before the venue heals.
    """

    plan: dict[str, object] = {}
    then: dict[str, object] = {}
    shows: dict[str, set[ReportKind]] = {}
    ends: OrderStatus = CANCELED  # of the order that is to be canceled


PLACING = {"operations": ["place", "query"], "stream_loss": 1.0}
CANCELING = {"operations": ["cancel", "query"], "stream_loss": 1.0}

LIES = {
    "response lost after acceptance": Lie(plan={"response_lost": 1.0, **PLACING}, shows={"bought": {UNKNOWN}}),
    "5xx after acceptance": Lie(plan={"error_after": 1.0, **PLACING}, shows={"bought": {UNKNOWN}}),
    "garbled answer after acceptance": Lie(
        plan={"truncated": 0.5, "html": 1.0, **PLACING}, shows={"bought": {UNKNOWN}}
    ),
    "request lost": Lie(plan={"request_lost": 1.0, **PLACING}, shows={"bought": {UNKNOWN}}),
    "5xx before acceptance": Lie(plan={"error_before": 1.0, **PLACING}, shows={"bought": {UNKNOWN}}),
    "answer stalled": Lie(plan={"stall_after": 1.0, "stall_ms": 3_000, **PLACING}, shows={"bought": {UNKNOWN}}),
    "request stalled": Lie(
        plan={"stall_before": 1.0, "stall_ms": 2_000, "operations": ["place"], "times": {"stall_before": 3}},
        shows={"bought": {UNKNOWN}},
    ),
    "429": Lie(plan={"too_many_requests": 1.0, "retry_after_s": 1, "times": {"too_many_requests": 2}}),
    "418": Lie(plan={"banned": 1.0, "ban_s": 1, "times": {"banned": 1}}),
    "fill before acknowledgement": Lie(
        plan={"hold": 1.0, "hold_ms": 700, "operations": ["place"]}, shows={"bought": {FILL, ACKNOWLEDGED}}
    ),
    "fills told twice": Lie(plan={"stream_duplicate": 1.0}, shows={"bought": {FILL}}),
    "fills out of order": Lie(plan={"stream_reorder": 1.0}, shows={"bought": {FILL}}),
    "stream loses events": Lie(plan={"stream_loss": 1.0}, shows={"bought": {FILL}}),
    "not found for a while": Lie(
        plan={"response_lost": 1.0, "stream_loss": 1.0, "operations": ["place"], "hide": 1.0, "hide_ms": 1_000},
        shows={"bought": {UNKNOWN, ReportKind.NOT_FOUND}},
    ),
    "existing orders denied": Lie(
        plan={"response_lost": 1.0, "stream_loss": 1.0, "operations": ["place"]},
        then={"deny": 1.0, "times": {"deny": 4}},
        shows={"bought": {UNKNOWN}},
    ),
    "open orders emptied": Lie(then={"empty_open_orders": 1.0, "stream_reset": 1.0, "times": {"stream_reset": 1}}),
    "cancel finds the order filled": Lie(
        then={"fill_first": 1.0, "stream_loss": 1.0},
        shows={"canceled": {FILL, ReportKind.CANCEL_REJECTED}},
        ends=FILLED,
    ),
    "cancel's answer lost": Lie(
        then={"response_lost": 1.0, **CANCELING}, shows={"canceled": {ReportKind.CANCEL_REJECTED}}
    ),
}


@pytest.fixture(scope="module")
def gateway(broker, simulator, tmp_path_factory):
    """One with scaled time constants."""
    made = Rig(broker, tmp_path_factory.mktemp("lies") / "var", simulator)
    made.start_gateway(**HURRIED)
    made.wait_for_log("venue_ready")
    yield made
    made.close()


@pytest.fixture
def loop(gateway):
    yield Loop(gateway)
    gateway.lie()


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_outlived(loop, name):
    lie = LIES[name]
    loop.rig.lie(**lie.plan)
    loop.place("canceled")
    loop.buy("bought")
    loop.place("resting")
    if lie.then:
        loop.until(lambda: loop.reports("canceled") != [], 60, "the order that is to be canceled")
        loop.rig.lie(**lie.then)
    loop.cancel("canceled")
    for order_id, kinds in lie.shows.items():
        loop.until_told(order_id, kinds)
    loop.until(loop.rig.has_lied, 60, "a lie")
    loop.rig.lie()
    wanted = {"canceled": lie.ends, "bought": FILLED, "resting": OPEN}
    loop.until(lambda: loop.statuses() == wanted, RESOLVED_WITHIN_S, f"{wanted}")
    loop.turn()
    assert loop.statuses() == wanted
    assert {order_id: loop.times_placed(order_id) for order_id in wanted} in (
        dict.fromkeys(wanted, 1),
        dict.fromkeys(wanted, 1) | {"canceled": 0},  # canceled before it was sent
    )
    assert [loop.order(order_id).reserved for order_id in ("canceled", "bought")] == [0, 0]
    assert loop.order("resting").reserved > 0
    assert all(loop.order(order_id).evidence is not None for order_id in ("canceled", "bought"))


def test_what_is_told_first_is_the_fill_when_the_acknowledgement_is_late(loop):
    loop.rig.lie(hold=1.0, hold_ms=700, operations=["place"])
    loop.buy("early")
    loop.until(lambda: loop.statuses() == {"early": FILLED}, 60, "the fill")
    first = loop.reports("early")[0]
    assert (first.kind, first.evidence) == (FILL, Evidence.STREAM)


def test_an_order_that_is_made_smaller_keeps_its_place(loop):
    loop.place("smaller", quantity=parse("0.002"))
    loop.until(lambda: loop.statuses() == {"smaller": OPEN}, 60, "the order on the book")
    before = loop.order("smaller").reserved
    loop.shrink("smaller", "0.001")
    loop.until(lambda: loop.order("smaller").quantity == parse("0.001"), 60, "a smaller order")
    assert (loop.order("smaller").status, loop.order("smaller").attempt) == (OPEN, 1)
    assert loop.order("smaller").reserved * 2 == before
    assert reduced(loop) == ["0.001"]
    assert loop.times_placed("smaller") == 1


def test_an_amendment_whose_answer_is_lost_is_found_out(loop):
    loop.place("smaller", quantity=parse("0.002"))
    loop.until(lambda: loop.statuses() == {"smaller": OPEN}, 60, "the order on the book")
    loop.rig.lie(response_lost=1.0, operations=["amend"], stream_loss=1.0)
    loop.shrink("smaller", "0.001")
    loop.until_told("smaller", {AMEND_REJECTED})
    assert loop.order("smaller").quantity == parse("0.002"), "until it is known, nothing has changed"
    loop.rig.lie()
    loop.until(lambda: loop.order("smaller").quantity == parse("0.001"), RESOLVED_WITHIN_S, "a smaller order")
    assert (loop.order("smaller").status, loop.order("smaller").attempt) == (OPEN, 1)
    assert reduced(loop) == ["0.001"]


def test_an_amendment_that_never_arrives_has_the_order_replaced(loop):
    loop.place("smaller", quantity=parse("0.002"))
    loop.until(lambda: loop.statuses() == {"smaller": OPEN}, 60, "the order on the book")
    loop.rig.lie(request_lost=1.0, operations=["amend"])
    loop.shrink("smaller", "0.001")
    loop.until_told("smaller", {AMEND_REJECTED})
    loop.rig.lie()
    loop.until(
        lambda: (loop.order("smaller").attempt, loop.order("smaller").status) == (2, OPEN),
        RESOLVED_WITHIN_S,
        "another order in its place",
    )
    assert loop.order("smaller").quantity == parse("0.001")
    assert reduced(loop) == []
    assert loop.times_placed("smaller") == 2


def reduced(loop):
    """What the venue has brought this loop's orders down to, by its own journal."""
    mine = {report.client_order_id for report in loop.reports("smaller")}
    return [entry["quantity"] for entry in loop.rig.journal("order_reduced") if entry["client_order_id"] in mine]


def test_the_page_has_a_row_for_each_lie_and_each_fault():
    page = PAGE.read_text()
    told = re.findall(r"^\| ([^|]+?) \|.*`test_a_lie_is_outlived`", page, re.MULTILINE)
    assert sorted(told) == sorted(LIES)
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == {*faults.NAMES, *guard.Held}
    tests = "\n".join(path.read_text() for path in Path(__file__).parent.glob("**/test_*.py"))
    assert [name for name in re.findall(r"`(test_\w+)`", page) if f"def {name}(" not in tests] == []
