"""What each call asks of Coinbase."""

import msgspec
import pytest

from domain import money
from domain.messages import Operation, OrderType, Side, TimeInForce
from domain.throttle import Charge
from tests.venue_gateways.coinbase import examples
from tests.venue_gateways.coinbase.examples import (
    NOW_US,
    OURS,
    PLACED,
    THEIRS,
    V3,
    answer,
    order,
)
from venue_gateways.coinbase.adapter import Search
from venue_gateways.venue import (
    Amend,
    Cancel,
    FindOrder,
    ListOpenOrders,
    ListOrders,
    ListTrades,
    OpenStream,
    Place,
    ReadBalances,
    ReadClock,
    ReadRules,
    ReadUsage,
    Repeat,
)

SECOND_US = 1_000_000
STOP = 55_000 * money.ONE
STOP_LIMIT = (
    b'{"stop_limit_stop_limit_gtc":{"base_size":"0.00001","limit_price":"60000.5","stop_price":"55000",'
    b'"stop_direction":"STOP_DIRECTION_STOP_DOWN"}}'
)

# ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fields", "configuration"),
    [
        ({}, b'{"limit_limit_gtc":{"base_size":"0.00001","limit_price":"60000.5","post_only":false}}'),
        (
            {"time_in_force": TimeInForce.GTD},  # canceled from here when its time has come
            b'{"limit_limit_gtc":{"base_size":"0.00001","limit_price":"60000.5","post_only":false}}',
        ),
        (
            {"post_only": True},
            b'{"limit_limit_gtc":{"base_size":"0.00001","limit_price":"60000.5","post_only":true}}',
        ),
        (
            {"time_in_force": TimeInForce.IOC},
            b'{"sor_limit_ioc":{"base_size":"0.00001","limit_price":"60000.5"}}',
        ),
        (
            {"time_in_force": TimeInForce.FOK},
            b'{"limit_limit_fok":{"base_size":"0.00001","limit_price":"60000.5"}}',
        ),
        ({"order_type": OrderType.MARKET, "price": None}, b'{"market_market_ioc":{"base_size":"0.00001"}}'),
        (
            {"order_type": OrderType.MARKET, "price": None, "time_in_force": TimeInForce.IOC},
            b'{"market_market_ioc":{"base_size":"0.00001"}}',
        ),
        (
            {"order_type": OrderType.MARKET, "price": None, "time_in_force": TimeInForce.FOK},
            b'{"market_market_fok":{"base_size":"0.00001"}}',
        ),
        (
            {"order_type": OrderType.STOP_LIMIT, "stop_price": STOP},
            STOP_LIMIT,
        ),
    ],
)
def test_each_kind_of_order_goes_out_byte_for_byte_as_documented(adapter, fields, configuration):
    request = adapter.build(Place(order(**fields)), NOW_US)
    assert (request.method, request.target) == ("POST", f"{V3}/orders")
    assert dict(request.headers)["Content-Type"] == "application/json"
    assert request.body == (
        b'{"client_order_id":"00000000-0000-8000-8000-000000000001","product_id":"BTC-USD","side":"SELL",'
        b'"order_configuration":' + configuration + b"}"
    )


def test_a_stop_order_triggers_from_its_own_side(adapter):
    stop_limit = {"order_type": OrderType.STOP_LIMIT, "stop_price": STOP}
    for side, direction in ((Side.BUY, b"STOP_DIRECTION_STOP_UP"), (Side.SELL, b"STOP_DIRECTION_STOP_DOWN")):
        assert direction in adapter.build(Place(order(side=side, **stop_limit)), NOW_US).body


