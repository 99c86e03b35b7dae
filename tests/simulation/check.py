"""Whether a world kept its promises, judged from outside: by what was acknowledged, what the venue knows, and the log.

Nothing here decides as the product does. Sums are sums of integers, and what an order or a command came to is read from
the venue's own list of orders and trades.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, Final

from domain import money
from domain.messages import (
    Answer,
    EventKind,
    JournalEntry,
    Message,
    OrderCommand,
    OrderEvent,
    OrderStatus,
    Side,
    Transfer,
    TransferDirection,
)
from domain.reasons import Reason
from domain.state import Balance
from schemas import codec, topics
from tests.simulation.world import PARTITIONS, World

_ENDED: Final = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED})


def check(world: World) -> Iterator[str]:
    """What *world* broke, in words; nothing, if all is well. Worlds are checked once they have settled."""
    yield from world.findings
    events = _read(world, topics.ORDER_EVENTS)
    entries = _read(world, topics.LEDGER_ENTRIES)
    yield from _answers(world, events)
    yield from _sequences(events)
    yield from _venue_orders(world, events)
    yield from _orders(world)
    yield from _money(world, events, entries)
    yield from _taken_once(world)
    yield from _dead_letters(world)


def _read(world: World, topic: topics.Topic) -> list[Any]:
    return [
        codec.decode(entry.value, topic.value)
        for partition in range(PARTITIONS)
        for entry in world.broker.logs[topic.name, partition].committed()
    ]


def _answers(world: World, events: list[OrderEvent]) -> Iterator[str]:
    """Each acknowledged command and transfer has one answer; a repeat is told what the first one was told."""
    answers: dict[tuple[str, int, int], list[OrderEvent]] = defaultdict(list)
    for event in events:
        if event.answer is not None:
            answers[event.source_topic, event.source_partition, event.source_offset].append(event)
    first: dict[tuple[str, str, str], OrderEvent] = {}
    for *place, message in world.upstream.acknowledged:
        found = answers.pop(tuple(place), [])
        if len(found) != 1:
            yield f"{_name(message)} at {place} has {len(found)} answers"
            continue
        known = first.setdefault((place[0], message.user_id, _name(message)), found[0])
        if known is not found[0] and (
            found[0].answer is not Answer.DUPLICATE
            or (known.answer is not Answer.DUPLICATE and found[0].first_answer is not known.answer)
        ):
            yield f"{_name(message)} at {place} is a repeat, and was answered {found[0].answer}"
    if answers:
        yield f"answers to nothing that was asked: {list(answers)}"


def _name(message: Message) -> str:
    return message.command_id if isinstance(message, OrderCommand) else message.transfer_id


def _sequences(events: list[OrderEvent]) -> Iterator[str]:
    last: Counter[tuple[str, str | None]] = Counter()
    for event in events:
        if event.sequence:
            key = event.user_id, event.order_id
            if event.sequence != last[key] + 1:
                yield f"order {event.order_id}: event {event.sequence} comes after {last[key]}"
            last[key] = event.sequence


def _venue_orders(world: World, events: list[OrderEvent]) -> Iterator[str]:
    """One order at the venue for each client order ID, none that nobody asked for, and none left behind."""
    accepted = {(event.user_id, event.order_id) for event in events if event.kind is EventKind.ORDER_ACCEPTED}
    placed = Counter(order.request.client_order_id for order in world.venue.orders)
    for client_order_id, number in placed.items():
        if number > 1:
            yield f"{client_order_id} was placed {number} times"
    for order in world.venue.orders:
        if (order.request.user_id, order.request.order_id) not in accepted:
            yield f"order {order.number} at the venue was never accepted"
        if order.state.value == "OPEN":
            yield f"order {order.number} ({order.request.order_id}) is still open at the venue"


def _orders(world: World) -> Iterator[str]:
    """What the tables say of each order is what the venue says: ended, and filled by so much at such a cost."""
    traded: Counter[tuple[str, str]] = Counter()
    cost: Counter[tuple[str, str]] = Counter()
    for order, trade in world.venue.trades:
        key = order.request.user_id, order.request.order_id
        traded[key] += trade.quantity
        cost[key] += trade.price * trade.quantity // money.ONE
    for row in world.orders():
        key = row.user_id, row.order_id
        if row.status not in _ENDED:
            yield f"order {row.order_id} has not ended: {row.status}"
        if (row.filled_quantity, row.filled_cost) != (traded[key], cost[key]):
            yield f"order {row.order_id} is booked as {row.filled_quantity} filled, the venue says {traded[key]}"
        filled_by_amendment = row.reason == Reason.ORDER_FILLED  # amended to what had traded meanwhile
        if (row.status is OrderStatus.FILLED) != (traded[key] >= row.quantity) and not filled_by_amendment:
            yield f"order {row.order_id} is {row.status} with {traded[key]} of {row.quantity} traded"
        traded.pop(key, None)
    if traded:
        yield f"trades of orders that no table knows: {dict(traded)}"


def _money(world: World, events: list[OrderEvent], entries: list[JournalEntry]) -> Iterator[str]:
    """Every account holds what transfers and the venue's trades make it hold, in the tables and in the journal."""
    expected = _expected(world, events)
    tables: Counter[tuple[str, str]] = Counter()
    for partition in range(PARTITIONS):
        for value in world.rows(topics.BALANCES_CHANGELOG, partition).values():
            row = codec.decode(value, Balance)
            tables[row.owner, row.asset] += row.available + row.reserved
            if row.reserved:
                yield f"{row.owner} still has {row.reserved} {row.asset} reserved"
    journal: Counter[tuple[str, str]] = Counter()
    for entry in entries:
        sums: Counter[str] = Counter()
        for posting in entry.postings:
            sums[posting.asset] += posting.amount
            journal[posting.owner, posting.asset] += posting.amount
        if any(sums.values()):
            yield f"entry {entry.reference} is off by {dict(sums)}"
    yield from _compare(expected, tables, "tables")
    yield from _compare(expected, journal, "journal")


