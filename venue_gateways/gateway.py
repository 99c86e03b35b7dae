"""One gateway: its parts put together, and what it does as partitions come and go."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, Final

import structlog

from domain.breaker import Breaker, BreakerState
from domain.messages import VenueReport
from domain.throttle import Throttle
from runtime import instruments
from runtime.settings import Settings
from venue_gateways import metrics
from venue_gateways.calls import Caller
from venue_gateways.clock import VenueClock, steady_us, wall_us
from venue_gateways.committer import Committer
from venue_gateways.dispatcher import Dispatcher
from venue_gateways.facts import Facts
from venue_gateways.guard import Bounds, Guard
from venue_gateways.handling import Handling
from venue_gateways.holding import Holding
from venue_gateways.intake import Intake
from venue_gateways.lease import lease
from venue_gateways.observer import Observer
from venue_gateways.polling import Poller
from venue_gateways.progress import Inherited, Progress
from venue_gateways.reporter import Reporter
from venue_gateways.requests import Record, Requests, States
from venue_gateways.scheduler import Scheduler
from venue_gateways.stream import Stream
from venue_gateways.transport import Transport
from venue_gateways.venue import Adapter, Outcome, ReadRules, ReadUsage
from venue_gateways.webhook.keys import Secrets
from venue_gateways.webhook.receiver import NotWritten, Receiver
from venue_gateways.webhook.server import WebhookServer

#: How long calls under way may take to end when partitions are given up, or the process stops.
DRAIN_S: Final = 8.0
_RULES_INTERVAL_S: Final = 3_600.0
_RULES_RETRY_S: Final = 1.0
_WATCH_INTERVAL_S: Final = 0.25
#: No two clocks run at one speed; in ten minutes, ordinary ones part by a few hundredths of a second.
_CLOCK_INTERVAL_S: Final = 600.0
#: Over windows longer than this, the venue's own count is asked for at the start.
_LONG_WINDOW_US: Final = 3_600_000_000

log = structlog.get_logger()


class Gateway:
    """Runs until it is stopped, or something fails that nobody expected."""

    def __init__(self, settings: Settings, adapter: Adapter, transport: Transport, stream_url: str) -> None:
        self._settings = settings
        self._adapter = adapter
        self._venue = adapter.name
        self._stop = asyncio.Event()
        self._error: BaseException | None = None
        self._lease = lease(settings.session_timeout_ms, settings.receive_window_ms)
        self._clock = VenueClock()
        throttle = Throttle(adapter.limits, settings.partitions, settings.cancel_share, self._clock.now_us())
        self._caller = Caller(adapter, transport, throttle, Breaker(), self._lease, self._clock)
        self._requests = Requests(settings, self._venue, self)
        self._committer = Committer(self._requests, self._lease, self._venue)
        self._reporter = Reporter(settings, self.failed)
        self._scheduler = Scheduler(adapter.lane)
        symbols = [instrument.symbol for instrument in instruments.load(settings.instruments).of(self._venue)]
        self._observer = Observer(
            settings, self._caller, self._reporter, symbols, self._committer.holdings.keys(), self._is_idle
        )
        remembered, saw = settings.facts_remembered_max, self._observer.drift.traded
        self._facts = Facts(self._venue, self._owns, self._publish, remembered, saw)
        bounds = Bounds(settings.reconcile_share_max, settings.reconcile_orders_min)
        guard = Guard(self._caller, self._facts.known, bounds)
        handling = Handling(self._caller, self._scheduler, self._committer, self._reporter, self._facts, guard)
        slots = settings.concurrent_calls_max
        self._dispatcher = Dispatcher(self._scheduler, handling, self._caller, slots, self.failed)
        self._poller = Poller(self._caller, self._facts, guard, symbols, self._told_through)
        self._stream = Stream(stream_url, self._caller, self._facts, self._poller, self._observer.reconnected)
        self._intake = Intake(self._venue, self._dispatcher, self._reporter, self._spawn)
        self._publishing: set[asyncio.Task[None]] = set()
        self._owning = asyncio.Event()
        self._webhook = self._webhook_server(settings)

    # ── from start to end ──────────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Runs until :meth:`stop`. Raises what made it end otherwise."""
        self._reporter.start()
        self._requests.start()
        tasks = [asyncio.create_task(work) for work in (self._committer.run(), self._work())]
        for task in tasks:
            task.add_done_callback(self.ended)
        await self._stop.wait()
        self._dispatcher.stopping = True
        await self._requests.stop(release=self._error is None)  # that waits for what is under way
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._reporter.stop()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End in good order."""
        self._stop.set()

    def rekeyed(self) -> None:
        """The adapter signs with another key from now on."""
        self._caller.rekeyed()
        self._dispatcher.wake()

    def failed(self, error: BaseException) -> None:
        """End now: the process is not in a state that anybody has thought of."""
        if self._error is None:
            log.error("gateway_failed", error=repr(error), exc_info=error)
            self._error = error
        self._stop.set()

    def ended(self, task: "asyncio.Task[None]") -> None:
        """A task that belongs to it has ended; with an error, it ends too."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.failed(error)

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._dispatcher.run())
            group.create_task(self._stream.run())
            group.create_task(self._poller.run(lambda: self._stream.connected, self._is_idle))
            group.create_task(self._keep_rules())
            group.create_task(self._keep_clock())
            group.create_task(self._watch())
            group.create_task(self._observer.run())
            if self._webhook is not None:
                group.create_task(self._webhook.run())

    def _webhook_server(self, settings: Settings) -> WebhookServer | None:
        """None unless somebody has a secret to push with. Raises SettingsError."""
        if settings.webhook_secrets is None:
            return None
        secrets = Secrets(settings.webhook_secrets)
        receiver = Receiver(self._venue, settings.partitions, secrets, self._facts, self._write)
        return WebhookServer(settings, self._venue, receiver)

    def _is_idle(self) -> bool:
        return not self._committer.holdings or not self._dispatcher.ready or not self._caller.breaker.closed()

    async def _keep_rules(self) -> None:
        """Limits, symbols and the clock: at the start, and every hour. Without them nothing is sent.

        At the start the stream comes first, and what it has missed after it: where few calls are to be had, a sweep
        would keep it waiting, and would have to be made once more.
        """
        while True:
            await self._owning.wait()
            if not await self._read_rules():
                await asyncio.sleep(_RULES_RETRY_S)
                continue
            if not self._dispatcher.ready:
                log.info("venue_ready", limits=[limit.name for limit in self._adapter.limits])
            self._dispatcher.ready = True
            self._stream.wanted.set()
            self._dispatcher.wake()
            if self._stream.connected:
                self._poller.reconnected()
            await asyncio.sleep(_RULES_INTERVAL_S)

    async def _read_rules(self) -> bool:
        exchange = await self._caller.ask(ReadRules())
        if exchange.answer.rules is None:
            return False
        self._adapter.learn(exchange.answer.rules)
        now = self._clock.now_us()
        self._caller.throttle.configure(self._adapter.limits, now)
        if not await self._caller.measure_clock():
            return False
        if any(limit.window_us > _LONG_WINDOW_US for limit in self._adapter.limits):
            answer = (await self._caller.ask(ReadUsage())).answer
            if answer.outcome is not Outcome.ACCEPTED:
                return False
            self._seed(dict(answer.usage))
        return True

    def _seed(self, usage: dict[str, int]) -> None:
        for limit in self._adapter.limits:
            if limit.window_us > _LONG_WINDOW_US and limit.name in usage:
                self._caller.throttle.seed(limit.name, usage[limit.name], self._clock.now_us())

    async def _keep_clock(self) -> None:
        while True:
            await asyncio.sleep(_CLOCK_INTERVAL_S)
            if not self._is_idle():
                await self._caller.measure_clock()

    async def _watch(self) -> None:
        """Probe a breaker that is half-open, and show how things are."""
        while True:
            await asyncio.sleep(_WATCH_INTERVAL_S)
            self._requests.in_hand = sum(held.progress.pending for held in self._committer.holdings.values())
            self._show()
            if not self._caller.breaker.closed() and self._caller.breaker.probe(steady_us()) is None:
                await self._caller.measure_clock()
                self._dispatcher.wake()

    def _show(self) -> None:
        name = self._venue
        metrics.QUEUED.labels(name).set(self._scheduler.queued)
        metrics.CLOCK_OFFSET.labels(name).set((self._clock.now_us() - wall_us()) / 1_000_000)
        metrics.BREAKER.labels(name).set(_BREAKER_SHOWN[self._caller.breaker.state(steady_us())])
        for limit, tokens in self._caller.throttle.left(self._clock.now_us()).items():
            metrics.TOKENS.labels(name, limit).set(tokens)

    # ── partitions ─────────────────────────────────────────────────────────────────────────────────────────────────

    def gained(self, partition: int, first: int, inherited: Inherited) -> None:
        self._committer.hold(Holding(partition, Progress(first, inherited), self._clock.now_us() // 1000))
        self._facts.gained(partition)
        self._share()
        self._poller.gained(inherited.through)
        log.info("partition_gained", partition=partition, first=first, inherited=len(inherited.runs))

    async def released(self, partitions: list[int]) -> States:
        """Nothing more is begun, and what is under way ends, within a bound."""
        holdings = [self._committer.holdings[p] for p in partitions if p in self._committer.holdings]
        for holding in holdings:
            holding.live = False
            self._scheduler.drop(holding)
        left = await self._dispatcher.drained(holdings, DRAIN_S)
        states = self._committer.last_word(partitions)
        self._share()
        log.info("partitions_released", partitions=partitions, under_way=left)
        return states

    async def lost(self, partitions: list[int]) -> None:
        self._lease.end()
        for partition in partitions:
            holding = self._committer.drop(partition)
            if holding is not None:
                self._scheduler.drop(holding)
        self._share()
        log.warning("partitions_lost", partitions=partitions)

    def _share(self) -> None:
        owned = len(self._committer.holdings)
        if owned:
            self._owning.set()
        else:
            self._owning.clear()
        metrics.PARTITIONS.labels(self._venue).set(owned)
        self._caller.throttle.own(owned, self._clock.now_us())
        self._dispatcher.wake()

    def _owns(self, partition: int) -> bool:
        return partition in self._committer.holdings

    def _told_through(self, through_ms: int) -> None:
        for holding in self._committer.holdings.values():
            if holding.since_ms <= through_ms:  # what was gained meanwhile has not been looked at
                holding.progress.through = max(holding.progress.through, through_ms)

    # ── requests in, reports out ───────────────────────────────────────────────────────────────────────────────────

    def received(self, records: list[Record]) -> None:
        for record in records:
            holding = self._committer.holdings.get(record.partition)
            if holding is not None and holding.live:
                self._intake.take(record, holding)

    def _publish(self, told: Iterable[tuple[int, VenueReport]]) -> None:
        self._spawn(self._reporter.publish(list(told)))

    async def _write(self, told: list[tuple[int, VenueReport]]) -> None:
        """Write *told*; returns once that, and all that was on its way, is in the log. Raises NotWritten."""
        await self._reporter.publish(told)
        if self._publishing:
            await asyncio.wait(self._publishing)
        if self._error is not None:
            raise NotWritten from self._error

    def _spawn(self, doing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(doing)
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)
        task.add_done_callback(self.ended)


_BREAKER_SHOWN: Final = {BreakerState.CLOSED: 0.0, BreakerState.HALF_OPEN: 0.5, BreakerState.OPEN: 1.0}
