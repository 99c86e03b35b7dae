"""How long a command takes to its answer, and to its HTTP request, at rates that are kept up whatever comes back.

    python -m benchmarks.latency [--quick]

Commands are due at fixed intervals, and each latency is measured from the moment its command was *due*, not from when
it could be written: a stall counts for every command it delays (no coordinated omission). One worker; for HTTP requests
a gateway too, and a load-test venue that notes when each arrives, by the same clock. What hasn't come by the end of the
wait is late: it counts with its age at that moment, and the rate was not held. It is waited for all the same: nothing
may be lost, and the next rate begins with nothing to do.
"""

import argparse
import bisect
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import msgspec
from confluent_kafka import Consumer, Producer

from benchmarks import results
from benchmarks.gateway import GatewayUnderTest
from benchmarks.results import FOLDER, Result
from benchmarks.w2 import workload
from benchmarks.w2.installation import Installation, installed
from benchmarks.w2.workload import Lot
from domain.messages import Answer, OrderEvent
from runtime import kafka
from schemas import codec
from schemas.topics import ORDER_COMMANDS, ORDER_EVENTS

FILE: Final = FOLDER / "latency.json"
RATES: Final = (500, 2_000, 5_000)
ANSWER: Final = "answer"
HTTP_REQUEST: Final = "http request"
_USERS: Final = 1_000
_PARTITIONS: Final = 4
_WARM_UP: Final = Lot(first=0, count=2_000)
_WARM_UP_RATE: Final = 1_000
_WARM_UP_WAIT_S: Final = 60.0
#: How often the driver looks at what is due, and for answers.
_STEP_S: Final = 0.001
_BATCH: Final = 2_000
#: How often the driver asks the venue what has arrived, and how long it goes on asking for what is late.
_LOOK_S: Final = 0.5
_LATE_S: Final = 60.0
_FLUSH_S: Final = 10.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How long commands are sent at each rate, and how long after the last one was due an arrival is in time."""

    sending_s: float
    wait_s: float


FULL: Final = Plan(sending_s=10, wait_s=5)
QUICK: Final = Plan(sending_s=3, wait_s=2)


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What became of commands due at *rate* a second. *latencies_ms* are sorted, and of all: the *late* ones' ages when
    the wait ended are among them. *behind* is how many had not come when the last was due, *lost* how many never came.
    """

    rate: int
    latencies_ms: tuple[float, ...]
    behind: int
    late: int
    lost: int

    def percentile(self, share: float) -> float:
        return self.latencies_ms[min(len(self.latencies_ms) - 1, int(len(self.latencies_ms) * share))]


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """The distribution of one sample: *points* are shares of all commands and the milliseconds they stayed within."""

    variant: str
    rate: int
    points: tuple[tuple[float, float], ...]


#: Where a curve has its points: closer and closer to 1.
_SHARES: Final = (
    *(number / 50 for number in range(50)),
    0.985,
    0.99,
    0.993,
    0.995,
    0.997,
    0.998,
    0.999,
    0.9995,
    0.9999,
)


def sample(due_s: Sequence[float], came_s: Mapping[int, float], rate: int, until_s: float) -> Sample:
    """From when each command was due, and when each that came did (by its index); *until_s* is when the wait ended.

    All by one clock.
    """
    latencies = sorted((min(came_s.get(index, until_s), until_s) - due) * 1_000 for index, due in enumerate(due_s))
    came = sorted(came_s.values())
    return Sample(
        rate=rate,
        latencies_ms=tuple(latencies),
        behind=len(due_s) - bisect.bisect_right(came, due_s[-1]),
        late=len(due_s) - bisect.bisect_right(came, until_s),
        lost=len(due_s) - len(came),
    )


def curve(variant: str, found: Sample) -> Curve:
    points = tuple((share, round(found.percentile(share), 3)) for share in _SHARES)
    return Curve(variant=variant, rate=found.rate, points=points)


