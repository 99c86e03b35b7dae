"""What gateway tests are made of: a simulated venue and gateways as processes, requests in, reports out."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path

import httpx
import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from domain import ids, money
from domain.messages import (
    DeadLetter,
    Operation,
    OrderType,
    ReportKind,
    Side,
    VenueReport,
    VenueRequest,
)
from runtime import kafka, process, telemetry
from runtime import topics as broker_topics
from runtime.settings import FILE_VARIABLE, PREFIX, Settings
from schemas import codec, topics
from venue_gateways.binance.signing import HmacSigner, signed_query
from venue_gateways.simulator.dialects import DIALECTS, SIMULATED, Published
from venue_gateways.simulator.server import home

HERE = Path(__file__).parent
PARTITIONS = 4


def now_us() -> int:
    return time.time_ns() // 1000


def environment(**settings: str) -> dict[str, str]:
    """That of a process with exactly these settings."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
    root = {FILE_VARIABLE: os.devnull, "PYTHONPATH": str(HERE.parent.parent)}
    return own | root | {PREFIX + key.upper(): value for key, value in settings.items()}


class Simulator:
    """A venue as a process: *venue* is whose API it has. At Kraken, the account may do most; if *generous*, more."""

    def __init__(self, var: Path, *, venue: str = SIMULATED, generous: bool = False, **options: int) -> None:
        self.var = var
        self.venue = venue
        self.generous = generous
        self.options = options
        self.url = ""
        var.mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self) -> None:
        """At first on any port, later on the same."""
        port = int(self.url.rpartition(":")[2] or 0)
        options = {"port": port, "venue": self.venue, **self.options}
        arguments = ", ".join(f"{name}={value!r}" for name, value in options.items())
        imports = "from runtime import settings; from venue_gateways.simulator.server import main"
        if self.generous:
            imports += "; from tests.venue_gateways import generous; generous.counters()"
        with (self.var / "simulator.log").open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", f"{imports}; main(settings.load(), {arguments})"],
                stdout=subprocess.PIPE,
                stderr=output,
                env=environment(var=str(self.var), kraken_tier="pro"),
                cwd=HERE.parent.parent,
            )
        assert self.process.stdout is not None
        with self.process.stdout as first_line:
            self.url = first_line.readline().decode().strip()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def faults(self) -> dict[str, int]:
        """How often each fault has happened."""
        counts: dict[str, int] = httpx.get(f"{self.url}/simulator/state").json()["faults"]
        return counts

    @property
    def stream_url(self) -> str:
        return self.url.replace("http", "ws") + DIALECTS[self.venue](Published()).stream_path

    @property
    def home(self) -> Path:
        return home(Settings(var=self.var), self.venue)

    @property
    def credentials(self) -> Path:
        return self.home / "credentials.toml"

    @property
    def journal(self) -> Path:
        return self.home / "journal.jsonl"


