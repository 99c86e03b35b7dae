"""What a gateway survives: kills, stalls, fences, silence, limits, a venue that is gone."""

import os
import signal
import time
from bisect import bisect_left

from confluent_kafka import Consumer

from domain import money
from domain.messages import Evidence, OrderType, ReportKind
from runtime import kafka
from schemas import topics
from tests.venue_gateways.harness import kinds, now_us, until

ACKNOWLEDGED, UNKNOWN = ReportKind.ACKNOWLEDGED, ReportKind.UNKNOWN


def answered(rig, names, partition=0):
    return {name: kinds(rig.of(name, partition)) for name in names}


# ── whose an order is to send ───────────────────────────────────────────────────────────────────────────────────────


def test_after_a_kill_in_mid_flight_no_order_is_placed_twice_and_what_may_have_been_sent_is_unknown(rig):
    rig = rig()
    gateway = rig.start_gateway(concurrent_calls_max="16")
    rig.wait_for_log("venue_ready")
    rig.lie(stall_after=1.0, stall_ms=20_000, stream_loss=1.0, operations=["place"])
    names = [f"order-{number}" for number in range(40)]
    rig.send(*(rig.place(name) for name in names))
    until(lambda: len(rig.placed()) >= 12, 15, lambda: f"orders at the venue: {rig.placed()}")
    gateway.kill()
    gateway.wait()
    rig.lie()
    in_flight = set(rig.placed())
    rig.start_gateway(concurrent_calls_max="16")

    def all_answered() -> bool:
        rig.read()
        return all(rig.of(name) for name in names)

    until(all_answered, 30, lambda: f"answers {answered(rig, names)}\n{rig.log()[-2000:]}")
    placed = rig.placed()
    assert len(placed) == len(set(placed))
    unknown = {rig.order_id(name) for name in names if rig.kinds(name) == [UNKNOWN]}
    assert in_flight <= unknown
    assert len(unknown) <= 16
    assert {rig.order_id(name) for name in names if rig.kinds(name) == [ACKNOWLEDGED]} == set(placed) - unknown
    assert {report.reason for report in rig.reports if report.kind is UNKNOWN} == {"HANDED_OVER"}
    assert len(unknown) + len(set(placed) - unknown) == 40
    rig.send(*(rig.query(name) for name in names))
    until(lambda: not rig.read() or all(ACKNOWLEDGED in rig.kinds(name) for name in names), 15, "")


def test_a_stalled_gateway_that_comes_back_places_nothing_once_somebody_else_has_taken_over(rig):
    rig = rig()
    stalled = rig.start_gateway("gateway-a", concurrent_calls_max="8")
    rig.wait_for_log("venue_ready", "gateway-a")
    rig.lie(delay=1.0, delay_ms=300, operations=["place"])
    names = [f"order-{number}" for number in range(300)]
    rig.send(*(rig.place(name) for name in names))
    until(lambda: len(rig.placed()) >= 5, 15, "the first orders")
    os.kill(stalled.pid, signal.SIGSTOP)
    rig.lie()
    time.sleep(0.5)
    before = len(rig.placed())
    assert before < 250
    rig.start_gateway("gateway-b", concurrent_calls_max="64")

    def all_answered() -> bool:
        rig.read()
        return all(rig.of(name) for name in names)

    until(all_answered, 40, lambda: f"{len(rig.reports)} reports\n{rig.log('gateway-b')[-2000:]}")
    placed = len(rig.placed())
    os.kill(stalled.pid, signal.SIGCONT)
    time.sleep(3)
    after = rig.placed()
    assert len(after) == len(set(after)) == placed
    unknown = {name for name in names if UNKNOWN in rig.kinds(name)}
    assert all(rig.order_id(name) in after for name in set(names) - unknown)
    assert len(unknown) <= 8


