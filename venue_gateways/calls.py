"""One call to the venue, with everything that has to happen around it: tokens, lease, signature, time, consequences."""

import asyncio
from contextlib import nullcontext
from typing import Final

import msgspec
import structlog

from domain.breaker import Breaker
from domain.throttle import Throttle
from runtime.exits import Unavailable
from venue_gateways import metrics
from venue_gateways.clock import VenueClock, steady_us, wall_us
from venue_gateways.lease import Lease
from venue_gateways.transport import Lost, NotSent, Transport
from venue_gateways.turns import Turns
from venue_gateways.venue import (
    MARKET_DATA,
    Adapter,
    Answer,
    Balance,
    Call,
    Finding,
    HttpResponse,
    Outcome,
    Place,
    ReadBalances,
    ReadClock,
    Remedy,
    priority,
)

#: A grant is good for so long; a call that was held up longer pays again, so that grants and arrivals stay together.
GRANT_US: Final = 50_000
#: How long a wait for tokens lasts at most before asking again: shares and freezes change.
_ASK_AGAIN_US: Final = 1_000_000
_ANY_TIME: Final = nullcontext()
_BALANCE_PAGES_MAX: Final = 100

log = structlog.get_logger()


class LeaseLost(Exception):  # noqa: N818  # it says what is known
    """Somebody else may own the partition by now: nothing was sent."""


class TooLate(Exception):  # noqa: N818  # it says what is known
    """No tokens came in time: nothing was sent."""


class Exchange(msgspec.Struct, frozen=True):
    """An answer and its times, by this machine's wall clock (µs). *answered*: the venue gave it, whatever it was."""

    answer: Answer
    sent_us: int
    received_us: int
    waited_us: int
    answered: bool


