-- How fast did venues answer, by operation and outcome, and how long did requests wait for the venues' limits?
--
-- Grain: one row a venue, operation and outcome, of the calls that were answered from since until before until. The time
-- is from sending to the answer. Percentiles are within 1 % of a value that is one; counts are exact. By the minute, for
-- dashboards: the view venue_latency.
SELECT
    venue,
    operation,
    kind AS outcome,
    count() AS answers,
    round(countIf(latency_us <= 250000) / answers * 100, 2) AS percent_within_250_ms,
    arrayMap(us -> round(us / 1000, 3), quantilesDD(0.01, 0.5, 0.9, 0.99)(latency_us)) AS latency_ms,
    latency_ms[1] AS p50_ms,
    latency_ms[2] AS p90_ms,
    latency_ms[3] AS p99_ms,
    max(latency_us) / 1000 AS slowest_ms,
    round(quantilesDD(0.01, 0.99)(wait_us)[1] / 1000, 3) AS throttle_wait_p99_ms,
    max(wait_us) / 1000 AS throttle_wait_longest_ms
FROM
(
    SELECT
        venue,
        operation,
        kind,
        dateDiff('microsecond', assumeNotNull(sent_at), assumeNotNull(received_at)) AS latency_us,
        ifNull(throttle_wait_us, 0) AS wait_us
    FROM venue_reports FINAL
    WHERE kind != 'FILL' AND sent_at IS NOT NULL AND received_at IS NOT NULL
        AND _timestamp >= {since:DateTime64(6, 'UTC')} AND _timestamp < {until:DateTime64(6, 'UTC')}
)
GROUP BY venue, operation, kind
ORDER BY venue, operation, outcome;
