"""A gateway on real Kafka against a real venue over HTTP and WebSocket."""

from domain import money
from domain.messages import Evidence, OrderType, ReportKind, TimeInForce


def test_an_order_is_placed_filled_canceled_and_looked_up(rig):
    rig = rig()
    gateway = rig.start_gateway()
    rig.send(rig.place("resting"), rig.place("taker", price=None, order_type=OrderType.MARKET))
    resting = rig.expect("resting", ReportKind.ACKNOWLEDGED)
    taker = rig.expect("taker", ReportKind.ACKNOWLEDGED, ReportKind.FILL)
    print(resting, taker)
    rig.send(rig.cancel("resting"), rig.query("taker"), rig.query("nobody"))
    rig.expect("resting", ReportKind.CANCELED)
    rig.expect("nobody", ReportKind.NOT_FOUND)
    rig.read(1)
    for report in rig.reports:
        print(report.kind, report.evidence, report.client_order_id[-8:], report.cumulative_quantity, report.trade_id)
    gateway.terminate()
    assert gateway.wait(15) == 0
    print(rig.committed())
    print(rig.log())
