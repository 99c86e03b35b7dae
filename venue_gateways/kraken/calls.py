"""The calls that Kraken's look-ups need besides those that every venue has, and what they bring."""

from venue_gateways.venue import Answer, Call


class FindOpen(Call, frozen=True):
    """The open order under a client order ID."""

    client_order_id: str


class FindClosed(Call, frozen=True):
    """The order under a client order ID that has ended."""

    client_order_id: str


class FindTrades(Call, frozen=True):
    """Trades by their IDs."""

    trade_ids: tuple[str, ...]


class Found(Answer, frozen=True):
    """An order, and the IDs of its trades."""

    trade_ids: tuple[str, ...] = ()
