"""A venue that denies everything at once: nobody believes it, and an operator sees why and may decide otherwise."""

import contextlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from confluent_kafka import Producer
from msgspec.structs import replace

from domain import ids
from domain.messages import Evidence, Message, OrderStatus, ReportKind
from runtime import kafka
from runtime import topics as broker_topics
from runtime.exits import Exit
from runtime.settings import SettingsError
from schemas import codec, topics
from tables.balances import balance_key
from tests.venue_gateways.closed_loop import HURRIED, Loop
from tests.venue_gateways.harness import Rig, Simulator, until
from venue_gateways import venues
from venue_gateways.polling import UP_INTERVAL_S
from venue_gateways.reconciliation import baseline, command, tables

OPEN, UNKNOWN, CANCELED = OrderStatus.OPEN, OrderStatus.UNKNOWN, OrderStatus.CANCELED
ORDERS = [f"order-{number}" for number in range(12)]
LATER = [f"later-{number}" for number in range(12)]


def held_back(rig: Rig, kind: str) -> float:
    return rig.metric(f'fillstream_venue_held_back_orders{{kind="{kind}"')


def statuses(loop: Loop, orders: list[str]) -> set[OrderStatus]:
    return {loop.order(order_id).status for order_id in orders}


def opened(rig: Rig, count: int = len(ORDERS)) -> Loop:
    """A loop with so many resting orders, known for a while."""
    rig.start_gateway(**HURRIED)
    rig.wait_for_log("venue_ready")
    loop = Loop(rig)
    for order_id in ORDERS[:count]:
        loop.place(order_id)
    loop.until(lambda: statuses(loop, ORDERS[:count]) == {OPEN}, 10, "open orders")
    return loop


def test_a_venue_that_denies_all_it_has_shown_is_not_believed_and_is_again_once_it_has_healed(rig):
    rig = rig(own=True)
    loop = opened(rig)
    blind = {"empty_open_orders": 1.0, "deny": 1.0}
    rig.lie(**blind, stream_reset=1.0, times={"stream_reset": 1})
    loop.place("one-more")  # the event of which the stream is cut at
    loop.until(lambda: held_back(rig, "missing") >= len(ORDERS), 15, "orders held back")
    lost = {"response_lost": 1.0, "stream_loss": 1.0, "hold": 1.0, "hold_ms": 1_000}
    times = {"response_lost": 30, "hold": 12}  # placements are under way before one is lost; then some look-ups are
    rig.lie(**blind, **lost, operations=["place", "query", "open_orders"], times=times)
    for order_id in LATER:
        loop.place(order_id)
    loop.until(lambda: held_back(rig, "absent") >= 10, 15, "absences held back")
    assert "reconciliation_held" in rig.log()
    assert "absence_doubted" in rig.log()
    for _ in range(40):  # longer than a quorum of looks would take
        loop.turn()
    assert (statuses(loop, ORDERS), statuses(loop, LATER)) == ({OPEN}, {UNKNOWN})
    rig.lie()
    loop.until(lambda: statuses(loop, ORDERS + LATER) == {OPEN}, 20, "all open")
    assert [loop.times_placed(order_id) for order_id in ORDERS + LATER] == [1] * 24
    until(lambda: not held_back(rig, "missing"), UP_INTERVAL_S + 15, lambda: f"nothing held back\n{rig.log()[-3000:]}")


# ── the operator ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def wiped(fresh_broker, tmp_path, monkeypatch):
    """A loop with twelve open orders at a venue that has forgotten all of them since, on a broker of its own."""
    monkeypatch.setattr(command, "_SETTLING_US", 0)
    monkeypatch.setenv("COLUMNS", "250")
    simulator = Simulator(tmp_path / "venue")
    with contextlib.ExitStack() as stack:
        stack.callback(simulator.stop)
        rig = Rig(fresh_broker.bootstrap, tmp_path / "gateway", simulator)
        monkeypatch.setitem(venues.VENUES, rig.name, venues.VENUES["simulated"])
        wanted = [topics.ORDERS_CHANGELOG, topics.BALANCES_CHANGELOG, topics.LEDGER_ENTRIES]
        broker_topics.create(rig.settings, wanted)
        stack.callback(rig.close)
        loop = opened(rig)
        simulator.stop()
        simulator.start()
        yield loop


def write(loop: Loop, topic: topics.Topic, records: Iterable[tuple[bytes, Message]]) -> None:
    producer = Producer(kafka.producer(loop.rig.settings))
    for key, value in records:
        producer.produce(topic.name, codec.encode(value), key=key, partition=0)
    producer.flush()


def commit(loop: Loop) -> None:
    """Write the orders as the workers' transactions do."""
    orders = (replace(loop.order(order_id), venue=loop.rig.name) for order_id in ORDERS)
    write(loop, topics.ORDERS_CHANGELOG, ((ids.order_key(each.user_id, each.order_id), each) for each in orders))


