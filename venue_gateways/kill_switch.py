"""``fillstream venue cancel-all``: cancels every open order of a venue's account, with the gateway's credentials.

Without ``--apply`` it lists what it would cancel, and cancels nothing. It writes nothing here: that an order has ended
comes into the books as ever, by what the gateways hear from the venue, with its evidence. Nothing is kept from being
placed either: a kill switch begins with stopping whoever sends commands.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from domain import ids, money
from domain.breaker import Breaker
from domain.throttle import Throttle
from runtime import instruments
from runtime.exits import Exit, Unavailable
from runtime.settings import Settings, SettingsError
from venue_gateways import venues
from venue_gateways.calls import Caller, TooLate
from venue_gateways.clock import VenueClock, steady_us
from venue_gateways.debugging.sign import with_credentials
from venue_gateways.lease import Lease
from venue_gateways.transport import Transport
from venue_gateways.venue import ListOpenOrders, OrderSeen, Outcome, ReadRules

#: How long it may take until nothing is open, before it is said that something still is.
WITHIN_S: Final = 60.0
#: Between looks at what is still open: cancels take a moment, and looks cost tokens.
_LOOK_INTERVAL_S: Final = 1.0
#: A list that is empty is believed when it has been twice in a row.
_EMPTY_LOOKS_MIN: Final = 2
_CONNECTIONS: Final = 4
_SHOWN_MAX: Final = 50


class Chosen(msgspec.Struct, frozen=True):
    """Which orders: of *symbol* alone, or of the whole account, on which *traded* are traded."""

    traded: Sequence[str]
    symbol: str | None

    @property
    def symbols(self) -> Sequence[str]:
        return self.traded if self.symbol is None else [self.symbol]


class Left(msgspec.Struct, frozen=True):
    """What came of it: the orders that were *listed* at first, those that are *open* at the end as far as is known, and
    for which *reasons* how many calls did not do what they should.
    """

    listed: Sequence[OrderSeen]
    open: Sequence[OrderSeen]
    calls: int = 0
    reasons: Counter[str] = Counter()


def main(
    settings: Settings,
    venue: str,
    symbol: str | None,
    *,
    apply: bool,
    credentials: Path | None = None,
    within_s: float = WITHIN_S,
) -> int:
    """List the open orders at *venue*, of *symbol* alone if it is given; with *apply*, cancel them.

    CHECK_FAILED if some are still open after *within_s*. Raises SettingsError, Unavailable.
    """
    settings = with_credentials(settings, credentials)
    traded = [instrument.symbol for instrument in instruments.load(settings.instruments).of(venue)]
    if symbol is not None and symbol not in traded:
        raise SettingsError(f"{symbol} isn't traded at {venue}; there are: {', '.join(sorted(traded))}")
    found = asyncio.run(_run(settings, venue, Chosen(traded, symbol), within_s, apply=apply))
    _show(venue, found, applied=apply)
    return Exit.CHECK_FAILED if apply and found.open else Exit.OK


async def _run(settings: Settings, venue: str, chosen: Chosen, within_s: float, *, apply: bool) -> Left:
    async with _caller(settings, venue) as caller:
        give_up_us = steady_us() + round(within_s * 1_000_000)
        listed = await _open_orders(caller, chosen, give_up_us)
        return await cancel_all(caller, listed, chosen, give_up_us) if apply else Left(listed, listed)


@contextlib.asynccontextmanager
async def _caller(settings: Settings, venue: str) -> AsyncIterator[Caller]:
    """One that knows the venue's rules and clock. It goes by the whole of the limits, though gateways do too: it must
    not wait for a share, and makes few calls.
    """
    url, _ = venues.addresses(venue, settings)
    adapter = venues.adapter(venue, settings)
    clock = VenueClock()
    throttle = Throttle(adapter.limits, 1, settings.cancel_share, clock.now_us())
    async with Transport(url, _CONNECTIONS) as transport:
        caller = Caller(adapter, transport, throttle, Breaker(), Lease(0), clock)  # a lease is for placements
        throttle.own(1, clock.now_us())
        answer = (await caller.ask(ReadRules())).answer
        if answer.rules is None or not await caller.measure_clock():
            raise Unavailable(f"{venue} at {url} doesn't say its rules: {answer.reason}")
        adapter.learn(answer.rules)
        throttle.configure(adapter.limits, clock.now_us())
        yield caller


async def _open_orders(caller: Caller, chosen: Chosen, give_up_us: int) -> list[OrderSeen]:
    """Whoever placed them. Raises Unavailable if the venue doesn't list them in time."""
    listed: list[OrderSeen] = []
    for scope in caller.adapter.scopes(chosen.symbols):
        listed += await _open_in(caller, scope, give_up_us)
    return [order for order in listed if chosen.symbol in {None, order.symbol}]


