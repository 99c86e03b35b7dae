-- What did the venues answer, and how fast, by what they were asked?
WITH quantilesDDMerge(0.01, 0.5, 0.9, 0.99, 0.999)(latency_us) AS latency
SELECT
    venue,
    operation,
    outcome,
    sum(calls) AS answers,
    round(100 * sum(calls_within_250_ms) / answers, 2) AS within_250_milliseconds_percent,
    round(latency[1] / 1000, 1) AS p50_ms,
    round(latency[2] / 1000, 1) AS p90_ms,
    round(latency[3] / 1000, 1) AS p99_ms,
    round(max(latency_us_max) / 1000, 1) AS slowest_ms
FROM venue_latency_1m
WHERE $__timeFilter(minute)
GROUP BY venue, operation, outcome
ORDER BY venue, operation, answers DESC, outcome;
