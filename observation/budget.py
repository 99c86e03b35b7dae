"""How many placements a second each venue lets us send, by the limits that its adapter knows from documents."""

from collections.abc import Mapping

from domain.messages import Operation, OrderType, Side, VenueRequest
from observation import drain
from runtime import instruments
from runtime.settings import Settings
from venue_gateways import venues
from venue_gateways.debugging.dialects import dialect
from venue_gateways.venue import Place


def placements_per_s(settings: Settings) -> Mapping[str, float]:
    """By venue, for all that we trade on. Raises SettingsError."""
    rules = instruments.load(settings.instruments)
    return {venue: _of(venue, rules.of(venue)[0].symbol, settings) for venue in sorted(rules.venues)}


def _of(venue: str, symbol: str, settings: Settings) -> float:
    """No call is made, so keys that open nothing will do."""
    adapter = venues.find(venue).make(venue, dialect(venue).example(), settings)
    any_placement = VenueRequest(
        request_id="",
        client_order_id="",
        user_id="",
        order_id="",
        venue=venue,
        symbol=symbol,
        operation=Operation.PLACE,
        sequence=1,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity=1,
        requested_at=0,
    )
    charges = adapter.charges(Place(any_placement), 0)
    return drain.placements_per_s(adapter.limits, charges, settings.cancel_share)
