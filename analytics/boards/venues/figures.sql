-- Do the venues answer, how fast, and how long do requests wait for their limits?
WITH
    quantilesDDMerge(0.01, 0.5, 0.9, 0.99, 0.999)(latency_us) AS latency,
    quantilesDDMerge(0.01, 0.5, 0.9, 0.99, 0.999)(throttle_wait_us) AS waited
SELECT
    sum(calls) AS calls_answered,
    round(100 * sum(calls_within_250_ms) / calls_answered, 2) AS within_250_milliseconds_percent,
    round(latency[1] / 1000, 1) AS answer_p50_ms,
    round(latency[3] / 1000, 1) AS answer_p99_ms,
    round(waited[3] / 1000, 1) AS waited_for_limits_p99_ms,
    (
        SELECT sum(events)
        FROM order_events_1m
        WHERE $__timeFilter(minute) AND kind = 'OUTCOME_UNKNOWN'
    ) AS outcomes_unknown
FROM venue_latency_1m
WHERE $__timeFilter(minute)
HAVING calls_answered > 0;
