"""What each message of Coinbase's user channel means."""

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from domain import money
from tests.venue_gateways.coinbase.examples import ED_KEY, KEY_NAME, NOW_US, OURS, THEIRS, order, token_parts
from venue_gateways.coinbase import Coinbase
from venue_gateways.venue import Cancel, OrderState, StreamSession, StreamSignal, Unparsable

UPDATE = {
    "order_id": THEIRS,
    "client_order_id": OURS,
    "cumulative_quantity": "0",
    "leaves_quantity": "0.001",
    "avg_price": "0",
    "total_fees": "0",
    "status": "OPEN",
    "product_id": "BTC-USD",
    "creation_time": "2024-01-15T10:29:55.123456Z",
    "order_side": "BUY",
    "order_type": "Limit",
    "cancel_reason": "",
    "reject_reason": "",
    "time_in_force": "GOOD_UNTIL_CANCELLED",
    "trigger_status": "INVALID_ORDER_TYPE",
}


@pytest.fixture
def session(adapter: Coinbase) -> StreamSession:
    return adapter.stream_session(None)


def message(number: int, channel: str, *events: object, **fields: object) -> bytes:
    envelope = {"channel": channel, "client_id": "", "timestamp": "2024-01-15T10:30:00.0Z", "sequence_num": number}
    return msgspec.json.encode(envelope | {"events": events} | fields)


def user(number: int, *updates: object, kind: str = "update") -> bytes:
    return message(number, "user", {"type": kind, "orders": list(updates)})


def beat(number: int) -> bytes:
    return message(
        number, "heartbeats", {"current_time": "2024-01-15 10:30:10.0 +0000 UTC", "heartbeat_counter": number}
    )


def signals(session: StreamSession, *messages: bytes) -> list[StreamSignal]:
    return [event.signal for each in messages for event in session.events(each)]


