"""One world from one seed: processes, log, groups, venue, users, time, and everything that goes wrong until it stops.

For a while commands come and faults happen. Then the faults stop, whoever is away comes back, the users cancel what is
left, and the world runs on until every order has ended, or for so long that one that hasn't is stuck. Wall clocks stay
as wrong as they are.
"""

from collections.abc import Callable, Iterator, Mapping
from contextvars import Context
from random import Random
from typing import Any, Final

from confluent_kafka import KafkaException

from domain.instruments import Rulebook
from domain.lifecycle import TERMINAL
from domain.messages import Tick
from domain.state import Order
from runtime import instruments
from runtime.settings import Settings
from schemas import codec, topics
from streaming.writer import Fenced
from tests.simulation import gateways, workers
from tests.simulation.broker import Broker, Log
from tests.simulation.group import TICK_S, Group
from tests.simulation.loop import PROCESS, Killed, Loop, Process
from tests.simulation.points import InjectedError, Plan, Point, Strike
from tests.simulation.users import COMMANDS_MAX, COMMANDS_MIN, Upstream
from tests.simulation.venue import Venue

PARTITIONS: Final = 2
START_US: Final = 1_800_000_000_000_000
COMMANDS_FROM_S: Final = 2.0
COMMANDS_FOR_S: Final = 35.0
FAULTS_UNTIL_S: Final = 45.0
TICK_EVERY_S: Final = 2.0
MISFORTUNE_EVERY_S: Final = 5.0
LOOK_EVERY_S: Final = 3.0
CANCEL_EVERY_S: Final = 20.0
#: Long after every wait and every pause of the product has ended.
STUCK_AFTER_S: Final = 400.0
STRIKES: Final = 7
SLOTS: Final = ("worker-0", "worker-1", "gateway-0", "gateway-1")
#: How long a process is away: mostly for less than its session lasts, sometimes for more.
AWAY_S: Final = (0.2, 0.2, 0.5, 1.0, 3.0, 14.0)
FROZEN_S: Final = (0.5, 1.0, 3.0, 6.0, 12.0, 25.0)
#: How much goes wrong in a world, by the dice.
INTENSITIES: Final = (0.2, 0.5, 1.0, 1.0, 2.0)
#: How far a wall clock is off when a process starts, mostly; and at worst, or after a jump.
CLOCK_ERROR_US: Final = 500_000
CLOCK_JUMP_US: Final = 3_600_000_000
BROKER_JUMP_MS: Final = 1_500

#: What belongs to no process runs here.
_OUTSIDE: Final = Context()

#: With what a process may end by itself.
_EXPECTED_STOPS: Final[Mapping[str, tuple[type[BaseException], ...]]] = {
    "partition_fenced": (type(None), Fenced),
    "chunk_failed": (InjectedError, KafkaException),
}

RULES: Final[Rulebook] = instruments.load()
SETTINGS: Final = {
    name: Settings(
        worker_id=name,
        gateway_id=name,
        partitions=PARTITIONS,
        chunk_records_max=50,
        order_retention_s=3_600,
        quotes_every_s=0,
        balances_every_s=0,
    )
    for name in SLOTS
}