async def _open_in(caller: Caller, scope: str, give_up_us: int) -> Sequence[OrderSeen]:
    reason: str | None = "no tokens in time"
    while steady_us() < give_up_us:
        try:
            answer = (await caller.ask(ListOpenOrders(scope), give_up_us)).answer
        except TooLate:
            break
        if answer.outcome is Outcome.ACCEPTED:
            return answer.orders
        reason = answer.reason
        if answer.outcome is Outcome.REJECTED:
            break
        await asyncio.sleep(_LOOK_INTERVAL_S)
    raise Unavailable(f"the venue doesn't list its open orders of {scope}: {reason}; try again, and look there")


async def cancel_all(caller: Caller, listed: Sequence[OrderSeen], chosen: Chosen, give_up_us: int) -> Left:
    """Cancel what was *listed*, and whatever is open then, until nothing is, or until *give_up_us*."""
    left, calls, reasons, empty = listed, 0, Counter[str](), 0
    while empty < _EMPTY_LOOKS_MIN and steady_us() < give_up_us:
        for call in caller.adapter.cancel_all(left, whole_account=chosen.symbol is None):
            try:
                answer = (await caller.ask(call, give_up_us)).answer
            except TooLate:
                return Left(listed, left, calls, reasons)
            calls += 1
            reasons.update([answer.reason] if answer.reason is not None else [])
        await asyncio.sleep(_LOOK_INTERVAL_S)
        try:
            left = await _open_orders(caller, chosen, give_up_us)
        except Unavailable as error:
            reasons[str(error)] += 1
        else:
            empty = 0 if left else empty + 1
    return Left(listed, left, calls, reasons)


# ── showing it ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _show(venue: str, found: Left, *, applied: bool) -> None:
    console = Console()
    if not found.listed:
        console.print(f"no open orders at {venue}")
        return
    if not applied:
        console.print(_table(f"open at {venue}: --apply would cancel these {len(found.listed)}", found.listed))
        return
    ended = len(found.listed) - len(found.open)
    console.print(
        f"{ended} of {len(found.listed)} open orders at {venue} have left its book, after {found.calls} calls"
    )
    for reason, count in found.reasons.most_common():
        console.print(f"{count} × {reason}")
    if found.open:
        console.print(_table(f"still open at {venue}: look there, and run this once more", found.open))
    console.print("Their ends come into the books through the gateways, each with its evidence.")


def _table(title: str, orders: Sequence[OrderSeen]) -> Table:
    table = Table("symbol", "client order ID", "venue's order ID", "filled", "placed by", title=title)
    for order in orders[:_SHOWN_MAX]:
        placed_by = "fillstream" if _is_ours(order) else "somebody else"
        row = (order.symbol, order.client_order_id, order.venue_order_id or "", money.text(order.filled_quantity))
        table.add_row(*row, placed_by)
    if len(orders) > _SHOWN_MAX:
        table.caption = f"and {len(orders) - _SHOWN_MAX} more"
    return table


def _is_ours(order: OrderSeen) -> bool:
    try:
        ids.parse_client_order_id(order.client_order_id)
    except ids.NotOurs:
        return False
    return True
