"""One run on a system that is up: money for every user, the commands, the wait for rest, the evidence."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol, Self
from urllib.parse import urlsplit

import msgspec
import structlog

from runtime.exits import Unavailable
from runtime.services import Endpoints
from runtime.supervisor import Supervisor
from runtime.trial import collect, publish, settle, workload
from runtime.trial.collect import Clickhouse
from runtime.trial.exchange import Exchange
from runtime.trial.gauge import RowGauge
from runtime.trial.journal import Journal
from runtime.trial.oracle import clickhouse
from runtime.trial.oracle.evidence import NO_ROWS, Evidence
from runtime.trial.plan import Market, Planned, Sent, Shape
from runtime.trial.progress import Counts
from runtime.trial.publish import Publisher
from runtime.trial.settle import Unrest
from runtime.trial.watch import Watcher, unheard

FUND_S: Final = 60.0
SINK_S: Final = 60.0
READINGS_MAX: Final = 3
#: Workers look at the clock once a second.
TICK_US: Final = 1_500_000
LOOK_EVERY_S: Final = 0.2
#: Between the plan being begun and its first command being sent, from which deadlines are counted: users are funded
#: meanwhile, and every command takes its time to be made up. Who is quicker waits: an instant long past must be past.
LEAD_US: Final = 1_500_000
LEAD_PER_COMMAND_US: Final = 50

log = structlog.get_logger()


class Stopped(Exception):  # noqa: N818  # a wish, not an error
    """Somebody asked for the end before it came."""


class Disturbance(Protocol):
    """What breaks things while commands are sent, in threads of its own. A run settles once it is no longer alive."""

    def start(self) -> None: ...

    def stop(self) -> None:
        """Ends it early; all that it broke is whole again afterwards."""

    def is_alive(self) -> bool: ...


class Run:
    """A run in progress, inside a ``with`` block. *look* is called often, and may raise Stopped to end the run.

    *heard* is told of each event that a committed reader sees: its partition, when it was written (by the worker's
    clock) and when it was read, both in microseconds.
    """

    def __init__(
        self, running: Supervisor, shape: Shape, folder: Path, heard: Callable[[int, int, int], None] = unheard
    ) -> None:
        self.phase = "waiting for the market"
        self.shape = shape
        self.sent: list[Sent] = []
        self.started_us = 0
        self.planned = 0
        venues = running.endpoints.venues
        self.journal = Journal({name: Path(venue.journal) for name, venue in venues.items()})
        self.watcher = Watcher(running.endpoints.bootstrap, shape.partitions, heard)
        self.clickhouse = _clickhouse(running.endpoints)
        self._running = running
        self._folder = folder
        self._log = folder / "commands.jsonl"
        self.look: Callable[[], None] = lambda: None
        self._gauge = RowGauge(self.clickhouse)
        self.exchanges = {name: Exchange(venue.url, name) for name, venue in venues.items()}
        self._publisher: Publisher | None = None
        self._stop_at_exit: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        for part in (self.watcher, self._gauge):
            part.start()
            self._stop_at_exit.append(part.stop)
        return self

    def __exit__(self, *error: object) -> None:
        if self._publisher is not None:
            self._publisher.stop()
            self._publisher.join()
        for stop in reversed(self._stop_at_exit):
            stop()
        for exchange in self.exchanges.values():
            exchange.close()

    def counts(self) -> Counts:
        """How far the run is."""
        mirror, publisher = self.watcher.mirror, self._publisher
        under_way = len(publisher.sent) if publisher is not None else 0
        events = self._gauge.events
        return Counts(
            phase=self.phase,
            planned=self.planned,
            sent=len(self.sent) + under_way,
            answered=len(mirror.answered_us),
            venue_orders=self.journal.orders,
            fills=self.journal.fills,
            rows=self._gauge.rows,
            behind=None if events is None else max(0, mirror.events - events),
        )

    def perform(self, disturbance: Disturbance | None = None) -> None:
        """From the first transfer to the last command and the end of *disturbance*. Raises Unavailable or Stopped."""
        markets = self.markets()
        lead_us = LEAD_US + LEAD_PER_COMMAND_US * self.shape.commands
        self.shape = msgspec.structs.replace(self.shape, start_us=time.time_ns() // 1_000 + lead_us)
        plan = workload.make(self.shape, markets)
        self.planned = len(plan.transfers) + len(plan.commands)
        self.phase = "funding users"
        self._publish(plan.transfers)
        if not self._wait(self._all_answered, FUND_S):
            left = settle.unanswered(self.sent, self.watcher.mirror)
            places = ", ".join(sorted({f"{sent.topic}[{sent.partition}]" for sent in left}))
            raise Unavailable(
                f"{len(left)} transfers in {places} are not answered within {FUND_S:g} s: see {self._folder}/state/log"
            )
        self.wait_until(self.shape.start_us)
        self.phase = "trading"
        if disturbance is not None:
            self._stop_at_exit.append(disturbance.stop)
            disturbance.start()
        self.started_us = self._publish(plan.commands)
        while disturbance is not None and disturbance.is_alive():
            self._pause()

    def markets(self) -> tuple[Market, ...]:
        """What is traded, on all venues. Raises Unavailable."""
        return tuple(market for exchange in self.exchanges.values() for market in exchange.markets())

    def send(self, planned: Sequence[Planned]) -> None:
        """Further commands, beside the plan's. Raises Unavailable or Stopped."""
        self.planned += len(planned)
        self._publish(planned)

    def wait_until(self, instant_us: int) -> None:
        """Lets time pass until then. Raises Unavailable or Stopped."""
        self._wait(lambda: time.time_ns() // 1_000 >= instant_us, max(0.0, instant_us / 1_000_000 - time.time()))

    def settle(self, within_s: float) -> Unrest:
        """Waits until the system is at rest, with the market stopped, and says what is left if it isn't."""
        self.phase = "settling"
        deadline_s = time.monotonic() + within_s
        self._wait(self._nothing_moves, deadline_s - time.monotonic())
        for exchange in self.exchanges.values():
            exchange.stop_market()  # or somebody would go on trading with what rests on the book
        left = settle.wait(self._unrest, deadline_s - time.monotonic())
        log.info("settled", left=str(left), over=left.over)
        return left

    def moments_us(self, evidence: Evidence) -> dict[str, list[int]]:
        """When each thing happened since the run began, by what is plotted: in microseconds since the epoch."""
        answered_us = self.watcher.mirror.answered_us.values()
        return {
            "commands": [sent.sent_us for sent in evidence.sent if sent.sent_us >= self.started_us],
            "answers": [at_us for at_us in answered_us if at_us >= self.started_us],
            "orders at the venue": [line["at_us"] for line in evidence.lines("order_accepted")],
            "fills": [line["at_us"] for line in evidence.lines("fill")],
        }

    def evidence(self) -> Evidence:
        """Reads everything, again if something has happened meanwhile. Raises UnreadableError.

        What is still going on after READINGS_MAX readings is for the oracle to find.
        """
        before = self._happened()
        evidence = self._read()
        for _ in range(READINGS_MAX - 1):
            happened = self._happened()
            if happened == before:
                break
            log.info("read_again", happened=happened - before)
            before, evidence = happened, self._read()
        return evidence

    def _read(self) -> Evidence:
        """Everything as it is now, once ClickHouse has it all."""
        self.phase = "reading the evidence"
        topics = collect.topics(self._running.endpoints.venues)
        records = collect.records(self._running.endpoints.bootstrap, self.shape.partitions, topics)
        tables = collect.tables(self._running.endpoints.bootstrap, self.shape.partitions)
        sent = publish.acknowledged(self._log)
        journal = list(self.journal.lines)
        self.phase = "waiting for ClickHouse"
        evidence = Evidence(sent=sent, records=records, journal=journal, tables=tables, rows=NO_ROWS)
        if not self._wait(lambda: self._all_stored(evidence), SINK_S):
            evidence.rows = collect.rows(self.clickhouse)  # the oracle will say what is missing
        return evidence

    def _all_stored(self, evidence: Evidence) -> bool:
        """Whether ClickHouse has all that is evidence, which it then is part of."""
        if (self._gauge.rows or 0) < evidence.rows_due_in_all:
            return False
        evidence.rows = collect.rows(self.clickhouse)
        return not clickhouse.missing(evidence)  # there are later rows, too, which the gauge counts with the others

    def _happened(self) -> int:
        """A number that grows whenever something happens."""
        self._pause()
        return self.watcher.mirror.events + len(self.journal.lines)

    def _publish(self, planned: Sequence[Planned]) -> int:
        """Sends *planned*, and says when it began."""
        publisher = Publisher(self._running.endpoints.bootstrap, planned, self._log)
        self._publisher = publisher
        publisher.start()
        while publisher.is_alive():
            self._pause()
        self.sent += publisher.sent
        self._publisher = None
        if publisher.refused:
            raise Unavailable(f"the broker refused {len(publisher.refused)} records: {publisher.refused[0]}")
        log.info("published", records=dict(Counter(sent.kind for sent in publisher.sent)))
        return publisher.started_us

    def _pause(self) -> None:
        """A moment's rest, with a look at everything."""
        time.sleep(LOOK_EVERY_S)
        self.journal.read()
        self.look()
        if self.watcher.failure is not None:
            raise Unavailable(f"can't follow order-events: {self.watcher.failure}")

    def _wait(self, done: Callable[[], bool], within_s: float) -> bool:
        """Until it is *done*; False if *within_s* passes first."""
        deadline_s = time.monotonic() + within_s
        while not done():
            if time.monotonic() > deadline_s:
                return False
            self._pause()
        return True

    def _all_answered(self) -> bool:
        return not settle.unanswered(self.sent, self.watcher.mirror)

    def _nothing_moves(self) -> bool:
        """Whether every command is answered, and every order has ended, rests on the book, is paused or is unknown.

        Not before the last order that ends by the clock has had its time.
        """
        if time.time_ns() // 1_000 < self.shape.good_till_max_us + TICK_US:
            return False
        left = settle.unrest(self.sent, self.watcher.mirror, self.journal)
        return not left.unanswered and not left.moving

    def _unrest(self) -> tuple[Unrest, int]:
        happened = self._happened()
        return settle.unrest(self.sent, self.watcher.mirror, self.journal), happened

    def alive(self) -> dict[str, int]:
        """The process IDs of who is at work, by name."""
        return {state.name: state.pid for state in self._running.states() if state.what == "ready" and state.pid}


def _clickhouse(endpoints: Endpoints) -> Clickhouse:
    address = urlsplit(endpoints.clickhouse)
    return Clickhouse(host=address.hostname or "127.0.0.1", port=address.port or 8123, database="fillstream")
