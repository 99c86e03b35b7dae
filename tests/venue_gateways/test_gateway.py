"""One gateway on real Kafka against a venue over HTTP and WebSocket: what each request comes to."""

import pytest

from domain import money
from domain.messages import Evidence, Operation, OrderType, ReportKind, Side, TimeInForce
from tests.venue_gateways.harness import kinds, now_us, until

ACKNOWLEDGED, FILL, CANCELED, EXPIRED = (
    ReportKind.ACKNOWLEDGED,
    ReportKind.FILL,
    ReportKind.CANCELED,
    ReportKind.EXPIRED,
)
MARKET = {"price": None, "order_type": OrderType.MARKET}


@pytest.fixture
def rig(shared):
    """The shared one; whatever lies a test tells it end with the test."""
    yield shared
    shared.lie()


def test_a_resting_order_is_acknowledged_with_its_instants(rig):
    request = rig.place("resting")
    rig.send(request)
    (report,) = rig.expect("resting", ACKNOWLEDGED)
    assert report.evidence is Evidence.RESPONSE
    assert (report.request_id, report.operation, report.cumulative_quantity) == (request.request_id, Operation.PLACE, 0)
    assert report.requested_at == request.requested_at < report.sent_at < report.received_at <= report.reported_at
    assert report.throttle_wait_us >= 0
    (entry,) = [e for e in rig.journal("order_accepted") if e["client_order_id"] == request.client_order_id]
    assert (entry["order_id"], entry["symbol"], entry["price"]) == (report.venue_order_id, "BTC-USD", "20000")


def test_a_fill_is_reported_once_and_as_the_venue_wrote_it_down(rig):
    rig.send(rig.place("taker", **MARKET))
    rig.expect("taker", ACKNOWLEDGED, FILL)
    rig.read(0.5)
    written = [e for e in rig.journal("fill") if e["client_order_id"] == rig.order_id("taker")]
    fills = [report for report in rig.of("taker") if report.kind is FILL]
    assert [
        (f.trade_id, money.text(f.fill_price), money.text(f.fill_quantity), money.text(f.fee), f.fee_asset)
        for f in fills
    ] == [
        (e["trade_id"], *(money.text(money.parse(e[n])) for n in ("price", "quantity", "fee")), e["fee_asset"])
        for e in written
    ]
    (acknowledged,) = [report for report in rig.of("taker") if report.kind is ACKNOWLEDGED]
    assert acknowledged.cumulative_quantity == sum(fill.fill_quantity for fill in fills)


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("ioc", {"time_in_force": TimeInForce.IOC}, {ACKNOWLEDGED, EXPIRED}),
        ("fok", {"time_in_force": TimeInForce.FOK}, {ACKNOWLEDGED, EXPIRED}),
        ("gtd", {"time_in_force": TimeInForce.GTD}, {ACKNOWLEDGED}),
        ("post-only", {"post_only": True}, {ACKNOWLEDGED}),
        ("crossing", {"post_only": True, "price": money.parse("90000")}, {ReportKind.REJECTED}),
        ("tiny", {"quantity": money.parse("0.0001")}, {ReportKind.REJECTED}),
        ("unlisted", {"symbol": "DOGE-USD"}, {ReportKind.REJECTED}),
        (
            "stop",
            {"order_type": OrderType.STOP, "price": None, "stop_price": money.parse("90000")},
            {ACKNOWLEDGED},
        ),
        (
            "stop-limit",
            {"order_type": OrderType.STOP_LIMIT, "stop_price": money.parse("20000"), "side": Side.SELL},
            {ACKNOWLEDGED},
        ),
    ],
)
def test_every_kind_of_order_gets_its_answer(rig, name, fields, expected):
    rig.send(rig.place(name, **fields))
    reports = rig.expect(name, *expected)
    rig.read(0.1)
    assert set(kinds(reports)) == expected
    for report in reports:
        if report.kind is EXPIRED:
            assert report.cumulative_quantity == 0
        if report.kind is ReportKind.REJECTED:
            assert report.reason in {"POST_ONLY_WOULD_TAKE", "NOTIONAL_MIN 5", "UNKNOWN_SYMBOL"}


def test_a_cancel_takes_the_order_off_the_book(rig):
    rig.send(rig.place("unwanted"))
    rig.expect("unwanted", ACKNOWLEDGED)
    rig.send(rig.cancel("unwanted"))
    rig.expect("unwanted", CANCELED)
    (report,) = [report for report in rig.of("unwanted") if report.kind is CANCELED]
    assert (report.operation, report.cumulative_quantity) == (Operation.CANCEL, 0)


def test_a_cancel_that_follows_a_placement_on_its_way_waits_for_it(rig):
    rig.lie(hold=1.0, hold_ms=300, operations=["place"])
    rig.send(rig.place("followed"))
    until(lambda: rig.order_id("followed") in rig.placed(), 10, "the order at the venue")
    rig.send(rig.cancel("followed"))
    rig.expect("followed", CANCELED)
    assert rig.kinds("followed") == [ACKNOWLEDGED, CANCELED]


