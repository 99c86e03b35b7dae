"""Every metric of a gateway."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

CALLS: Final = Counter("fillstream_venue_calls_total", "Calls to the venue", ["venue", "call", "outcome"])
CALL_SECONDS: Final = Histogram(
    "fillstream_venue_call_seconds", "From sending a call to its answer", ["venue", "call"], buckets=_SECONDS
)
THROTTLE_WAIT_SECONDS: Final = Histogram(
    "fillstream_venue_throttle_wait_seconds", "Waited for tokens of a limit", ["venue", "call"], buckets=_SECONDS
)
COMMIT_SECONDS: Final = Histogram(
    "fillstream_gateway_commit_seconds", "One commit of offsets and intents", ["venue"], buckets=_SECONDS
)
IN_FLIGHT: Final = Gauge("fillstream_venue_calls_in_flight", "Calls that wait for an answer", ["venue"])
QUEUED: Final = Gauge("fillstream_gateway_requests_queued", "Requests that have not begun", ["venue"])
PARTITIONS: Final = Gauge("fillstream_gateway_partitions", "Partitions owned", ["venue"])
TOKENS: Final = Gauge("fillstream_venue_tokens", "Tokens in hand of a limit", ["venue", "limit"])
BREAKER: Final = Gauge("fillstream_venue_breaker_open", "0 closed, 1 open, 0.5 half-open", ["venue"])
STREAM_CONNECTED: Final = Gauge("fillstream_venue_stream_connected", "1 while the private stream is up", ["venue"])
STREAM_CONNECTIONS: Final = Counter(
    "fillstream_venue_stream_connections_total", "Connections of the private stream", ["venue", "result"]
)
STREAM_MESSAGES: Final = Counter(
    "fillstream_venue_stream_messages_total", "Messages of the private stream", ["venue", "signal"]
)
WEBHOOK_EVENTS: Final = Counter(
    "fillstream_venue_webhook_events_total", "Events that were pushed here, by what became of them", ["venue", "result"]
)
SWEEPS: Final = Counter("fillstream_venue_sweeps_total", "Reads of the trade history", ["venue", "result"])
REPORTS: Final = Counter("fillstream_venue_reports_total", "Reports published", ["venue", "kind", "evidence"])
QUOTES: Final = Counter(
    "fillstream_venue_quotes_total", "Looks at the venue's best prices, by what came of them", ["venue", "result"]
)
OBSERVATIONS: Final = Counter(
    "fillstream_gateway_observations_total",
    "Quotes and balances for Kafka, by what became of them",
    ["topic", "result"],
)
BALANCE_DIFFERENCE: Final = Gauge(
    "fillstream_venue_balance_difference",
    "What the account has of an asset beyond what trades explain, by two readings in a row",
    ["venue", "account", "asset"],
)
BALANCES_COMPARED: Final = Gauge(
    "fillstream_venue_balances_compared_timestamp_seconds", "When balances were last compared", ["venue"]
)
HELD_BACK: Final = Gauge(
    "fillstream_venue_held_back_orders", "Orders of which the venue says what is not believed", ["venue", "kind"]
)
FOREIGN_ORDERS: Final = Counter(
    "fillstream_venue_foreign_facts_total", "Facts about orders that are not fillstream's", ["venue"]
)
ELSEWHERE: Final = Counter(
    "fillstream_venue_facts_elsewhere_total", "Facts about orders of partitions owned by another gateway", ["venue"]
)
DEAD_LETTERS: Final = Counter("fillstream_gateway_dead_letters_total", "Requests that can't be taken", ["reason"])
HANDED_OVER: Final = Counter(
    "fillstream_gateway_handed_over_total", "Requests in hand of a former owner, by what it left", ["venue", "step"]
)
COLLAPSED: Final = Counter("fillstream_gateway_collapsed_total", "Placements canceled while queued", ["venue"])
LEASE_AGE: Final = Gauge("fillstream_gateway_lease_age_seconds", "Since the last proof of ownership", ["venue"])
CREDENTIALS_STALE: Final = Gauge(
    "fillstream_venue_credentials_stale", "1: the files of credentials have changed and can't be used", ["venue"]
)
CLOCK_OFFSET: Final = Gauge("fillstream_venue_clock_offset_seconds", "The venue's clock minus our wall's", ["venue"])
