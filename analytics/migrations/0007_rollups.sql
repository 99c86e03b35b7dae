-- What dashboards ask again and again, by minute. As with the other roll-ups: exact while inserts carry their tokens.
-- What was stored before is added once, as long as a roll-up is empty.

CREATE TABLE IF NOT EXISTS fills_1m
(
    minute DateTime('UTC') CODEC(Delta, ZSTD(1)),
    venue LowCardinality(String),
    symbol LowCardinality(String),
    side LowCardinality(String),
    liquidity LowCardinality(String),
    fee_asset LowCardinality(String),
    fills UInt64,
    quantity Decimal(76, 18) CODEC(ZSTD(1)),
    cost Decimal(76, 18) CODEC(ZSTD(1)),
    fee Decimal(76, 18) CODEC(ZSTD(1))
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (venue, symbol, side, liquidity, fee_asset, minute)
TTL minute + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'Grain: one row a minute, symbol, side and kind of fee, after merges; sum all. Exact while inserts carry tokens.';

CREATE MATERIALIZED VIEW IF NOT EXISTS fills_1m_mv_v1 TO fills_1m AS
SELECT
    toStartOfMinute(e.occurred_at) AS minute,
    venue,
    symbol,
    side,
    liquidity,
    fee_asset,
    count() AS fills,
    sum(toDecimal256(assumeNotNull(e.fill_quantity), 18)) AS quantity,
    sum(toDecimal256(round(
        toDecimal256(assumeNotNull(e.fill_price), 18) * toDecimal256(assumeNotNull(e.fill_quantity), 18), 18), 18))
        AS cost,
    sum(toDecimal256(ifNull(e.fee, 0), 18)) AS fee
FROM order_events AS e
WHERE e.kind = 'ORDER_FILLED'
GROUP BY minute, venue, symbol, side, liquidity, fee_asset;

INSERT INTO fills_1m
SELECT
    toStartOfMinute(f.occurred_at) AS minute,
    venue,
    symbol,
    side,
    liquidity,
    fee_asset,
    count() AS fills,
    sum(toDecimal256(f.quantity, 18)) AS quantity,
    sum(f.cost) AS cost,
    sum(toDecimal256(f.fee, 18)) AS fee
FROM fills AS f
WHERE (SELECT count() FROM fills_1m) = 0
GROUP BY minute, venue, symbol, side, liquidity, fee_asset;

CREATE TABLE IF NOT EXISTS pipeline_latency_1m
(
    minute DateTime('UTC') CODEC(Delta, ZSTD(1)),
    answer LowCardinality(String) COMMENT 'ACCEPTED, REJECTED, DUPLICATE; empty for events that answer no command',
    events SimpleAggregateFunction(sum, UInt64),
    decided_within_1_s SimpleAggregateFunction(sum, UInt64),
    decision_us AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.99, 0.999), Int64) COMMENT 'from its cause in Kafka to it',
    decision_us_max SimpleAggregateFunction(max, Int64),
    sink_us AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.99, 0.999), Int64) COMMENT 'from there to its row',
    sink_us_max SimpleAggregateFunction(max, Int64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (answer, minute)
TTL minute + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'Grain: one row a minute and kind of answer, after merges. Percentiles within 1 %.';

CREATE MATERIALIZED VIEW IF NOT EXISTS pipeline_latency_1m_mv_v1 TO pipeline_latency_1m AS
SELECT
    toStartOfMinute(occurred_at) AS minute,
    answer,
    count() AS events,
    countIf(decision <= 1000000) AS decided_within_1_s,
    quantilesDDState(0.01, 0.5, 0.9, 0.99, 0.999)(decision) AS decision_us,
    max(decision) AS decision_us_max,
    quantilesDDState(0.01, 0.5, 0.9, 0.99, 0.999)(sink) AS sink_us,
    max(sink) AS sink_us_max
FROM
(
    SELECT
        occurred_at,
        answer,
        greatest(dateDiff('microsecond', occurred_at, _timestamp), 0) AS decision,
        greatest(dateDiff('microsecond', _timestamp, _ingested_at), 0) AS sink
    FROM order_events
    WHERE NOT startsWith(user_id, 'canary:')
)
GROUP BY minute, answer;

INSERT INTO pipeline_latency_1m
SELECT
    toStartOfMinute(occurred_at) AS minute,
    answer,
    count() AS events,
    countIf(decision <= 1000000) AS decided_within_1_s,
    quantilesDDState(0.01, 0.5, 0.9, 0.99, 0.999)(decision) AS decision_us,
    max(decision) AS decision_us_max,
    quantilesDDState(0.01, 0.5, 0.9, 0.99, 0.999)(sink) AS sink_us,
    max(sink) AS sink_us_max
FROM
(
    SELECT
        occurred_at,
        answer,
        greatest(dateDiff('microsecond', occurred_at, _timestamp), 0) AS decision,
        greatest(dateDiff('microsecond', _timestamp, _ingested_at), 0) AS sink
    FROM order_events FINAL
    WHERE NOT startsWith(user_id, 'canary:')
)
WHERE (SELECT count() FROM pipeline_latency_1m) = 0
GROUP BY minute, answer;

-- Probes send commands that must be rejected; they are nobody's, so they are counted no longer. The view keeps its name:
-- changed in place, it misses no row and counts none twice, and what creates it need not know that it was changed.
ALTER TABLE order_events_1m_mv_v1 MODIFY QUERY
SELECT toStartOfMinute(occurred_at) AS minute, venue, symbol, kind, answer, reason, count() AS events
FROM order_events
WHERE NOT startsWith(user_id, 'canary:')
GROUP BY minute, venue, symbol, kind, answer, reason;
