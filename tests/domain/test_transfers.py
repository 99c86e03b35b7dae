"""Money in and out, by order of the treasury."""

import pytest

from domain import commands, ledger, money
from domain.messages import Answer, EntryKind, EventKind, TransferDirection
from domain.reasons import Reason
from tests.builders import a_decision, a_transfer, units
from tests.domain.acting import answered, moved, refused

DEBIT = TransferDirection.DEBIT
MOST = money.AMOUNT_MAX // commands.BALANCE_HEADROOM


def transferred(available="500", **said):
    d = a_decision()
    reason = commands.transfer(d, a_transfer(**said), units(available) if isinstance(available, str) else available)
    assert reason == answered(d).reason
    return d


@pytest.mark.parametrize(("direction", "sign"), [(TransferDirection.CREDIT, 1), (DEBIT, -1)])
def test_what_the_user_gets_the_treasury_gives(direction, sign):
    d = transferred(direction=direction, amount="500")
    assert (answered(d).kind, answered(d).answer) == (EventKind.TRANSFER_BOOKED, Answer.ACCEPTED)
    assert (answered(d).command_id, d.entries[0].reference) == ("transfer-1", "transfer-1")
    assert [entry.kind for entry in d.entries] == [EntryKind(direction)]
    assert moved(d.entries) == {("USD", "available"): sign * units("500")}
    assert moved(d.entries, ledger.TREASURY) == {("USD", "available"): -sign * units("500")}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"transfer_id": ""}, Reason.INVALID_COMMAND_ID),
        ({"transfer_id": "x" * 65}, Reason.INVALID_COMMAND_ID),
        ({"asset": ""}, Reason.INVALID_ASSET),
        ({"asset": "A" * 17}, Reason.INVALID_ASSET),
        ({"asset": "US-D"}, Reason.INVALID_ASSET),
        ({"asset": "USD\x1f"}, Reason.INVALID_ASSET),
        ({"amount": 0}, Reason.AMOUNT_NOT_POSITIVE),
        ({"amount": "-1"}, Reason.AMOUNT_NOT_POSITIVE),
        ({"direction": DEBIT, "amount": 0}, Reason.AMOUNT_NOT_POSITIVE),
        ({"direction": DEBIT, "amount": "500.000000000000000001"}, Reason.INSUFFICIENT_FUNDS),
        ({"amount": 10**40}, Reason.AMOUNT_TOO_LARGE),
        ({"amount": MOST + 1, "available": 0}, Reason.AMOUNT_TOO_LARGE),
        ({"amount": MOST, "available": 1}, Reason.AMOUNT_TOO_LARGE),
    ],
)
def test_a_transfer_that_can_not_be_is_refused_by_name(said, reason):
    assert refused(transferred(**said)) == reason


def test_a_transfer_within_the_bounds_is_booked():
    assert answered(transferred(amount=MOST, available=0)).answer is Answer.ACCEPTED
    assert answered(transferred(asset="A" * 16, transfer_id="x" * 64)).answer is Answer.ACCEPTED


def test_a_refusal_does_not_repeat_an_endless_id():
    assert answered(transferred(transfer_id="x" * 10_000)).command_id == "x" * 64
