"""``fillstream reconcile``: compares, prints, and on demand has the venue's gateways believe what the venue says.

It asks the venue with the gateway's credentials and changes nothing there. To apply is to write a query for each order
that differs, under a request ID that names who decided: the gateway that owns the order looks once more and reports
what it finds, however many orders that ends (:mod:`venue_gateways.guard`). So every conclusion still takes the one way
into the ledger, and its reports say who had it drawn. Balances are compared too; nobody can have those believed.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
import typer
from confluent_kafka import KafkaException, Producer
from rich.console import Console
from rich.table import Table

from domain import money
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
from venue_gateways.reconciliation import account, tables
from venue_gateways.reconciliation.account import Account
from venue_gateways.reconciliation.balances import TOLERANCE, Range, Row, Verdict
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
    account: Account

    @property
    def serious(self) -> list[Difference]:
        """What somebody has to look at."""
        return [each for each in self.differences if each.kind not in HARMLESS]

    @property
    def wrong(self) -> list[Row]:
        """The assets whose balances differ."""
        return [row for row in self.account.rows if row.verdict in {Verdict.OVERHELD, Verdict.DIFFERS}]


def main(settings: Settings, venue: str, *, apply: bool, actor: str, as_json: bool) -> int:
    """Compare our orders and balances at *venue* with the venue's; with *apply*, have its gateways believe what it says
    of orders, in the name of *actor*. CHECK_FAILED if there are differences that somebody has to look at.
    """
    kafka.take_schema_ids(settings)
    if apply and not actor.strip():
        raise SettingsError("--apply needs --actor: who decides this")
    rules = instruments.load(settings.instruments)
    found = asyncio.run(_compare(settings, venue, rules))
    typer.echo(msgspec.json.encode(_summary(venue, found)).decode()) if as_json else _show(venue, found)
    if apply:
        decided = [each.ours for each in found.serious if each.kind in DECIDABLE and each.ours is not None]
        release(settings, rules, venue, decided, actor.strip())
        typer.echo(f"{len(decided)} orders given to the gateways to look at once more, in the name of {actor.strip()}")
    return Exit.CHECK_FAILED if found.serious or found.wrong else Exit.OK


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
        differing = (*filter(None, differences), *unknown)
        shared = any(each.kind is Kind.FOREIGN for each in unknown)
        sound = all(each.kind in HARMLESS for each in differing)
        balances = await account.compare(caller, settings, ours, settling_us=_SETTLING_US, shared=shared, sound=sound)
        return Found(len(ours), len(listed), differing, balances)


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
        "balances": {
            "tolerance": money.text(TOLERANCE),
            "baseline": {
                "origin": found.account.origin,
                "looked_at": found.account.baseline.looked_at,
                "file": str(found.account.file),
            },
            "assets": [_balance(row) for row in found.account.rows],
        },
    }


def _balance(row: Row) -> dict[str, object]:
    return {
        "asset": row.asset,
        "verdict": row.verdict,
        "free": money.text(row.balance.free),
        "held": money.text(row.balance.held),
        "reserved_here": None if row.reserved is None else money.text(row.reserved),
        "moved_by_our_trades": money.text(row.booked),
        "baseline": _texts(row.baseline),
        "difference": _texts(row.difference),
        "looked_at": row.look.looked_at,
        "ledger_read_to": {str(partition): end for partition, end in sorted(row.look.positions.items())},
    }


def _texts(found: Range) -> list[str]:
    return [money.text(found.low), money.text(found.high)]


def _show(venue: str, found: Found) -> None:
    console = Console()
    console.print(f"{found.ours} orders live here, {found.listed} open at {venue}")
    if found.differences:
        _show_orders(console, found)
    else:
        console.print("no differences")
    _show_balances(console, found.account)


def _show_orders(console: Console, found: Found) -> None:
    counts = Counter(each.kind for each in found.differences)
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


def _show_balances(console: Console, found: Account) -> None:
    """Each asset with the evidence; the looks they are from, below."""
    details = Table(
        *("asset", "verdict", "free", "held", "reserved here", "moved by our trades", "baseline", "difference"),
        title=f"balances, to {money.text(TOLERANCE)}",
    )
    for row in found.rows:
        kept = "not compared" if row.reserved is None else money.text(row.reserved)
        amounts = (money.text(row.balance.free), money.text(row.balance.held), kept, money.text(row.booked))
        details.add_row(row.asset, row.verdict, *amounts, _between(row.baseline), _between(row.difference))
    console.print(details)
    for look in {row.look.looked_at: row.look for row in found.rows}.values():
        ends = ", ".join(f"{partition}:{end}" for partition, end in sorted(look.positions.items()))
        console.print(f"looked at {_instant(look.looked_at)}; ledger read to partition:offset {ends}")
    known = found.baseline
    console.print(f"baseline of {_instant(known.looked_at)}, {found.origin}: {found.file}", soft_wrap=True)


def _between(found: Range) -> str:
    return money.text(found.low) if found.low == found.high else " to ".join(_texts(found))


def _instant(at_us: int) -> str:
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).isoformat()
