"""How many placements a second one gateway sends, limits out of the way, and what each costs it.

    python -m benchmarks.gateway [--quick]

The requests are in the topic before the gateway starts. The venue answers each after 5 ms; and then after 300 ms, so
that hundreds are under way at one time. Every placement must arrive exactly once, and have exactly one report. The
venue's API is Binance's: what others publish, 30 requests a second or one order at a time, is far below. What their
signatures cost is in ``benchmarks.throttle``.
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
from rich.console import Console
from rich.table import Table

from benchmarks import results
from benchmarks.load_venue import ARRIVALS, UNDER_WAY, Arrival
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

    def __init__(self, settings: Settings, folder: Path, answer_after_ms: float = 5.0) -> None:
        self._folder = folder
        self._settings = settings
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "benchmarks.load_venue", "--answer-after-ms", str(answer_after_ms)]
        self._venue = Measured(command, log=folder / "venue.log", environment=environment)
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

    def under_way_max(self) -> int:
        """How many placements have waited for the venue's answer at one time, at most."""
        return int(httpx.get(self._url + UNDER_WAY).content)

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
    under_way_max: int


class Case(msgspec.Struct, frozen=True):
    """A venue that takes so long to answer, and how many calls a gateway makes at one time."""

    variant: str
    answer_after_ms: float
    calls_max: int


#: By Little's law, a venue that answers after 300 ms has 450 placements under way at 1,500 a second.
CASES: Final = (Case("placements", 5.0, 64), Case("placements, hundreds under way", 300.0, 600))


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


def run_round(settings: Settings, folder: Path, count: int, answer_after_ms: float = 5.0) -> Round:
    """One gateway, from its start until all of *count* placements are sent. Raises AssertionError for a wrong one."""
    folder.mkdir(parents=True)
    written = write_requests(settings, count)
    with GatewayUnderTest(settings, folder, answer_after_ms) as under_test:
        warm = under_test.await_arrivals(round(count * _WARM_UP_SHARE))
        began_cpu_s = under_test.gateway.cpu_s()
        rest = under_test.await_arrivals(count - len(warm))
        cpu_s = under_test.gateway.cpu_s() - began_cpu_s
        check(written, [*warm, *rest], settings)
        under_way_max = under_test.under_way_max()
        under_test.gateway.stop()
        resident_mib = under_test.gateway.resident_mib_max()
    seconds = (rest[-1].at_ns - warm[-1].at_ns) / 1e9
    return Round(len(rest) / seconds, cpu_s / len(rest) * 1e6, resident_mib, under_way_max)


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


def run_rounds(broker: EmbeddedBroker, folder: Path, count: int, rounds: int, case: Case = CASES[0]) -> list[Round]:
    """One after the other, each with a gateway and placements of its own. Raises AssertionError for a wrong one."""
    done = []
    for number in range(rounds):
        settings = settings_.load(
            bootstrap_servers=broker.bootstrap,
            partitions=_PARTITIONS,
            gateway_id=f"gateway-{number}",
            concurrent_calls_max=case.calls_max,
        )
        topics.ensure(settings, (VENUE,))
        done.append(run_round(settings, folder / f"{case.calls_max}-{number}", count, case.answer_after_ms))
    return done


def measure(quick: bool, broker: EmbeddedBroker | None = None) -> list[Result]:
    """Rounds on *broker*, or on one of its own."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if broker is None:
            broker = stack.enter_context(EmbeddedBroker(folder / "kafka", jar_cache=ROOT / "var" / "kafka"))
        count, rounds = (4_000, 1) if quick else (15_000, 3)
        return [_result(case, run_rounds(broker, folder, count, rounds, case)) for case in CASES]


def _result(case: Case, done: list[Round]) -> Result:
    rates, costs = [one.per_s for one in done], [one.cpu_us / 10 for one in done]
    return Result(
        work="gateway",
        variant=case.variant,
        rate=round(statistics.median(rates)),
        cpu_s_per_100k=round(statistics.median(costs), 1),
        rss_mib=round(max(one.resident_mib for one in done)),
        rounds=len(done),
        verified=True,
        spread={"rate": (min(rates), max(rates)), "cpu_s_per_100k": (min(costs), max(costs))},
        detail={
            "venue": f"answers after {case.answer_after_ms:.0f} ms, no limits",
            "under_way_max": max(one.under_way_max for one in done),
        },
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="one short round")
    found = measure(options.parse_args().quick)
    results.write(found)
    table = Table("", "placements/s", "least and most", "at once, at most", "CPU µs each", "MiB", title="one gateway")
    for result in found:
        least, most = result.spread["rate"]
        cells = (result.rate, f"{least:.0f} – {most:.0f}", result.detail["under_way_max"])
        table.add_row(result.variant, *map(str, cells), f"{(result.cpu_s_per_100k or 0) * 10:.0f}", str(result.rss_mib))
    Console().print(table)


if __name__ == "__main__":
    main()