def test_a_gateway_whose_commits_are_refused_sends_nothing_more_of_what_it_holds(rig):
    rig = rig(orders_per_10_s=300)
    gateway = rig.start_gateway()
    rig.wait_for_log("venue_ready")
    rig.send(*(rig.place(f"order-{number}") for number in range(400)))
    until(lambda: len(rig.placed()) >= 10, 10, "the first orders")
    usurper = Consumer(
        kafka.consumer(
            rig.settings,
            f"{topics.APPLICATION}-gateway-{rig.name}",
            group_instance_id="gateway-0",
            session_timeout_ms=7_000,
            partition_assignment_strategy="cooperative-sticky",
        )
    )
    usurper.subscribe([topics.venue_requests(rig.name).name])
    until(lambda: usurper.poll(0.02) is None and len(usurper.assignment()) == 4, 20, "the partitions")
    before = len(rig.placed())
    assert gateway.wait(20) == 70
    usurper.close()
    assert before < 300
    assert len(rig.placed()) <= before + 2  # those under way; 28 a second would have followed


def test_partitions_change_hands_in_good_order_while_orders_flow(rig):
    rig = rig()
    rig.start_gateway("gateway-a")
    rig.wait_for_log("venue_ready", "gateway-a")
    rig.lie(delay=1.0, delay_ms=50, operations=["place"])
    names = [(f"order-{number}", number % 4) for number in range(400)]
    rig.send(*(rig.place(name, partition) for name, partition in names[:200]))
    second = rig.start_gateway("gateway-b")
    rig.wait_for_log("partition_gained", "gateway-b")
    rig.send(*(rig.place(name, partition) for name, partition in names[200:]))

    def all_answered() -> bool:
        rig.read()
        return all(rig.of(name, partition) for name, partition in names)

    until(all_answered, 40, lambda: f"{len(rig.reports)} reports\n{rig.log('gateway-b')[-2000:]}")
    placed = rig.placed()
    assert len(placed) == len(set(placed)) == 400
    assert {report.kind for report in rig.reports} == {ACKNOWLEDGED}
    assert len(rig.reports) == 400
    assert rig.metric("fillstream_gateway_partitions", "gateway-b") == 2
    second.terminate()
    assert second.wait(20) == 0


def test_asked_to_stop_it_ends_what_is_under_way_and_leaves_the_rest_for_the_next(rig):
    rig = rig()
    gateway = rig.start_gateway(concurrent_calls_max="16")
    rig.wait_for_log("venue_ready")
    rig.lie(hold=1.0, hold_ms=1_500, operations=["place"])
    names = [f"order-{number}" for number in range(30)]
    rig.send(*(rig.place(name) for name in names))
    until(lambda: len(rig.placed()) >= 10, 15, "the first orders")
    gateway.terminate()
    assert gateway.wait(15) == 0
    rig.read()
    done = set(rig.placed())
    assert {report.client_order_id for report in rig.reports} == done
    assert 10 <= len(done) < 30
    rig.lie()
    rig.start_gateway()

    def all_answered() -> bool:
        rig.read()
        return all(rig.of(name) for name in names)

    until(all_answered, 20, lambda: f"{answered(rig, names)}\n{rig.log()[-2000:]}")
    assert {report.kind for report in rig.reports} == {ACKNOWLEDGED}
    assert len(rig.placed()) == len(set(rig.placed())) == 30


# ── what needs no call ──────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_canceled_while_it_waits_costs_no_call_and_is_not_sent_after_a_restart_either(rig):
    rig = rig()
    rig.send(rig.place("pair"), rig.place("other"), rig.cancel("pair"), rig.query("other"))
    gateway = rig.start_gateway()
    (report,) = rig.expect("pair", ReportKind.NOT_SENT)
    assert (report.reason, report.evidence) == ("CANCELED_BEFORE_SENDING", Evidence.GATEWAY)
    rig.expect("other", ACKNOWLEDGED)
    assert rig.placed() == [rig.order_id("other")]
    assert rig.metric('fillstream_venue_calls_total{call="Cancel"') == 0
    gateway.kill()
    gateway.wait()
    rig.start_gateway()
    rig.send(rig.place("next"))
    rig.expect("next", ACKNOWLEDGED)
    assert rig.placed() == [rig.order_id("other"), rig.order_id("next")]


