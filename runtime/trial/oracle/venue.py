"""Checks against the venues' own journals: what they accepted, what is live there, and what they traded."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

from runtime.trial import wire
from runtime.trial.journal import LEFT_BOOK, Line
from runtime.trial.oracle.evidence import LEDGER_ENTRIES, Check, Evidence, OrderName, amount_of
from runtime.trial.wire import Avro

#: Reports that say for certain why a placement is not in the venue's journal.
NOT_PLACED = frozenset({"REJECTED", "NOT_SENT", "NOT_FOUND"})

FillName = tuple[str, str, str]
"""Client order ID, symbol and trade ID: a venue numbers trades by symbol, and both sides of a trade may be ours.

No two venues see the same client order ID.
"""

Terms = tuple[str, str, str, int, int]
"""Venue, symbol, side, quantity and price of an order."""


def events_have_no_gap(evidence: Evidence) -> Check:
    """The events of each order count from 1, each number once."""
    faults = tuple(
        f"order {name} has {[event['sequence'] for event in events]}"
        for name, events in evidence.orders.items()
        if [event["sequence"] for event in events] != list(range(1, len(events) + 1))
    )
    return Check("events_have_no_gap", f"{len(evidence.orders)} orders", faults)


def every_order_is_in_one_state(evidence: Evidence) -> Check:
    """Each accepted order has ended, or is open, paused, or unknown; after its end nothing but late fills comes."""

    def faults() -> Iterator[str]:
        for name, events in evidence.orders.items():
            last = events[-1].get("status")
            if last not in wire.AT_REST | {"UNKNOWN"}:
                yield f"order {name} is left {last}"
            if events[0]["kind"] != "ORDER_ACCEPTED":
                yield f"order {name} begins with {events[0]['kind']}"
            for before, after in pairwise(events):
                if before.get("status") in wire.ENDED and after["kind"] != "ORDER_FILLED":
                    yield f"order {name}: {after['kind']} after {before['status']}"

    return Check("every_order_is_in_one_state", f"{len(evidence.orders)} orders", tuple(faults()))


def no_order_reached_the_venue_twice(evidence: Evidence) -> Check:
    """The venue never accepted one client order ID twice."""
    faults = tuple(
        f"{client_order_id} was accepted as {[line['order_id'] for line in lines]}"
        for client_order_id, lines in evidence.venue_orders.items()
        if len(lines) > 1
    )
    return Check("no_order_reached_the_venue_twice", f"{len(evidence.venue_orders)} venue orders", faults)


def one_venue_order_at_a_time(evidence: Evidence) -> Check:
    """Of one order, however often it is paused, amended or sent again, at most one is on the venue's book."""

    def faults() -> Iterator[str]:
        live: dict[OrderName, set[str]] = defaultdict(set)
        for line, client_order_id, remaining in _lives(evidence):
            name = evidence.order_of.get(client_order_id)
            if name is None:
                continue
            (live[name].add if remaining else live[name].discard)(client_order_id)
            if len(live[name]) > 1:
                yield f"order {name} is live as {sorted(live[name])} at {line.get('at_us')}"

    return Check("one_venue_order_at_a_time", f"{len(evidence.orders)} orders", tuple(faults()))


def venue_orders_are_those_we_sent(evidence: Evidence) -> Check:
    """What the venue accepted was asked for, to the letter; what it has not, it or the gateway has refused."""

    def faults() -> Iterator[str]:
        for client_order_id, lines in evidence.venue_orders.items():
            asked = evidence.placements.get(client_order_id)
            if asked is None:
                yield f"{client_order_id} is at the venue and was never asked for"
            elif _terms_of_line(lines[0]) not in [_terms_of_request(request) for request in asked]:
                yield f"{client_order_id}: asked {_terms_of_request(asked[0])}, accepted {_terms_of_line(lines[0])}"
        for client_order_id in evidence.placements.keys() - evidence.venue_orders.keys():
            kinds = {report["kind"] for report in evidence.reports.get(client_order_id, ())}
            if not kinds & NOT_PLACED and _status(evidence, client_order_id) != "UNKNOWN":
                yield f"{client_order_id} was asked for, is not at the venue, and nobody says why: {sorted(kinds)}"

    return Check("venue_orders_are_those_we_sent", f"{len(evidence.placements)} placements", tuple(faults()))


def live_orders_are_live_at_the_venue(evidence: Evidence) -> Check:
    """Open here is open there, for as much, and the other way round. An unknown order may be either."""
    newest = {client_order_id: remaining for _, client_order_id, remaining in _lives(evidence)}
    there = {client_order_id: remaining for client_order_id, remaining in newest.items() if remaining}
    last = [events[-1] for events in evidence.orders.values()]
    here = {
        str(event["client_order_id"]): wire.units(event.get("leaves_quantity"))
        for event in last
        if event.get("status") in wire.LIVE
    }
    unknown = {str(event["client_order_id"]) for event in last if event.get("status") == "UNKNOWN"}
    faults = [f"{name} is open here and not at the venue" for name in sorted(here.keys() - there)]
    faults += [f"{name} is open at the venue and not here" for name in sorted(there.keys() - here - unknown)]
    faults += [
        f"{name} is open here for {here[name]} and at the venue for {there[name]}"
        for name in sorted(here.keys() & there)
        if here[name] != there[name]
    ]
    return Check("live_orders_are_live_at_the_venue", f"{len(there)} live orders", tuple(faults))