class World:
    """*tell* is given a line for everything that happens, if anybody wants to know."""

    def __init__(self, seed: int, tell: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self.partitions = PARTITIONS
        self.faulty = True
        self.settled = False
        self.findings: list[str] = []
        self.dice = Random(seed)
        self._intensity = self.dice.choice(INTENSITIES)
        self.plan = Plan(self.dice, STRIKES)
        self.loop = Loop(lambda: self.dice.uniform(0.002, 0.03))
        self.broker = Broker(lambda: self.true_us // 1_000 + self._broker_error_ms, self.loop.time)
        self.workers = Group(self, PARTITIONS, SETTINGS["worker-0"].session_timeout_ms / 1_000, eager=True)
        self.gateways = Group(self, PARTITIONS, SETTINGS["gateway-0"].session_timeout_ms / 1_000, eager=False)
        self.venue = Venue(self)
        self.upstream = Upstream(self)
        self.kills = 0
        self._tell = tell
        self._broker_error_ms = 0
        self._processes: dict[str, Process] = {}

    # ── time, luck and talk ─────────────────────────────────────────────────────────────────────────────────────────

    @property
    def true_us(self) -> int:
        return START_US + int(self.loop.time() * 1_000_000)

    def later(self, delay_s: float, what: Callable[..., object], *arguments: Any) -> None:
        """Something happens outside of any process."""
        self.loop.call_later(delay_s, what, *arguments, context=_OUTSIDE)

    def happens(self, chance: float) -> bool:
        """Whether something goes wrong that does so with this *chance*."""
        return self.faulty and self.dice.random() < chance * self._intensity

    def sometimes_s(self, chance: float, most_s: float) -> float:
        return self.dice.uniform(0, most_s) if self.happens(chance) else 0.0

    def network_s(self) -> float:
        return self.dice.uniform(0.001, 0.02)

    def trace(self, what: str) -> None:
        if self._tell is not None:
            process = PROCESS.get()
            self._tell(f"{self.loop.time():9.4f} s  {process.name if process else '':11} {what}")

    def found(self, what: str) -> None:
        """Something happened that must not."""
        self.trace(f"FINDING: {what}")
        self.findings.append(what)

    # ── processes ───────────────────────────────────────────────────────────────────────────────────────────────────

    def reach(self, point: Point) -> None:
        """The running process has come to *point*. Raises Killed if it is struck there."""
        process = PROCESS.get()
        if process is None or not process.alive or not self.survives(point, process):
            raise Killed

    def survives(self, point: Point, process: Process) -> bool:
        """Strikes *process* at *point* if that is planned; whether it is alive after that."""
        strike = self.plan.strike(point) if self.faulty and process.runs else None
        if strike is None:
            return True
        self.trace(f"{process.name} {strike.value} at: {point.value}")
        if strike is Strike.ERROR:
            raise InjectedError
        if strike is Strike.FREEZE:
            self._freeze(process)
            return True
        self.kill(process)
        return False

    def kill(self, process: Process) -> None:
        if process.alive:
            process.alive = False
            self.kills += 1
            away_s = self.dice.choice(AWAY_S) if self.faulty else AWAY_S[0]
            self.later(away_s, self._start, process.name)

    def stopped(self, event: str, error: BaseException | None, facts: Mapping[str, Any]) -> None:
        """A worker ends by itself: see streaming.failure."""
        process = PROCESS.get()
        if process is None or not process.alive:
            raise Killed
        self.trace(f"stops by itself: {event} {error!r} {dict(facts)}")
        if not isinstance(error, _EXPECTED_STOPS.get(event, ())):
            self.found(f"{process.name} stopped: {event}: {error!r} {dict(facts)}")
        self.kill(process)
        raise Killed

    def _start(self, name: str) -> None:
        process = self._processes[name] = Process(name, self)
        error_us = CLOCK_JUMP_US if self.happens(0.2) else CLOCK_ERROR_US
        process.clock_error_us = self.dice.randint(-error_us, error_us)
        process.spawn(self._live(process))

    async def _live(self, process: Process) -> None:
        self.trace("starts")
        settings = SETTINGS[process.name]
        try:
            if process.name.startswith("worker"):
                await workers.run(settings, RULES)
            else:
                await gateways.run(settings)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is a finding
            self.found(f"{process.name} ended with {error!r}")
        self.trace("ends")
        self.kill(process)

    def _freeze(self, process: Process) -> None:
        process.frozen = True
        self.later(self.dice.choice(FROZEN_S), self._thaw, process)

    def _thaw(self, process: Process) -> None:
        if process.frozen and process.alive:
            self.trace(f"{process.name} goes on")
            self.loop.thaw(process)
            (self.workers if process.name.startswith("worker") else self.gateways).thawed(process)

    # ── what goes on ────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> None:
        """The world from its beginning to its end."""
        _OUTSIDE.run(self._schedule)
        try:
            self.loop.run_until(STUCK_AFTER_S)
        finally:
            for process in self.loop.processes:
                process.alive = False
            self.faulty = False
            self.loop.reap()
        for error in self.loop.errors:
            self.found(f"nobody minded {error!r}")
        if not self.settled:
            left = [order.order_id for order in self.orders() if order.status not in TERMINAL]
            self.found(f"not settled after {STUCK_AFTER_S} s: {left}")

    def _schedule(self) -> None:
        dice = self.dice
        for name in SLOTS:
            self.later(dice.uniform(0, 0.5), self._start, name)
        self.later(0.1, self.upstream.fund)
        for _ in range(dice.randint(COMMANDS_MIN, COMMANDS_MAX)):
            self.later(COMMANDS_FROM_S + dice.uniform(0, COMMANDS_FOR_S), self.upstream.ask)
        self._repeat(TICK_S, self._mind)
        self._repeat(TICK_EVERY_S, self._tick)
        self._repeat(0.0, self._misfortune)
        self.later(FAULTS_UNTIL_S, self._heal)

    def _repeat(self, interval_s: float, what: Callable[[], object]) -> None:
        """*what* again and again; 0: at random intervals."""

        def once() -> None:
            what()
            self.later(interval_s or self.dice.expovariate(self._intensity / MISFORTUNE_EVERY_S), once)

        self.later(interval_s, once)

    def _mind(self) -> None:
        self.workers.tick()
        self.gateways.tick()
        self.broker.expire()

    def _tick(self) -> None:
        """What workers' clocks write. One that is lost or doubled harms nobody."""
        for partition in range(PARTITIONS):
            self.broker.append(topics.TICKS.name, partition, None, codec.encode(Tick(self.true_us)))

    def _misfortune(self) -> None:
        if not self.faulty:
            return
        process = self._processes.get(self.dice.choice(SLOTS))
        what = self.dice.choice(("kill", "freeze", "restart", "shuffle", "clock", "broker clock", "stream"))
        self.trace(f"misfortune: {what} ({process.name if process else 'nobody'})")
        match what:
            case "kill" if process is not None:
                self.kill(process)
            case "freeze" if process is not None and process.runs:
                self._freeze(process)
            case "restart" if process is not None and process.runs and process.stop is not None:
                process.call(0, process.stop)
            case "shuffle":
                self.dice.choice((self.workers, self.gateways)).shuffle()
            case "clock" if process is not None:
                process.clock_error_us += self.dice.randint(-CLOCK_JUMP_US, CLOCK_JUMP_US)
            case "broker clock":
                self._broker_error_ms = self.dice.randint(-BROKER_JUMP_MS, BROKER_JUMP_MS)
            case "stream":
                self.venue.cut_all()
            case _:
                pass

    # ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _heal(self) -> None:
        self.trace("from here on, nothing goes wrong any more")
        self.faulty = False
        self._broker_error_ms = 0
        self.venue.cut_all()
        for process in self._processes.values():
            if process.frozen:
                self._thaw(process)
        self._repeat(LOOK_EVERY_S, self._look)
        self._cancel_rest()

    def _cancel_rest(self) -> None:
        if not self.settled:
            self.upstream.cancel_everything()
            self.later(CANCEL_EVERY_S, self._cancel_rest)

    def _look(self) -> None:
        if self._all_taken() and all(order.status in TERMINAL for order in self.orders()):
            self.settled = True
            self.loop.stop()

    def _all_taken(self) -> bool:
        """Whether all that was asked or reported has been decided, of the inputs but ticks."""
        ticks = topics.TICKS.name
        taken = sum(len({place for place in decided if place[0] != ticks}) for decided in self.broker.decided.values())
        return taken >= sum(len(log.committed()) for (topic, _), log in self.input_logs() if topic != ticks)

    def input_logs(self) -> Iterator[tuple[tuple[str, int], Log]]:
        for topic in topics.INPUTS:
            for partition in range(PARTITIONS):
                yield (topic.name, partition), self.broker.logs[topic.name, partition]

    def rows(self, topic: topics.Topic, partition: int) -> dict[bytes, bytes]:
        """What a changelog holds."""
        rows: dict[bytes, bytes] = {}
        for entry in self.broker.logs[topic.name, partition].committed():
            rows.pop(entry.key, None)
            if entry.value is not None:
                rows[entry.key] = entry.value
        return rows

    def orders(self) -> list[Order]:
        return [
            codec.decode(value, Order)
            for partition in range(PARTITIONS)
            for value in self.rows(topics.ORDERS_CHANGELOG, partition).values()
        ]
