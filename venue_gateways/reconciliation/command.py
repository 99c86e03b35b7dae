"""``fillstream reconcile``: compares, prints, and on demand has the venue's gateways believe what the venue says.

It asks the venue with the gateway's credentials and changes nothing there. To apply is to write a query for each order
that differs, under a request ID that names who decided: the gateway that owns the order looks once more and reports
what it finds, however many orders that ends (:mod:`venue_gateways.guard`). So every conclusion still takes the one way
into the ledger, and its reports say who had it drawn.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import typer
from confluent_kafka import KafkaException, Producer
from rich.console import Console
from rich.table import Table

from domain.breaker import Breaker
from domain.decision import leaves, terms
from domain.instruments import Rulebook
from domain.messages import Operation, VenueRequest
from domain.throttle import Throttle
from runtime import instruments, kafka
from runtime.exits import Exit, Unavailable
from runtime.settings import Settings, SettingsError
from schemas import codec, topics
from venue_gateways import venues
from venue_gateways.calls import Caller
from venue_gateways.clock import VenueClock, wall_us
from venue_gateways.guard import OPERATORS
from venue_gateways.lease import Lease
from venue_gateways.reconciliation import tables
from venue_gateways.reconciliation.differences import DECIDABLE, HARMLESS, Difference, Kind, Ours, difference, unclaimed
from venue_gateways.transport import Transport
from venue_gateways.venue import Finding, ListOpenOrders, OrderSeen, ReadRules

#: What changed more recently than this, here or there, is still on its way to the other side.
_SETTLING_US: Final = 5_000_000
_CONNECTIONS: Final = 4
_FLUSH_S: Final = 30.0
_SHOWN_MAX: Final = 50


class Found(msgspec.Struct, frozen=True):
    """What one comparison found."""

    ours: int
    listed: int
    differences: tuple[Difference, ...]


def main(settings: Settings, venue: str, *, apply: bool, actor: str, as_json: bool) -> int:
    """Compare our orders at *venue* with the venue's; with *apply*, have its gateways believe the venue, in the name of
    *actor*. CHECK_FAILED if there are differences that somebody has to look at.
    """
    kafka.take_schema_ids(settings)
    if apply and not actor.strip():
        raise SettingsError("--apply needs --actor: who decides this")
    rules = instruments.load(settings.instruments)
    found = asyncio.run(_compare(settings, venue, rules))
    serious = [each for each in found.differences if each.kind not in HARMLESS]
    typer.echo(msgspec.json.encode(_summary(venue, found)).decode()) if as_json else _show(venue, found)
    if apply:
        decided = [each.ours for each in serious if each.kind in DECIDABLE and each.ours is not None]
        release(settings, rules, venue, decided, actor.strip())
        typer.echo(f"{len(decided)} orders given to the gateways to look at once more, in the name of {actor.strip()}")
    return Exit.CHECK_FAILED if serious else Exit.OK


async def _compare(settings: Settings, venue: str, rules: Rulebook) -> Found:
    url, _ = venues.addresses(venue, settings)
    adapter = venues.adapter(venue, settings)
    clock = VenueClock()
    throttle = Throttle(adapter.limits, settings.partitions, settings.cancel_share, clock.now_us())
    async with Transport(url, _CONNECTIONS) as transport:
        caller = Caller(adapter, transport, throttle, Breaker(), Lease(0), clock)  # a lease is for placements
        throttle.own(1, clock.now_us())  # a partition's share: the gateways go on beside it
        answer = (await caller.ask(ReadRules())).answer
        if answer.rules is None or not await caller.measure_clock():
            raise Unavailable(f"{venue} at {url} doesn't say its rules: {answer.reason}")
        adapter.learn(answer.rules)
        throttle.configure(adapter.limits, clock.now_us())
        settled = clock.now_us() - _SETTLING_US
        ours = await asyncio.to_thread(tables.live_orders, settings, venue)
        listed = await _list(caller, [instrument.symbol for instrument in rules.of(venue)])
        differences = [await _difference(caller, each, listed, settled) for each in ours]
        unknown = unclaimed(listed.values(), (each.client_order_id for each in ours), settled)
        return Found(len(ours), len(listed), (*filter(None, differences), *unknown))


async def _list(caller: Caller, symbols: Iterable[str]) -> dict[str, OrderSeen]:
    """All orders that the venue lists as open, by client order ID."""
    listed: dict[str, OrderSeen] = {}
    for scope in caller.adapter.scopes(symbols):
        answer = (await caller.ask(ListOpenOrders(scope))).answer
        if answer.reason is not None:
            raise Unavailable(f"the venue doesn't list its open orders of {scope}: {answer.reason}")
        listed |= {order.client_order_id: order for order in answer.orders}
    return listed


async def _difference(caller: Caller, ours: Ours, listed: dict[str, OrderSeen], settled_us: int) -> Difference | None:
    """By the list of open orders if it has this one, else by a look-up."""
    seen = listed.get(ours.client_order_id)
    finding = Finding(usable=True, order=seen)
    if seen is None:
        finding = await caller.look_up(ours.order.symbol, ours.client_order_id)
    return difference(ours, finding, settled_us)


# ── having it believed ──────────────────────────────────────────────────────────────────────────────────────────────


def release(settings: Settings, rules: Rulebook, venue: str, decided: Sequence[Ours], actor: str) -> None:
    """Have *venue*'s gateways look at *decided* once more, and believe what they find. Raises Unavailable."""
    producer = Producer(kafka.producer(settings))
    failed: list[str] = []
    for ours in decided:
        request = _query(ours, rules, actor)
        producer.produce(
            topics.venue_requests(venue).name,
            codec.encode(request),
            key=request.user_id.encode(),
            partition=ours.partition,
            on_delivery=lambda error, _: failed.append(error.str()) if error is not None else None,
        )
        producer.poll(0)
    try:
        left = producer.flush(_FLUSH_S)
    except KafkaException as error:
        raise Unavailable(f"Kafka: {error.args[0].str()}") from error
    if failed or left:
        raise Unavailable(f"{len(failed) + left} of {len(decided)} could not be given to the gateways: {failed[:1]}")


