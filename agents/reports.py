"""The reports agent's work: venue reports and ticks, a chunk at a time."""

from typing import Final

from agents.desk import Books, Desk
from domain import ids, reports, timers
from domain.messages import Answer, Tick, VenueReport
from domain.state import FirstAnswer
from schemas import codec
from streaming.chunk import Chunk, Record

#: What one tick does at most, so that a flood of timers can't hold up a partition; the rest waits for the next tick.
TIMERS_PER_TICK_MAX: Final = 2_000


def take_reports(chunk: Chunk, books: Books) -> None:
    """Folds every venue report of *chunk* into the orders and the ledger."""
    desk, decode = Desk(chunk, books), codec.decoder(VenueReport)
    for record in chunk.records:
        report = desk.read(record, decode)
        if report is None:
            continue
        try:
            partition, key, attempt = ids.parse_client_order_id(report.client_order_id)
        except ids.NotOurs as error:
            desk.bury(record, "NOT_OURS", f"client_order_id {error} is not one of fillstream's")
        else:
            if partition == chunk.partition:
                _take_report(desk, record, report, ids.OrderKey(key), attempt)
            else:
                desk.bury(record, "WRONG_PARTITION", f"the client_order_id names partition {partition}")
    desk.close()


def _take_report(desk: Desk, record: Record, report: VenueReport, key: ids.OrderKey, attempt: int) -> None:
    decided = desk.decision(record)
    reports.interpret(decided, report, attempt, desk.orders.get(key))
    if decided.dead is not None:
        desk.bury(record, decided.dead.reason, decided.dead.detail)
    desk.publish(decided)


def take_ticks(chunk: Chunk, books: Books) -> None:
    """Fires the timers that are due at each tick of *chunk*, and forgets what has been kept long enough."""
    desk, decode = Desk(chunk, books), codec.decoder(Tick)
    for record in chunk.records:
        if desk.read(record, decode) is not None:
            _take_tick(desk, record)
    desk.close()
    desk.attest()


def _take_tick(desk: Desk, record: Record) -> None:
    decided = desk.decision(record)
    now = decided.cause.now
    for key, order in desk.orders.due(now, TIMERS_PER_TICK_MAX):
        if timers.forgettable(order):
            tombstone_until = now + desk.policy.answer_retention_us
            first = FirstAnswer(Answer.ACCEPTED, None, order.order_id, order.accepted_offset, tombstone_until)
            desk.orders.delete(key)
            desk.answers.put(key, first)
        else:
            timers.remind(decided, order)
    desk.answers.forget(now, TIMERS_PER_TICK_MAX)
    desk.publish(decided)
