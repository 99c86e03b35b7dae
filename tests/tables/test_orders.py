"""The indexes of the orders of one partition, which are never stored."""

from domain import ids
from domain.state import Order
from schemas import codec
from streaming.table import Fingerprint
from tables.orders import OrderRows
from tests.builders import an_order


def test_live_orders_are_listed_as_they_were_accepted_also_after_a_restore():
    """The broker's clock may go back between two of them."""
    accepted = [
        an_order(order_id="first", accepted_offset=1, created_at=2_000),
        an_order(order_id="second", accepted_offset=2, created_at=1_000),
    ]
    rows = OrderRows(Order, Fingerprint("orders"), {})
    for order in accepted:
        rows.store(order)
    stored = {ids.order_key(order.user_id, order.order_id): codec.encode(order) for order in reversed(accepted)}
    restored = OrderRows(Order, Fingerprint("orders"), stored)
    restored.loaded()
    assert rows.live(accepted[0].user_id) == restored.live(accepted[0].user_id) == accepted


def taken(rows, now, limit=10):
    return [order.order_id for _, order in rows.due(now, limit)]


def test_a_timer_that_was_overtaken_is_not_due_and_no_row_is_read_for_it(monkeypatch):
    rows = OrderRows(Order, Fingerprint("orders"), {})
    for timer_at in (10, 20, 0):
        rows.store(an_order(order_id="resting", timer_at=timer_at))
    for timer_at in (10, 30):
        rows.store(an_order(order_id="later", timer_at=timer_at))
    monkeypatch.setattr(rows, "get", None)
    assert taken(rows, 25) == []
    monkeypatch.undo()
    assert taken(rows, 35) == ["later"]
    assert taken(rows, 35) == []


def test_an_order_that_is_stored_with_the_same_timer_is_due_once_and_again_only_if_it_is_stored_again():
    rows = OrderRows(Order, Fingerprint("orders"), {})
    order = an_order(timer_at=10)
    rows.store(order)
    rows.store(order)
    assert taken(rows, 10) == [order.order_id]
    assert taken(rows, 10) == []
    rows.store(order)
    assert taken(rows, 10) == [order.order_id]


def test_at_most_so_many_are_taken_and_the_rest_stays_due():
    rows = OrderRows(Order, Fingerprint("orders"), {})
    for number in range(5):
        rows.store(an_order(order_id=f"o{number}", timer_at=number + 1))
    assert taken(rows, 10, limit=3) == ["o0", "o1", "o2"]
    rows.delete(ids.order_key("alice", "o3"))
    assert taken(rows, 10) == ["o4"]