# ── subscribing ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_channel_is_subscribed_to_with_a_token_of_its_own(adapter):
    messages = [msgspec.json.decode(each) for each in adapter.stream_session(None).subscriptions(NOW_US)]
    assert [each["type"] for each in messages] == ["subscribe", "subscribe"]
    assert [each["channel"] for each in messages] == ["user", "heartbeats"]
    for each in messages:
        _, claims, signed, signature = token_parts(each["jwt"])
        assert claims == {"sub": KEY_NAME, "iss": "cdp", "nbf": NOW_US // 1_000_000, "exp": NOW_US // 1_000_000 + 120}
        key: Ed25519PublicKey = ED_KEY.public_key()
        key.verify(signature, signed)


def test_two_subscriptions_never_share_a_token():
    adapter = Coinbase("coinbase", KEY_NAME, ED_KEY)
    tokens = [msgspec.json.decode(each)["jwt"] for each in adapter.stream_session(None).subscriptions(NOW_US)]
    assert len({token_parts(token)[0]["nonce"] for token in tokens}) == 2


def test_the_stream_is_there_once_the_user_channel_is_listed(session):
    heartbeats = {"subscriptions": {"heartbeats": ["heartbeats"]}}
    both = {"subscriptions": {"heartbeats": ["heartbeats"], "user": ["0a1b"]}}
    found = signals(
        session,
        message(0, "subscriptions", heartbeats),
        message(1, "subscriptions", both),
        message(2, "subscriptions", both),
    )
    assert found == [StreamSignal.OTHER, StreamSignal.SUBSCRIBED, StreamSignal.OTHER]


def test_a_subscription_that_fails_says_why(session):
    (event,) = session.events(b'{"type":"error","message":"authentication failure"}')
    assert (event.signal, event.detail) == (StreamSignal.REFUSED, "authentication failure")


# ── updates ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_update_is_the_order_s_state_and_no_trade(session):
    (event,) = session.events(user(0, UPDATE))
    assert event.signal is StreamSignal.UPDATE
    assert (event.order.client_order_id, event.order.venue_order_id) == (OURS, THEIRS)
    assert (event.order.state, event.order.filled_quantity) == (OrderState.OPEN, 0)
    assert (event.trade, event.trades_due) == (None, False)


def test_what_has_traded_is_to_be_read_back_not_made_up(session):
    (event,) = session.events(user(0, UPDATE | {"cumulative_quantity": "0.0005", "avg_price": "60000.5"}))
    assert (event.order.filled_quantity, event.trade, event.trades_due) == (money.parse("0.0005"), None, True)


@pytest.mark.parametrize(
    ("status", "filled", "state"),
    [
        ("PENDING", "0", OrderState.OPEN),
        ("CANCEL_QUEUED", "0", OrderState.OPEN),
        ("FILLED", "0.001", OrderState.FILLED),
        ("CANCELLED", "0", OrderState.CANCELED),
        ("EXPIRED", "0", OrderState.EXPIRED),
        ("FAILED", "0", OrderState.REJECTED),
        ("FAILED", "0.0005", OrderState.CANCELED),
    ],
)
def test_every_documented_status_has_its_state(session, status, filled, state):
    (event,) = session.events(user(0, UPDATE | {"status": status, "cumulative_quantity": filled}))
    assert event.order.state is state


@pytest.mark.parametrize(
    ("changes", "quantity"),
    [
        ({}, "0.001"),
        ({"cumulative_quantity": "0.0004", "leaves_quantity": "0.0006"}, "0.001"),
        ({"leaves_quantity": "0"}, None),
        ({"leaves_quantity": ""}, None),
        ({"leaves_quantity": None}, None),
        ({"status": "PENDING"}, None),
        ({"status": "EDIT_QUEUED"}, None),
        ({"status": "CANCEL_QUEUED"}, None),
        ({"status": "CANCELLED", "cumulative_quantity": "0.0004", "leaves_quantity": "0"}, None),
        ({"status": "FILLED", "cumulative_quantity": "0.001", "leaves_quantity": "0"}, None),
    ],
)
def test_what_an_order_is_for_shows_while_it_is_on_the_book(session, changes, quantity):
    (event,) = session.events(user(0, UPDATE | changes))
    assert event.order.quantity == (None if quantity is None else money.parse(quantity))


def test_why_an_order_ended_is_told(session):
    (event,) = session.events(user(0, UPDATE | {"status": "CANCELLED", "cancel_reason": "User requested cancel"}))
    assert event.order.reason == "User requested cancel"
    (event,) = session.events(user(1, UPDATE | {"status": "FAILED", "reject_reason": "HOLD_FAILURE"}))
    assert event.order.reason == "HOLD_FAILURE"


def test_a_snapshot_is_all_its_orders(session):
    other = UPDATE | {"order_id": "7", "client_order_id": "another"}
    foreign = UPDATE | {"product_id": "BIT-28JUL23-CDE", "status": "?"}
    events = session.events(user(0, UPDATE, other, foreign, kind="snapshot"))
    assert [event.order.venue_order_id for event in events] == [THEIRS, "7"]


def test_an_update_may_have_no_orders(session):
    assert session.events(user(0)) == ()
    assert session.events(message(1, "user", {"type": "update", "orders": None, "positions": {}})) == ()
    assert session.events(message(2, "user", {"type": "update", "positions": {}})) == ()


def test_an_order_seen_on_the_stream_can_be_canceled(adapter):
    adapter.stream_session(None).events(user(0, UPDATE))
    assert THEIRS.encode() in adapter.build(Cancel(order()), NOW_US).body


# ── what else comes ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_heartbeats_and_channels_of_tomorrow_mean_nothing(session):
    assert signals(session, beat(0), message(1, "status", {"anything": 1})) == [StreamSignal.OTHER] * 2


def test_a_connection_without_heartbeats_is_dead(adapter):
    assert adapter.traits.silence_max_s == 5


def test_a_number_that_is_skipped_is_a_gap_whatever_the_channel(session):
    assert signals(session, beat(7), user(8, UPDATE), beat(9)) == [
        StreamSignal.OTHER,
        StreamSignal.UPDATE,
        StreamSignal.OTHER,
    ]
    (event,) = session.events(user(11, UPDATE))
    assert (event.signal, event.order, event.detail) == (StreamSignal.GAP, None, "10 is missing")


def test_a_message_that_comes_twice_is_read_and_is_no_gap(session):
    assert signals(session, beat(0), user(1, UPDATE), beat(2), user(1, UPDATE), beat(3)) == [
        StreamSignal.OTHER,
        StreamSignal.UPDATE,
        StreamSignal.OTHER,
        StreamSignal.UPDATE,
        StreamSignal.OTHER,
    ]


def test_each_connection_counts_for_itself(adapter):
    first, second = adapter.stream_session(None), adapter.stream_session(None)
    assert signals(first, beat(0), beat(1)) == signals(second, beat(5), beat(6))


def test_a_message_whose_number_can_t_be_read_makes_the_next_one_a_gap(session):
    assert signals(session, beat(0)) == [StreamSignal.OTHER]
    with pytest.raises(Unparsable):
        session.events(beat(1)[:-5])
    assert signals(session, beat(2)) == [StreamSignal.GAP]


@pytest.mark.parametrize(
    "change",
    [
        {"status": "HALF_FILLED"},
        {"status": "UNKNOWN_ORDER_STATUS"},
        {"cumulative_quantity": 0.1},
        {"cumulative_quantity": "-1"},
        {"leaves_quantity": 0.1},
        {"order_id": None},
        {"product_id": 7},
    ],
)
def test_an_update_that_can_t_be_understood_makes_everything_be_looked_at(session, change):
    unclear, update = session.events(user(0, UPDATE | change, UPDATE))
    assert (unclear.signal, unclear.order) == (StreamSignal.UNCLEAR, None)
    assert update.signal is StreamSignal.UPDATE


@pytest.mark.parametrize("events", [{}, [5], [{"orders": 5}], [{"orders": [5]}], [{"orders": [{}]}]])
def test_a_message_of_the_user_channel_that_can_t_be_understood_does_so_too(session, events):
    (event,) = session.events(message(0, "user", events=events))
    assert event.signal is StreamSignal.UNCLEAR


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"\xff",
        b"{}",
        b'{"channel":"user","sequence_num":"1","events":[]}',
        b'{"channel":"user","sequence_num":null,"events":[]}',
        message(0, "subscriptions", {}),
    ],
)
def test_a_message_that_can_t_be_understood_is_said_to_be(session, wrong):
    with pytest.raises(Unparsable):
        session.events(wrong)
