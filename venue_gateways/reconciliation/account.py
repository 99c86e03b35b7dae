"""Looks at a venue's balances between two looks at our ledger, until it is clear whether they agree."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from runtime.exits import Unavailable
from runtime.settings import Settings
from venue_gateways.calls import Caller
from venue_gateways.reconciliation import balances, baseline, tables
from venue_gateways.reconciliation.balances import Look, Row
from venue_gateways.reconciliation.baseline import Baseline
from venue_gateways.reconciliation.differences import Ours
from venue_gateways.venue import Balance, ReadBalances

_LOOKS_MAX: Final = 3
_PAGES_MAX: Final = 100


class Account(msgspec.Struct, frozen=True):
    """What was found out about all assets. *recorded*: *baseline*, in *file*, is of this very comparison."""

    rows: tuple[Row, ...]
    baseline: Baseline
    file: Path
    recorded: bool


async def compare(
    caller: Caller, settings: Settings, ours: Sequence[Ours], *, settling_us: int, shared: bool
) -> Account:
    """Compare the balances at *caller*'s venue with the ledger; the first time, record what they are compared with.

    *ours*: the live orders, as lately read. A trade is booked within *settling_us*. *shared*: somebody else has open
    orders on the account. Raises Unavailable, SettingsError.
    """
    venue = caller.adapter.name
    file = baseline.path(settings, venue)
    known = baseline.load(file)
    expected = None if known is None else known.ranges()
    looks: list[Look] = []
    before = ours
    while len(looks) < _LOOKS_MAX and not (looks and balances.conclusive(looks, expected)):
        since = await asyncio.to_thread(tables.end_of_journal, settings)
        booked, positions = await asyncio.to_thread(tables.booked, settings, venue)
        found = balances.added(await _ask(caller))
        looked_at = caller.clock.now_us()
        await asyncio.sleep(settling_us / 1_000_000)
        after = await asyncio.to_thread(tables.live_orders, settings, venue)
        reserved = balances.reserved([each.order for each in before], [each.order for each in after])
        moved = await asyncio.to_thread(tables.moved, settings, venue, since)
        looks.append(Look(looked_at, positions, found, booked, moved, None if shared else reserved))
        before = after
    last = looks[-1]
    taken = known or baseline.made(venue, last.looked_at, last.positions, balances.rests(looks))
    if known is None:
        baseline.record(file, taken)
    return Account(tuple(balances.conclude(looks, taken.ranges())), taken, file, recorded=known is None)


async def _ask(caller: Caller) -> list[Balance]:
    found: list[Balance] = []
    position = None
    for _ in range(_PAGES_MAX):
        answer = (await caller.ask(ReadBalances(position))).answer
        if answer.reason is not None:
            raise Unavailable(f"{caller.adapter.name} doesn't say its balances: {answer.reason}")
        found += answer.balances
        position = answer.position
        if not answer.more:
            return found
    raise Unavailable(f"{caller.adapter.name} has more than {_PAGES_MAX} pages of balances")