def _query(ours: Ours, rules: Rulebook, actor: str) -> VenueRequest:
    order = ours.order
    instrument = rules.find(order.venue, order.symbol)
    if instrument is None:
        raise SettingsError(f"{order.symbol} is not in the rulebook, but order {order.order_id} of it is live")
    order_type, price, time_in_force = terms(order, instrument)
    return VenueRequest(
        request_id=f"{OPERATORS}{actor}:{uuid.uuid4().hex}",
        client_order_id=ours.client_order_id,
        user_id=order.user_id,
        order_id=order.order_id,
        venue=order.venue,
        symbol=order.symbol,
        operation=Operation.QUERY,
        sequence=order.request_sequence,
        side=order.side,
        order_type=order_type,
        quantity=leaves(order) or order.quantity,
        requested_at=wall_us(),
        price=price,
        stop_price=order.stop_price,
        time_in_force=time_in_force,
        post_only=order.post_only,
    )


# ── showing it ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _summary(venue: str, found: Found) -> dict[str, object]:
    return {
        "venue": venue,
        "live_here": found.ours,
        "open_there": found.listed,
        "differences": [
            {
                "kind": each.kind,
                "client_order_id": each.client_order_id,
                "user_id": each.ours.order.user_id if each.ours else None,
                "order_id": each.ours.order.order_id if each.ours else None,
                "symbol": each.symbol,
                "here": each.here,
                "there": each.there,
            }
            for each in found.differences
        ],
    }


def _show(venue: str, found: Found) -> None:
    console = Console()
    console.print(f"{found.ours} orders live here, {found.listed} open at {venue}")
    counts = Counter(each.kind for each in found.differences)
    if not counts:
        console.print("no differences")
        return
    totals = Table("difference", "orders")
    for kind in Kind:
        if counts[kind]:
            totals.add_row(kind, str(counts[kind]))
    console.print(totals)
    details = Table("difference", "user", "order", "symbol", "here", "there", title="the evidence")
    for each in found.differences[:_SHOWN_MAX]:
        user, order = (each.ours.order.user_id, each.ours.order.order_id) if each.ours else ("", each.client_order_id)
        details.add_row(each.kind, user, order, each.symbol, each.here, each.there)
    console.print(details)
    if len(found.differences) > _SHOWN_MAX:
        console.print(f"and {len(found.differences) - _SHOWN_MAX} more: --json has all of them")
