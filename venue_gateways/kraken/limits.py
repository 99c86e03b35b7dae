"""What Kraken lets an account ask: counters, each of which falls with time and must not pass its maximum.

Documented (guides, "Spot REST Rate Limits" and "Spot Trading Limits"): the REST counter of a key, which placing and
canceling don't touch; and the matching engine's counter of a pair, which they do. A cancel, or an amendment, costs the
more the younger its order is, and an order that is amended is young again. The account's tier decides on maximum and
decay, and no call tells which it is. Nonces want a key for each gateway, so that each has a REST counter of its own;
the pairs' counters are the account's. Told (support pages): public calls may be made once a second from an address. Of
a venue's gateways, one makes them, so that it has all of that.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from domain.throttle import Limit, counter
from venue_gateways.memory import Memory

REST: Final = "rest_counter"
TRADING: Final = "trading_counter"
PUBLIC: Final = "public_1s"

_SECOND_US: Final = 1_000_000


class Tier(StrEnum):
    STARTER = "starter"
    INTERMEDIATE = "intermediate"
    PRO = "pro"


#: Documented: maximum, and decay in hundredths a second, of the REST counter …
_REST: Final[Mapping[Tier, tuple[int, int]]] = {
    Tier.STARTER: (15, 33),
    Tier.INTERMEDIATE: (20, 50),
    Tier.PRO: (20, 100),
}
#: … and of a pair's counter.
_TRADING: Final[Mapping[Tier, tuple[int, int]]] = {
    Tier.STARTER: (60, 100),
    Tier.INTERMEDIATE: (125, 234),
    Tier.PRO: (180, 375),
}
#: Documented: "reduced every couple of seconds", which is one at a time.
_REST_STEP: Final = 1
#: Assumed: the engine's counter falls once a second, and calls that were granted one after the other arrive together.
_TRADING_STEPS: Final = 2
#: Documented: what a cancel costs of its pair's counter, by the seconds since its order was created or amended …
_CANCEL: Final = ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))
DEAREST_CANCEL: Final = _CANCEL[0][1]
#: … and an amendment, besides what each costs, also one that fails.
_AMEND: Final = ((5, 3), (10, 2), (15, 1))
_AMEND_FIXED: Final = 1
DEAREST_AMEND: Final = _AMEND_FIXED + _AMEND[0][1]
#: The venue's SDK: of each pair's counter, however many and old its orders are.
CANCEL_ALL: Final = 1
#: Documented: of the REST counter, "ledger/trade history calls" count 2, all others 1.
DEAREST_CALL: Final = 2


def limits(tier: Tier) -> tuple[Limit, ...]:
    """The counters, with room for their falling in steps."""
    rest, rest_decay = _REST[tier]
    trading, trading_decay = _TRADING[tier]
    margin = -(-_TRADING_STEPS * trading_decay // 100)
    per_us = 100 * _SECOND_US
    return (
        counter(REST, rest - _REST_STEP, rest_decay, per_us, heaviest=DEAREST_CALL, kept_back=True, per_key=True),
        counter(TRADING, trading - margin, trading_decay, per_us, heaviest=DEAREST_CANCEL, kept_back=True),
        counter(PUBLIC, 1, 1, _SECOND_US, per_key=True),
    )


def cancel_cost(age_us: int) -> int:
    """What canceling an order of that age takes of its pair's counter."""
    return _by_age(_CANCEL, age_us)


def amend_cost(age_us: int) -> int:
    """What amending an order of that age takes of its pair's counter."""
    return _AMEND_FIXED + _by_age(_AMEND, age_us)


def _by_age(costs: tuple[tuple[int, int], ...], age_us: int) -> int:
    for below_s, cost in costs:
        if age_us < below_s * _SECOND_US:
            return cost
    return 0


class Ages:
    """When orders were opened, or amended, at the latest: what is not known is charged as if it were young.

    They go by their client order ID; those that a list has shown, by the venue's as well.
    """

    def __init__(self) -> None:
        self._opened: Memory[str, int] = Memory()
        self._amended: Memory[str, int] = Memory()

    def note(self, client_order_id: str, opened_us: int) -> None:
        """The order was opened then, or before: the last word holds, for an order may have been signed once more."""
        self._opened.note(client_order_id, opened_us)

    def note_amended(self, client_order_id: str, amended_us: int) -> None:
        """The order was amended then, or before. Apart from when it was opened, which every look-up tells anew."""
        self._amended.note(client_order_id, amended_us)

    def cancel_cost(self, client_order_id: str, now_us: int) -> int:
        age_us = self._age_us(client_order_id, now_us)
        return DEAREST_CANCEL if age_us is None else cancel_cost(age_us)

    def amend_cost(self, client_order_id: str, now_us: int) -> int:
        age_us = self._age_us(client_order_id, now_us)
        return DEAREST_AMEND if age_us is None else amend_cost(age_us)

    def _age_us(self, client_order_id: str, now_us: int) -> int | None:
        """For how long the order has been as it is; None if nobody knows."""
        instants = (self._opened.get(client_order_id), self._amended.get(client_order_id))
        known = [at_us for at_us in instants if at_us is not None]
        return now_us - max(known) if known else None
