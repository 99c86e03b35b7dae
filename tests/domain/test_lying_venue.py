"""A venue that says what can't be: the ledger balances all the same, and every trade it tells of is booked, once.

What must hold is less than with an honest venue, and holds whatever is said: nothing crashes, the accounts of an asset
sum to zero, what is reserved is what the orders hold, an ended order holds nothing, and a trade ID of an order is
booked the first time it can be.
"""

from collections import Counter
from typing import Any, Final

import msgspec
import pytest

from domain import ids, ledger, money
from domain.messages import EntryKind, Evidence, Operation, ReportKind, Side, VenueReport
from domain.reasons import Reason
from domain.reports import FILL_AMOUNT_MAX
from tests.builders import NOW, PARTITION, units
from tests.domain.acts import ACTS, INDEX, Act, play_out, walk
from tests.domain.effort import LIES, WALK_LENGTH
from tests.domain.play import ASSETS, Play, pick
from tests.domain.world import key_of

_AMOUNTS: Final = [None, -1, 0, 1, units("0.1"), units("1"), units("5"), FILL_AMOUNT_MAX + 1, 10**40]


class LyingPlay(Play):
    """A play in which anything may be reported at any time."""

    def __init__(self) -> None:
        super().__init__(honest=False)

    def lie(self, index: int, ago: int, kind: ReportKind, amounts: tuple[Any, ...], **said: Any) -> None:
        """Any report about an attempt of any order, past or present."""
        order = pick(list(self.world.every_order().values()), -1 - index)
        attempt = max(1, order.attempt - ago)
        cumulative, quantity, price, fee = amounts
        client_id = ids.client_order_id(PARTITION, key_of(order), attempt)
        asked = {"requested_at": self.world.now, "request_id": f"{client_id}:{order.request_sequence}"}
        amounts_said = {
            "cumulative_quantity": cumulative,
            "fill_quantity": quantity,
            "fill_price": price,
            "fee": fee,
        }
        about = (client_id, order.venue, order.symbol, kind)
        self._tell(VenueReport(*about, reported_at=NOW, **asked, **amounts_said, **said))

    def trade_after_the_end(self, index: int, beyond: int) -> None:
        """A trade of an order that has left the venue's book, or more than was ordered."""
        orders = [order for orders in self.venue.orders.values() for order in orders]
        order = pick(orders, -1 - index)
        status, request = order.status, order.request
        order.request = msgspec.structs.replace(request, quantity=order.executed + units("0.5") * (1 + beyond))
        self.venue.trade(order, 4)
        order.status, order.request = status, request

    def _check_venue(self) -> None:
        """The books are the sum of what has been told and could be booked; each trade was booked once."""
        booked = Counter(
            (entry.order_id, entry.reference) for entry in self.world.entries if entry.kind is EntryKind.SETTLE
        )
        assert not [trade for trade, times in booked.items() if times > 1], "a trade was booked twice"
        expected: Counter[str] = Counter()
        for report, side in self._first_told().values():
            base, _, quote = report.symbol.partition("-")
            sign = 1 if side is Side.BUY else -1
            expected[base] -= sign * (report.fill_quantity or 0)
            expected[quote] += sign * money.multiply(report.fill_price or 0, report.fill_quantity or 0)
        for asset in ASSETS:
            assert self.world.system(ledger.clearing("simulated"), asset) == expected[asset]

    def _first_told(self) -> dict[tuple[bytes, str], tuple[VenueReport, Side]]:
        """The first report of each trade that could be booked, and the side of its order."""
        first: dict[tuple[bytes, str], tuple[VenueReport, Side]] = {}
        orders = self.world.every_order()
        for offset, (_, report) in enumerate(self.world.log):
            told = isinstance(report, VenueReport) and report.kind is ReportKind.FILL
            if told and offset not in self.world.dead:
                key = ids.parse_client_order_id(report.client_order_id)[1]
                first.setdefault((key, report.trade_id or ""), (report, orders[key].side))
        return first

    def finish(self) -> None:
        self.check()
        self.world.audit_outputs()
        again = self.world.refolded()
        assert (again.tables(), again.events, again.entries) == (
            self.world.tables(),
            self.world.events,
            self.world.entries,
        )


LIES_AND_ACTS: Final[dict[str, Act]] = ACTS | {
    "lie": Act(
        15,
        {
            "index": INDEX,
            "ago": [0, 0, 0, 1, 2],
            "kind": [*ReportKind, ReportKind.FILL, ReportKind.FILL, ReportKind.CANCELED],
            "amounts": [(a, b, c, d) for a in _AMOUNTS for b in _AMOUNTS for c in _AMOUNTS for d in _AMOUNTS],
            "trade_id": [None, "", "lie 1", "lie 2", "lie 3", "lie 4"],
            "fee_asset": [None, "USD", "BTC", "ETH", "BNB"],
            "venue_order_id": [None, "somebody's"],
            "evidence": [Evidence.RESPONSE, Evidence.STREAM, Evidence.QUERY],
            "operation": [None, *Operation],
            "reason": [None, Reason.OUTCOME_UNKNOWN, Reason.ORDER_NOT_FOUND, Reason.CANCELED_BEFORE_SENDING, "?"],
        },
        lambda play: play.world.every_order(),
    ),
    "trade_after_the_end": Act(4, {"index": INDEX, "beyond": [0, 0, 1]}, lambda play: play.venue.orders),
}


@pytest.mark.parametrize("seed", range(LIES))
def test_whatever_is_said_the_ledger_balances_and_every_trade_is_booked_once(seed):
    play_out(walk(seed, WALK_LENGTH, LIES_AND_ACTS), LyingPlay, LIES_AND_ACTS)
