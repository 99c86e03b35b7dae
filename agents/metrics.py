"""The agents' metrics: what was answered, and whether the ledger balances."""

from collections.abc import Mapping
from typing import TypeAlias

from prometheus_client import Counter, Gauge

from domain.messages import Answer, EventKind

Told: TypeAlias = tuple[EventKind, Answer | None, str | None]
"""What an event is counted as: its kind, its answer if it is one, and the reason if that is a rejection."""

EVENTS = Counter("fillstream_events_total", "Events decided, by kind, and by answer if one was due", ["kind", "answer"])
REJECTIONS = Counter("fillstream_rejections_total", "Commands and transfers refused, by reason", ["reason"])
DEAD_LETTERS = Counter(
    "fillstream_dead_letters_total", "Input records buried, by topic and by reason", ["topic", "reason"]
)
IMBALANCE = Gauge(
    "fillstream_ledger_imbalance",
    "Sum of an asset over all accounts of a partition, in units of the asset; anything but 0 is a fault",
    ["partition", "asset"],
)
ORDERS = Gauge("fillstream_orders", "Orders in the table, live and retained", ["partition"])


def count(told: Mapping[Told, int]) -> None:
    """Counts events, those of a whole chunk at once: finding a labelled counter costs more than deciding an event."""
    for (kind, answer, reason), number in told.items():
        EVENTS.labels(kind, answer or "").inc(number)
        if reason is not None:
            REJECTIONS.labels(reason).inc(number)
