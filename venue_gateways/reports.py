"""What a venue's answers mean to the agents: reports, in the order in which they should be read."""

from collections.abc import Iterable

from msgspec.structs import replace

from domain.messages import Evidence, Message, Operation, ReportKind, VenueReport, VenueRequest
from domain.reasons import Reason
from venue_gateways.venue import Answer, Finding, OrderSeen, OrderState, TradeSeen

#: Placements that a former owner of the partition may have sent.
HANDED_OVER = "HANDED_OVER"
#: Orders that the venue can't find, and that an operator has decided to be gone.
NOT_AT_VENUE = "NOT_AT_VENUE"

_FAILURES = {Operation.CANCEL: ReportKind.CANCEL_REJECTED, Operation.AMEND: ReportKind.AMEND_REJECTED}
_ENDINGS = {OrderState.CANCELED: ReportKind.CANCELED, OrderState.EXPIRED: ReportKind.EXPIRED}


class Times(Message, frozen=True):
    """When a call was sent and answered, what it waited for tokens, and when it is reported (µs)."""

    reported_at: int
    sent_at: int | None = None
    received_at: int | None = None
    throttle_wait_us: int | None = None


def about(
    request: VenueRequest, kind: ReportKind, evidence: Evidence, times: Times, reason: str | None = None
) -> VenueReport:
    """A report that answers *request*."""
    return VenueReport(
        client_order_id=request.client_order_id,
        venue=request.venue,
        symbol=request.symbol,
        kind=kind,
        evidence=evidence,
        reported_at=times.reported_at,
        request_id=request.request_id,
        operation=request.operation,
        reason=reason,
        requested_at=request.requested_at,
        sent_at=times.sent_at,
        received_at=times.received_at,
        throttle_wait_us=times.throttle_wait_us,
    )


def placed(
    request: VenueRequest, order: OrderSeen, trades: Iterable[TradeSeen], evidence: Evidence, times: Times
) -> list[VenueReport]:
    """The order exists at the venue: acknowledged, then its trades, then its end if it has come already."""
    if order.state is OrderState.REJECTED and not order.filled_quantity:
        return [about(request, ReportKind.REJECTED, evidence, times, order.reason or Reason.VENUE_REFUSED)]
    acknowledged = about(request, ReportKind.ACKNOWLEDGED, evidence, times)
    seen = replace(
        acknowledged,
        venue_order_id=order.venue_order_id,
        cumulative_quantity=order.filled_quantity,
        transacted_at=order.updated_at,
        order_quantity=order.quantity,
    )
    return [seen, *_trades_and_end(seen, order, trades)]


def _trades_and_end(base: VenueReport, order: OrderSeen, trades: Iterable[TradeSeen]) -> list[VenueReport]:
    reports = [fill(base, trade) for trade in trades]
    kind = _ENDINGS.get(order.state)
    return reports if kind is None else [*reports, replace(base, kind=kind, reason=order.reason)]


def fill(base: VenueReport, trade: TradeSeen) -> VenueReport:
    """*base* as the report of *trade*."""
    return replace(
        base,
        kind=ReportKind.FILL,
        venue_order_id=trade.venue_order_id,
        cumulative_quantity=None,
        order_quantity=None,
        trade_id=trade.trade_id,
        fill_quantity=trade.quantity,
        fill_price=trade.price,
        fee=trade.fee,
        fee_asset=trade.fee_asset,
        liquidity=trade.liquidity,
        transacted_at=trade.traded_at,
    )


def canceled(request: VenueRequest, order: OrderSeen, evidence: Evidence, times: Times) -> list[VenueReport]:
    """The venue took the order off its book."""
    report = about(request, ReportKind.CANCELED, evidence, times, order.reason)
    return [
        replace(
            report,
            venue_order_id=order.venue_order_id,
            cumulative_quantity=order.filled_quantity,
            transacted_at=order.updated_at,
        )
    ]


