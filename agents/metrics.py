"""The agents' metrics: what was answered, and whether the ledger balances."""

from prometheus_client import Counter, Gauge

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
