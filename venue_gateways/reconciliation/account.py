"""Looks at a venue's balances between two looks at our ledger, until it is clear whether they agree."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from runtime.settings import Settings
from venue_gateways import calls
from venue_gateways.calls import Caller
from venue_gateways.reconciliation import balances, baseline, tables
from venue_gateways.reconciliation.balances import Look, Row
from venue_gateways.reconciliation.baseline import Baseline
from venue_gateways.reconciliation.differences import Ours

_LOOKS_MAX: Final = 3


class Origin(StrEnum):
    """Where a baseline is from. One that was taken while trades are not booked would hide them for good."""

    EARLIER = "recorded earlier"
    NOW = "recorded now"
    UNRECORDED = "not recorded, because orders differ"


class Account(msgspec.Struct, frozen=True):
    """What was found out about all assets, by comparison with *baseline*, whose place is *file*."""

    rows: tuple[Row, ...]
    baseline: Baseline
    origin: Origin
    file: Path


async def compare(
    caller: Caller, settings: Settings, ours: Sequence[Ours], *, settling_us: int, shared: bool, sound: bool
) -> Account:
    """Compare the balances at *caller*'s venue with the ledger; the first time, record what they are compared with.

    *ours*: the live orders, as lately read; *sound*: they are as the venue has them. A trade is booked within
    *settling_us*. *shared*: somebody else has open orders on the account. Raises Unavailable, SettingsError.
    """
    venue = caller.adapter.name
    file = baseline.path(settings, venue)
    known = baseline.load(file)
    expected = None if known is None else known.ranges()
    looks: list[Look] = []
    while len(looks) < _LOOKS_MAX and not (looks and balances.conclusive(looks, expected)):
        look, ours = await _look(caller, settings, ours, settling_us)
        looks.append(msgspec.structs.replace(look, reserved=None) if shared else look)
    origin = Origin.EARLIER
    if known is None:
        known = baseline.made(venue, looks[-1], balances.rests(looks))
        origin = Origin.NOW if sound else Origin.UNRECORDED
    if origin is Origin.NOW:
        baseline.record(file, known)
    return Account(tuple(balances.conclude(looks, known.ranges())), known, origin, file)


async def _look(
    caller: Caller, settings: Settings, before: Sequence[Ours], settling_us: int
) -> tuple[Look, Sequence[Ours]]:
    """One look, and the live orders after it. What it is made of has to be read in this order."""
    venue = caller.adapter.name
    since = await asyncio.to_thread(tables.end_of_journal, settings)
    booked, positions = await asyncio.to_thread(tables.booked, settings, venue)
    found = balances.added(await calls.balances(caller))
    looked_at = caller.clock.now_us()
    await asyncio.sleep(settling_us / 1_000_000)
    moved = await asyncio.to_thread(tables.moved, settings, venue, since)
    after = await asyncio.to_thread(tables.live_orders, settings, venue)
    reserved = balances.reserved([each.order for each in before], [each.order for each in after])
    return Look(looked_at, positions, found, booked, moved, reserved), after
