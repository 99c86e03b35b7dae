"""What the workers wrote, read back and compared: every order as it was wanted, nothing twice, every balance right."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from benchmarks.w2 import workload
from benchmarks.w2.workload import Balances, Lot
from domain.messages import (
    Account,
    Answer,
    DeadLetter,
    EventKind,
    JournalEntry,
    Operation,
    OrderEvent,
    OrderStatus,
    VenueRequest,
)
from domain.state import Balance
from runtime import kafka
from runtime.settings import Settings
from schemas import codec, topics

#: The events of an order, in the order of their sequence numbers. One that rests has the first two.
_STEPS: Final = (
    (EventKind.ORDER_ACCEPTED, Answer.ACCEPTED, OrderStatus.PENDING_SUBMISSION),
    (EventKind.ORDER_OPENED, None, OrderStatus.OPEN),
    (EventKind.ORDER_FILLED, None, OrderStatus.FILLED),
)
_FAULTS_SHOWN_MAX: Final = 20
_BATCH_RECORDS: Final = 10_000
_POLL_S: Final = 0.05
_SILENT_S_MAX: Final = 20.0


class Span(msgspec.Struct):
    """When the events of one lot were written, in milliseconds, and each partition's longest pause between two."""

    first: int = 0
    last: int = 0
    events: int = 0
    latest: dict[int, int] = {}
    pauses: dict[int, int] = {}

    def note(self, partition: int, at: int) -> None:
        self.first = min(self.first or at, at)
        self.last = max(self.last, at)
        self.events += 1
        pause = at - self.latest.get(partition, at)
        self.pauses[partition] = max(self.pauses.get(partition, 0), pause)
        self.latest[partition] = at

    @property
    def seconds(self) -> float:
        return (self.last - self.first) / 1_000