class Rig:
    """A venue under a name of its own, and as many gateways to it as wanted."""

    def __init__(self, bootstrap: str, var: Path, simulator: Simulator) -> None:
        self.name = f"{simulator.venue}-{uuid.uuid4().hex[:8]}"
        self.var = var
        self.simulator = simulator
        self.gateways: list[subprocess.Popen[bytes]] = []
        self.settings = Settings(bootstrap_servers=bootstrap, var=var, partitions=PARTITIONS)
        wanted = [topics.venue_requests(self.name), topics.VENUE_REPORTS, topics.DEAD_LETTERS, *topics.OBSERVATIONS]
        broker_topics.create(self.settings, wanted)
        self._instruments = var / "instruments.toml"
        var.mkdir(parents=True, exist_ok=True)
        built_in = resources.files("runtime").joinpath("instruments.toml").read_text()
        self._instruments.write_text(built_in.replace('venue = "simulated"', f'venue = "{self.name}"'))
        self._producer = Producer(kafka.producer(self.settings, transactional_id=f"test-{self.name}", linger_ms=0))
        self._producer.init_transactions(10)
        self._reader = Consumer(kafka.consumer(self.settings, f"test-{self.name}", auto_offset_reset="latest"))
        self._sequence = 0
        self._ours: set[str] = set()
        self.reports: list[VenueReport] = []
        self._reads(topics.VENUE_REPORTS.name)
        self._journal_starts = simulator.journal.stat().st_size if simulator.journal.exists() else 0
        self.lie()

    def _reads(self, topic: str) -> None:
        places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        for at in places:
            at.offset = kafka.watermarks(self._reader, at)[1]
        self._reader.assign(places)

    # ── processes ──────────────────────────────────────────────────────────────────────────────────────────────────

    def reach(self) -> dict[str, object]:
        """The settings by which the venue is reached, and what is traded there."""
        return {
            "instruments": self._instruments,
            "venue_url": self.simulator.url,
            "venue_stream_url": self.simulator.stream_url,
            "credentials": self.simulator.credentials,
            "unknown_bound_s": 60.0,  # enough for any venue: it is the workers who wait for so long
        }

    def start_gateway(
        self, gateway_id: str = "gateway-0", *, hurried: bool = False, impatient: bool = False, **more: str
    ) -> subprocess.Popen[bytes]:
        usual = {name: str(value) for name, value in self.reach().items()} | {
            "var": str(self.var),
            "bootstrap_servers": self.settings.bootstrap_servers,
            "partitions": str(PARTITIONS),
            "session_timeout_ms": "7000",
            "gateway_id": gateway_id,
            "process_name": gateway_id,
            "quotes_every_s": "0",  # so that a fault meets the request that it is meant for
            "balances_every_s": "0",
        }
        command = [sys.executable, str(HERE / "gateway_process.py"), self.name]
        command += [word for word, wanted in (("hurried", hurried), ("impatient", impatient)) if wanted]
        with (self.var / f"{gateway_id}.log").open("ab") as output:
            started = process.spawn(command, output=output, environment=environment(**usual | more))
        self.gateways.append(started)
        return started

    def close(self) -> None:
        for started in self.gateways:
            started.kill()
            started.wait()
        self._reader.close()

    def log(self, gateway_id: str = "gateway-0") -> str:
        return (self.var / f"{gateway_id}.log").read_text()

    def wait_for_log(self, text: str, gateway_id: str = "gateway-0", within_s: float = 60) -> None:
        until(lambda: text in self.log(gateway_id), within_s, f"{text!r} in the log:\n{self.log(gateway_id)[-3000:]}")

    def metric(self, name: str, gateway_id: str = "gateway-0") -> float:
        """The sum of a metric's samples whose text begins with *name*."""
        record = telemetry.read_run_file(self.var, gateway_id)
        assert record is not None
        lines = httpx.get(record.metrics).text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    # ── the venue ──────────────────────────────────────────────────────────────────────────────────────────────────

    def lie(self, **plan: object) -> None:
        """Set the venue's faults; none at all heals it."""
        self._lies_before = self.simulator.faults()  # first: whoever calls next may take the only lie there is
        httpx.put(f"{self.simulator.url}/simulator/faults", content=msgspec.json.encode(plan)).raise_for_status()

    def has_lied(self) -> bool:
        """Whether a fault has happened since the plan was last set."""
        return self.simulator.faults() != self._lies_before

    def journal(self, event: str | None = None) -> list[dict[str, object]]:
        """What the venue has written down itself since the rig was made."""
        lines = self.simulator.journal.read_bytes()[self._journal_starts :].splitlines()
        entries = [msgspec.json.decode(line) for line in lines]
        return [entry for entry in entries if event in {None, entry["event"]}]

    def placed(self) -> list[str]:
        return [str(entry["client_order_id"]) for entry in self.journal("order_accepted")]

    def order_by_hand(self, client_order_id: str, method: str = "POST", *, price: str = "20000") -> None:
        """Somebody places, or cancels, an order on the same account without us."""
        key, secret = (
            self.simulator.credentials.read_text().split(f'{name} = "')[1].split('"')[0] for name in ("key", "secret")
        )
        parameters = [("symbol", "BTCUSD"), ("timestamp", str(now_us() // 1000))]
        if method == "POST":
            parameters += [("side", "BUY"), ("type", "LIMIT"), ("timeInForce", "GTC"), ("quantity", "0.001")]
            parameters += [("price", price), ("newClientOrderId", client_order_id)]
        else:
            parameters.append(("origClientOrderId", client_order_id))
        query = signed_query(parameters, HmacSigner(secret))
        answer = httpx.request(method, f"{self.simulator.url}/api/v3/order?{query}", headers={"X-MBX-APIKEY": key})
        assert answer.status_code == 200, answer.text

    # ── requests and reports ───────────────────────────────────────────────────────────────────────────────────────

    def order_id(self, order: str, partition: int = 0) -> str:
        made = ids.client_order_id(partition, ids.order_key("alice", f"{self.name}/{order}"), 0)
        self._ours.add(made)
        return made

    def ours(self, client_order_ids: Iterable[str]) -> None:
        """Reports about these are read too."""
        self._ours.update(client_order_ids)

    def request(self, operation: Operation, order: str, partition: int = 0, **fields: object) -> VenueRequest:
        self._sequence += 1
        made = {
            "request_id": f"{order}-{self._sequence}",
            "client_order_id": self.order_id(order, partition),
            "user_id": "alice",
            "order_id": order,
            "venue": self.name,
            "symbol": "BTC-USD",
            "operation": operation,
            "sequence": self._sequence,
            "side": Side.BUY,
            "order_type": OrderType.LIMIT,
            "quantity": money.parse("0.001"),
            "price": money.parse("20000"),
            "requested_at": now_us(),
        }
        return VenueRequest(**(made | fields))

    def place(self, order: str, partition: int = 0, **fields: object) -> VenueRequest:
        """A limit order that rests far below the market, unless told otherwise."""
        return self.request(Operation.PLACE, order, partition, **fields)

    def cancel(self, order: str, partition: int = 0, **fields: object) -> VenueRequest:
        return self.request(Operation.CANCEL, order, partition, **fields)

    def query(self, order: str, partition: int = 0, **fields: object) -> VenueRequest:
        return self.request(Operation.QUERY, order, partition, **fields)

    def send(self, *requests: VenueRequest) -> None:
        """Write *requests* in one transaction, as the agents do."""
        self._producer.begin_transaction()
        for request in requests:
            partition, _, _ = ids.parse_client_order_id(request.client_order_id)
            self._producer.produce(
                topics.venue_requests(self.name).name, codec.encode(request), key=b"alice", partition=partition
            )
        self._producer.commit_transaction(10)

    def send_raw(self, value: bytes | None, partition: int = 0) -> None:
        self._producer.begin_transaction()
        self._producer.produce(topics.venue_requests(self.name).name, value, key=b"raw", partition=partition)
        self._producer.commit_transaction(10)

    def read(self, seconds: float = 0.2) -> list[VenueReport]:
        """Everything reported so far."""
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            for message in self._reader.consume(500, 0.05):
                report = codec.decode(message.value(), VenueReport)
                assert message.key() == report.client_order_id.encode()
                assert message.partition() == ids.parse_client_order_id(report.client_order_id)[0]
                if report.client_order_id in self._ours:  # others use the same account
                    self.reports.append(report)
        return self.reports

    def of(self, order: str, partition: int = 0) -> list[VenueReport]:
        wanted = self.order_id(order, partition)
        return [report for report in self.reports if report.client_order_id == wanted]

    def kinds(self, order: str, partition: int = 0) -> list[ReportKind]:
        return [report.kind for report in self.of(order, partition)]

    def expect(self, order: str, *kinds: ReportKind, partition: int = 0, within_s: float = 60) -> list[VenueReport]:
        """Wait until *order* has had reports of all *kinds*."""

        def there() -> bool:
            self.read()
            return set(kinds) <= set(self.kinds(order, partition))

        until(there, within_s, lambda: f"{kinds} for {order}, got {self.kinds(order, partition)}\n{self.log()[-3000:]}")
        return self.of(order, partition)

    def dead_letters(self) -> list[DeadLetter]:
        reader = Consumer(kafka.consumer(self.settings, f"test-dead-{self.name}"))
        reader.assign([TopicPartition(topics.DEAD_LETTERS.name, p, 0) for p in range(PARTITIONS)])
        letters, quiet = [], 0
        while quiet < 3:
            messages = reader.consume(500, 0.3)
            quiet = 0 if messages else quiet + 1
            letters += [codec.decode(message.value(), DeadLetter) for message in messages if message.error() is None]
        reader.close()
        return [letter for letter in letters if letter.source_topic == topics.venue_requests(self.name).name]

    def committed(self) -> dict[int, tuple[int, str]]:
        reader = Consumer(kafka.consumer(self.settings, f"{topics.APPLICATION}-gateway-{self.name}"))
        wanted = [TopicPartition(topics.venue_requests(self.name).name, p) for p in range(PARTITIONS)]
        found = {tp.partition: (tp.offset, tp.metadata) for tp in reader.committed(wanted, timeout=30)}
        reader.close()
        return found


def until(true: Callable[[], bool], within_s: float, what: str | Callable[[], str]) -> None:
    give_up = time.monotonic() + within_s
    while not true():
        if time.monotonic() > give_up:
            raise AssertionError(f"waited {within_s} s in vain for {what() if callable(what) else what}")
        time.sleep(0.02)


def kinds(reports: Iterable[VenueReport]) -> list[ReportKind]:
    return [report.kind for report in reports]
