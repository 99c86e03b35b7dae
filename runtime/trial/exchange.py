"""A simulated venue, whatever its dialect: symbols and prices, the use of its limits, and its market's switch."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httpx
import msgspec

from runtime.exits import Unavailable
from runtime.trial.plan import VENUE, Market


class Limit(msgspec.Struct, frozen=True):
    """A limit as the venue publishes it, by the second; and how much has been *taken* of it since the venue started."""

    per_s: float
    taken: float


class Exchange:
    """A client of the simulated *venue* at *url*. Close it after use."""

    def __init__(self, url: str, venue: str = VENUE) -> None:
        self._venue = venue
        self._client = httpx.Client(base_url=url, timeout=10, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def markets(self) -> tuple[Market, ...]:
        """Every symbol that trades, priced between the best bid and the best ask. Raises Unavailable."""
        return tuple(self._market(row) for row in self._get("/simulator/markets"))

    def limits(self) -> dict[tuple[str, str], Limit]:
        """Each limit as the venue itself counts, by whose it is and its name. Raises Unavailable."""
        owners = self._get("/simulator/state")["limits"]
        return {
            (owner, name): Limit(per_s=_per_s(terms), taken=terms["taken"])
            for owner, limits in owners.items()
            for name, terms in limits.items()
        }

    def stop_market(self) -> None:
        """Makes the venue's own traders stand still: what clients have on the book stays, and nobody takes it."""
        try:
            self._client.put("/simulator/market", json={"running": False}).raise_for_status()
        except httpx.HTTPError as error:
            raise Unavailable(f"the simulated venue's market can't be stopped: {error!r}") from error

    def _market(self, row: dict[str, str | None]) -> Market:
        bid, ask = row["bid"], row["ask"]
        if bid is None or ask is None:
            raise Unavailable(f"nobody quotes {row['symbol']} at {self._client.base_url}: is its market running?")
        tick = Decimal(str(row["tick"])).normalize()
        return Market(
            symbol=str(row["symbol"]),
            price=((Decimal(bid) + Decimal(ask)) / 2).quantize(tick),
            tick=tick,
            lot=Decimal(str(row["lot"])).normalize(),
            venue=self._venue,
        )

    def _get(self, path: str) -> Any:
        try:
            response = self._client.get(path)
            response.raise_for_status()
            return response.json()
        except httpx.HTTPError as error:
            raise Unavailable(f"the simulated venue does not answer {path}: {error!r}") from error


def _per_s(terms: Mapping[str, float]) -> float:
    """What a limit allows in a second, if it goes on: of a counter, by how much it falls."""
    decay = terms.get("decay_per_s")
    return terms["limit"] / terms["window_s"] if decay is None else decay
