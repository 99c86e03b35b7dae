"""Kraken's amendments: what is sent, what is said of them, and how an order shows what it is for."""

import pytest

from domain import money
from domain.messages import Operation
from tests.venue_gateways.kraken.examples import NOON, ORDER, OURS, TXID, answer, closed, error, order
from venue_gateways.kraken.calls import FindOpen
from venue_gateways.venue import Amend, ListOrders, Outcome, Remedy

AMEND = Amend(order(Operation.AMEND, quantity=money.parse("0.75")))


def test_an_amendment_is_sent_with_a_quantity_and_a_deadline_alone(adapter):
    request = adapter.build(AMEND, NOON)
    assert request.body == (
        b"nonce=1616492376594000&cl_ord_id=00000000-0000-8000-8000-000000000001"
        b"&order_qty=0.75&deadline=2021-03-23T09%3A39%3A41.594Z"
    )
    assert adapter.build(Amend(AMEND.request, TXID), NOON + 1).body.count(b"txid") == 0


def test_an_amendment_that_is_taken_note_of_says_nothing_of_the_order(adapter):
    found = adapter.parse(AMEND, answer({"amend_id": "TTW6PD-RC36L-ZZSWNU"}))
    assert (found.outcome, found.order) == (Outcome.ACCEPTED, None)


@pytest.mark.parametrize("result", [{}, {"amend_id": ""}, {"amend_id": None}, {"amend_id": 7}, {"count": 1}, [], None])
def test_an_amendment_that_is_answered_without_its_id_is_unknown(adapter, result):
    assert adapter.parse(AMEND, answer(result)).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("changes", "quantity"),
    [
        ({}, "1.25"),
        ({"vol": "0.75000000"}, "0.75"),
        ({"vol": "0.75000000", "status": "canceled"}, "0.75"),
        ({"vol": "5000.00000", "oflags": "viqc"}, None),
        ({"vol": "5000.00000", "oflags": "fciq,viqc"}, None),
        ({"oflags": None}, "1.25"),
    ],
)
def test_an_order_is_shown_with_what_it_is_for_in_the_base_asset(adapter, changes, quantity):
    expected = None if quantity is None else money.parse(quantity)
    assert adapter.parse(FindOpen(OURS), answer({"open": {TXID: ORDER | changes}})).order.quantity == expected
    ended = adapter.parse(ListOrders("account"), closed(ORDER | changes, count=1)).orders
    assert [one.quantity for one in ended] == [expected]


@pytest.mark.parametrize("volume", ["-1", "NaN", "", "1,25", 1.25, None, [], {}])
def test_an_order_for_what_is_no_amount_is_not_taken(adapter, volume):
    assert adapter.parse(FindOpen(OURS), answer({"open": {TXID: ORDER | {"vol": volume}}})).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("text", "outcome", "remedy"),
    [
        ("EOrder:Unknown order", Outcome.REJECTED, Remedy.LOOK_UP),
        ("EOrder:Invalid order", Outcome.REJECTED, Remedy.LOOK_UP),
        ("EGeneral:Invalid arguments", Outcome.REJECTED, Remedy.NONE),
        ("EGeneral:Invalid arguments:order_qty", Outcome.REJECTED, Remedy.LOOK_UP),
        ("EGeneral:Invalid arguments:cl_ord_id", Outcome.REJECTED, Remedy.NONE),
        ("EOrder:Order minimum not met", Outcome.REJECTED, Remedy.NONE),
        ("EOrder:Cost minimum not met", Outcome.REJECTED, Remedy.NONE),
        ("EService:Market in cancel_only mode", Outcome.REJECTED, Remedy.NONE),
        ("EAPI:Invalid key", Outcome.REJECTED, Remedy.BLOCK),
        ("EGeneral:Invalid arguments:deadline", Outcome.RETRY_SAFE, Remedy.SET_CLOCK),
        ("EOrder:Rate limit exceeded", Outcome.RETRY_SAFE, Remedy.NONE),
        ("EAPI:Rate limit exceeded", Outcome.RETRY_SAFE, Remedy.NONE),
        ("EService:Deadline elapsed", Outcome.UNKNOWN, Remedy.LOOK_UP),
        ("EService:Unavailable", Outcome.UNKNOWN, Remedy.NONE),
        ("EService:Busy", Outcome.UNKNOWN, Remedy.NONE),
        ("EOrder:An error of tomorrow", Outcome.UNKNOWN, Remedy.NONE),
        ("", Outcome.UNKNOWN, Remedy.NONE),
    ],
)
def test_a_refused_amendment_is_classed_by_what_it_proves(adapter, text, outcome, remedy):
    found = adapter.parse(AMEND, error(text))
    assert (found.outcome, found.remedy, found.order, found.absent) == (outcome, remedy, None, False)
    assert found.reason
    assert adapter.parse(AMEND, error(text, status=503)).outcome is Outcome.UNKNOWN
