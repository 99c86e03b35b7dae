"""W2 is checked as it says: what is lost, doubled or wrong is named; and the whole of it runs on a real broker."""

import pytest
from msgspec.structs import replace

from benchmarks import profile
from benchmarks.w2 import flames, growth, throughput, workload
from benchmarks.w2.growth import Step
from benchmarks.w2.outcome import Check
from benchmarks.w2.throughput import Setting
from benchmarks.w2.workload import Lot
from domain.messages import Operation, VenueReport
from runtime.broker import EmbeddedBroker
from schemas import codec, topics
from tests.agents.worker import Worker

USERS = 6
LOTS = (Lot(first=0, count=30), Lot(first=30, count=10, rests=True))


class Written:
    """What one worker writes for the orders of LOTS, in one partition."""

    def __init__(self):
        worker = Worker()
        for transfer in workload.transfers(USERS):
            worker.send(topics.TRANSFERS, transfer)
        made = [(lot, workload.inputs(workload.order(number, USERS), 1)) for lot in LOTS for number in lot.numbers]
        worker.feed(topics.ORDER_COMMANDS, *((each.user, each.place) for _, each in made))
        worker.feed(topics.VENUE_REPORTS, *((each.client_order_id, each.acknowledgement) for _, each in made))
        worker.feed(topics.VENUE_REPORTS, *((each.client_order_id, each.fill) for lot, each in made if not lot.rests))
        self.events, self.entries, self.requests = worker.events, worker.entries, worker.requests
        self.letters = worker.letters
        self.rows = [row for _, row in worker.balances.items()]

    def faults(self):
        check = Check(USERS, 1, LOTS)
        for at, event in enumerate(self.events):
            check.event(event, 0, at)
        for entry in self.entries:
            check.entry(entry)
        for request in self.requests:
            check.request(request)
        for letter in self.letters:
            check.letter(letter)
        for row in self.rows:
            check.row(row, 0)
        return check.faults()


@pytest.fixture
def written():
    return Written()


def test_what_the_product_writes_is_right(written):
    assert written.faults() == []


def test_fees_sides_symbols_and_improvements_vary():
    orders = [workload.order(number, 1_000) for number in range(1_000)]
    assert {order.symbol for order in orders} == {"BTC-USD", "ETH-USD", "SOL-USD"}
    assert len({order.side for order in orders}) == 2
    assert len({order.price for order in orders}) > 500
    assert {order.fee_asset for order in orders} == {"USD", "BTC", "ETH", "SOL"}
    assert any(order.fee == 0 for order in orders)
    assert any(order.price != order.fill_price for order in orders)
    assert len({order.user for order in orders}) > 500


@pytest.mark.parametrize("what", ["events", "entries", "requests"])
@pytest.mark.parametrize("which", [0, 20, -1])
def test_a_record_that_is_lost_is_noticed(written, what, which):
    getattr(written, what).pop(which)
    assert written.faults()


@pytest.mark.parametrize("what", ["events", "entries", "requests"])
@pytest.mark.parametrize("which", [0, 20, -1])
def test_a_record_that_is_there_twice_is_noticed(written, what, which):
    records = getattr(written, what)
    records.append(records[which])
    assert written.faults()


@pytest.mark.parametrize("what", ["events", "entries"])
def test_what_is_written_twice_in_a_row_is_called_so(written, what):
    records = getattr(written, what)
    records.insert(20, records[20])
    assert any("comes twice" in fault for fault in written.faults())


@pytest.mark.parametrize("change", [{"filled_quantity": 1}, {"fee": 1}, {"user_id": "user-000099"}, {"status": None}])
def test_a_fill_that_is_not_the_venues_is_noticed(written, change):
    written.events[-1] = replace(written.events[-1], **change)
    assert written.faults()


def test_a_fill_of_an_order_that_should_stay_open_is_noticed(written):
    last = written.events[-1]
    rests = workload.order(LOTS[1].first, USERS)
    written.events.append(
        replace(last, order_id=rests.order_id, user_id=rests.user, source_offset=last.source_offset + 1)
    )
    assert any(rests.order_id in fault for fault in written.faults())


@pytest.mark.parametrize("side", ["available", "reserved"])
@pytest.mark.parametrize("amount", [1, -1])
def test_a_row_that_is_off_by_one_unit_is_noticed(written, side, amount):
    row = written.rows[0]
    written.rows[0] = replace(row, **{side: getattr(row, side) + amount})
    assert any(row.owner in fault for fault in written.faults())


def test_an_entry_that_does_not_balance_is_noticed(written):
    entry = written.entries[-1]
    first, *others = entry.postings
    written.entries[-1] = replace(entry, postings=(replace(first, amount=first.amount + 1), *others))
    assert any("is off by" in fault for fault in written.faults())


def test_money_that_moves_between_two_users_is_noticed_although_all_sums_are_right(written):
    one, other = [row for row in written.rows if row.asset == "USD" and row.owner.startswith("user:")][:2]
    for row, amount in ((one, 5), (other, -5)):
        written.rows[written.rows.index(row)] = replace(row, available=row.available + amount)
    assert written.faults()


@pytest.mark.parametrize("change", [{"operation": Operation.QUERY}, {"client_order_id": "else"}, {"quantity": 1}])
def test_a_request_that_was_not_wanted_is_noticed(written, change):
    written.requests[3] = replace(written.requests[3], **change)
    assert written.faults()


def test_a_dead_letter_is_noticed(written):
    stray = codec.decode(workload.inputs(workload.order(99, USERS), 1).fill, VenueReport)
    worker = Worker()
    worker.send(topics.VENUE_REPORTS, stray)
    written.letters += worker.letters
    assert any("ORDER_NOT_FOUND" in fault for fault in written.faults())


def test_whole_orders_go_through_a_real_worker_and_everything_is_right(fresh_broker: EmbeddedBroker):
    played = throughput.play(200, Setting(users=20, partitions=2), fresh_broker)
    assert played.faults == []
    assert played.span.events == 600
    assert played.rate > 0


def test_a_worker_that_was_killed_goes_on_where_it_was(fresh_broker: EmbeddedBroker):
    results = growth.measure((Step(open_orders=100, measured=100, kill=True),), lambda _: None, fresh_broker)
    assert {result.work: result.verified for result in results} == {
        "W2 open orders": True,
        "recovery": True,
        "memory": True,
    }
    (recovery,) = (result for result in results if result.work == "recovery")
    assert recovery.detail["rows"] > 2 * (100 + 100)


def test_time_is_shared_out_to_the_stages_and_none_is_lost():
    decode = ("run (streaming/lane.py:1)", "Desk.read (agents/desk.py:77)", "decode (schemas/codec.py:3)")
    decide = ("run (streaming/lane.py:1)", "place (domain/commands.py:5)")
    collapsed = f"{';'.join(decode)} 3\n{';'.join(decide)} 1\n"
    stacks = profile.read(collapsed)
    shares = profile.share_out(stacks, 10, {"main": 0.7, "python": 0.1, "rdk:broker1": 0.2})
    assert {share.stage: round(share.percent) for share in shares} == {
        "decode": 60,
        "decide": 20,
        profile.NETWORK: 20,
    }
    assert round(sum(share.us_per_order for share in shares)) == 100_000
    picture = flames.draw(stacks, "a < b")
    assert "a &lt; b" in picture
    assert picture.count("<rect") == 5
