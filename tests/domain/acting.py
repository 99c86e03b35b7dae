"""What one input does to one order, without a world around it."""

from typing import Any

from domain import commands, reports, timers
from domain.commands import OneOrderCommand
from domain.decision import Decision
from domain.ledger import user
from domain.messages import Account, EventKind, JournalEntry, OrderEvent, PlaceOrder, VenueReport
from domain.state import Order
from tests.builders import a_command, a_decision, attempt_of, units


def placed(place: PlaceOrder, available: str = "1000", *, expires_at: int | None = None, **on: Any) -> Decision:
    """The decision on a placement by a user who has *available* of what it would reserve."""
    d = a_decision(**on)
    commands.place(d, a_command(place, expires_at=expires_at), place, units(available))
    return d


def commanded(
    asked: OneOrderCommand, order: Order | None, available: str = "1000", *, expires_at: int | None = None, **on: Any
) -> Decision:
    """The decision on a command to *order*."""
    d = a_decision(**on)
    commands.change(d, a_command(asked, expires_at=expires_at), asked, order, units(available))
    return d


def told(report: VenueReport, order: Order | None, **on: Any) -> Decision:
    """The decision on a venue's report about *order*."""
    d = a_decision(**on)
    reports.interpret(d, report, attempt_of(report), order)
    return d


def reminded(order: Order, **on: Any) -> Decision:
    """The decision on *order*'s timer."""
    d = a_decision(**on)
    timers.remind(d, order)
    return d


def stored(d: Decision) -> Order:
    """The one order that *d* stores."""
    assert len({order.order_id for order in d.orders}) == 1
    return d.orders[-1]


def answered(d: Decision) -> OrderEvent:
    """The one event of *d* that is an answer."""
    (event,) = (event for event in d.events if event.answer is not None)
    return event


def refused(d: Decision) -> str | None:
    """The reason that *d* refuses a command for; and nothing else happens then."""
    assert (d.orders, d.entries, d.requests) == ([], [], [])
    (event,) = d.events
    assert event.kind is EventKind.COMMAND_REJECTED
    return event.reason


def kinds(d: Decision) -> list[EventKind]:
    return [event.kind for event in d.events]


def operations(d: Decision) -> list[str]:
    return [request.operation.value for request in d.requests]


def untouched(d: Decision) -> bool:
    """Whether nothing at all came of the input."""
    return (d.orders, d.events, d.entries, d.requests, d.dead) == ([], [], [], [], None)


def moved(entries: list[JournalEntry], owner: str = user("alice")) -> dict[tuple[str, str], int]:
    """What *entries* add to the owner's accounts, by asset and side, where it isn't zero."""
    sums: dict[tuple[str, str], int] = {}
    for posting in (posting for entry in entries for posting in entry.postings if posting.owner == owner):
        key = (posting.asset, "reserved" if posting.account is Account.RESERVED else "available")
        sums[key] = sums.get(key, 0) + posting.amount
    return {key: amount for key, amount in sums.items() if amount}