class Caller:
    """Everything that is shared by the calls to one venue under one credential. *throttle* goes by *clock*."""

    def __init__(
        self,
        adapter: Adapter,
        transport: Transport,
        throttle: Throttle,
        breaker: Breaker,
        lease: Lease,
        clock: VenueClock,
    ) -> None:
        self.adapter = adapter
        self.throttle = throttle
        self.breaker = breaker
        self.clock = clock
        self._transport = transport
        self._lease = lease
        self._turns = Turns() if adapter.traits.ordered_calls else None
        self._measuring: asyncio.Task[bool] | None = None
        self._key_refused_until_us = 0

    def take(self, call: Call) -> int | None:
        """Take the tokens of *call*: None if granted, else how many microseconds to wait before asking again."""
        if (refused := self._key_refused_until_us - steady_us()) > 0:
            return min(refused, _ASK_AGAIN_US)
        now = self.clock.now_us()
        again = self.throttle.take(self.adapter.charges(call, now), priority(call), now)
        return None if again is None else min(again - now, _ASK_AGAIN_US)

    def take_spare(self, call: Call, share: float) -> bool:
        """Take the tokens of *call* if nobody will miss them; *share* of each limit is this gateway's.

        Of a limit that placements and cancels draw on, half of what may be in hand has to be left over: that is more
        than is kept back, so nothing is taken while a placement waits.
        """
        now = self.clock.now_us()
        left, limits = self.throttle.left(now), {limit.name: limit for limit in self.adapter.limits}
        for charge in self.adapter.charges(call, now):
            limit = limits[charge.limit]
            if limit.kept_back and left[limit.name] - charge.tokens < limit.burst * share / 2:
                return False
        return self.take(call) is None

    async def acquire(self, call: Call, give_up_us: int | None = None) -> int:
        """Wait for the tokens of *call*; returns for how long. Raises TooLate at *give_up_us* (of the steady clock)."""
        began = now = steady_us()
        while (wait := self.take(call)) is not None:
            if give_up_us is not None and now + wait > give_up_us:
                raise TooLate
            await asyncio.sleep(wait / 1_000_000)
            now = steady_us()
        return now - began

    async def ask(self, call: Call, give_up_us: int | None = None) -> Exchange:
        """Wait for tokens, then make *call*. Raises TooLate."""
        waited = await self.acquire(call, give_up_us)
        return await self.send(call, waited)

    async def send(self, call: Call, waited_us: int) -> Exchange:
        """Make *call* now, or at its turn; its tokens are taken. Raises LeaseLost for a placement that is not ours to
        make any more, TooLate for one whose deadline has passed.

        The instant that is signed is read before the lease is checked: see :mod:`venue_gateways.lease`.
        """
        turns = None if type(call) in MARKET_DATA else self._turns
        async with turns.turn(priority(call)) if turns is not None else _ANY_TIME:
            signed_at = self.clock.now_us()
            if isinstance(call, Place):
                self._check(call)
            request = self.adapter.build(call, signed_at)
            sent, began = wall_us(), steady_us()
            metrics.IN_FLIGHT.labels(self.adapter.name).inc()
            answered = False
            try:
                response = await self._transport.send(request)
                answered, answer = True, self._read(call, response, signed_at)
            except NotSent as error:
                answer = Answer(Outcome.RETRY_SAFE, f"NOT_SENT_{error}", Remedy.BACK_OFF)
            except Lost as error:
                answer = Answer(Outcome.UNKNOWN, f"LOST_{error}")
            finally:
                metrics.IN_FLIGHT.labels(self.adapter.name).dec()
        took = steady_us() - began
        if answer.venue_time_us:
            self.throttle.shift(self.clock.measured(answer.venue_time_us, began, began + took))
        self._count(call, answer, took, waited_us)
        await self._mind(call, answer)
        return Exchange(answer, sent, sent + took, waited_us, answered)

    def _check(self, call: Place) -> None:
        """Raises what forbids to send *call* now."""
        if not self._lease.holds(steady_us()):
            raise LeaseLost
        expires_at = call.request.expires_at
        if expires_at is not None and wall_us() >= expires_at:  # a turn may have been long in coming
            raise TooLate

    def _read(self, call: Call, response: HttpResponse, signed_at: int) -> Answer:
        now = self.clock.now_us()
        for limit, used in self.adapter.usage(response):
            self.throttle.observe(limit, used, sent_us=signed_at, received_us=now)
        return self.adapter.parse(call, response)

    def _count(self, call: Call, answer: Answer, took_us: int, waited_us: int) -> None:
        name, kind = self.adapter.name, type(call).__name__
        metrics.CALLS.labels(name, kind, answer.outcome).inc()
        metrics.CALL_SECONDS.labels(name, kind).observe(took_us / 1_000_000)
        metrics.THROTTLE_WAIT_SECONDS.labels(name, kind).observe(waited_us / 1_000_000)
        if answer.outcome is not Outcome.ACCEPTED:
            log.info("venue_call_failed", call=kind, outcome=answer.outcome, reason=answer.reason)

    async def _mind(self, call: Call, answer: Answer) -> None:
        """Draw the consequences for other calls. That a venue shows its prices doesn't mean that it takes orders."""
        now = steady_us()
        failed = answer.outcome is Outcome.UNKNOWN or answer.remedy is Remedy.BACK_OFF
        if type(call) not in MARKET_DATA:
            (self.breaker.failed if failed else self.breaker.succeeded)(now)
        if answer.remedy is Remedy.BLOCK:
            self.breaker.open_for(answer.wait_us, now)
        if answer.remedy is Remedy.BLOCK and answer.outcome is Outcome.REJECTED:
            self._key_refused_until_us = max(self._key_refused_until_us, now + answer.wait_us)
        elif answer.wait_us and answer.remedy is not Remedy.BACK_OFF:
            self._freeze(answer)
        if answer.remedy is Remedy.SET_CLOCK:
            await self.measure_clock()

    def rekeyed(self) -> None:
        """The key is another one: for what the former was refused nobody waits any longer. What else the venue wants to
        be waited for goes on.
        """
        now = steady_us()
        if now < self._key_refused_until_us:
            if self.breaker.open_until_us <= self._key_refused_until_us:
                self.breaker.open_until_us = now
            self._key_refused_until_us = 0

    def _freeze(self, answer: Answer) -> None:
        until = self.clock.now_us() + answer.wait_us
        log.warning("venue_asks_to_wait", reason=answer.reason, limit=answer.limit, wait_s=answer.wait_us / 1_000_000)
        if answer.limit is None:
            self.throttle.freeze(until)
            return
        for limit in self.adapter.limits:
            if limit.name.startswith(answer.limit):
                self.throttle.freeze(until, limit.name, answer.scope)
                self.throttle.correct(limit.name, limit.burst, self.clock.now_us(), answer.scope)  # it is used up

    async def measure_clock(self) -> bool:
        """Ask the venue for its time. However many want it at once, one call is made. False if it didn't work out."""
        if self._measuring is None or self._measuring.done():
            self._measuring = asyncio.create_task(self._measure_clock())
        return await asyncio.shield(self._measuring)

    async def _measure_clock(self) -> bool:
        began = steady_us()
        await self.ask(ReadClock())
        return self.clock.measured_us is not None and self.clock.measured_us >= began

    async def look_up(self, symbol: str, client_order_id: str, give_up_us: int | None = None) -> Finding:
        """All there is to know of one order. A venue that gives no usable answer in time makes an unusable finding."""
        plan = self.adapter.look_up(symbol, client_order_id)
        try:
            call = next(plan)
            while True:
                exchange = await self.ask(call, give_up_us)
                call = plan.send(exchange.answer)
        except StopIteration as found:
            finding: Finding = found.value
            return finding
        except TooLate:
            return Finding(usable=False)


async def balances(caller: Caller) -> list[Balance]:
    """All pages of the account's balances. Raises Unavailable."""
    found: list[Balance] = []
    position = None
    for _ in range(_BALANCE_PAGES_MAX):
        answer = (await caller.ask(ReadBalances(position))).answer
        if answer.reason is not None:
            raise Unavailable(f"{caller.adapter.name} doesn't say its balances: {answer.reason}")
        found += answer.balances
        position = answer.position
        if not answer.more:
            return found
    raise Unavailable(f"{caller.adapter.name} has more than {_BALANCE_PAGES_MAX} pages of balances")
