-- How fast venues answer, by minute.
--
-- DDSketches are added bucket by bucket: the percentiles (within 1 %) don't depend on the order of merges, as those of
-- a t-digest do. Counts within a bound are exact, for objectives of the kind "99 % within 250 ms".

CREATE TABLE IF NOT EXISTS venue_latency_1m
(
    minute DateTime('UTC') CODEC(Delta, ZSTD(1)),
    venue LowCardinality(String),
    operation LowCardinality(String) COMMENT 'PLACE, CANCEL, QUERY',
    outcome LowCardinality(String) COMMENT 'the kind of the report',
    calls SimpleAggregateFunction(sum, UInt64),
    calls_within_250_ms SimpleAggregateFunction(sum, UInt64),
    latency_us AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.99, 0.999), Int64) COMMENT 'sent to received',
    latency_us_max SimpleAggregateFunction(max, Int64),
    throttle_wait_us AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.99, 0.999), Int64),
    throttle_wait_us_max SimpleAggregateFunction(max, Int64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (venue, operation, outcome, minute)
TTL minute + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'Grain: one row a minute, venue, operation and outcome, after merges. Exact while inserts carry their tokens.';

-- A report with both instants answers a call. The fills in the answer carry the same instants: they are no calls.
CREATE MATERIALIZED VIEW IF NOT EXISTS venue_latency_1m_mv_v1 TO venue_latency_1m AS
SELECT
    toStartOfMinute(reported_at) AS minute,
    venue,
    operation,
    kind AS outcome,
    count() AS calls,
    countIf(latency <= 250000) AS calls_within_250_ms,
    quantilesDDState(0.01, 0.5, 0.9, 0.99, 0.999)(latency) AS latency_us,
    max(latency) AS latency_us_max,
    quantilesDDState(0.01, 0.5, 0.9, 0.99, 0.999)(wait) AS throttle_wait_us,
    max(wait) AS throttle_wait_us_max
FROM
(
    SELECT
        reported_at,
        venue,
        operation,
        kind,
        dateDiff('microsecond', assumeNotNull(sent_at), assumeNotNull(received_at)) AS latency,
        coalesce(throttle_wait_us, 0) AS wait
    FROM venue_reports
    WHERE kind != 'FILL' AND sent_at IS NOT NULL AND received_at IS NOT NULL
)
GROUP BY minute, venue, operation, outcome;

CREATE VIEW IF NOT EXISTS venue_latency AS
SELECT
    minute,
    venue,
    operation,
    outcome,
    sum(l.calls) AS calls,
    sum(l.calls_within_250_ms) AS calls_within_250_ms,
    arrayMap(us -> round(us / 1000, 3), quantilesDDMerge(0.01, 0.5, 0.9, 0.99, 0.999)(l.latency_us)) AS latency_ms,
    latency_ms[1] AS p50_ms,
    latency_ms[2] AS p90_ms,
    latency_ms[3] AS p99_ms,
    max(l.latency_us_max) / 1000 AS max_ms,
    arrayMap(us -> round(us / 1000, 3), quantilesDDMerge(0.01, 0.5, 0.9, 0.99, 0.999)(l.throttle_wait_us)) AS waits_ms,
    waits_ms[1] AS throttle_wait_p50_ms,
    waits_ms[3] AS throttle_wait_p99_ms,
    max(l.throttle_wait_us_max) / 1000 AS throttle_wait_max_ms
FROM venue_latency_1m AS l
GROUP BY minute, venue, operation, outcome
COMMENT 'Grain: one row a minute, venue, operation and outcome. For a longer stretch, merge venue_latency_1m.';