# ── limits ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_venue_s_limits_are_used_and_never_passed(rig):
    rig = rig(orders_per_10_s=300, weight_per_minute=3_000)
    rig.start_gateway()
    rig.wait_for_log("venue_ready")
    names = [f"order-{number}" for number in range(250)]
    rig.send(*(rig.place(name, number % 4) for number, name in enumerate(names)))

    def waits() -> list[int]:
        return [report.throttle_wait_us for report in rig.read() if report.kind is ACKNOWLEDGED]

    until(lambda: len(waits()) == 250, 40, lambda: f"{len(rig.reports)} reports\n{rig.log()[-2000:]}")
    assert rig.journal("request_refused") == []
    accepted = sorted(int(entry["at_us"]) for entry in rig.journal("order_accepted"))
    densest = max(bisect_left(accepted, at + 10_000_000) - index for index, at in enumerate(accepted))
    assert 150 <= densest <= 300  # a quarter of it is all that a busy machine may cost
    assert max(waits()) > 2_000_000


# ── silence ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_while_the_stream_is_down_the_history_tells_of_trades_and_ends(rig):
    rig = rig()
    rig.start_gateway(venue_stream_url="ws://127.0.0.1:9/nobody")
    rig.wait_for_log("venue_ready")
    rig.lie(response_lost=1.0, operations=["place"], times={"response_lost": 1})
    rig.send(rig.place("lost", price=None, order_type=OrderType.MARKET))
    rig.expect("lost", UNKNOWN)
    rig.lie()
    rig.send(rig.place("ended"))
    rig.expect("ended", ACKNOWLEDGED)
    rig.order_by_hand(rig.order_id("ended"), "DELETE")
    fill = rig.expect("lost", ReportKind.FILL)[-1]
    assert fill.evidence is Evidence.POLL
    assert fill.fill_quantity == money.parse("0.001")
    end = rig.expect("ended", ReportKind.CANCELED)[-1]
    assert (end.evidence, end.cumulative_quantity) == (Evidence.POLL, 0)


def test_what_happened_while_no_gateway_ran_is_told_by_the_next(rig):
    rig = rig()
    gateway = rig.start_gateway()
    rig.wait_for_log("venue_ready")
    rig.send(rig.place("resting"), rig.place("traded", price=None, order_type=OrderType.MARKET))
    rig.expect("resting", ACKNOWLEDGED)
    rig.expect("traded", ReportKind.FILL)
    gateway.kill()
    gateway.wait()
    rig.order_by_hand(rig.order_id("resting"), "DELETE")
    rig.start_gateway()
    end = rig.expect("resting", ReportKind.CANCELED)[-1]
    assert end.evidence is Evidence.POLL


# ── a venue that is gone ────────────────────────────────────────────────────────────────────────────────────────────


def test_while_the_venue_is_gone_placements_wait_for_their_deadline_and_the_rest_for_its_return(rig):
    rig = rig(own=True)
    rig.start_gateway()
    rig.wait_for_log("venue_ready")
    rig.send(rig.place("kept"))
    rig.expect("kept", ACKNOWLEDGED)
    rig.simulator.stop()
    rig.send(rig.place("mortal", expires_at=now_us() + 2_500_000), rig.place("patient"), rig.cancel("kept"))
    (report,) = rig.expect("mortal", ReportKind.NOT_SENT)
    assert report.reason == "DEADLINE_PASSED"
    assert rig.of("patient") == []
    rig.simulator.start()
    rig.expect("patient", ACKNOWLEDGED)
    refused = rig.expect("kept", ReportKind.CANCEL_REJECTED)[-1]  # the venue has forgotten its orders
    assert refused.reason == "ORDER_NOT_FOUND"
    assert rig.order_id("mortal") not in rig.placed()


def test_the_call_after_a_rotation_is_signed_with_the_new_key(rig):
    made = rig()
    path = made.var / "credentials.toml"
    right = made.simulator.credentials.read_text()
    secret = right.split('secret = "')[1].split('"')[0]

    def put(text: str) -> None:
        new = path.with_suffix(".new")
        new.write_text(text)
        new.chmod(0o400)
        new.replace(path)

    put(right)
    made.start_gateway(credentials=str(path))
    made.wait_for_log("venue_ready")
    put("no TOML")
    made.wait_for_log("credentials_unusable")
    made.send(made.place("before"))
    made.expect("before", ReportKind.ACKNOWLEDGED)
    put(right.replace(secret, "another-secret"))
    made.wait_for_log("credentials_renewed")
    made.send(made.place("after"))
    (refused,) = made.expect("after", ReportKind.REJECTED)
    assert refused.reason == "INVALID_SIGNATURE"
