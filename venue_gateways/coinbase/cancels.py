"""How Coinbase cancels: by the venue's own order IDs, several in one request, each answered for itself.

Documented: ``success`` says that a cancel was submitted, not that the order is canceled.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from venue_gateways.coinbase import errors, payloads
from venue_gateways.venue import Answer, CancelAll, OrderSeen, Outcome, Unparsable, decode

#: How many orders one request names. No figure is documented; third parties send no more.
ORDERS_MAX: Final = 100


def calls(listed: Iterable[OrderSeen]) -> Iterator[CancelAll]:
    """As few as will do for the orders that were *listed*."""
    symbols = {order.venue_order_id: order.symbol for order in listed if order.venue_order_id is not None}
    ids = list(symbols)
    for first in range(0, len(ids), ORDERS_MAX):
        chosen = tuple(ids[first : first + ORDERS_MAX])
        yield CancelAll(tuple(sorted({symbols[each] for each in chosen})), chosen)


def of_one(body: bytes, asked: str | None) -> Answer:
    """What is said of the order *asked*. Raises Unparsable."""
    for result in _results(body):
        if result.order_id == asked:
            return _answer(result)
    raise Unparsable(f"the answer is not about order {asked}")


def of_many(body: bytes, asked: Iterable[str]) -> Answer:
    """What is said of all that were *asked*: refused only if each was. Raises Unparsable."""
    results = {result.order_id: result for result in _results(body)}
    missing = set(asked) - set(results)
    if missing:
        raise Unparsable(f"the answer is not about {len(missing)} of the orders, such as {min(missing)}")
    refused = Counter(answer.reason for answer in map(_answer, results.values()) if answer.outcome is Outcome.REJECTED)
    reason = ", ".join(f"{count} {why}" for why, count in sorted(refused.items(), key=str)) or None
    every = refused.total() == len(results) > 0
    return Answer(Outcome.REJECTED if every else Outcome.ACCEPTED, reason and reason[:200])


def _results(body: bytes) -> tuple[payloads.CancelPayload, ...]:
    payload: payloads.CancelsPayload = decode(body, payloads.CancelsPayload)
    return payload.results


def _answer(result: payloads.CancelPayload) -> Answer:
    return Answer(Outcome.ACCEPTED) if result.success else errors.not_canceled(result.failure_reason)
