"""An audit beside a real worker: what it decides anew is what is stored, and what is not is named."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner

from agents import audit
from agents.routing import partition_of
from domain.messages import (
    Evidence,
    Operation,
    OrderCommand,
    OrderEvent,
    OrderType,
    PlaceOrder,
    ReportKind,
    Side,
    Transfer,
    TransferDirection,
    VenueReport,
    VenueRequest,
)
from domain.money import parse
from domain.state import Balance
from runtime import __main__ as command
from runtime import kafka, plain, reading, topics
from runtime.broker import EmbeddedBroker
from runtime.commands import running
from runtime.exits import Exit
from runtime.settings import Settings, environment
from schemas import codec
from schemas import topics as catalog
from tables.balances import balance_key
from tests.conftest import JAR_CACHE, ROOT

PARTITIONS = 5
ROUNDS = 6
ORDERS_A_ROUND = 10
WITHIN_S = 60.0
REQUESTS = catalog.venue_requests("simulated")


def user_of(partition: int) -> str:
    """A user whose orders are in *partition*."""
    return next(
        name for name in map("user-{}".format, range(1_000)) if partition_of(name.encode(), PARTITIONS) == partition
    )


USERS = [user_of(partition) for partition in range(PARTITIONS)]


def await_true(check) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.1)


class Scene:
    """A broker, a worker, and as much of upstream and of a venue as it takes to give them work."""

    def __init__(self, settings: Settings, worker: subprocess.Popen) -> None:
        self.settings = settings
        self.worker = worker
        self.producer = Producer(kafka.producer(settings, linger_ms=0))
        self._reported = dict.fromkeys(range(PARTITIONS), 0)

    def messages(self, topic: catalog.Topic, partition: int | None = None) -> list:
        spans = reading.spans(self.settings, topic.name, partition)
        return [codec.decode(each.value(), topic.value) for each in reading.read(self.settings, *spans)]

    def work(self) -> None:
        """Money for all, then rounds of orders, with the venue's answers to earlier rounds in between."""
        for user in USERS:
            credit = Transfer(f"t-{user}", user, "USD", TransferDirection.CREDIT, parse("1000000"), 0)
            self.producer.produce(catalog.TRANSFERS.name, codec.encode(credit), user.encode())
        self.producer.flush(10)
        await_true(lambda: len(self.messages(catalog.ORDER_EVENTS)) >= len(USERS))
        for round_ in range(ROUNDS):
            for number in range(ORDERS_A_ROUND):
                for user in USERS:
                    self.place(user, f"{user} {round_} {number}")
            self.report()
        await_true(lambda: self.report() == 0 and self.read_up())

    def place(self, user: str, order_id: str) -> None:
        placed = PlaceOrder(
            order_id, "simulated", "BTC-USD", Side.BUY, OrderType.LIMIT, parse("0.01"), price=parse("50000")
        )
        value = codec.encode(OrderCommand(f"c {order_id}", user, 0, placed))
        self.producer.produce(catalog.ORDER_COMMANDS.name, value, user.encode())

    def report(self) -> int:
        """Acknowledges and fills what has been asked since; returns how much that was."""
        asked = 0
        for partition in range(PARTITIONS):
            requests: list[VenueRequest] = self.messages(REQUESTS, partition)[self._reported[partition] :]
            self._reported[partition] += len(requests)
            asked += len(requests)
            for request in requests:
                if request.operation is Operation.PLACE:
                    self._fill(partition, request)
        self.producer.flush(10)
        return asked

    def _fill(self, partition: int, request: VenueRequest) -> None:
        common = (request.client_order_id, request.venue, request.symbol)
        done = VenueReport(*common, ReportKind.ACKNOWLEDGED, Evidence.RESPONSE, 0, venue_order_id="1")
        filled = VenueReport(
            *common,
            ReportKind.FILL,
            Evidence.STREAM,
            0,
            venue_order_id="1",
            cumulative_quantity=parse("0.01"),
            trade_id=f"trade {request.client_order_id}",
            fill_quantity=parse("0.01"),
            fill_price=parse("49999"),
            fee=parse("0.1"),
            fee_asset="USD",
        )
        for report in (done, filled):
            key = report.client_order_id.encode()
            self.producer.produce(catalog.VENUE_REPORTS.name, codec.encode(report), key, partition)

    def read_up(self) -> bool:
        """Whether the worker has read all inputs but ticks, which never end."""
        for partition in range(PARTITIONS):
            stored = {each.topic: each.next_offset for each in self.messages(catalog.POSITIONS_CHANGELOG, partition)}
            for topic in catalog.INPUTS[:3]:
                (span,) = reading.spans(self.settings, topic.name, partition)
                if stored.get(topic.name, 0) < span.end:
                    return False
        return True


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("scene")
    with EmbeddedBroker(folder / "kafka", jar_cache=JAR_CACHE) as broker:
        settings = Settings(
            bootstrap_servers=broker.bootstrap, partitions=PARTITIONS, var=folder, tick_interval_ms=100, worker_id="w"
        )
        topics.ensure(settings, ("simulated",))
        more = environment(settings) | {"FILLSTREAM_SETTINGS": os.devnull, "PYTHONPATH": str(ROOT)}
        with (folder / "worker.log").open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "runtime", "worker"], cwd=ROOT, env=os.environ | more, stdout=log, stderr=log
            )
        try:
            scene = Scene(settings, worker)
            scene.work()
            yield scene
        finally:
            worker.send_signal(signal.SIGTERM)
            code = worker.wait(20)
    assert code == 0, (folder / "worker.log").read_text()