def test_self_trades_are_prevented_by_an_id_that_all_orders_carry():
    body = examples.adapter(self_trade_prevention_id="7").build(Place(order()), NOW_US).body
    assert msgspec.json.decode(body)["self_trade_prevention_id"] == "7"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"order_type": OrderType.STOP, "price": None, "stop_price": STOP}, "UNSUPPORTED_ORDER"),
        ({"order_type": OrderType.STOP_LIMIT, "stop_price": STOP, "post_only": True}, "UNSUPPORTED_ORDER"),
        (
            {"order_type": OrderType.STOP_LIMIT, "stop_price": STOP, "time_in_force": TimeInForce.IOC},
            "UNSUPPORTED_ORDER",
        ),
        ({"time_in_force": TimeInForce.IOC, "post_only": True}, "UNSUPPORTED_ORDER"),
        ({"symbol": "DOGE-USD"}, "UNKNOWN_SYMBOL"),
        ({"symbol": "BTC-USDC"}, "UNKNOWN_SYMBOL"),  # shares a book, and comes back as BTC-USD
        ({"symbol": "SOL-USD"}, "MARKET_CLOSED"),
        ({"quantity": money.parse("0.000000001")}, "LOT_SIZE 0.00000001"),
        ({"quantity": 3401 * money.ONE}, "QUANTITY_MAX 3400"),
        ({"price": money.parse("60000.555")}, "TICK_SIZE 0.01"),
        ({"price": money.parse("60000.5"), "quantity": money.parse("0.00001")}, "NOTIONAL_MIN 1"),
        ({"quantity": money.parse("0.0001")}, None),
        ({"order_type": OrderType.MARKET, "price": None}, None),
    ],
)
def test_what_the_venue_would_refuse_for_certain_is_refused_by_name(adapter, fields, reason):
    assert adapter.refusal(order(**fields)) == reason


def test_an_order_that_the_venue_does_not_have_can_t_be_built(adapter):
    with pytest.raises(ValueError, match="no STOP order"):
        adapter.build(Place(order(order_type=OrderType.STOP, stop_price=STOP)), NOW_US)


BATCH, FILLS = f"{V3}/orders/historical/batch", f"{V3}/orders/historical/fills"


@pytest.mark.parametrize(
    ("call", "target"),
    [
        (FindOrder("BTC-USD", OURS, THEIRS), f"{V3}/orders/historical/{THEIRS}"),
        (FindOrder("BTC-USD", venue_order_id="a/b?"), f"{V3}/orders/historical/a%2Fb%3F"),
        (FindOrder("BTC-USD", OURS), f"{BATCH}?product_type=SPOT&product_ids=BTC-USD&limit=1000"),
        (
            Search("BTC-USD", OURS),
            f"{BATCH}?product_type=SPOT&product_ids=BTC-USD&start_date=2024-01-14T10%3A30%3A00.123456Z&limit=1000",
        ),
        (
            Search("BTC-USD", OURS, "c=1", only_open=True),
            f"{BATCH}?product_type=SPOT&product_ids=BTC-USD&order_status=OPEN&limit=1000&cursor=c%3D1",
        ),
        (ListOpenOrders("account"), f"{BATCH}?product_type=SPOT&order_status=OPEN&limit=1000"),
        (ListOpenOrders("ETH-USD"), f"{BATCH}?product_type=SPOT&product_ids=ETH-USD&order_status=OPEN&limit=1000"),
        (
            ListOrders("account", since_us=NOW_US),
            f"{BATCH}?product_type=SPOT&start_date=2024-01-15T10%3A30%3A00.123456Z&limit=1000",
        ),
        (ListTrades("account"), f"{FILLS}?limit=250"),
        (ListTrades("BTC-USD", THEIRS), f"{FILLS}?order_ids={THEIRS}&limit=250"),
        (
            ListTrades("account", since_us=NOW_US),
            f"{FILLS}?start_sequence_timestamp=2024-01-15T10%3A30%3A00.123456Z&limit=250",
        ),
        (ReadBalances(), f"{V3}/accounts?limit=250"),
        (ReadBalances("c1"), f"{V3}/accounts?limit=250&cursor=c1"),
        (ReadClock(), f"{V3}/time"),
        (ReadRules(), f"{V3}/market/products?product_type=SPOT"),
    ],
)
def test_each_call_is_the_request_that_the_documents_say(adapter, call, target):
    request = adapter.build(call, NOW_US)
    assert (request.method, request.target, request.body) == ("GET", target, b"")


def test_a_symbol_goes_by_the_venue_s_name_for_it(adapter):
    assert "product_ids=XBT-EUR&" in adapter.build(ListOpenOrders("BTC-EUR"), NOW_US).target
    assert b'"product_id":"XBT-EUR"' in adapter.build(Place(order(symbol="BTC-EUR")), NOW_US).body
    assert "product_ids=DOGE-USD&" in adapter.build(ListOpenOrders("DOGE-USD"), NOW_US).target