def _compare(expected: Counter[tuple[str, str]], found: Counter[tuple[str, str]], where: str) -> Iterator[str]:
    totals: Counter[str] = Counter()
    for account in sorted(expected.keys() | found.keys()):
        totals[account[1]] += found[account]
        if expected[account] != found[account]:
            yield f"{account} holds {found[account]} by the {where}, not {expected[account]}"
    for asset, total in totals.items():
        if total:
            yield f"all accounts of {asset} sum to {total} by the {where}"


def _expected(world: World, events: list[OrderEvent]) -> Counter[tuple[str, str]]:
    """What each account holds by the accepted transfers and by the venue's trades."""
    booked = {(e.source_partition, e.source_offset) for e in events if e.kind is EventKind.TRANSFER_BOOKED}
    expected: Counter[tuple[str, str]] = Counter()
    for _, partition, offset, message in world.upstream.acknowledged:
        if isinstance(message, Transfer) and (partition, offset) in booked:
            amount = message.amount if message.direction is TransferDirection.CREDIT else -message.amount
            expected[f"user:{message.user_id}", message.asset] += amount
            expected["treasury", message.asset] -= amount
    for order, trade in world.venue.trades:
        request = order.request
        base, _, quote = request.symbol.partition("-")
        sign = 1 if request.side is Side.BUY else -1
        owner, venue = f"user:{request.user_id}", request.venue
        cost = trade.price * trade.quantity // money.ONE
        for asset, amount in ((base, sign * trade.quantity), (quote, -sign * cost)):
            expected[owner, asset] += amount
            expected[f"clearing:{venue}", asset] -= amount
        payer = owner if trade.fee_asset in (base, quote) else "treasury"
        expected[payer, trade.fee_asset] -= trade.fee
        expected[f"fees:{venue}", trade.fee_asset] += trade.fee
    return expected


def _taken_once(world: World) -> Iterator[str]:
    """Every committed record of every input was decided once, in the order of its topic, by a committed transaction."""
    for (topic, partition), log in world.input_logs():
        decided = [at for name, at in world.broker.decided[f"{topics.APPLICATION}-{partition}"] if name == topic]
        there = [entry.offset for entry in log.committed()]
        if decided != there[: len(decided)]:
            yield f"{topic}[{partition}] was decided out of order, twice or with a gap"
        elif len(decided) < len(there) and topic != topics.TICKS.name:
            yield f"{topic}[{partition}]: {len(there) - len(decided)} records were never decided"


def _dead_letters(world: World) -> Iterator[str]:
    for letter in _read(world, topics.DEAD_LETTERS):
        yield f"dead letter: {letter.reason} {letter.detail}"
