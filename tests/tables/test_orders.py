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
