"""How many placements a second one gateway sends, limits out of the way, and what each costs it.

    python -m benchmarks.gateway [--quick]

The requests are in the topic before the gateway starts; the venue answers each after 5 ms. Every placement must arrive
exactly once, and have exactly one report.
"""

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx
import msgspec
from confluent_kafka import Consumer, Producer

from benchmarks import results
from benchmarks.load_venue import ARRIVALS, Arrival
from benchmarks.processes import Measured
from benchmarks.results import ROOT, Result
from domain import ids
from domain.messages import Operation, OrderType, ReportKind, Side, VenueReport, VenueRequest
from domain.money import parse
from runtime import kafka, topics
from runtime import settings as settings_
from runtime.broker import EmbeddedBroker
from runtime.settings import Settings
from schemas import codec
from schemas.topics import VENUE_REPORTS, venue_requests

VENUE: Final = "simulated"
_PARTITIONS: Final = 4
_READY_WITHIN_S: Final = 30.0
_DONE_WITHIN_S: Final = 120.0
_ASK_EVERY_S: Final = 0.25
#: The first share of a round's placements isn't counted: connections are opened, code is loaded.
_WARM_UP_SHARE: Final = 0.2


class GatewayUnderTest:
    """A gateway, started as in production, and the load-test venue that it sends to. Both end with the context."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._folder = folder
        self._settings = settings
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self._venue = Measured(
            [sys.executable, "-m", "benchmarks.load_venue"], log=folder / "venue.log", environment=environment
        )
        self._url = ""
        self.gateway: Measured

    def __enter__(self) -> Self:
        self._venue.start()
        try:
            self._url, stream_url = self._addresses()
            self.gateway = self._make_gateway(stream_url)
            self.gateway.start()
        except BaseException:
            self._venue.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gateway.kill()
        self._venue.kill()

    def arrivals(self) -> list[Arrival]:
        """The placements that have arrived at the venue since this was last called."""
        if not self.gateway.running:
            raise RuntimeError(f"the gateway has ended by itself; the end of its log:\n{self.gateway.log_end()}")
        return msgspec.json.decode(httpx.get(self._url + ARRIVALS).content, type=list[Arrival])

    def await_arrivals(self, count: int) -> list[Arrival]:
        """The next *count* placements. Raises TimeoutError."""
        found: list[Arrival] = []
        give_up = time.monotonic() + _DONE_WITHIN_S
        while len(found) < count:
            if time.monotonic() > give_up:
                raise TimeoutError(f"{len(found)} of {count} placements arrived within {_DONE_WITHIN_S:.0f} s")
            time.sleep(_ASK_EVERY_S)
            found += self.arrivals()
        return found

    def _addresses(self) -> list[str]:
        give_up = time.monotonic() + _READY_WITHIN_S
        while not self._venue.log.exists() or "\n" not in self._venue.log.read_text():
            if not self._venue.running or time.monotonic() > give_up:
                raise RuntimeError(f"the load-test venue didn't start:\n{self._venue.log_end()}")
            time.sleep(0.05)
        return self._venue.log.read_text().splitlines()[0].split()

    def _make_gateway(self, stream_url: str) -> Measured:
        credentials = self._folder / "credentials.toml"
        credentials.touch(0o600)
        credentials.write_text('key = "load-test"\nsecret = "load-test-secret"\n')
        own = {
            "FILLSTREAM_VAR": str(self._folder),
            "FILLSTREAM_VENUE_URL": self._url,
            "FILLSTREAM_VENUE_STREAM_URL": stream_url,
            "FILLSTREAM_CREDENTIALS": str(credentials),
            "PYTHONPATH": str(ROOT),
        }
        return Measured(
            [sys.executable, "-m", "runtime", "gateway", VENUE],
            log=self._folder / "gateway.log",
            environment=os.environ | settings_.environment(self._settings) | own,
        )


class Round(msgspec.Struct, frozen=True):
    per_s: float
    cpu_us: float
    resident_mib: float


def requests(count: int, stamp: int) -> Iterator[tuple[int, str, VenueRequest]]:
    """Partition, key and placement of *count* new orders; *stamp* tells them from those of other rounds."""
    for number in range(count):
        user, order_id, partition = f"user-{number % 1_000}", f"{stamp}-{number}", number % _PARTITIONS
        yield (
            partition,
            user,
            VenueRequest(
                request_id=f"request-{order_id}",
                client_order_id=ids.client_order_id(partition, ids.order_key(user, order_id), 1),
                user_id=user,
                order_id=order_id,
                venue=VENUE,
                symbol="BTC-USD",
                operation=Operation.PLACE,
                sequence=1,
                side=Side.BUY,
                order_type=OrderType.LIMIT,
                quantity=parse("0.001"),
                requested_at=stamp // 1_000,
                price=parse("30000"),
            ),
        )


def write_requests(settings: Settings, count: int) -> set[str]:
    """Puts *count* placements into the topic; their client order IDs."""
    producer = Producer(kafka.producer(settings, queue_buffering_max_messages=1_000_000))
    topic, written = venue_requests(VENUE).name, set()
    for partition, user, request in requests(count, time.time_ns()):
        producer.produce(topic, codec.encode(request), user, partition)
        written.add(request.client_order_id)
    producer.flush()
    return written


def run_round(settings: Settings, folder: Path, count: int) -> Round:
    """One gateway, from its start until all of *count* placements are sent. Raises AssertionError for a wrong one."""
    folder.mkdir()
    written = write_requests(settings, count)
    with GatewayUnderTest(settings, folder) as under_test:
        warm = under_test.await_arrivals(round(count * _WARM_UP_SHARE))
        began_cpu_s = under_test.gateway.cpu_s()
        rest = under_test.await_arrivals(count - len(warm))
        cpu_s = under_test.gateway.cpu_s() - began_cpu_s
        check(written, [*warm, *rest], settings)
        under_test.gateway.stop()
        resident_mib = under_test.gateway.resident_mib_max()
    seconds = (rest[-1].at_ns - warm[-1].at_ns) / 1e9
    return Round(len(rest) / seconds, cpu_s / len(rest) * 1e6, resident_mib)


def check(written: set[str], arrived: list[Arrival], settings: Settings) -> None:
    """Every placement has arrived once, and been acknowledged once. Raises AssertionError."""
    assert Counter(arrival.client_order_id for arrival in arrived) == Counter(written)
    reader = Consumer(kafka.consumer(settings, f"benchmark-{time.time_ns()}"))
    reader.subscribe([VENUE_REPORTS.name])
    reported: Counter[str] = Counter()
    give_up = time.monotonic() + _READY_WITHIN_S
    while reported.total() < len(written) and time.monotonic() < give_up:
        for message in reader.consume(5_000, 0.5):
            report = codec.decode(message.value(), VenueReport)
            if report.client_order_id in written:
                assert report.kind is ReportKind.ACKNOWLEDGED, report
                reported[report.client_order_id] += 1
    reader.close()
    assert reported == Counter(written)


def run_rounds(broker: EmbeddedBroker, folder: Path, count: int, rounds: int) -> list[Round]:
    """One after the other, each with a gateway and placements of its own. Raises AssertionError for a wrong one."""
    done = []
    for number in range(rounds):
        settings = settings_.load(
            bootstrap_servers=broker.bootstrap, partitions=_PARTITIONS, gateway_id=f"gateway-{number}"
        )
        topics.ensure(settings, (VENUE,))
        done.append(run_round(settings, folder / str(number), count))
    return done


def measure(quick: bool, broker: EmbeddedBroker | None = None) -> list[Result]:
    """Rounds on *broker*, or on one of its own."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if broker is None:
            broker = stack.enter_context(EmbeddedBroker(folder / "kafka", jar_cache=ROOT / "var" / "kafka"))
        return [_result(run_rounds(broker, folder, *((4_000, 1) if quick else (15_000, 3))))]


def _result(done: list[Round]) -> Result:
    rates, costs = [one.per_s for one in done], [one.cpu_us / 10 for one in done]
    return Result(
        work="gateway",
        variant="placements",
        rate=round(statistics.median(rates)),
        cpu_s_per_100k=round(statistics.median(costs), 1),
        rss_mib=round(max(one.resident_mib for one in done)),
        rounds=len(done),
        verified=True,
        spread={"rate": (min(rates), max(rates)), "cpu_s_per_100k": (min(costs), max(costs))},
        detail={"venue": "answers after 5 ms, no limits"},
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="one short round")
    (result,) = found = measure(options.parse_args().quick)
    results.write(found)
    print(f"{result.rate} placements/s, {(result.cpu_s_per_100k or 0) * 10:.0f} µs CPU each, {result.rss_mib} MiB")  # noqa: T201  # the output is the purpose


if __name__ == "__main__":
    main()
