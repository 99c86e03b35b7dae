"""What Coinbase's refusals mean."""

import pytest
from pydantic import SecretStr

from tests.venue_gateways.coinbase.examples import ED_KEY, THEIRS, answer, canceled, listed, order, refused
from tests.venue_gateways.coinbase.examples import adapter as an_adapter
from venue_gateways.credentials import Credentials
from venue_gateways.venue import Cancel, FindOrder, ListOpenOrders, Outcome, Place, ReadClock, Remedy

SECOND_US = 1_000_000
TOO_MANY = {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}
INVALID = {"error": "INVALID_ARGUMENT", "error_details": "", "message": "account is not available"}
NOT_FOUND = {"error": "NOT_FOUND", "message": "order with this orderID was not found"}

CLASSES = [
    (answer(500, b"oops"), Outcome.UNKNOWN, Remedy.NONE, "HTTP_500"),
    (answer(502, b"<html>"), Outcome.UNKNOWN, Remedy.NONE, "HTTP_502"),
    (answer(503, INVALID), Outcome.UNKNOWN, Remedy.NONE, "HTTP_503"),
    (answer(409, INVALID), Outcome.UNKNOWN, Remedy.NONE, "HTTP_409"),
    (answer(404, NOT_FOUND), Outcome.UNKNOWN, Remedy.NONE, "HTTP_404"),
    (answer(302, b""), Outcome.UNKNOWN, Remedy.NONE, "HTTP_302"),
    (answer(101, b""), Outcome.UNKNOWN, Remedy.NONE, "HTTP_101"),
    (answer(400, b"<html>"), Outcome.UNKNOWN, Remedy.NONE, "HTTP_400"),
    (answer(400, INVALID), Outcome.REJECTED, Remedy.NONE, "INVALID_ARGUMENT"),
    (answer(400, {"error": "what? no", "message": "x"}), Outcome.REJECTED, Remedy.NONE, "INVALID_REQUEST"),
    (answer(400, {}), Outcome.REJECTED, Remedy.NONE, "INVALID_REQUEST"),
    (answer(401, b"Unauthorized\n"), Outcome.RETRY_SAFE, Remedy.SET_CLOCK, "TOKEN_REFUSED"),
    (answer(403, INVALID), Outcome.REJECTED, Remedy.BLOCK, "NOT_PERMITTED"),
    (answer(403, b"<html>"), Outcome.RETRY_SAFE, Remedy.BLOCK, "FIREWALL"),
    (answer(429, TOO_MANY), Outcome.RETRY_SAFE, Remedy.NONE, "TOO_MANY_REQUESTS"),
    (answer(429, b"<html>"), Outcome.RETRY_SAFE, Remedy.NONE, "TOO_MANY_REQUESTS"),
    (refused("INSUFFICIENT_FUND"), Outcome.REJECTED, Remedy.NONE, "INSUFFICIENT_FUNDS"),
    (refused("PREVIEW_INSUFFICIENT_FUND"), Outcome.REJECTED, Remedy.NONE, "INSUFFICIENT_FUNDS"),
    (refused("INSUFFICIENT_FUNDS"), Outcome.REJECTED, Remedy.NONE, "INSUFFICIENT_FUNDS"),
    (refused("INVALID_PRODUCT_ID"), Outcome.REJECTED, Remedy.NONE, "UNKNOWN_SYMBOL"),
    (refused("INVALID_LIMIT_PRICE_POST_ONLY"), Outcome.REJECTED, Remedy.NONE, "POST_ONLY_WOULD_TAKE"),
    (refused("ORDER_ENTRY_DISABLED"), Outcome.REJECTED, Remedy.NONE, "MARKET_CLOSED"),
    (refused("UNTRADABLE_PRODUCT"), Outcome.REJECTED, Remedy.NONE, "MARKET_CLOSED"),
    (refused("UNSUPPORTED_ORDER_CONFIGURATION"), Outcome.REJECTED, Remedy.NONE, "UNSUPPORTED_ORDER"),
    (refused("GEOFENCING_RESTRICTION"), Outcome.REJECTED, Remedy.NONE, "GEOFENCING_RESTRICTION"),
    (refused("A_REASON_OF_TOMORROW"), Outcome.REJECTED, Remedy.NONE, "A_REASON_OF_TOMORROW"),
    (refused(error="INVALID_SIZE_PRECISION"), Outcome.REJECTED, Remedy.NONE, "INVALID_SIZE_PRECISION"),
    (
        refused(preview_failure_reason="PREVIEW_INVALID_PRICE_PRECISION"),
        Outcome.REJECTED,
        Remedy.NONE,
        "INVALID_PRICE_PRECISION",
    ),
    (refused(), Outcome.UNKNOWN, Remedy.LOOK_UP, "VENUE_REFUSED"),
    (
        refused(preview_failure_reason="UNKNOWN_PREVIEW_FAILURE_REASON"),
        Outcome.UNKNOWN,
        Remedy.LOOK_UP,
        "VENUE_REFUSED",
    ),
    (refused("no name <b>at all</b>"), Outcome.UNKNOWN, Remedy.LOOK_UP, "VENUE_REFUSED"),
    (refused("COMMANDER_REJECTED_NEW_ORDER"), Outcome.UNKNOWN, Remedy.LOOK_UP, "VENUE_REFUSED"),
    (refused("DUPLICATE_CLIENT_ORDER_ID"), Outcome.UNKNOWN, Remedy.LOOK_UP, "DUPLICATE_CLIENT_ORDER_ID"),
    (answer(200, {"success": False}), Outcome.UNKNOWN, Remedy.LOOK_UP, "VENUE_REFUSED"),
    (
        answer(200, {"success": False, "error_response": {"error": None, "new_order_failure_reason": None}}),
        Outcome.UNKNOWN,
        Remedy.LOOK_UP,
        "VENUE_REFUSED",
    ),
]


