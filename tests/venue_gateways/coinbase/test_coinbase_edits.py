"""Edits of orders at Coinbase: an answer says whether one has been taken note of, and never what came of it."""

import msgspec
import pytest

from domain.messages import Operation
from tests.venue_gateways.coinbase.examples import THEIRS, answer, edited, order
from venue_gateways.venue import Amend, Answer, Outcome, Remedy

EDIT = Amend(order(Operation.AMEND), THEIRS)


def refused(*reasons: dict[str, object]) -> object:
    return answer(200, {"success": False, "errors": list(reasons)})


@pytest.mark.parametrize(
    "response",
    [
        answer(200, {"success": True}),
        answer(200, {"success": True, "errors": []}),
        answer(200, {"success": True, "errors": None}),
        answer(200, {"success": True, "success_response": {"order_id": THEIRS}}),
        edited(success=True),  # with the zero values of all reasons
        edited(success=False, edit="ORDER_IS_ALREADY_BEING_REPLACED"),  # by an earlier copy
    ],
)
def test_an_edit_that_was_placed_is_not_made(adapter, response):
    assert adapter.parse(EDIT, response) == Answer(Outcome.ACCEPTED)


@pytest.mark.parametrize(
    "reason",
    [
        "CANNOT_EDIT_ORDER_PENDING_CANCEL",
        "CANNOT_EDIT_TO_BELOW_FILLED_SIZE",
        "COMMANDER_REJECTED_EDIT_ORDER",
        "EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST",
        "INVALID_EDITED_SIZE",
        "INVALID_ORDER_ID",
        "INVALID_ORIGINAL_SIZE",
        "ONLY_OPEN_ORDERS_CAN_BE_EDITED",
        "ORDER_NOT_FOUND",
        "ORIGINAL_ORDER_NOT_FOUND",
    ],
)
def test_a_refusal_for_the_order_s_whereabouts_or_its_size_has_the_order_looked_up(adapter, reason):
    found = adapter.parse(EDIT, edited(success=False, edit=reason))
    assert (found.outcome, found.remedy, found.reason, found.order) == (
        Outcome.REJECTED,
        Remedy.LOOK_UP,
        reason,
        None,
    )


@pytest.mark.parametrize("reason", ["PREVIEW_ORDER_IS_PENDING_CANCEL", "PREVIEW_TOO_MANY_PENDING_REPLACES"])
def test_so_has_one_that_only_a_preview_gives(adapter, reason):
    found = adapter.parse(EDIT, edited(success=False, preview=reason))
    assert (found.outcome, found.remedy) == (Outcome.REJECTED, Remedy.LOOK_UP)
    assert found.reason == reason.removeprefix("PREVIEW_")


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (edited(success=False, edit="ONLY_LIMIT_ORDER_EDITS_SUPPORTED"), "ONLY_LIMIT_ORDER_EDITS_SUPPORTED"),
        (edited(success=False, edit="INVALID_EDITED_PRICE"), "INVALID_EDITED_PRICE"),
        (edited(success=False, edit="SIZE_IN_QUOTE_EDITS_NOT_ALLOWED"), "SIZE_IN_QUOTE_EDITS_NOT_ALLOWED"),
        (edited(success=False, edit="A_REASON_OF_TOMORROW"), "A_REASON_OF_TOMORROW"),
        (edited(success=False, preview="PREVIEW_INSUFFICIENT_FUND"), "INSUFFICIENT_FUNDS"),
        (edited(success=False, preview="PREVIEW_UNTRADABLE_PRODUCT"), "MARKET_CLOSED"),
        (
            edited(success=False, edit="INVALID_EDITED_PRICE", preview="PREVIEW_INVALID_PRICE_PRECISION"),
            "INVALID_EDITED_PRICE",  # its own reason comes first
        ),
        (
            refused({}, {"preview_failure_reason": "PREVIEW_STOP_TRIGGERED"}, {"edit_failure_reason": "NOT_STARTED"}),
            "NOT_STARTED",
        ),
        (
            answer(200, {"success": False, "error_response": {"edit_failure_reason": "STRATEGY_NOT_SUPPORTED"}}),
            "STRATEGY_NOT_SUPPORTED",
        ),
        (answer(400, {"error": "INVALID_ARGUMENT", "message": "size"}), "INVALID_ARGUMENT"),
    ],
)
def test_any_other_refusal_is_for_good(adapter, response, reason):
    found = adapter.parse(EDIT, response)
    assert (found.outcome, found.remedy, found.reason) == (Outcome.REJECTED, Remedy.NONE, reason)


@pytest.mark.parametrize(
    "response",
    [
        edited(success=False),
        edited(success=False, edit="no name <b>at all</b>", preview=""),
        refused(),
        refused({"edit_failure_reason": None, "preview_failure_reason": None}),
        answer(200, {"success": False, "errors": None}),
        answer(200, {"success": False}),
        answer(200, {"success": False, "error_response": None}),
    ],
)
def test_a_refusal_that_gives_no_reason_leaves_it_open(adapter, response):
    found = adapter.parse(EDIT, response)
    assert (found.outcome, found.reason, found.order) == (Outcome.UNKNOWN, "VENUE_REFUSED", None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"<html>",
        b'{"success":tr',
        b'{"success":"true"}',
        b'{"success":null,"errors":[]}',
        msgspec.json.encode({"success": False, "errors": "ORDER_NOT_FOUND"}),
        msgspec.json.encode({"success": False, "errors": ["ORDER_NOT_FOUND"]}),
        msgspec.json.encode({"success": False, "errors": [{"edit_failure_reason": 4}]}),
        msgspec.json.encode({"success": False, "error_response": [{"edit_failure_reason": "ORDER_NOT_FOUND"}]}),
    ],
)
def test_an_answer_that_can_t_be_understood_is_none(adapter, body):
    found = adapter.parse(EDIT, answer(200, body))
    assert (found.outcome, found.order) == (Outcome.UNKNOWN, None)
    assert found.reason.startswith("UNPARSABLE")


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (answer(502, b"<html>"), Outcome.UNKNOWN),
        (answer(503, {"success": True}), Outcome.UNKNOWN),
        (answer(404, {"error": "NOT_FOUND", "message": "order with this orderID was not found"}), Outcome.UNKNOWN),
        (answer(401, b"Unauthorized"), Outcome.RETRY_SAFE),
        (answer(429, {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}), Outcome.RETRY_SAFE),
    ],
)
def test_an_edit_is_classed_by_its_status_as_a_placement_is(adapter, response, outcome):
    assert adapter.parse(EDIT, response).outcome is outcome
