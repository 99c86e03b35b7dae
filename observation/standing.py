"""What of ClickHouse's content somebody should know of: orders of unknown outcome, and parts that wait to be merged."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from observation.metrics import ProbeMetrics

Ask: TypeAlias = Callable[[str], Sequence[Sequence[Any]]]

#: Every venue that has ever had an order is in it, so that what has ended shows as 0.
_UNKNOWN: Final = """
SELECT
    venue,
    countIf(status = 'UNKNOWN') AS orders,
    if(orders > 0, dateDiff('second', minIf(updated_at, status = 'UNKNOWN'), now64(6, 'UTC')), 0) AS oldest_s
FROM orders_current
GROUP BY venue
"""
#: ClickHouse slows inserts down, and then refuses them, by the parts of one partition.
_PARTS: Final = """
SELECT table, max(parts)
FROM
(
    SELECT table, partition, count() AS parts
    FROM system.parts
    WHERE active AND database = currentDatabase()
    GROUP BY table, partition
)
GROUP BY table
"""


def look(ask: Ask, metrics: ProbeMetrics) -> None:
    """Show it. Raises ClickHouseError, and then shows nothing: what was known is no longer so."""
    for gauge in (metrics.unknown_orders, metrics.unknown_age, metrics.parts):
        gauge.clear()
    unknown, parts = ask(_UNKNOWN), ask(_PARTS)
    for venue, orders, oldest_s in unknown:
        metrics.unknown_orders.labels(venue).set(orders)
        metrics.unknown_age.labels(venue).set(max(oldest_s, 0))
    for table, number in parts:
        metrics.parts.labels(table).set(number)
