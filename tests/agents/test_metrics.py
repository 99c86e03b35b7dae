"""What is counted of a chunk: every event by kind and answer, every refusal by its reason."""

from msgspec.structs import replace
from prometheus_client import REGISTRY

from domain import ledger, money
from domain.messages import Answer, CancelOrder, EventKind, Evidence, OrderCommand, ReportKind, VenueReport
from domain.reasons import Reason
from schemas.topics import ORDER_COMMANDS, VENUE_REPORTS
from tests.agents.worker import a_place


def events(kind: EventKind, answer: Answer | None) -> float:
    return REGISTRY.get_sample_value("fillstream_events_total", {"kind": kind, "answer": answer or ""}) or 0


def rejections(reason: Reason) -> float:
    return REGISTRY.get_sample_value("fillstream_rejections_total", {"reason": reason}) or 0


def test_the_answers_of_a_chunk_are_counted_each(worker):
    accepted, refused = events(EventKind.ORDER_ACCEPTED, Answer.ACCEPTED), rejections(Reason.ORDER_NOT_FOUND)
    repeated = events(EventKind.COMMAND_REPEATED, Answer.DUPLICATE)
    first, second = a_place("o1"), a_place("o2")
    nobodys = OrderCommand("cancel", "alice", 0, CancelOrder("o9"))
    worker.send(ORDER_COMMANDS, first, second, first, nobodys)
    assert events(EventKind.ORDER_ACCEPTED, Answer.ACCEPTED) - accepted == 2
    assert events(EventKind.COMMAND_REPEATED, Answer.DUPLICATE) - repeated == 1
    assert rejections(Reason.ORDER_NOT_FOUND) - refused == 1


def test_what_the_venue_refuses_is_an_event_and_no_refusal_of_ours(worker):
    opened, refused = events(EventKind.ORDER_REJECTED, None), rejections(Reason.VENUE_REFUSED)
    worker.send(ORDER_COMMANDS, a_place("o1"))
    asked = worker.requests[-1]
    evidence = Evidence.RESPONSE
    told = VenueReport(asked.client_order_id, asked.venue, asked.symbol, ReportKind.REJECTED, evidence, 0)
    worker.send(VENUE_REPORTS, told)
    assert worker.events[-1].reason == Reason.VENUE_REFUSED
    assert events(EventKind.ORDER_REJECTED, None) - opened == 1
    assert rejections(Reason.VENUE_REFUSED) == refused


def imbalance(asset: str) -> float | None:
    return REGISTRY.get_sample_value("fillstream_ledger_imbalance", {"partition": "0", "asset": asset})


def test_a_balanced_ledger_shows_zero_at_each_tick(worker):
    worker.tick()
    assert imbalance("USD") == 0


def test_a_posting_that_is_booked_wrong_shows_with_the_chunk_that_does_it(worker, monkeypatch):
    worker.tick()
    book = ledger.apply

    def book_too_much(balance, posting):
        booked = book(balance, posting)
        return replace(booked, available=booked.available + money.ONE)

    monkeypatch.setattr(ledger, "apply", book_too_much)
    worker.send(ORDER_COMMANDS, a_place("o1"))
    assert imbalance("USD") == 2, "one for each of the reserve's two postings"


def test_an_imbalance_that_was_stored_shows_at_the_first_tick_after_a_restore(worker):
    balances = worker.balances
    key, row = next(balances.items())
    balances.put(key, replace(row, available=row.available - money.ONE))
    worker.tick()
    assert imbalance("USD") == -1