@pytest.mark.parametrize(("response", "outcome", "remedy", "reason"), CLASSES)
def test_a_refused_placement_is_classed_by_what_it_proves(adapter, response, outcome, remedy, reason):
    found = adapter.parse(Place(order()), response)
    assert (found.outcome, found.remedy, found.reason) == (outcome, remedy, reason)
    assert (found.order, found.absent) == (None, False)


def test_a_refusal_whose_reason_can_t_be_read_is_unknown(adapter):
    for wrong in (5, "INVALID_SIDE", [{"error": "INVALID_SIDE"}]):
        response = answer(200, {"success": False, "error_response": wrong})
        assert adapter.parse(Place(order()), response).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("reason", "outcome", "remedy", "name"),
    [
        ("UNKNOWN_CANCEL_ORDER", Outcome.REJECTED, Remedy.LOOK_UP, "ORDER_NOT_FOUND"),
        ("COMMANDER_REJECTED_CANCEL_ORDER", Outcome.REJECTED, Remedy.LOOK_UP, "COMMANDER_REJECTED_CANCEL_ORDER"),
        ("ORDER_IS_FULLY_FILLED", Outcome.REJECTED, Remedy.LOOK_UP, "ORDER_IS_FULLY_FILLED"),
        ("UNKNOWN_CANCEL_FAILURE_REASON", Outcome.REJECTED, Remedy.LOOK_UP, "VENUE_REFUSED"),
        ("", Outcome.REJECTED, Remedy.LOOK_UP, "VENUE_REFUSED"),
        ("DUPLICATE_CANCEL_REQUEST", Outcome.ACCEPTED, Remedy.NONE, None),
    ],
)
def test_a_refused_cancel_says_nothing_of_the_order(adapter, reason, outcome, remedy, name):
    found = adapter.parse(Cancel(order(), THEIRS), canceled(success=False, reason=reason))
    assert (found.outcome, found.remedy, found.reason, found.order) == (outcome, remedy, name, None)


