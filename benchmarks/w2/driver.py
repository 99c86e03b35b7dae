"""The world around W2's workers, in a process of its own: upstream writes places, the gateway answers requests.

Every record is encoded before the first is written. A report follows its request: only after the request can be read
(read committed) is the acknowledgement written, and the fill ``FILL_AFTER_S`` later. Of each partition, at most
*window* orders are under way, so that places and reports are interleaved from the first second to the last.

    python -m benchmarks.w2.driver '{"bootstrap": …}'
"""

import sys
import time
from collections import deque
from pathlib import Path
from typing import Final

import msgspec
from confluent_kafka import Consumer, Message, Producer

from benchmarks.w2 import workload
from benchmarks.w2.tail import tail
from benchmarks.w2.workload import Inputs, Lot
from runtime import kafka
from runtime import settings as settings_
from schemas import topics

#: How long an order is open before it trades: long enough for the two reports not to share a chunk as a rule.
FILL_AFTER_S: Final = 0.1
_START_WITHIN_S: Final = 60.0
_STALLED_AFTER_S: Final = 90.0
_BATCH_RECORDS: Final = 1_000
_POLL_S: Final = 0.002
_REQUESTS: Final = topics.venue_requests(workload.VENUE).name


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to drive. *rate* is in orders a second, as fast as the window lets it if None.

    The file *ready* is written when all is encoded; whoever removes it starts the clock. *done* gets the Driven.
    """

    bootstrap: str
    partitions: int
    users: int
    lot: Lot
    window: int
    ready: str
    done: str
    rate: float | None = None


class Driven(msgspec.Struct, frozen=True, kw_only=True):
    """How it went: from the start of the clock until the last report was written."""

    seconds: float
    cpu_s: float


class _Lane:
    """The orders of one partition: placed in their order, acknowledged in the order of their requests, then filled."""

    __slots__ = ("acknowledged", "filled", "orders", "placed")

    def __init__(self) -> None:
        self.orders: list[Inputs] = []
        self.placed = self.acknowledged = self.filled = 0


class Driver:
    """Plays one lot. The requests of a partition come in the order of its places, so counting them tells whose is next;
    whether that was true, the check of all outputs shows.
    """

    def __init__(self, plan: Plan, lanes: list[_Lane], producer: Producer, requests: Consumer) -> None:
        self._lanes = lanes
        self._rests = plan.lot.rests
        self._window = plan.window
        self._interval_s = 0.0 if plan.rate is None else 1 / plan.rate
        self._producer = producer
        self._requests = requests
        self._due: deque[tuple[float, _Lane]] = deque()
        self._left = plan.lot.count
        self._placed = 0

    def run(self) -> None:
        """Raises TimeoutError if nothing has moved for too long."""
        began = moved = time.monotonic()
        while self._left:
            now = time.monotonic()
            room = sys.maxsize if not self._interval_s else int((now - began) / self._interval_s) - self._placed
            steps = self._place(room) + self._acknowledge(now) + self._fill(now)
            if steps:
                moved = now
            elif now - moved > _STALLED_AFTER_S:
                raise TimeoutError(f"{self._left} orders are left, and nothing has come for {_STALLED_AFTER_S:.0f} s")
            self._producer.poll(0)
        self._producer.flush()

    def _place(self, room: int) -> int:
        """Writes at most *room* commands, in turns."""
        placed, last = 0, -1
        while placed < room and placed != last:
            last = placed
            for lane in self._lanes:
                under_way = lane.placed - (lane.acknowledged if self._rests else lane.filled)
                if placed < room and under_way < self._window and lane.placed < len(lane.orders):
                    wanted = lane.orders[lane.placed]
                    lane.placed += 1
                    placed += 1
                    self._produce(topics.ORDER_COMMANDS.name, wanted.place, wanted.user, wanted.partition)
        self._placed += placed
        return placed

    def _acknowledge(self, now: float) -> int:
        arrived: list[Message] = self._requests.consume(_BATCH_RECORDS, _POLL_S)
        for request in arrived:
            if request.error() is not None:
                raise RuntimeError(f"requests can't be read: {request.error()}")
            lane = self._lanes[request.partition()]
            wanted = lane.orders[lane.acknowledged]
            lane.acknowledged += 1
            self._produce(topics.VENUE_REPORTS.name, wanted.acknowledgement, wanted.client_order_id, wanted.partition)
            if self._rests:
                self._left -= 1
            else:
                self._due.append((now + FILL_AFTER_S, lane))
        return len(arrived)

    def _fill(self, now: float) -> int:
        filled = 0
        while self._due and self._due[0][0] <= now:
            _, lane = self._due.popleft()
            wanted = lane.orders[lane.filled]
            lane.filled += 1
            filled += 1
            self._produce(topics.VENUE_REPORTS.name, wanted.fill, wanted.client_order_id, wanted.partition)
        self._left -= filled
        return filled

    def _produce(self, topic: str, value: bytes, key: bytes, partition: int) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, partition)
            except BufferError:
                self._producer.poll(0.05)
            else:
                return


def main(argument: str) -> int:
    plan = msgspec.json.decode(argument, type=Plan)
    settings = settings_.load(bootstrap_servers=plan.bootstrap, partitions=plan.partitions)
    lanes = [_Lane() for _ in range(plan.partitions)]
    for number in plan.lot.numbers:
        made = workload.inputs(workload.order(number, plan.users), plan.partitions)
        lanes[made.partition].orders.append(made)
    producer = Producer(
        kafka.producer(settings, queue_buffering_max_messages=500_000, linger_ms=5, delivery_report_only_error=True)
    )
    requests = tail(settings, _REQUESTS, fetch_wait_max_ms=20)
    _await_start(Path(plan.ready))
    began, cpu_s = time.monotonic(), time.process_time()
    Driver(plan, lanes, producer, requests).run()
    driven = Driven(seconds=time.monotonic() - began, cpu_s=time.process_time() - cpu_s)
    requests.close()
    _write(Path(plan.done), msgspec.json.encode(driven))
    return 0


def _await_start(ready: Path) -> None:
    _write(ready, b"")
    deadline = time.monotonic() + _START_WITHIN_S
    while ready.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody removed {ready}: whoever started this driver has gone")
        time.sleep(0.01)


def _write(file: Path, content: bytes) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.replace(file)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
