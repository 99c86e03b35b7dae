-- How long do requests wait for the venues' limits (99 % of them at most)?
SELECT
    $__timeInterval(minute) AS time,
    venue AS series,
    quantilesDDMerge(0.01, 0.5, 0.9, 0.99, 0.999)(throttle_wait_us)[3] / 1000 AS value
FROM venue_latency_1m
WHERE $__timeFilter(minute)
GROUP BY time, series
ORDER BY time, series;
