"""Venue reports and ticks through the agents' functions."""

from domain import ids
from domain.messages import (
    AmendOrder,
    Answer,
    CancelOrder,
    EventKind,
    Evidence,
    Liquidity,
    Operation,
    OrderCommand,
    OrderStatus,
    PauseOrder,
    ReportKind,
    TimeInForce,
    VenueReport,
)
from domain.money import parse
from schemas import codec
from schemas.topics import ORDER_COMMANDS, TICKS, VENUE_REPORTS
from tests.agents.worker import a_place


def a_report(client_order_id, kind, **changes):
    fields = {"venue": "simulated", "symbol": "BTC-USD", "evidence": Evidence.STREAM, "reported_at": 0}
    return VenueReport(client_order_id=client_order_id, kind=kind, **(fields | changes))


def a_fill(client_order_id, trade_id="t1", quantity="0.5", price="49000", fee="0.001"):
    return a_report(
        client_order_id,
        ReportKind.FILL,
        trade_id=trade_id,
        fill_quantity=parse(quantity),
        fill_price=parse(price),
        fee=parse(fee),
        fee_asset="BTC",
        liquidity=Liquidity.TAKER,
    )


def placed(worker, order_id="o1"):
    worker.send(ORDER_COMMANDS, a_place(order_id))
    return worker.requests[-1].client_order_id


def test_a_fill_settles_releases_the_rest_and_ends_the_order(worker):
    client_order_id = placed(worker)
    worker.send(VENUE_REPORTS, a_fill(client_order_id))

    assert OrderStatus.FILLED == worker.orders.find("alice", "o1").status
    assert parse("75500") == worker.balances.available("alice", "USD")
    assert parse("0.499") == worker.balances.available("alice", "BTC")
    assert {"USD": 0, "BTC": 0} == worker.balances.totals
    assert [] == worker.orders.live("alice")


def test_a_fill_that_is_told_twice_is_booked_once(worker):
    client_order_id = placed(worker)
    worker.send(VENUE_REPORTS, a_fill(client_order_id, quantity="0.2"), a_fill(client_order_id, quantity="0.2"))

    assert parse("0.2") == worker.orders.find("alice", "o1").filled_quantity


def test_a_report_nobody_can_book_is_buried(worker):
    strangers = ids.client_order_id(0, ids.order_key("nobody", "o1"), 1)
    elsewhere = ids.client_order_id(3, ids.order_key("alice", "o1"), 1)
    worker.send(
        VENUE_REPORTS,
        a_fill(strangers),
        a_fill(elsewhere),
        a_fill("web_order_17"),
        a_fill(placed(worker), quantity="-1"),
    )
    worker.feed(VENUE_REPORTS, (b"x", b"garbage"))

    assert ["ORDER_NOT_FOUND", "WRONG_PARTITION", "NOT_OURS", "INVALID_FILL", "NOT_WIRE_FORMAT"] == [
        letter.reason for letter in worker.letters
    ]


def test_an_unknown_outcome_is_asked_about_and_resubmitted_only_after_a_quorum_past_the_bound(worker):
    client_order_id = placed(worker)
    worker.send(VENUE_REPORTS, a_report(client_order_id, ReportKind.UNKNOWN))
    reserved = worker.balances.available("alice", "USD")
    worker.requests.clear()

    def look():
        asked_at = worker.requests[-1].requested_at
        worker.send(VENUE_REPORTS, a_report(client_order_id, ReportKind.NOT_FOUND, requested_at=asked_at))

    for seconds in (3, 3, 3, 3, 7, 7):
        worker.tick(seconds)
        look()
    assert {Operation.QUERY} == {request.operation for request in worker.requests}
    assert OrderStatus.UNKNOWN == worker.orders.find("alice", "o1").status

    worker.tick(seconds=7)
    look()
    assert Operation.PLACE == worker.requests[-1].operation
    assert client_order_id == worker.requests[-1].client_order_id
    assert reserved == worker.balances.available("alice", "USD")


