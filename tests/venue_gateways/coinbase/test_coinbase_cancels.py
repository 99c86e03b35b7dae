"""Cancels of many orders at Coinbase: each is answered for itself, and all are refused only if each is."""

import msgspec
import pytest

from tests.venue_gateways.coinbase.examples import THEIRS, answer
from venue_gateways.venue import CancelAll, Outcome

OTHER = "another-order"
BOTH = CancelAll(("BTC-USD", "ETH-USD"), (THEIRS, OTHER))


def says(adapter, **results: str | None):
    """What the adapter makes of an answer with these orders, each with the reason for which its cancel is refused."""
    rows = [
        {"order_id": THEIRS if name == "theirs" else OTHER, "success": reason is None, "failure_reason": reason}
        for name, reason in results.items()
    ]
    return adapter.parse(BOTH, answer(200, {"results": rows}))


def test_it_names_the_orders_by_the_venue_s_ids(adapter):
    request = adapter.build(BOTH, 1_705_314_600_000_000)
    assert (request.method, request.target) == ("POST", "/api/v3/brokerage/orders/batch_cancel")
    assert msgspec.json.decode(request.body) == {"order_ids": [THEIRS, OTHER]}


@pytest.mark.parametrize(
    ("results", "outcome", "reason"),
    [
        ({"theirs": None, "other": None}, Outcome.ACCEPTED, None),
        ({"theirs": None, "other": "DUPLICATE_CANCEL_REQUEST"}, Outcome.ACCEPTED, None),
        ({"theirs": None, "other": "UNKNOWN_CANCEL_ORDER"}, Outcome.ACCEPTED, "1 ORDER_NOT_FOUND"),
        ({"theirs": "UNKNOWN_CANCEL_ORDER", "other": "UNKNOWN_CANCEL_ORDER"}, Outcome.REJECTED, "2 ORDER_NOT_FOUND"),
    ],
)
def test_it_is_refused_only_if_each_order_s_is(adapter, results, outcome, reason):
    found = says(adapter, **results)
    assert (found.outcome, found.reason) == (outcome, reason)


def test_an_answer_that_leaves_an_order_out_is_not_understood(adapter):
    found = says(adapter, theirs=None)
    assert found.outcome is Outcome.UNKNOWN
    assert OTHER in found.reason