class Check:
    """Is told every record that was written, then says what is wrong. Records of a partition are told in order."""

    def __init__(self, users: int, partitions: int, lots: Sequence[Lot]) -> None:
        self._users = users
        self._partitions = partitions
        self._lots = lots
        self._end = max((lot.first + lot.count for lot in lots), default=0)
        self._steps = bytearray(self._end)
        self._requests = bytearray(self._end)
        self._funded: set[str] = set()
        self._sources: dict[tuple[str, str, int], tuple[int, int]] = {}
        self._booked: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        self._rows: dict[tuple[int, str, str], Balance] = {}
        self._faults: list[str] = []
        self._count = 0
        self.spans = [Span() for _ in lots]

    def event(self, event: OrderEvent, partition: int, at: int) -> None:
        """*at* is when it was written, in milliseconds."""
        self._new("event", event)
        if event.kind is EventKind.TRANSFER_BOOKED and event.command_id and event.command_id not in self._funded:
            self._funded.add(event.command_id)
            return None
        number = self._number(event.order_id)
        if number is None:
            return self._fault(f"{event.kind} of {event.order_id} ({event.reason}) was not to be expected")
        place = next(place for place, lot in enumerate(self._lots) if number in lot.numbers)
        self.spans[place].note(partition, at)
        step = self._steps[number]
        if event.sequence != step + 1 or step == self._wanted_steps(self._lots[place]):
            return self._fault(f"{event.order_id} has event {event.sequence} ({event.kind}) after its {step}.")
        self._steps[number] += 1
        if (event.kind, event.answer, event.status) != _STEPS[step]:
            return self._fault(f"{event.order_id}, event {event.sequence}: {event.kind} {event.answer} {event.status}")
        return self._compare(event, number)

    def _compare(self, event: OrderEvent, number: int) -> None:
        wanted = workload.order(number, self._users)
        told = (event.user_id, event.symbol, event.side, event.quantity, event.price)
        if told != (wanted.user, wanted.symbol, wanted.side, wanted.quantity, wanted.price):
            self._fault(f"{event.order_id} isn't the order that was placed: {told}")
        if event.kind is EventKind.ORDER_FILLED:
            traded = (event.filled_quantity, event.filled_cost, event.fee, event.fee_asset)
            if traded != (wanted.quantity, wanted.cost, wanted.fee, wanted.fee_asset):
                self._fault(f"{event.order_id} isn't filled as the venue said: {traded}")

    def entry(self, entry: JournalEntry) -> None:
        self._new("entry", entry)
        sums: dict[str, int] = defaultdict(int)
        for posting in entry.postings:
            sums[posting.asset] += posting.amount
            self._booked[posting.owner, posting.asset][posting.account is Account.RESERVED] += posting.amount
        if any(sums.values()):
            self._fault(f"entry {entry.reference} is off by {dict(sums)}")

    def request(self, request: VenueRequest) -> None:
        number = self._number(request.order_id)
        if number is None or request.operation is not Operation.PLACE or self._requests[number]:
            return self._fault(f"{request.operation} {request.request_id} of {request.order_id} was not to be expected")
        self._requests[number] = 1
        wanted = workload.order(number, self._users)
        if request.client_order_id != workload.client_order_id(wanted, self._partitions):
            self._fault(f"{request.order_id} is requested as {request.client_order_id}")
        if (request.quantity, request.price) != (wanted.quantity, wanted.price):
            self._fault(f"{request.order_id} is requested with {request.quantity} at {request.price}")
        return None

    def letter(self, letter: DeadLetter) -> None:
        self._fault(f"dead letter from {letter.source_topic}: {letter.reason} {letter.detail}")

    def row(self, row: Balance, partition: int) -> None:
        """A row of the balances' changelog; a later one takes the place of an earlier one."""
        self._rows[partition, row.owner, row.asset] = row

    def faults(self) -> list[str]:
        """What is wrong; the first of it, if it is much."""
        for lot in self._lots:
            for number in lot.numbers:
                if self._steps[number] < self._wanted_steps(lot) or not self._requests[number]:
                    self._fault(f"order {number} has {self._steps[number]} events, {self._requests[number]} requests")
        if len(self._funded) != self._users:
            self._fault(f"{len(self._funded)} of {self._users} users were given money")
        wanted = workload.reference(self._users, self._lots)
        self._compare_balances("entries", wanted, {account: (a, r) for account, (a, r) in self._booked.items()})
        rows: dict[tuple[str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
        for row in self._rows.values():
            available, reserved = rows[row.owner, row.asset]
            rows[row.owner, row.asset] = available + row.available, reserved + row.reserved
        self._compare_balances("rows", wanted, rows)
        more = [f"and {self._count - len(self._faults)} more"] if self._count > len(self._faults) else []
        return self._faults + more

    def _compare_balances(self, where: str, wanted: Balances, found: Balances) -> None:
        found = {account: amounts for account, amounts in found.items() if any(amounts)}
        for owner, asset in wanted.keys() | found.keys():
            right, there = wanted.get((owner, asset), (0, 0)), found.get((owner, asset), (0, 0))
            if right != there:
                self._fault(f"{owner} has {there} {asset} by the {where}, and should have {right}")
        for asset in {asset for _, asset in found}:
            off = sum(sum(amounts) for (_, other), amounts in found.items() if other == asset)
            if off:
                self._fault(f"the {where} of {asset} sum up to {off}")

    def _new(self, kind: str, message: OrderEvent | JournalEntry) -> None:
        """Effects of an input partition come in the order of its offsets: what doesn't go on is there twice."""
        source = (kind, message.source_topic, message.source_partition)
        here = message.source_offset, message.index
        if here <= self._sources.get(source, (-1, 0)):
            self._fault(f"{kind} of {message.source_topic}[{message.source_partition}] at {here} comes twice")
        self._sources[source] = here

    def _number(self, order_id: str | None) -> int | None:
        digits = (order_id or "").removeprefix("order-")
        return int(digits) if digits.isdigit() and int(digits) < self._end else None

    def _wanted_steps(self, lot: Lot) -> int:
        return len(_STEPS) - lot.rests

    def _fault(self, text: str) -> None:
        self._count += 1
        if len(self._faults) < _FAULTS_SHOWN_MAX:
            self._faults.append(text)


def examine(settings: Settings, users: int, lots: Sequence[Lot]) -> Check:
    """Tells a Check everything that can be read committed. The workers must have stopped."""
    check = Check(users, settings.partitions, lots)
    sinks: tuple[tuple[topics.Topic, Callable[[Any, Message], None]], ...] = (
        (topics.ORDER_EVENTS, lambda event, record: check.event(event, record.partition(), record.timestamp()[1])),
        (topics.LEDGER_ENTRIES, lambda entry, _: check.entry(entry)),
        (topics.venue_requests(workload.VENUE), lambda request, _: check.request(request)),
        (topics.DEAD_LETTERS, lambda letter, _: check.letter(letter)),
        (topics.BALANCES_CHANGELOG, lambda row, record: check.row(row, record.partition())),
    )
    for topic, tell in sinks:
        for record in read(settings, topic.name):
            tell(codec.decode(record.value(), topic.value), record)
    return check


def read(settings: Settings, topic: str) -> Iterator[Message]:
    """Every committed record of *topic*, each partition in order. Raises TimeoutError if the broker falls silent."""
    reader = Consumer(kafka.consumer(settings, "w2-check", enable_partition_eof=True, fetch_wait_max_ms=10))
    try:
        reader.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(settings.partitions)])
        left, heard = settings.partitions, time.monotonic()
        while left:
            records = reader.consume(_BATCH_RECORDS, _POLL_S)
            if records:
                heard = time.monotonic()
            elif time.monotonic() - heard > _SILENT_S_MAX:
                raise TimeoutError(f"{topic}: the broker has sent nothing for {_SILENT_S_MAX:.0f} s")
            for record in records:
                error = record.error()
                if error is None:
                    yield record
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own name for it
                    left -= 1
                else:
                    raise RuntimeError(f"{topic} can't be read: {error}")
    finally:
        reader.close()