def test_a_cancel_of_a_filled_order_brings_its_fills_instead(rig):
    rig.send(rig.place("full", **MARKET))
    rig.expect("full", ACKNOWLEDGED, FILL)
    rig.send(rig.cancel("full"))
    fill, shown, refused = rig.expect("full", ReportKind.CANCEL_REJECTED)[-3:]
    assert kinds([fill, shown]) == [FILL, ACKNOWLEDGED]
    assert (fill.evidence, shown.evidence) == (Evidence.QUERY, Evidence.QUERY)
    assert shown.order_quantity == shown.cumulative_quantity == fill.fill_quantity
    assert (refused.kind, refused.reason) == (ReportKind.CANCEL_REJECTED, "ORDER_FILLED")


def test_a_cancel_of_an_order_that_is_off_the_book_says_what_became_of_it(rig):
    rig.send(rig.place("twice"))
    rig.expect("twice", ACKNOWLEDGED)
    rig.send(rig.cancel("twice"))
    rig.expect("twice", CANCELED)
    rig.send(rig.cancel("twice"), rig.cancel("nobody"))
    (refused,) = rig.expect("nobody", ReportKind.CANCEL_REJECTED)
    assert refused.reason == "ORDER_NOT_FOUND"
    until(
        lambda: [r.kind for r in rig.read() if r.client_order_id == rig.order_id("twice")].count(CANCELED) == 2, 5, ""
    )
    assert rig.of("twice")[-1].evidence is Evidence.QUERY


def test_a_cancel_behind_a_placement_that_is_refused_costs_no_call(rig):
    before = rig.metric('fillstream_venue_calls_total{call="Cancel"')
    rig.lie(hold=1.0, hold_ms=1_000, operations=["place"])
    calls = rig.metric("fillstream_venue_calls_in_flight")
    rig.send(rig.place("refused", post_only=True, price=money.parse("90000")))
    until(lambda: rig.metric("fillstream_venue_calls_in_flight") > calls, 20, "the placement under way")
    rig.send(rig.cancel("refused"))
    reports = rig.expect("refused", ReportKind.REJECTED, ReportKind.CANCEL_REJECTED)
    assert kinds(reports) == [ReportKind.REJECTED, ReportKind.CANCEL_REJECTED]
    assert rig.metric('fillstream_venue_calls_total{call="Cancel"') == before


def test_a_query_tells_all_trades_and_then_the_state(rig):
    rig.send(rig.place("asked", **MARKET), rig.place("asked-open"))
    rig.expect("asked", ACKNOWLEDGED, FILL)
    rig.expect("asked-open", ACKNOWLEDGED)
    before = len(rig.of("asked")), len(rig.of("asked-open"))
    rig.send(rig.query("asked"), rig.query("asked-open"), rig.query("asked-never"))
    rig.expect("asked-never", ReportKind.NOT_FOUND)
    rig.read(0.3)
    told = rig.of("asked")[before[0] :]
    assert [(r.kind, r.evidence) for r in told] == [(FILL, Evidence.QUERY), (ACKNOWLEDGED, Evidence.QUERY)]
    assert told[-1].cumulative_quantity == told[0].fill_quantity
    assert [(r.kind, r.operation) for r in rig.of("asked-open")[before[1] :]] == [(ACKNOWLEDGED, Operation.QUERY)]


def test_a_placement_past_its_deadline_is_never_sent(rig):
    rig.send(rig.place("late", expires_at=now_us() - 1))
    (report,) = rig.expect("late", ReportKind.NOT_SENT)
    assert (report.reason, report.evidence, report.sent_at) == ("DEADLINE_PASSED", Evidence.GATEWAY, None)
    assert rig.order_id("late") not in rig.placed()


@pytest.mark.parametrize("fault", ["response_lost", "error_after", "truncated", "html"])
def test_an_answer_that_proves_nothing_makes_the_outcome_unknown_and_is_never_sent_again(rig, fault):
    rig.lie(**{fault: 1.0}, stream_loss=1.0, operations=["place"], times={fault: 1})
    rig.send(rig.place(fault))
    (report,) = rig.expect(fault, ReportKind.UNKNOWN)
    assert report.evidence is (Evidence.GATEWAY if fault == "response_lost" else Evidence.RESPONSE)
    rig.lie()
    rig.send(rig.query(fault))
    rig.expect(fault, ACKNOWLEDGED)
    assert rig.placed().count(rig.order_id(fault)) == 1


def test_an_answer_that_was_lost_is_made_good_by_the_stream(rig):
    rig.lie(response_lost=1.0, hold=1.0, hold_ms=300, operations=["place"], times={"response_lost": 1})
    rig.send(rig.place("proved"))
    (report,) = rig.expect("proved", ACKNOWLEDGED)
    assert report.evidence is Evidence.STREAM
    assert report.request_id is not None