def failed(request: VenueRequest, evidence: Evidence, times: Times, reason: str | None) -> VenueReport:
    """A cancel, or an amendment, came to nothing."""
    return about(request, _FAILURES[request.operation], evidence, times, reason)


def unchanged(request: VenueRequest, finding: Finding, times: Times, refusal: str | None = None) -> list[VenueReport]:
    """The venue didn't say that it canceled, or amended, the order, and this is what a look-up found instead.

    *refusal* is why it won't, if it said so.
    """
    order = finding.order
    if order is None:
        reason = Reason.ORDER_NOT_FOUND if finding.usable else Reason.OUTCOME_UNKNOWN
        return [failed(request, Evidence.QUERY, times, reason)]
    base = about(request, ReportKind.ACKNOWLEDGED, Evidence.QUERY, times)
    seen = replace(
        base,
        venue_order_id=order.venue_order_id,
        cumulative_quantity=order.filled_quantity,
        order_quantity=order.quantity,
    )
    reports = _trades_and_end(seen, order, finding.trades)
    if order.state in _ENDINGS:
        return reports
    if order.quantity is not None and (request.operation is Operation.AMEND or order.state is OrderState.FILLED):
        reports.append(seen)  # it may have come down to less than was placed
    if request.operation is Operation.AMEND and order.quantity == request.quantity:
        return reports
    why: str = Reason.ORDER_FILLED
    if order.state is not OrderState.FILLED:
        why = refusal or Reason.OUTCOME_UNKNOWN
    return [*reports, replace(seen, kind=_FAILURES[request.operation], reason=why)]


def looked_up(request: VenueRequest, finding: Finding, times: Times) -> list[VenueReport]:
    """The answer to a query; nothing if the venue gave none that can be used: who asked will ask again."""
    if not finding.usable:
        return []
    order = finding.order
    if order is None:
        return [about(request, ReportKind.NOT_FOUND, Evidence.QUERY, times)]
    if order.state in _ENDINGS:
        base = about(request, _ENDINGS[order.state], Evidence.QUERY, times)
        seen = replace(base, venue_order_id=order.venue_order_id, cumulative_quantity=order.filled_quantity)
        return _trades_and_end(seen, order, finding.trades)
    acknowledged, *trades = placed(request, order, finding.trades, Evidence.QUERY, times)
    return [*trades, acknowledged]


def given_up(request: VenueRequest, times: Times) -> list[VenueReport]:
    """The venue can't find the order, and an operator has decided that it is gone."""
    return [about(request, ReportKind.CANCELED, Evidence.OPERATOR, times, NOT_AT_VENUE)]


def refused(request: VenueRequest, answer: Answer, times: Times) -> list[VenueReport]:
    """A placement that the venue refused for good."""
    return [about(request, ReportKind.REJECTED, Evidence.RESPONSE, times, answer.reason or Reason.VENUE_REFUSED)]


def observed(venue: str, order: OrderSeen, evidence: Evidence, now_us: int) -> VenueReport:
    """An order's state that nobody here asked for: acknowledged while it is open, or filled, else its end."""
    kind = _ENDINGS.get(order.state, ReportKind.ACKNOWLEDGED)
    if order.state is OrderState.REJECTED:
        kind = ReportKind.EXPIRED if order.filled_quantity else ReportKind.REJECTED
    return VenueReport(
        client_order_id=order.client_order_id,
        venue=venue,
        symbol=order.symbol,
        kind=kind,
        evidence=evidence,
        reported_at=now_us,
        venue_order_id=order.venue_order_id,
        cumulative_quantity=order.filled_quantity,
        reason=order.reason,
        transacted_at=order.updated_at,
        order_quantity=order.quantity,
    )


def traded(venue: str, client_order_id: str, trade: TradeSeen, evidence: Evidence, now_us: int) -> VenueReport:
    """A trade that nobody here asked for."""
    base = VenueReport(
        client_order_id=client_order_id,
        venue=venue,
        symbol=trade.symbol,
        kind=ReportKind.FILL,
        evidence=evidence,
        reported_at=now_us,
    )
    return fill(base, trade)
