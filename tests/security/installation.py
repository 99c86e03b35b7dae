"""Every process of fillstream on a guarded broker, each as its own role, with secrets that are easily found again."""

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec
from confluent_kafka import Consumer, Producer

from agents.routing import partition_of
from domain.messages import (
    EventKind,
    Message,
    OrderCommand,
    OrderEvent,
    OrderStatus,
    OrderType,
    PlaceOrder,
    Side,
    Transfer,
    TransferDirection,
)
from domain.money import parse
from runtime import access, kafka, process, telemetry
from schemas import codec, topics
from tests.security.guarded import MARK, PARTITIONS, VENUE, Guarded
from tests.venue_gateways.harness import environment

USER = "alice"
API_KEY = f"{MARK}-api-key"
API_SECRET = f"{MARK}-api-secret"
CLICKHOUSE_PASSWORD = f"{MARK}-clickhouse"
WITHIN_S = 90.0


GROUPS = ("fillstream", f"fillstream-gateway-{VENUE}", "fillstream-sink")


class Trade(msgspec.Struct, frozen=True):
    """What came of one order: its last event, the rows of it in ClickHouse, and the offsets that groups committed."""

    filled: OrderEvent
    rows: int
    committed: dict[str, int]


class Installation:
    """Its processes, between ``with`` and its end. Every one of them logs all it can."""

    def __init__(self, guarded: Guarded, folder: Path) -> None:
        self.guarded = guarded
        self.var = folder / "var"
        self.logs = folder / "logs"
        self.logs.mkdir()
        self._folder = folder
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.venue, self.clickhouse = (f"http://127.0.0.1:{port}" for port in process.free_ports(2))
        self._upstream = Producer(kafka.producer(guarded.settings("upstream")))
        self._treasury = Producer(kafka.producer(guarded.settings("treasury")))
        # tests run in any order: between two that read, there may be all others
        reading = kafka.consumer(guarded.settings("upstream"), "upstream-test", max_poll_interval_ms=3_600_000)
        self._reader = Consumer(reading)
        self._reader.subscribe([topics.ORDER_EVENTS.name])
        self.events: list[OrderEvent] = []

    def __enter__(self) -> Self:
        credentials = self._folder / "credentials.toml"
        credentials.touch(mode=0o600)
        credentials.write_text(f'key = "{API_KEY}"\nsecret = "{API_SECRET}"\n')
        venue = {"venue_url": self.venue, "venue_stream_url": f"{self.venue.replace('http', 'ws')}/ws-api/v3"}
        house = {"clickhouse_url": self.clickhouse, "clickhouse_password": CLICKHOUSE_PASSWORD}
        simulator = (f"--port={_port(self.venue)}", f"--credentials={credentials}")
        self._start("simulator", {}, *simulator)
        self._start("clickhouse", house, f"--port={_port(self.clickhouse)}")
        self._start("worker", self.guarded.fields("worker"))
        gateway = {**self.guarded.fields(access.gateway(VENUE)), **venue, "credentials": credentials}
        self._start("gateway", gateway, VENUE)
        self._start("sink", {**self.guarded.fields("sink"), **house, "sink_batch_wait_ms": 50})
        return self

    def __exit__(self, *_: object) -> None:
        for child in self.children.values():
            child.kill()
            child.wait()
        self._reader.close()

    def _start(self, name: str, settings: dict[str, Any], *options: str) -> None:
        fields = {**settings, "var": self.var, "log_level": "debug", "process_name": name, "session_timeout_ms": 8_000}
        env = environment(**{key: str(value) for key, value in fields.items()})
        with self.log_file(name).open("wb") as output:
            command = [sys.executable, "-m", "runtime", name, *options]
            self.children[name] = process.spawn(command, output=output, environment=env)

    def log_file(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def log(self, name: str) -> str:
        return self.log_file(name).read_text(errors="replace")

    def metrics(self, name: str) -> str:
        record = telemetry.read_run_file(self.var, name)
        assert record is not None, self.log(name)
        return httpx.get(record.metrics).text

    # ── what goes in and comes out ─────────────────────────────────────────────────────────────────────────────────

    def credit(self, transfer_id: str, amount: str) -> None:
        transfer = Transfer(transfer_id, USER, "USD", TransferDirection.CREDIT, parse(amount), 0)
        self.write(self._treasury, topics.TRANSFERS.name, codec.encode(transfer))

    def place(self, order_id: str) -> None:
        """A market buy, which trades at once."""
        order = PlaceOrder(
            order_id, VENUE, "BTC-USD", Side.BUY, OrderType.MARKET, parse("0.01"), max_cost=parse("5000")
        )
        self.send(OrderCommand(f"place {order_id}", USER, 0, order))

    def send(self, command: Message) -> None:
        self.write(self._upstream, topics.ORDER_COMMANDS.name, codec.encode(command))

    def send_raw(self, value: bytes) -> None:
        self.write(self._upstream, topics.ORDER_COMMANDS.name, value)

    def write(self, producer: Producer, topic: str, value: bytes) -> None:
        producer.produce(topic, value, USER.encode(), partition_of(USER.encode(), PARTITIONS))
        assert producer.flush(20) == 0

    def await_event(self, wanted: Callable[[OrderEvent], bool]) -> OrderEvent:
        """The first event that is *wanted*, of those that have come and those that will."""
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline:
            for event in self.events:
                if wanted(event):
                    return event
            for message in self._reader.consume(500, 0.2):
                assert message.error() is None, message.error()
                self.events.append(codec.decode(message.value(), OrderEvent))
        raise AssertionError(
            f"it never came: {self.events}\n{self.log('worker')[-3000:]}\n{self.log('gateway')[-3000:]}"
        )

    def trade(self) -> Trade:
        """Places an order, and waits until all have done their part of it."""
        self.credit("t-1", "10000")
        self.await_event(lambda event: event.kind is EventKind.TRANSFER_BOOKED)  # or the order could overtake it
        self.place("o-1")
        filled = self.await_event(lambda event: event.order_id == "o-1" and event.status is OrderStatus.FILLED)
        rows = until(self._rows, lambda: self.log("sink")[-3_000:])
        committed = {group: until(partial(self._committed, group), lambda: "no commit") for group in GROUPS}
        return Trade(filled, rows, committed)

    def _rows(self) -> int:
        """The rows of the last event, as anybody may read them; 0 while ClickHouse isn't there yet."""
        query = "select count() from fillstream.order_events where status = 'FILLED'"
        try:
            answer = httpx.get(self.clickhouse, params={"query": query})
        except httpx.HTTPError:
            return 0
        return int(answer.text) if answer.is_success else 0

    def _committed(self, group: str) -> int:
        """The sum of what *group* has committed, as an operator sees it."""
        reader = Consumer(kafka.consumer(self.guarded.settings("operator"), group))
        try:
            return sum(place.offset for place in kafka.committed_anywhere(reader, 20))
        finally:
            reader.close()

    def lie(self, plan: bytes) -> None:
        """Sets the venue's faults."""
        httpx.put(f"{self.venue}/simulator/faults", content=plan).raise_for_status()


def until(condition: Callable[[], Any], why: Callable[[], str]) -> Any:
    """The first true value of *condition*; fails, saying *why*, if there is none in time."""
    deadline = time.monotonic() + WITHIN_S
    while not (found := condition()):
        assert time.monotonic() < deadline, why()
        time.sleep(0.1)
    return found


def _port(url: str) -> str:
    return url.rpartition(":")[2]