def result(kind: str, found: Sample) -> Result:
    """As it is published. A rate that wasn't held says so."""
    percentiles = {"p50": 0.5, "p99": 0.99, "p99_9": 0.999}
    return Result(
        work="latency",
        variant=f"{found.rate}/s {kind}",
        rate=found.rate,
        latency_ms={name: round(found.percentile(share), 1) for name, share in percentiles.items()},
        verified=not found.lost,
        detail={
            "commands": len(found.latencies_ms),
            "behind_when_the_last_was_due": found.behind,
            "late": found.late,
            "lost": found.lost,
            "held": "no" if found.late else "yes",
            "max_ms": round(found.latencies_ms[-1], 1),
        },
    )


class Commands:
    """The place commands of a lot, encoded, written each when it is due."""

    def __init__(self, lot: Lot, rate: int, producer: Producer) -> None:
        """The first is due 0.2 s from now."""
        inputs = [workload.inputs(workload.order(number, _USERS), _PARTITIONS) for number in lot.numbers]
        self._records = [(one.user, one.place, one.partition) for one in inputs]
        self._producer = producer
        self._sent = 0
        self.index = {one.client_order_id.decode(): index for index, one in enumerate(inputs)}
        start_s = time.monotonic() + 0.2
        self.due_s = [start_s + index / rate for index in range(len(inputs))]

    def send_due(self) -> None:
        """Write all that are due by now."""
        end = bisect.bisect_right(self.due_s, time.monotonic(), lo=self._sent)
        for user, place, partition in self._records[self._sent : end]:
            self._write(place, user, partition)
        self._sent = end
        self._producer.poll(0)

    def _write(self, place: bytes, user: bytes, partition: int) -> None:
        try:
            self._producer.produce(ORDER_COMMANDS.name, place, user, partition)
        except BufferError as error:
            raise RuntimeError("the broker doesn't take commands at this rate") from error

    def settle(self) -> None:
        """Leave nothing unwritten behind."""
        self._producer.flush(_FLUSH_S)

    @property
    def all_sent(self) -> bool:
        return self._sent == len(self._records)


class Answers:
    """Reads answers as a downstream system does: committed ones only, each when it can be read."""

    def __init__(self, installation: Installation) -> None:
        config = kafka.consumer(installation.settings, f"latency-{time.time_ns()}", fetch_wait_max_ms=10)
        self._consumer = Consumer(config)
        self._consumer.subscribe([ORDER_EVENTS.name])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def take(self, wait_s: float) -> Iterator[tuple[str, float]]:
        """The orders whose answers can be read within *wait_s*, with the moment; a refusal raises AssertionError."""
        messages = self._consumer.consume(_BATCH, wait_s)
        now = time.monotonic()
        for message in messages:
            event = codec.decode(message.value(), OrderEvent)
            if event.answer is not None:
                assert event.answer is Answer.ACCEPTED, event
                yield event.order_id or "", now


def measure_answers(installation: Installation, lot: Lot, rate: int, wait_s: float, answers: Answers) -> Sample:
    """From due to the answer that a read_committed consumer can read. Raises AssertionError for a second answer."""
    commands = Commands(lot, rate, _producer(installation))
    index = {workload.order(number, _USERS).order_id: place for place, number in enumerate(lot.numbers)}
    came: dict[int, float] = {}
    until_s = commands.due_s[-1] + wait_s
    while len(came) < lot.count and time.monotonic() < until_s + _LATE_S:
        commands.send_due()
        for order_id, now in answers.take(_STEP_S):
            if order_id in index:
                assert index[order_id] not in came, f"{order_id} was answered twice"
                came[index[order_id]] = now
    commands.settle()
    return sample(commands.due_s, came, rate, until_s)