def test_an_ended_order_is_forgotten_after_its_retention_and_its_id_is_remembered_longer(worker):
    client_order_id = placed(worker)
    worker.send(VENUE_REPORTS, a_fill(client_order_id))
    worker.tick(seconds=59)
    assert worker.orders.find("alice", "o1") is not None

    worker.tick(seconds=2)
    assert worker.orders.find("alice", "o1") is None
    worker.send(ORDER_COMMANDS, a_place(command_id="again"))
    assert (Answer.DUPLICATE, Answer.ACCEPTED) == (worker.events[-1].answer, worker.events[-1].first_answer)

    worker.tick(seconds=121)
    worker.send(ORDER_COMMANDS, a_place(command_id="much later", quantity=parse("0.1")))
    assert Answer.ACCEPTED == worker.events[-1].answer


def test_first_answers_are_forgotten_in_time(worker):
    placed(worker)
    assert len(worker.answers) == 2

    worker.tick(seconds=121)

    assert 0 == len(worker.answers)


def test_a_cancel_waits_for_every_fill_that_the_venue_counts(worker):
    client_order_id = placed(worker)
    worker.send(VENUE_REPORTS, a_report(client_order_id, ReportKind.ACKNOWLEDGED, venue_order_id="7"))
    worker.send(ORDER_COMMANDS, OrderCommand("c", "alice", 0, CancelOrder("o1")))
    worker.send(VENUE_REPORTS, a_report(client_order_id, ReportKind.CANCELED, cumulative_quantity=parse("0.2")))
    assert OrderStatus.PENDING_CANCEL == worker.orders.find("alice", "o1").status

    worker.send(VENUE_REPORTS, a_fill(client_order_id, quantity="0.2", fee="0"))

    assert OrderStatus.CANCELED == worker.orders.find("alice", "o1").status
    assert parse("90200") == worker.balances.available("alice", "USD")


def test_a_timer_fires_once_however_often_the_order_was_stored(worker):
    good_till = (worker.now_ms + 5_000) * 1_000
    worker.send(ORDER_COMMANDS, a_place(time_in_force=TimeInForce.GTD, good_till=good_till))
    client_order_id = worker.requests[-1].client_order_id
    worker.send(ORDER_COMMANDS, OrderCommand("p", "alice", 0, PauseOrder("o1")))
    worker.send(VENUE_REPORTS, a_report(client_order_id, ReportKind.CANCELED, cumulative_quantity=0))
    worker.send(ORDER_COMMANDS, OrderCommand("a", "alice", 0, AmendOrder("o1", price=parse("40000"))))
    worker.send(ORDER_COMMANDS, OrderCommand("b", "alice", 0, AmendOrder("o1", price=parse("41000"))))
    worker.events.clear()

    worker.tick(seconds=6)

    assert [EventKind.ORDER_EXPIRED] == [event.kind for event in worker.events]
    assert parse("100000") == worker.balances.available("alice", "USD")


def test_a_tick_that_can_not_be_read_is_buried(worker):
    worker.feed(TICKS, (None, b"tock"))

    assert "NOT_WIRE_FORMAT" == worker.letters[0].reason


def test_timers_and_live_orders_survive_a_restore(worker):
    client_order_id = placed(worker)
    worker.send(VENUE_REPORTS, a_report(client_order_id, ReportKind.UNKNOWN))
    stored = {key: codec.encode(row) for key, row in worker.orders.items()}
    restored = type(worker.orders)(type(worker.orders.find("alice", "o1")), worker.orders._fingerprint, stored)
    restored.loaded()

    assert ["o1"] == [order.order_id for order in restored.live("alice")]
    due = [order.order_id for _, order in restored.due(worker.now_ms * 1_000 + 60_000_000, 10)]
    assert ["o1"] == due