def fills_are_settled_once(evidence: Evidence) -> Check:
    """Each fill of the journal is one settlement in the ledger, to the last unit; no settlement is without one."""

    def faults() -> Iterator[str]:
        booked = _settlements(evidence)
        expected = {name: _movements(line) for name, line in _fills(evidence).items()}
        for name, movements in expected.items():
            entries = booked.get(_settlement_name(evidence, name), [])
            if len(entries) != 1:
                yield f"fill {name} was settled {len(entries)} times"
            elif entries[0] != movements:
                yield f"fill {name} moved {dict(movements)} and was settled as {dict(entries[0])}"
        known = {_settlement_name(evidence, name) for name in expected}
        yield from (f"settlement {name} is of no fill" for name in booked.keys() - known)

    return Check("fills_are_settled_once", f"{len(evidence.lines('fill'))} fills", tuple(faults()))


def orders_filled_as_the_venue_says(evidence: Evidence) -> Check:
    """What an order counts as filled is what the venue traded for it; FILLED means all of it."""
    traded: Counter[OrderName] = Counter()
    for line in evidence.lines("fill"):
        traded[evidence.order_of.get(line["client_order_id"], ("?", line["client_order_id"]))] += _units(
            line["quantity"]
        )

    def faults() -> Iterator[str]:
        for name, events in evidence.orders.items():
            counted, quantity = wire.units(events[-1].get("filled_quantity")), wire.units(events[-1].get("quantity"))
            if counted != traded[name]:
                yield f"order {name} counts {counted} filled, the venue {traded[name]}"
            status = events[-1].get("status")
            if counted > quantity or (
                counted < quantity if status == "FILLED" else counted == quantity and status in wire.LIVE
            ):
                yield f"order {name} is {status} with {counted} of {quantity} filled"
        yield from (f"order {name} has traded and is not known" for name in traded.keys() - evidence.orders.keys())

    return Check("orders_filled_as_the_venue_says", f"{len(traded)} orders with fills", tuple(faults()))


# ── the journal, read ───────────────────────────────────────────────────────────────────────────────────────────────


def _lives(evidence: Evidence) -> Iterator[tuple[Line, str, int]]:
    """What each venue order has on the book, as it changes: line, client order ID, and how much; 0 once it has left."""
    ordered: dict[str, int] = {}
    traded: Counter[str] = Counter()
    for line in evidence.lines("order_accepted", "order_reduced", "fill", *LEFT_BOOK):
        name = line["client_order_id"]
        if line["event"] in LEFT_BOOK:
            ordered[name] = 0
        elif line["event"] == "fill":
            traded[name] += _units(line["quantity"])
        else:
            ordered[name] = _units(line["quantity"])
        yield line, name, max(0, ordered.get(name, 0) - traded[name])


def _fills(evidence: Evidence) -> dict[FillName, Line]:
    return {(line["client_order_id"], line["symbol"], line["trade_id"]): line for line in evidence.lines("fill")}


def _movements(line: Line) -> Counter[tuple[str, str]]:
    """What a fill moves, by account and asset: out of the venue's clearing account, to its fees, to the user."""
    base, _, quote = line["symbol"].partition("-")
    clearing, fees = f"clearing:{line['venue']}", f"fees:{line['venue']}"
    quantity, fee = _units(line["quantity"]), _units(line["fee"])
    cost = Decimal(line["quantity"]) * Decimal(line["price"])
    sign = 1 if line["side"] == "BUY" else -1
    moves: Counter[tuple[str, str]] = Counter()
    moves[clearing, base] -= sign * quantity
    moves[clearing, quote] += sign * _units(cost)
    moves[fees, line["fee_asset"] or quote] += fee
    moves["user", base] += sign * quantity
    moves["user", quote] -= sign * _units(cost)
    payer = "user" if line["fee_asset"] in {base, quote} else "treasury"
    moves[payer, line["fee_asset"] or quote] -= fee
    return Counter({name: amount for name, amount in moves.items() if amount})


def _settlements(evidence: Evidence) -> dict[tuple[OrderName, str, str], list[Counter[tuple[str, str]]]]:
    """What each SETTLE entry moved, by order, symbol and trade. Whose order it is tells which user it should be."""
    settled: dict[tuple[OrderName, str, str], list[Counter[tuple[str, str]]]] = {}
    for entry in evidence.fields(LEDGER_ENTRIES):
        if entry["kind"] != "SETTLE":
            continue
        moves: Counter[tuple[str, str]] = Counter()
        for posting in entry["postings"]:
            owner = "user" if posting["owner"].startswith("user:") else posting["owner"]
            moves[owner, posting["asset"]] += amount_of(posting)
        name = (entry["user_id"], entry["order_id"]), entry["symbol"], entry["reference"]
        settled.setdefault(name, []).append(Counter({key: amount for key, amount in moves.items() if amount}))
    return settled


def _settlement_name(evidence: Evidence, fill: FillName) -> tuple[OrderName, str, str]:
    client_order_id, symbol, trade_id = fill
    return evidence.order_of.get(client_order_id, ("?", client_order_id)), symbol, trade_id


def _status(evidence: Evidence, client_order_id: str) -> str | None:
    events = evidence.orders.get(evidence.order_of[client_order_id])
    return events[-1].get("status") if events else None


def _terms_of_line(line: Line) -> Terms:
    return line["venue"], line["symbol"], line["side"], _units(line["quantity"]), _units(line["price"] or 0)


def _terms_of_request(request: Avro) -> Terms:
    quantity, price = wire.units(request["quantity"]), wire.units(request.get("price"))
    return request["venue"], request["symbol"], request["side"], quantity, price


def _units(numeral: str | Decimal | int) -> int:
    return wire.units(wire.amount(numeral))