def test_a_request_that_may_not_have_arrived_is_not_sent_again_either(rig):
    rig.lie(request_lost=1.0, operations=["place"], times={"request_lost": 1})
    rig.send(rig.place("vanished"))
    rig.expect("vanished", ReportKind.UNKNOWN)
    rig.lie()
    rig.send(rig.query("vanished"))
    rig.expect("vanished", ReportKind.NOT_FOUND)
    assert rig.order_id("vanished") not in rig.placed()


def test_a_cancel_whose_answer_is_lost_is_made_good_by_the_stream_or_left_open(rig):
    rig.send(rig.place("seen"), rig.place("unseen"))
    rig.expect("seen", ACKNOWLEDGED)
    rig.expect("unseen", ACKNOWLEDGED)
    rig.lie(response_lost=1.0, hold=1.0, hold_ms=300, operations=["cancel"])
    rig.send(rig.cancel("seen"))
    rig.expect("seen", CANCELED)
    rig.lie(response_lost=1.0, stream_loss=1.0, operations=["cancel"])
    rig.send(rig.cancel("unseen"))
    report = rig.expect("unseen", ReportKind.CANCEL_REJECTED)[-1]
    assert report.reason == "OUTCOME_UNKNOWN"


def test_a_429_is_waited_out_and_the_order_is_sent_then(rig):
    rig.lie(too_many_requests=1.0, retry_after_s=1, operations=["place"], times={"too_many_requests": 1})
    sent = now_us()
    rig.send(rig.place("patient"))
    (report,) = rig.expect("patient", ACKNOWLEDGED)
    assert report.sent_at >= sent + 1_000_000
    assert rig.placed().count(rig.order_id("patient")) == 1


def test_records_that_can_t_be_taken_become_dead_letters_and_the_rest_goes_on(rig):
    first = rig.committed()[1][0]
    foreign = rig.place("foreign", client_order_id=rig.order_id("foreign", 2))
    rig.send_raw(b"\x00\x00\x00\x00\x63nonsense", 1)
    rig.send_raw(None, 1)
    rig.send_raw(b"hello", 1)
    rig.send(rig.place("after", 1))
    rig.send_raw(codec_of(foreign), 1)
    rig.send_raw(codec_of(rig.place("wrong-venue", 1, venue="elsewhere")), 1)
    rig.send_raw(codec_of(rig.place("nothing", 1, quantity=0)), 1)
    rig.send(rig.place("last", 1))
    rig.expect("after", ACKNOWLEDGED, partition=1)
    rig.expect("last", ACKNOWLEDGED, partition=1)
    until(lambda: rig.committed()[1][0] > first + 8, 10, lambda: f"commits, got {rig.committed()}")
    letters = [letter for letter in rig.dead_letters() if letter.source_partition == 1]
    assert len(letters) == 6
    assert [letter.source_offset for letter in letters] == sorted({letter.source_offset for letter in letters})
    assert [letter.reason for letter in letters[3:]] == ["INVALID_REQUEST"] * 3
    assert {letter.stage for letter in letters} == {f"gateway-{rig.name}"}
    assert letters[0].value == b"\x00\x00\x00\x00\x63nonsense"
    assert letters[0].key == b"raw"


def test_orders_that_are_not_ours_are_counted_and_left_alone(rig):
    before = rig.metric("fillstream_venue_foreign_facts_total")
    rig.order_by_hand("somebody-else")
    until(lambda: rig.metric("fillstream_venue_foreign_facts_total") > before, 20, "a foreign fact")


def test_no_secret_is_in_the_log(rig):
    secret = rig.simulator.credentials.read_text().split('secret = "')[1].split('"')[0]
    log = rig.log()
    assert "venue_ready" in log
    assert secret not in log
    assert secret[:16] not in log
    assert "signature" not in log


def test_what_is_answered_is_committed(rig):
    rig.send(rig.place("kept", 3))
    rig.expect("kept", ACKNOWLEDGED, partition=3)
    until(lambda: rig.committed()[3][0] >= 1, 20, lambda: str(rig.committed()))
    assert '"runs"' not in rig.committed()[3][1]


def test_a_stream_that_is_cut_comes_back(rig):
    connected = 'fillstream_venue_stream_connections_total{result="subscribed"'
    until(lambda: rig.metric("fillstream_venue_stream_connected") == 1, 10, "the stream")
    before = rig.metric(connected)
    rig.lie(stream_reset=1.0, times={"stream_reset": 1})
    rig.send(rig.place("cut", **MARKET))
    rig.expect("cut", FILL, ACKNOWLEDGED)
    rig.lie()
    until(lambda: rig.metric(connected) > before, 10, lambda: rig.log()[-2000:])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"session_timeout_ms": "6000"}, "must exceed receive_window_ms"),
        ({"metrics_host": "203.0.113.1"}, "metrics can't be served"),
    ],
)
def test_the_process_ends_with_the_code_for_unusable_settings(rig, change, message):
    refused = rig.start_gateway("refused", **change)
    assert refused.wait(20) == 2
    assert message in rig.log("refused")


def codec_of(request):
    from schemas import codec

    return codec.encode(request)