def commit_ledger(loop: Loop) -> None:
    """Write the accounts, and the entries behind them, as the workers' transactions do."""

    def named(each):
        return replace(each, owner=each.owner.replace("simulated", loop.rig.name))

    rows = [named(row) for _, row in loop.worker.balances.items()]
    write(loop, topics.BALANCES_CHANGELOG, ((balance_key(row.owner, row.asset), row) for row in rows))
    entries = [replace(entry, postings=tuple(map(named, entry.postings))) for entry in loop.worker.entries]
    write(loop, topics.LEDGER_ENTRIES, ((entry.user_id.encode(), entry) for entry in entries))


def reconcile(loop: Loop, capsys, **options: object) -> tuple[int, Counter[str], str]:
    """The exit code, how many differences there are of each kind, and all that is printed."""
    commit(loop)
    settings = loop.rig.settings.model_copy(update=loop.rig.reach())
    capsys.readouterr()
    code = command.main(settings, loop.rig.name, **({"apply": False, "actor": "", "as_json": True} | options))
    shown = capsys.readouterr().out
    summaries = [json.loads(line) for line in shown.splitlines() if line.startswith('{"venue":')]
    found = [each for summary in summaries for each in summary["differences"]]
    return code, Counter(each["kind"] for each in found), shown


def test_an_operator_sees_what_differs_and_may_have_the_venue_believed(wiped, capsys):
    loop = wiped
    loop.until(lambda: held_back(loop.rig, "missing") == 12, 20, "orders held back")
    loop.rig.order_by_hand("somebody-else")

    code, kinds, _ = reconcile(loop, capsys)
    assert (code, kinds) == (Exit.CHECK_FAILED, {"missing": 12, "foreign": 1})
    assert not baseline_of(loop).exists()
    _, _, shown = reconcile(loop, capsys, as_json=False)
    assert "12 orders live here, 1 open at" in shown
    assert "no such order" in shown
    assert statuses(loop, ORDERS) == {OPEN}  # to look is to change nothing

    with pytest.raises(SettingsError, match="--actor"):
        reconcile(loop, capsys, apply=True)
    code, _, shown = reconcile(loop, capsys, apply=True, actor="bob")
    assert (code, "12 orders given to the gateways" in shown) == (Exit.CHECK_FAILED, True)
    loop.until(lambda: statuses(loop, ORDERS) == {CANCELED}, 15, "the orders' end")
    ends = [loop.reports(order_id)[-1] for order_id in ORDERS]
    assert {(end.kind, end.evidence, end.reason) for end in ends} == {
        (ReportKind.CANCELED, Evidence.OPERATOR, "NOT_AT_VENUE")
    }
    assert all(end.request_id.startswith("reconcile:bob:") for end in ends)
    assert {loop.order(order_id).reserved for order_id in ORDERS} == {0}
    until(lambda: held_back(loop.rig, "missing") == 0, 30, "nothing held back")

    code, kinds, _ = reconcile(loop, capsys)
    assert (code, kinds) == (Exit.OK, {"foreign": 1})
    compare_balances(loop, capsys)


def baseline_of(loop: Loop) -> Path:
    return baseline.path(loop.rig.settings, loop.rig.name)


def verdicts(shown: str) -> dict[str, str]:
    """Of the assets that were traded, and of all that are not equal."""
    rows = json.loads(shown)["balances"]["assets"]
    return {row["asset"]: row["verdict"] for row in rows if row["verdict"] != "equal" or row["asset"] in {"BTC", "USD"}}


def compare_balances(loop: Loop, capsys) -> None:
    """A trade that is done and not booked is a difference until it is booked; to look is to change nothing."""
    file = baseline_of(loop)
    recorded = file.read_bytes()  # by the first look at which no order differed
    since = tables.end_of_journal(loop.rig.settings)
    loop.buy("bought")
    loop.until(lambda: loop.order("bought").status is OrderStatus.FILLED, 10, "a trade")
    code, kinds, shown = reconcile(loop, capsys)
    assert (code, kinds, verdicts(shown)) == (Exit.CHECK_FAILED, {"foreign": 1}, {"BTC": "differs", "USD": "differs"})

    commit_ledger(loop)
    code, _, shown = reconcile(loop, capsys)
    assert (code, verdicts(shown)) == (Exit.OK, {"BTC": "equal", "USD": "equal"})
    moved = tables.moved(loop.rig.settings, loop.rig.name, since)
    booked, _ = tables.booked(loop.rig.settings, loop.rig.name)
    assert {asset: found.low + found.high for asset, found in moved.items()} == booked  # one trade: all of it, or none
    _, _, shown = reconcile(loop, capsys, as_json=False)
    assert "moved by our trades" in shown
    assert str(file) in shown
    assert file.read_bytes() == recorded
