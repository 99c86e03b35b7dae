"""How our order and the venue's can differ, case by case."""

import pytest

from domain import ids
from domain.messages import OrderStatus
from tests.builders import NOW, an_order, units
from venue_gateways.reconciliation.differences import DECIDABLE, HARMLESS, Kind, Ours, difference, unclaimed
from venue_gateways.venue import Finding, OrderSeen, OrderState

ID = ids.client_order_id(0, ids.order_key("alice", "o"), 0)
LATER = NOW + 1
SHOWN = {"status": OrderStatus.OPEN, "venue_order_id": "7", "updated_at": NOW}
UNSEEN = {"status": OrderStatus.UNKNOWN, "venue_order_id": None, "updated_at": NOW}
NOTHING = Finding(usable=True)
UNUSABLE = Finding(usable=False)


def seen(state: OrderState = OrderState.OPEN, filled: str = "0", **more: object) -> OrderSeen:
    return OrderSeen(ID, "BTC-USD", state, units(filled), venue_order_id="7", **more)


def there(state: OrderState = OrderState.OPEN, filled: str = "0") -> Finding:
    return Finding(usable=True, order=seen(state, filled))


def kind(ours: dict[str, object], finding: Finding, settled_us: int = LATER) -> Kind | None:
    found = difference(Ours(ID, 0, an_order(**ours)), finding, settled_us)
    return None if found is None else found.kind


@pytest.mark.parametrize(
    ("ours", "finding", "expected"),
    [
        (SHOWN, there(), None),
        (SHOWN | {"attempt_filled": "1"}, there(filled="1"), None),
        (SHOWN | {"attempt_filled": "1"}, there(filled="0.5"), None),  # an older answer
        (SHOWN, there(filled="1"), Kind.FILLS_OWED),
        (SHOWN, there(OrderState.FILLED, "2"), Kind.FILLS_OWED),
        (SHOWN | {"attempt_filled": "1"}, there(OrderState.CANCELED, "1"), Kind.ENDED),
        (SHOWN, there(OrderState.EXPIRED), Kind.ENDED),
        (SHOWN, NOTHING, Kind.MISSING),
        (UNSEEN | {"attempt_cumulative": "1"}, NOTHING, Kind.MISSING),
        (UNSEEN | {"attempt_filled": "1"}, NOTHING, Kind.MISSING),
        (UNSEEN, NOTHING, Kind.NEVER_PLACED),
        (UNSEEN | {"status": OrderStatus.PENDING_SUBMISSION}, NOTHING, Kind.IN_MOTION),  # waits to be sent
        (UNSEEN, there(), Kind.UNACKNOWLEDGED),
        (SHOWN, UNUSABLE, Kind.UNANSWERED),
    ],
)
def test_each_case_has_its_name(ours, finding, expected):
    assert kind(ours, finding) is expected


@pytest.mark.parametrize("finding", [NOTHING, there(filled="1"), there(OrderState.CANCELED)])
def test_what_has_just_changed_here_proves_nothing(finding):
    assert kind(SHOWN, finding, NOW - 1) is Kind.IN_MOTION
    assert kind(SHOWN, UNUSABLE, NOW - 1) is Kind.UNANSWERED


def test_what_the_venue_lists_and_nobody_here_has_live_is_a_stray_or_somebody_else_s():
    fresh = OrderSeen(ids.client_order_id(0, ids.order_key("bob", "o"), 0), "BTC-USD", OrderState.OPEN, 0, updated_at=9)
    foreign = OrderSeen("web_1", "BTC-USD", OrderState.OPEN, 0)
    found = unclaimed([seen(updated_at=5), fresh, foreign], [], settled_us=5)
    assert [each.kind for each in found] == [Kind.STRAY, Kind.IN_MOTION, Kind.FOREIGN]
    assert [each.kind for each in unclaimed([seen(), foreign], [ID], settled_us=5)] == [Kind.FOREIGN]


def test_nobody_decides_about_what_is_harmless_or_unknown():
    assert not DECIDABLE & HARMLESS
    assert set(Kind) - DECIDABLE - HARMLESS == {Kind.UNANSWERED, Kind.STRAY}
