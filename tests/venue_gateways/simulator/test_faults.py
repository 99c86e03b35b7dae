import asyncio

import msgspec
import pytest

from venue_gateways.simulator import faults
from venue_gateways.simulator.faults import KIND, NAMES, Dice, InvalidPlan, Mishap, Outcome, Plan
from venue_gateways.simulator.outbox import EVENTS_MAX, Outbox


def test_every_outcome_and_mishap_has_a_probability():
    assert {*Outcome, *Mishap} < set(NAMES)
    assert len(NAMES) == len(set(NAMES)) == 22


def test_an_empty_plan_is_kind():
    dice = Dice()
    assert all(dice.request("place") is KIND for _ in range(100))
    assert all(dice.event() is None for _ in range(100))
    assert set(dice.counts.values()) == {0}


@pytest.mark.parametrize("name", [*Outcome, *Mishap])
def test_what_is_certain_happens(name):
    dice = Dice(Plan(**{name: 1.0}))
    got = dice.request("place").outcome if name in set(Outcome) else dice.event()
    assert got == name
    assert dice.counts[name] == 1


@pytest.mark.parametrize("name", [*Outcome])
def test_what_is_likely_happens_about_as_often(name):
    dice = Dice(Plan(**{name: 0.05}))
    hits = sum(dice.request("place").outcome == name for _ in range(20_000))
    assert 850 < hits < 1_150
    assert dice.counts[name] == hits


def test_one_seed_gives_the_same_faults():
    plan = Plan(response_lost=0.3, error_before=0.3, delay=0.5, hold=0.5, stream_loss=0.5)
    first, second, third = Dice(plan), Dice(plan), Dice(msgspec.structs.replace(plan, seed=2))
    fates = [first.request("place") for _ in range(200)]
    for _ in range(50):
        second.event()  # events have a die of their own
    assert fates == [second.request("place") for _ in range(200)]
    assert fates != [third.request("place") for _ in range(200)]


def test_faults_may_be_for_some_operations_only():
    dice = Dice(Plan(response_lost=1.0, operations=("cancel",)))
    assert dice.request("place") is KIND
    assert dice.request("cancel").outcome is Outcome.RESPONSE_LOST


def test_a_fault_may_happen_so_often_and_no_more():
    dice = Dice(Plan(error_after=1.0, times={"error_after": 2}))
    outcomes = [dice.request("place").outcome for _ in range(5)]
    assert outcomes == [Outcome.ERROR_AFTER, Outcome.ERROR_AFTER, None, None, None]


def test_only_placements_are_hidden_and_only_open_orders_emptied():
    dice = Dice(Plan(hide=1.0, hide_ms=7, empty_open_orders=1.0))
    assert (dice.request("place").hide_ms, dice.request("cancel").hide_ms) == (7, 0)
    assert (dice.request("open_orders").no_open_orders, dice.request("query").no_open_orders) == (True, False)


def test_a_new_plan_starts_from_its_seed():
    plan = Plan(response_lost=0.5)
    dice = Dice(plan)
    first = [dice.request("place").outcome for _ in range(50)]
    dice.set(plan)
    assert [dice.request("place").outcome for _ in range(50)] == first


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'{"response_lots": 0.5}', "response_lost"),
        (b'{"response_lost": 1.5}', "response_lost"),
        (b'{"response_lost": -0.1}', "response_lost"),
        (b'{"stall_ms": -1}', "stall_ms"),
        (b'{"times": {"nothing": 1}}', "nothing"),
        (b"nothing", "JSON"),
    ],
)
def test_an_impossible_plan_is_refused_with_the_names_there_are(data, says):
    with pytest.raises(InvalidPlan, match=says):
        faults.parse(data)


def test_a_plan_survives_being_written_down():
    plan = Plan(seed=3, stall_after=0.25, operations=("place",), times={"stall_after": 2})
    assert faults.parse(msgspec.json.encode(plan)) == plan


# ── the outbox ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def sent(outbox, for_s=0.01):
    found = []
    try:
        while True:
            found.append(await asyncio.wait_for(outbox.get(), for_s))
    except TimeoutError:
        return found


def outbox(cut=list, **plan):
    return Outbox(Dice(Plan(**plan)), cut)


async def test_events_come_in_order_once():
    box = outbox()
    for event in (b"1", b"2", b"3"):
        box.deliver(event)
    assert await sent(box) == [b"1", b"2", b"3"]


async def test_an_event_may_be_lost():
    box = outbox(stream_loss=1.0, times={"stream_loss": 1})
    box.deliver(b"1")
    box.deliver(b"2")
    assert await sent(box) == [b"2"]


async def test_an_event_may_come_twice():
    box = outbox(stream_duplicate=1.0)
    box.deliver(b"1")
    assert await sent(box) == [b"1", b"1"]


async def test_an_event_may_be_overtaken():
    box = outbox(stream_reorder=1.0, times={"stream_reorder": 1})
    for event in (b"1", b"2", b"3"):
        box.deliver(event)
    assert await sent(box) == [b"2", b"1", b"3"]


async def test_an_event_that_nothing_overtakes_comes_nevertheless():
    box = outbox(stream_reorder=1.0, times={"stream_reorder": 1})
    box.deliver(b"1")
    assert await sent(box, 0.6) == [b"1"]
    box.close()


async def test_an_event_may_be_late():
    box = outbox(stream_delay=1.0, stream_delay_ms=300, times={"stream_delay": 1})
    box.deliver(b"1")
    box.deliver(b"2")
    assert await sent(box) == [b"2"]
    assert await sent(box, 2) == [b"1"]


async def test_a_connection_may_be_cut_instead():
    cuts = []
    box = outbox(lambda: cuts.append(1), stream_reset=1.0)
    box.deliver(b"1")
    assert (cuts, await sent(box)) == ([1], [])


async def test_who_reads_nothing_is_cut_off():
    cuts = []
    box = outbox(lambda: cuts.append(1))
    for _ in range(EVENTS_MAX + 1):
        box.deliver(b"x")
    assert cuts == [1]


async def test_a_closed_outbox_forgets_what_was_late():
    box = outbox(stream_delay=1.0, stream_delay_ms=10)
    box.deliver(b"1")
    box.close()
    assert await sent(box, 0.1) == []