def test_a_cancel_is_classed_by_its_status_as_a_placement_is(adapter):
    assert adapter.parse(Cancel(order(), THEIRS), answer(502, b"<html>")).outcome is Outcome.UNKNOWN
    assert adapter.parse(Cancel(order(), THEIRS), answer(429, TOO_MANY)).outcome is Outcome.RETRY_SAFE


@pytest.mark.parametrize("response", [answer(404, NOT_FOUND), answer(404, {}), answer(400, NOT_FOUND)])
def test_an_order_that_is_not_found_is_absent(adapter, response):
    found = adapter.parse(FindOrder("BTC-USD", venue_order_id=THEIRS), response)
    assert (found.outcome, found.reason, found.absent) == (Outcome.REJECTED, "ORDER_NOT_FOUND", True)


@pytest.mark.parametrize("response", [answer(404, b"<html>"), answer(400, INVALID), answer(403, b""), answer(500, b"")])
def test_an_order_that_can_t_be_asked_for_is_not_absent(adapter, response):
    assert not adapter.parse(FindOrder("BTC-USD", venue_order_id=THEIRS), response).absent


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, 1),
        ({"retry_after": "7"}, 7),
        ({"x_ratelimit_reset": "3"}, 3),
        ({"retry_after": "7", "x_ratelimit_reset": "3"}, 7),
        ({"retry_after": "soon"}, 1),
        ({"retry_after": "0"}, 1),
        ({"x_ratelimit_reset": "1705314601"}, 1),
        ({"x_ratelimit_reset": "3601"}, 1),
        ({"x_ratelimit_reset": "-1"}, 1),
    ],
)
def test_who_is_asked_to_wait_waits_as_long_as_asked(adapter, headers, wait_s):
    assert adapter.parse(Place(order()), answer(429, TOO_MANY, **headers)).wait_us == wait_s * SECOND_US


@pytest.mark.parametrize(("call", "limit"), [(Place(order()), "private_1s"), (ReadClock(), "public_1s")])
def test_only_calls_of_its_kind_wait_for_one_that_came_too_often(adapter, call, limit):
    assert adapter.parse(call, answer(429, TOO_MANY)).limit == limit
    assert adapter.parse(call, answer(403, TOO_MANY)).limit is None


def test_only_who_is_told_to_slow_down_waits(adapter):
    assert adapter.parse(Place(order()), answer(400, INVALID, retry_after="7")).wait_us == 0
    assert adapter.parse(Place(order()), answer(403, INVALID)).wait_us == 60 * SECOND_US


def test_a_request_whose_token_was_refused_is_made_once_more(adapter):
    refusal = answer(401, b"Unauthorized\n")
    first = adapter.parse(Place(order()), refusal)
    assert (first.outcome, first.remedy) == (Outcome.RETRY_SAFE, Remedy.SET_CLOCK)
    another = adapter.parse(Place(order(client_order_id="another")), refusal)
    assert another.outcome is Outcome.RETRY_SAFE
    second = adapter.parse(Place(order()), refusal)
    assert (second.outcome, second.reason, second.remedy) == (Outcome.REJECTED, "KEY_REFUSED", Remedy.BLOCK)


def test_a_request_that_went_well_may_have_its_token_refused_again():
    adapter, call, refusal = an_adapter(), ListOpenOrders("account"), answer(401, b"")
    assert adapter.parse(call, refusal).outcome is Outcome.RETRY_SAFE
    assert adapter.parse(call, listed()).outcome is Outcome.ACCEPTED
    assert adapter.parse(call, refusal).outcome is Outcome.RETRY_SAFE
    assert adapter.parse(call, refusal).outcome is Outcome.REJECTED


def test_a_new_key_owes_nothing_for_the_old_one_s_refusals(adapter):
    refusal = answer(401, b"")
    adapter.parse(Place(order()), refusal)
    adapter.rekey(Credentials(SecretStr("another"), private_key=ED_KEY))
    assert adapter.parse(Place(order()), refusal).outcome is Outcome.RETRY_SAFE