def measure_requests(
    installation: Installation, lot: Lot, rate: int, wait_s: float, gateway: GatewayUnderTest
) -> Sample:
    """From due to the arrival of the HTTP request at the venue. Raises AssertionError for a second request."""
    commands = Commands(lot, rate, _producer(installation))
    while not commands.all_sent:
        commands.send_due()
        time.sleep(_STEP_S)
    commands.settle()
    came: dict[int, float] = {}
    until_s = commands.due_s[-1] + wait_s
    while len(came) < lot.count and time.monotonic() < until_s + _LATE_S:
        for arrival in gateway.arrivals():  # asked once all is sent: answering delays nothing that is measured
            place = commands.index.get(arrival.client_order_id)
            assert place not in came, f"{arrival.client_order_id} was sent twice"
            if place is not None:
                came[place] = arrival.at_ns / 1e9
        time.sleep(_LOOK_S)
    return sample(commands.due_s, came, rate, until_s)


def _producer(installation: Installation) -> Producer:
    return Producer(kafka.producer(installation.settings, linger_ms=0))


def measure(quick: bool) -> list[Result]:
    """All rates, to the answer and then to the HTTP request, each with a broker of its own.

    Writes the curves to ``var/bench/latency.json``.
    """
    plan = QUICK if quick else FULL
    found = [*_answers(plan), *_requests(plan)]
    _keep([curve(f"{one.rate}/s {kind}", one) for kind, one in found])
    return [result(kind, one) for kind, one in found]


def _answers(plan: Plan) -> list[tuple[str, Sample]]:
    with _one_worker() as installation, Answers(installation) as answers:
        return _at_all_rates(
            installation,
            plan,
            ANSWER,
            lambda lot, rate, wait_s: measure_answers(installation, lot, rate, wait_s, answers),
        )


def _requests(plan: Plan) -> list[tuple[str, Sample]]:
    with _one_worker() as installation, GatewayUnderTest(installation.settings, installation.folder) as gateway:
        return _at_all_rates(
            installation,
            plan,
            HTTP_REQUEST,
            lambda lot, rate, wait_s: measure_requests(installation, lot, rate, wait_s, gateway),
        )


@contextlib.contextmanager
def _one_worker() -> Iterator[Installation]:
    with installed(_USERS, _PARTITIONS) as installation:
        installation.start_worker()
        installation.await_read()  # the money is there
        yield installation


def _at_all_rates(
    installation: Installation, plan: Plan, kind: str, measure_one: Callable[[Lot, int, float], Sample]
) -> list[tuple[str, Sample]]:
    warm = measure_one(installation.following(_WARM_UP.count), _WARM_UP_RATE, _WARM_UP_WAIT_S)
    if warm.lost:
        raise TimeoutError(f"{warm.lost} of the first {_WARM_UP.count} commands came to no {kind}")
    return [
        (kind, measure_one(installation.following(round(rate * plan.sending_s)), rate, plan.wait_s)) for rate in RATES
    ]


def _keep(curves: Sequence[Curve], file: Path = FILE) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(curves)) + b"\n")


def load(file: Path = FILE) -> list[Curve]:
    """The curves of the last measurement; none if there was none."""
    return msgspec.json.decode(file.read_bytes(), type=list[Curve]) if file.exists() else []


def plot(axis: Any, curves: Sequence[Curve]) -> None:
    """Draw *curves* on a matplotlib axis: how many commands in a hundred thousand took longer than so many ms."""
    for one in curves:
        milliseconds = [ms for _, ms in one.points]
        axis.plot(milliseconds, [1 - share for share, _ in one.points], label=one.variant)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("ms since the command was due")
    axis.set_ylabel("share of commands that took longer")
    axis.legend()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="a few seconds at each rate")
    found = measure(options.parse_args().quick)
    results.write(found)
    for one in found:
        figures = "  ".join(f"{name} {value:8.1f} ms" for name, value in (one.latency_ms or {}).items())
        lag = f"behind by {one.detail['behind_when_the_last_was_due']} at the end, {one.detail['late']} late"
        print(f"{one.variant:22} {figures}  {lag}")  # noqa: T201  # the output is the purpose


if __name__ == "__main__":
    main()
