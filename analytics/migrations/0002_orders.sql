-- Orders as they stand: the last event of each, by its sequence.
--
-- The larger sequence wins whatever the order of arrival, and the same event twice changes nothing: the answer is the
-- same before and after merges, and after any repetition. No FINAL is needed.

CREATE TABLE IF NOT EXISTS orders_latest
(
    user_id String CODEC(ZSTD(1)),
    order_id String CODEC(ZSTD(1)),
    sequence SimpleAggregateFunction(max, Int32),
    accepted_at SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'when its first event happened',
    updated_at SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    venue SimpleAggregateFunction(max, LowCardinality(String)) COMMENT 'never changes; empty if left out',
    symbol SimpleAggregateFunction(max, LowCardinality(String)),
    side SimpleAggregateFunction(max, LowCardinality(String)),
    order_type SimpleAggregateFunction(max, LowCardinality(String)),
    latest AggregateFunction(argMax, Tuple(
        status String, kind String, reason String, evidence String, client_order_id String, venue_order_id String,
        quantity Nullable(Decimal(38, 18)), price Nullable(Decimal(38, 18)), filled_quantity Nullable(Decimal(38, 18)),
        leaves_quantity Nullable(Decimal(38, 18)), filled_cost Nullable(Decimal(38, 18))), Int32)
)
ENGINE = AggregatingMergeTree
ORDER BY (user_id, order_id)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Grain: one row an order, after merges; read it through orders_current.';

CREATE MATERIALIZED VIEW IF NOT EXISTS orders_latest_mv_v1 TO orders_latest AS
SELECT
    user_id,
    order_id,
    max(e.sequence) AS sequence,
    min(e.occurred_at) AS accepted_at,
    max(e.occurred_at) AS updated_at,
    max(e.venue) AS venue,
    max(e.symbol) AS symbol,
    max(e.side) AS side,
    max(e.order_type) AS order_type,
    argMaxState(
        (toString(e.status), toString(e.kind), toString(e.reason), toString(e.evidence), e.client_order_id,
         e.venue_order_id, e.quantity, e.price, e.filled_quantity, e.leaves_quantity, e.filled_cost),
        e.sequence) AS latest
FROM order_events AS e
WHERE e.sequence > 0
GROUP BY user_id, order_id;

CREATE VIEW IF NOT EXISTS orders_current AS
SELECT
    user_id,
    order_id,
    max(o.sequence) AS sequence,
    min(o.accepted_at) AS accepted_at,
    max(o.updated_at) AS updated_at,
    max(o.venue) AS venue,
    max(o.symbol) AS symbol,
    max(o.side) AS side,
    max(o.order_type) AS order_type,
    argMaxMerge(o.latest) AS last_event,
    last_event.1 AS status,
    last_event.2 AS last_kind,
    last_event.3 AS reason,
    last_event.4 AS evidence,
    last_event.5 AS client_order_id,
    last_event.6 AS venue_order_id,
    last_event.7 AS quantity,
    last_event.8 AS price,
    last_event.9 AS filled_quantity,
    last_event.10 AS leaves_quantity,
    last_event.11 AS filled_cost,
    if(filled_quantity > 0, divideDecimal(filled_cost, filled_quantity, 18), NULL) AS average_price
FROM orders_latest AS o
GROUP BY user_id, order_id
COMMENT 'Grain: one row an order, as its last event left it.';

CREATE TABLE IF NOT EXISTS order_events_1m
(
    minute DateTime('UTC') CODEC(Delta, ZSTD(1)),
    venue LowCardinality(String),
    symbol LowCardinality(String),
    kind LowCardinality(String),
    answer LowCardinality(String),
    reason LowCardinality(String),
    events UInt64
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (kind, answer, reason, venue, symbol, minute)
TTL minute + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'Grain: one row a minute and kind of event, after merges; sum(events). Exact while inserts carry their tokens.';

CREATE MATERIALIZED VIEW IF NOT EXISTS order_events_1m_mv_v1 TO order_events_1m AS
SELECT toStartOfMinute(occurred_at) AS minute, venue, symbol, kind, answer, reason, count() AS events
FROM order_events
GROUP BY minute, venue, symbol, kind, answer, reason;
