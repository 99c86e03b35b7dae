"""The probe shows orders of unknown outcome and parts as ClickHouse has them, and nothing while that is away."""

import pytest
from prometheus_client import CollectorRegistry

from analytics.client import ClickHouseError
from analytics.migrate import migrate
from observation import standing
from observation.metrics import ProbeMetrics
from tests.analytics.stage import unique_database

EVENTS = """
INSERT INTO order_events (user_id, order_id, sequence, venue, status, occurred_at, _topic, _offset, _timestamp) VALUES
    ('ann', '1', 1, 'kraken', 'UNKNOWN', now64(6) - 600, 'order-events', 0, now()),
    ('ann', '2', 1, 'kraken', 'UNKNOWN', now64(6) - 60, 'order-events', 1, now()),
    ('bob', '3', 1, 'kraken', 'UNKNOWN', now64(6) - 900, 'order-events', 2, now()),
    ('bob', '3', 2, 'kraken', 'OPEN', now64(6) - 30, 'order-events', 3, now()),
    ('bob', '4', 1, 'binance', 'FILLED', now64(6) - 30, 'order-events', 4, now())
"""


@pytest.fixture
def client(service):
    name = unique_database()
    making = service.client(writer=True)
    migrate(making, name)
    connected = service.client(writer=True, database=name)
    yield connected
    connected.close()
    making.command(f"DROP DATABASE IF EXISTS {name} SYNC")
    making.close()


def test_orders_of_unknown_outcome_and_parts_are_shown_and_forgotten_when_nobody_knows(client):
    registry = CollectorRegistry()
    metrics = ProbeMetrics(registry)
    client.command(EVENTS)

    standing.look(lambda text: client.query(text).result_rows, metrics)

    def shown(name, **labels):
        return registry.get_sample_value(f"fillstream_{name}", labels)

    assert shown("unknown_orders", venue="kraken") == 2
    assert 600 <= shown("unknown_order_age_seconds", venue="kraken") < 700
    assert shown("unknown_orders", venue="binance") == 0
    assert shown("unknown_order_age_seconds", venue="binance") == 0
    assert shown("clickhouse_parts", table="order_events") == 1

    def away(_text):
        raise ClickHouseError("away")

    with pytest.raises(ClickHouseError):
        standing.look(away, metrics)
    assert shown("unknown_orders", venue="kraken") is None
    assert shown("clickhouse_parts", table="order_events") is None
