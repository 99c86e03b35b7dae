"""Writes what is in hand into Kafka's commits: before a placement is sent, after reports are in the log, and to stay.

One commit is under way at a time, and everything that waits for one shares the next.
"""

import asyncio
from typing import Final

import structlog

from venue_gateways import metrics
from venue_gateways.clock import steady_us
from venue_gateways.holding import Holding
from venue_gateways.lease import Lease
from venue_gateways.requests import CommitRefused, Requests

#: Answered requests are committed after at most this long.
_INTERVAL_S: Final = 0.2
#: With nothing to write, the lease is renewed this often.
_RENEW_US: Final = 1_000_000
_PAUSE_AFTER_REFUSAL_S: Final = 0.1

log = structlog.get_logger()


class Committer:
    """The holdings of now, and the pump that commits them."""

    def __init__(self, requests: Requests, lease: Lease, venue: str) -> None:
        self.holdings: dict[int, Holding] = {}
        self._requests = requests
        self._lease = lease
        self._venue = venue
        self._committed: dict[int, tuple[int, str]] = {}
        self._proven_us = 0
        self._wanted: asyncio.Future[None] | None = None
        self._wake = asyncio.Event()

    async def secured(self) -> None:
        """Returns once everything noted so far is committed. Raises CommitRefused."""
        if self._wanted is None:
            self._wanted = asyncio.get_running_loop().create_future()
        self._wake.set()
        await asyncio.shield(self._wanted)

    async def run(self) -> None:
        """The pump. Runs until it is canceled."""
        while True:
            try:
                async with asyncio.timeout(_INTERVAL_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            waiting, self._wanted = self._wanted, None
            try:
                await self._commit()
            except CommitRefused as refused:
                log.warning("commit_refused", error=str(refused))
                _settle(waiting, refused)
                await asyncio.sleep(_PAUSE_AFTER_REFUSAL_S)
            else:
                _settle(waiting, None)

    async def _commit(self) -> None:
        states = {p: holding.progress.encode() for p, holding in self.holdings.items()}
        changed = {p: state for p, state in states.items() if self._committed.get(p) != state}
        age_us = steady_us() - self._proven_us
        metrics.LEASE_AGE.labels(self._venue).set(age_us / 1_000_000)
        if not changed and age_us > _RENEW_US:
            changed = dict(list(states.items())[:1])
        if not changed:
            return
        self._proven_us = await self._requests.commit(changed)
        self._lease.renew(self._proven_us)
        self._committed |= changed

    def hold(self, holding: Holding) -> None:
        """*holding* is ours from now on."""
        self.holdings[holding.partition] = holding
        self._committed.pop(holding.partition, None)
        self._wake.set()

    def drop(self, partition: int) -> Holding | None:
        """*partition* isn't ours any more: nothing of it is sent, and it is never committed again."""
        holding = self.holdings.pop(partition, None)
        if holding is not None:
            holding.live = False
        return holding

    def last_word(self, partitions: list[int]) -> dict[int, tuple[int, str]]:
        """Drop *partitions*, and say what is to be committed of them once more."""
        dropped = [holding for partition in partitions if (holding := self.drop(partition)) is not None]
        return {holding.partition: holding.progress.encode() for holding in dropped}


def _settle(waiting: "asyncio.Future[None] | None", error: CommitRefused | None) -> None:
    if waiting is None or waiting.done():
        return
    if error is None:
        waiting.set_result(None)
    else:
        waiting.set_exception(error)
        waiting.exception()  # nobody may be waiting any more