@pytest.fixture
def cli(scene, monkeypatch, tmp_path):
    """Runs the command in a folder of its own."""
    for name, value in (environment(scene.settings) | {"FILLSTREAM_VAR": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(running.telemetry, "configure_logging", lambda *_: None)
    return lambda *words: CliRunner().invoke(command.app, list(words))


@pytest.fixture
def run(cli):
    """Audits one partition: the exit code and what was printed."""

    def run(partition: int, *words: str) -> tuple[int, str]:
        result = cli("audit", "--partition", str(partition), *words)
        return result.exit_code, result.output

    return run


def spoil(scene: Scene, partition: int, row: Balance, at_ms: int) -> bytes:
    """Writes *row* into the changelog as no worker would; returns its key."""
    key = balance_key(row.owner, row.asset)
    scene.producer.produce(catalog.BALANCES_CHANGELOG.name, codec.encode(row), key, partition, timestamp=at_ms)
    assert scene.producer.flush(10) == 0
    return key


def test_what_a_working_worker_has_stored_is_what_its_input_makes(run):
    code, shown = run(0)
    assert code == Exit.OK, shown
    assert "every row is as it is stored: " in shown
    assert f"{ROUNDS * ORDERS_A_ROUND} orders" in shown
    assert "left another digest" not in shown
    records = int(shown.split(" records in ")[0].split()[-1].replace(",", ""))
    assert records > 1 + 3 * ROUNDS * ORDERS_A_ROUND, "transfer, commands, two reports each, and ticks"


def test_the_next_audit_goes_on_where_the_last_one_ended(run):
    assert run(0)[0] == Exit.OK
    code, shown = run(0)
    assert code == Exit.OK, shown
    assert "decided anew since the audit up to 20" in shown
    records = int(shown.split(" records in ")[0].split()[-1].replace(",", ""))
    assert records < ROUNDS * ORDERS_A_ROUND
    assert "since the audit" not in run(0, "--from-start")[1]


def test_a_row_that_was_altered_is_named_with_what_it_should_be(scene, run):
    spoiled = Balance(f"user:{USERS[1]}", "EUR", 12, 0)
    spoil(scene, 1, spoiled, at_ms=1)
    code, shown = run(1)
    assert code == Exit.CHECK_FAILED
    assert "rows that differ: 1, of" in shown
    assert f"balances {spoiled.owner} EUR" in shown
    assert "decided no such row" in shown
    assert json.dumps(plain.of(spoiled)) in shown
    assert "a restore would refuse them" in shown


def test_a_record_that_no_worker_wrote_is_named(scene, run, monkeypatch):
    monkeypatch.setattr(audit, "_EXPLAINED_WITHIN_S", 0.3)
    spoil(scene, 2, Balance("nobody", "EUR", 12, 0), at_ms=int((time.time() + 600) * 1_000))
    code, shown = run(2)
    assert code == Exit.CHECK_FAILED
    assert "was written by no chunk" in shown
    assert "nobody EUR" in shown


def test_without_its_first_input_only_an_audit_that_goes_on_is_possible(scene, run):
    assert run(3)[0] == Exit.OK
    place = TopicPartition(catalog.ORDER_COMMANDS.name, 3, 5)
    admin = AdminClient(kafka.client(scene.settings))  # a name of its own: its requests end with it
    for done in admin.delete_records([place]).values():
        done.result(10)
    code, shown = run(3, "--from-start")
    assert code == Exit.TEMPORARY
    assert "order-commands[3] begins at offset 5, and 0 is needed" in shown
    assert run(3)[0] == Exit.OK


def test_decisions_that_would_be_others_today_are_found(run, monkeypatch):
    """As after a change of the code: reports are taken for nothing."""
    takers = audit.app.takers

    def without_reports(books, partitions):
        return {**takers(books, partitions), catalog.VENUE_REPORTS.name: lambda _: None}

    monkeypatch.setattr(audit.app, "takers", without_reports)
    code, shown = run(0, "--from-start", "--differences", "3")
    assert code == Exit.CHECK_FAILED
    assert "left another digest, the first at offset" in shown
    assert "more: --differences shows them" in shown


def test_a_partition_that_is_not_there_is_refused(run):
    code, shown = run(PARTITIONS)
    assert code == Exit.CHECK_FAILED
    assert f"the last one is {PARTITIONS - 1}" in shown


def test_what_a_worker_buries_is_replayed_and_answered_under_its_new_id(scene, cli, tmp_path):
    user, file = USERS[4], tmp_path / "corrected.json"
    scene.producer.produce(catalog.ORDER_COMMANDS.name, b"not avro", user.encode())
    scene.producer.flush(10)
    letters = ["dlq", "list", "--user", user, "--json"]
    await_true(lambda: json.loads(cli(*letters).stdout))
    (letter,) = json.loads(cli(*letters).stdout)
    placed = PlaceOrder("late", "simulated", "BTC-USD", Side.BUY, OrderType.LIMIT, parse("0.01"), price=parse("50000"))
    file.write_text(json.dumps(plain.of(OrderCommand("?", user, 0, placed))))
    words = ["dlq", "replay", letter["coordinate"], "--value", str(file), "--yes"]
    assert cli(*words).exit_code == Exit.OK
    (letter,) = json.loads(cli(*letters).stdout)
    (replayed,) = letter["replays"]

    def answered() -> list[OrderEvent]:
        return [each for each in scene.messages(catalog.ORDER_EVENTS, 4) if each.command_id == replayed["command_id"]]

    await_true(answered)
    assert answered()[0].order_id == "late"
