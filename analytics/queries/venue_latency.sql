-- How fast did venues answer in the last day, by operation and outcome, and how long did requests wait for the venues'
-- limits?
WITH quantilesDDMerge(0.01, 0.5, 0.9, 0.99, 0.999)(latency_us) AS latency
SELECT
    venue,
    operation,
    outcome,
    sum(calls) AS answers,
    round(sum(calls_within_250_ms) / answers * 100, 2) AS percent_within_250_ms,
    round(latency[1] / 1000, 2) AS p50_ms,
    round(latency[2] / 1000, 2) AS p90_ms,
    round(latency[3] / 1000, 2) AS p99_ms,
    max(latency_us_max) / 1000 AS slowest_ms,
    round(quantilesDDMerge(0.01, 0.5, 0.9, 0.99, 0.999)(throttle_wait_us)[3] / 1000, 2) AS throttle_wait_p99_ms
FROM venue_latency_1m
WHERE minute >= now() - INTERVAL 1 DAY
GROUP BY venue, operation, outcome
ORDER BY venue, operation, outcome;
