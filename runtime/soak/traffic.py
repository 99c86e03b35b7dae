"""Traffic without end and without growth: as much in each second as in any other, and orders that end by themselves."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from random import Random
from typing import Final, Protocol

import confluent_kafka
import msgspec
from typing_extensions import override

from runtime.trial import mischief, wire
from runtime.trial.plan import Market, Planned, Shape
from runtime.trial.workload import Crowd

#: One record in so many is money for its user, without which the busy ones would have spent it all after a while.
MONEY_EVERY: Final = 30
MONEY: Final = Decimal(5_000)
#: One in so many is bad input.
BAD_EVERY: Final = 500
#: At most so many records between two looks at what waits.
FLOOD_RECORDS: Final = 1_000
LOOK_EVERY_S: Final = 0.25
BREATH_S: Final = 0.005
FLUSH_S: Final = 30.0


class Pace(Protocol):
    """Says how many records are due since it was asked last."""

    def due(self, now_s: float) -> int: ...


class Steady(msgspec.Struct):
    """*rate* records a second, evenly. What was late is caught up with."""

    rate: float
    began_s: float
    told: int = 0

    def due(self, now_s: float) -> int:
        due = int((now_s - self.began_s) * self.rate) - self.told
        self.told += due
        return due


class Flood(msgspec.Struct):
    """As many as will be taken: the fuller the rooms of those who read, the fewer."""

    fullness: Callable[[], float]
    look_s: float = 0.0

    def due(self, now_s: float) -> int:
        if now_s < self.look_s:
            return 0
        self.look_s = now_s + LOOK_EVERY_S
        return max(0, int(FLOOD_RECORDS * (1.0 - self.fullness())))


class Traffic(threading.Thread):
    """Sends what the users of *shape* do from ``start`` to ``stop``, at a *pace*. *refused* tells what nobody took."""

    def __init__(self, bootstrap: str, shape: Shape, markets: Sequence[Market], pace: Pace) -> None:
        super().__init__(name="traffic", daemon=True)
        self.sent = 0
        self.refused: list[str] = []
        self._shape = shape
        self._markets = markets
        self._pace = pace
        self._stopping = threading.Event()
        self._producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": bootstrap,
                "client.id": "fillstream-soak",
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 2,
            },
            logger=wire.KAFKA_LOG,
        )

    def stop(self) -> None:
        self._stopping.set()
        self.join()

    @override
    def run(self) -> None:
        records = self._records(time.monotonic())
        while not self._stopping.wait(BREATH_S):
            for _ in range(self._pace.due(time.monotonic())):
                self._send(next(records))
            self._producer.poll(0)
        if left := self._producer.flush(FLUSH_S):
            self.refused.append(f"{left} records not acknowledged within {FLUSH_S:g} s")

    def _records(self, began_s: float) -> Iterator[Planned]:
        """First money for everybody, then what the crowd does."""
        random = Random(self._shape.seed)  # noqa: S311  # repeatable traffic, not a secret
        crowd = Crowd(self._shape, self._markets, random)
        kinds = list(mischief.COMMAND_KINDS.items())
        for user in range(self._shape.users):
            for asset, amount in crowd.wealth(user):
                yield crowd.credit(user, asset, amount)
        while True:
            at_ms = int((time.monotonic() - began_s) * 1_000)
            if random.random() < 1 / MONEY_EVERY:
                yield crowd.credit(crowd.somebody(), "USD", MONEY)
            elif random.random() < 1 / BAD_EVERY:
                yield crowd.misbehave(*random.choice(kinds), at_ms)
            else:
                yield crowd.act(at_ms)

    def _send(self, record: Planned) -> None:
        routing = {} if record.partition is None else {"partition": record.partition}
        while True:
            try:
                self._producer.produce(record.topic, record.value, record.key, on_delivery=self._told, **routing)
            except BufferError:
                self._producer.poll(BREATH_S)
            else:
                self.sent += 1
                return

    def _told(self, error: object, _message: object) -> None:
        if error is not None:
            self.refused.append(str(error))
