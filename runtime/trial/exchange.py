"""The simulated venue as any client sees it: symbols, grids and prices; and the switch that stops its market."""

from decimal import Decimal
from typing import Any

import httpx

from runtime.exits import Unavailable
from runtime.trial.plan import Market


class Exchange:
    """A client of the venue's public endpoints at *url*. Close it after use."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=10, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def markets(self) -> tuple[Market, ...]:
        """Every symbol that trades, priced between the best bid and the best ask. Raises Unavailable."""
        symbols = self._get("/api/v3/exchangeInfo")["symbols"]
        return tuple(self._market(symbol) for symbol in symbols if symbol["status"] == "TRADING")

    def stop_market(self) -> None:
        """Makes the venue's own traders stand still: what clients have on the book stays, and nobody takes it."""
        try:
            self._client.put("/simulator/market", json={"running": False}).raise_for_status()
        except httpx.HTTPError as error:
            raise Unavailable(f"the simulated venue's market can't be stopped: {error!r}") from error

    def _market(self, symbol: dict[str, Any]) -> Market:
        filters = {row["filterType"]: row for row in symbol["filters"]}
        depth = self._get("/api/v3/depth", symbol=symbol["symbol"], limit=5)
        if not depth["bids"] or not depth["asks"]:
            raise Unavailable(f"nobody quotes {symbol['symbol']} at {self._client.base_url}: is its market running?")
        tick = Decimal(filters["PRICE_FILTER"]["tickSize"]).normalize()
        middle = (Decimal(depth["bids"][0][0]) + Decimal(depth["asks"][0][0])) / 2
        return Market(
            symbol=f"{symbol['baseAsset']}-{symbol['quoteAsset']}",
            price=middle.quantize(tick),
            tick=tick,
            lot=Decimal(filters["LOT_SIZE"]["stepSize"]).normalize(),
        )

    def _get(self, path: str, **parameters: Any) -> Any:
        try:
            response = self._client.get(path, params=parameters)
            response.raise_for_status()
            return response.json()
        except httpx.HTTPError as error:
            raise Unavailable(f"the simulated venue does not answer {path}: {error!r}") from error