def test_a_cancel_names_the_order_as_the_venue_does(adapter):
    request = adapter.build(Cancel(order(), THEIRS), NOW_US)
    assert (request.method, request.target) == ("POST", f"{V3}/orders/batch_cancel")
    assert request.body == b'{"order_ids":["11111111-000000-000001"]}'


def test_a_cancel_of_an_order_whose_name_nobody_knows_is_not_built(adapter):
    with pytest.raises(ValueError, match="looked up"):
        adapter.build(Cancel(order()), NOW_US)
    adapter.parse(Place(order()), answer(200, PLACED))
    assert THEIRS.encode() in adapter.build(Cancel(order()), NOW_US).body


def test_an_amendment_is_an_edit_to_the_same_price_and_the_new_size_of_all_of_the_order(adapter):
    smaller = order(Operation.AMEND, quantity=money.parse("0.000007"))
    request = adapter.build(Amend(smaller, THEIRS), NOW_US)
    assert (request.method, request.target) == ("POST", f"{V3}/orders/edit")
    assert dict(request.headers)["Content-Type"] == "application/json"
    assert request.body == b'{"order_id":"11111111-000000-000001","price":"60000.5","size":"0.000007"}'


def test_an_amendment_of_an_order_whose_name_nobody_knows_is_not_built(adapter):
    with pytest.raises(ValueError, match="looked up"):
        adapter.build(Amend(order(Operation.AMEND)), NOW_US)
    adapter.parse(Place(order()), answer(200, PLACED))
    assert THEIRS.encode() in adapter.build(Amend(order(Operation.AMEND)), NOW_US).body


def test_an_amendment_without_the_order_s_price_is_not_built(adapter):
    with pytest.raises(ValueError, match="no price"):
        adapter.build(Amend(order(Operation.AMEND, price=None), THEIRS), NOW_US)


def test_there_is_nothing_to_ask_about_usage(adapter):
    with pytest.raises(TypeError, match="ReadUsage"):
        adapter.build(ReadUsage(), NOW_US)


def test_one_scope_covers_all_symbols(adapter):
    assert adapter.scopes(["BTC-USD", "ETH-USD", "DOGE-USD"]) == ("account",)
    assert adapter.scopes(["DOGE-USD"]) == ()


# ── limits ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_limits_are_the_cautious_reading_of_what_is_told(adapter):
    assert {limit.name: (limit.published, limit.window_us, limit.kept_back) for limit in adapter.limits} == {
        "private_1s": (20, SECOND_US, True),
        "public_1s": (10, SECOND_US, True),
        "streams_1s": (8, SECOND_US, False),
    }
    assert examples.adapter(requests_per_s=30).limits[0].published == 30


def test_each_call_costs_one_request_of_its_kind(adapter):
    for call in (
        Place(order()),
        Cancel(order()),
        Amend(order(Operation.AMEND)),
        FindOrder("BTC-USD", OURS),
        Search("BTC-USD", OURS),
        ListTrades("account"),
    ):
        assert adapter.charges(call, NOW_US) == (Charge("private_1s", 1),)
    assert adapter.charges(ReadClock(), NOW_US) == adapter.charges(ReadRules(), NOW_US) == (Charge("public_1s", 1),)
    assert adapter.charges(OpenStream(), NOW_US) == (Charge("streams_1s", 1),)


@pytest.mark.parametrize(
    ("remaining", "used"),
    [
        ("29", 0),
        ("20", 0),
        ("13", 7),
        ("0", 20),
        ("9990", 0),
        ("", None),
        ("-1", None),
        ("many", None),
        ("9" * 12, None),
    ],
)
def test_the_headers_tell_how_much_is_left(adapter, remaining, used):
    response = answer(200, {}, x_ratelimit_limit="30", x_ratelimit_remaining=remaining)
    assert adapter.usage(response) == (() if used is None else (("private_1s", used),))


def test_the_venue_s_ways_are_told(adapter):
    traits = adapter.traits
    assert traits.repeat is Repeat.SAME_ORDER
    assert traits.changes_by_venue_order_id
    assert traits.late_us == 35 * SECOND_US
    assert not traits.ordered_calls
    assert not traits.stream_token
