"""Guards whose other tests take long: the shortest story that needs each of them."""

import pytest

from domain import ids
from domain.messages import Operation, OrderType, Side, VenueRequest
from schemas import codec
from tests.streaming.fleet import Fleet
from venue_gateways.holding import Holding
from venue_gateways.intake import Intake
from venue_gateways.progress import Progress, Step, inherit
from venue_gateways.requests import Record


def test_a_restarted_worker_answers_nothing_twice(broker, unique, tmp_path):
    with Fleet(broker, unique("restart"), tmp_path, partitions=1) as fleet:
        fleet.produce(20)
        worker = fleet.start()
        fleet.verify()
        worker.kill()
        fleet.produce(10)
        fleet.start()
        fleet.verify()


class Doors:
    """A dispatcher and a reporter that remember what comes in through which door."""

    def __init__(self):
        self.came = []

    def offer(self, work):
        self.came.append(("to be sent", work.request.operation))

    def inherit(self, work, step):
        self.came.append((step, work.request.operation))

    async def bury(self, letter):
        raise AssertionError(letter)


@pytest.mark.parametrize("step", [Step.ATTEMPTED, Step.WITHHELD])
def test_a_placement_that_a_former_owner_may_have_sent_is_not_sent_again(step):
    former = Progress(7, inherit(None, None, 0))
    for offset in (7, 8, 9):
        former.receive(offset)
    former.mark(7, step)
    former.mark(8, step)
    committed, metadata = former.encode()
    holding = Holding(0, Progress(committed, inherit(committed, metadata, 10)), 0)
    doors = Doors()
    intake = Intake("simulated", doors, doors, pytest.fail)
    for offset, operation in ((7, Operation.PLACE), (8, Operation.CANCEL), (9, Operation.PLACE)):
        intake.take(Record(0, offset, 0, b"alice", codec.encode(request(operation))), holding)
    assert doors.came == [
        (step, Operation.PLACE),
        ("to be sent", Operation.CANCEL),
        ("to be sent", Operation.PLACE),
    ]


def request(operation):
    return VenueRequest(
        request_id="r",
        client_order_id=ids.client_order_id(0, ids.order_key("alice", "o"), 0),
        user_id="alice",
        order_id="o",
        venue="simulated",
        symbol="BTC-USD",
        operation=operation,
        sequence=1,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity=10**18,
        price=10**18,
        requested_at=0,
    )
