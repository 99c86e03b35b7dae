-- How long does a command wait for its answer, from Kafka to Kafka?
--
-- From the roll-up by minute; from the events themselves where a look is closer than that.
SELECT time, level.1 AS series, level.2 / 1000 AS value
FROM
(
    SELECT
        $__timeInterval(minute) AS time,
        arraySlice(quantilesDDMerge(0.01, 0.5, 0.9, 0.99, 0.999)(decision_us), 1, 3) AS levels
    FROM pipeline_latency_1m
    WHERE $__interval_s >= 60 AND $__timeFilter(minute) AND answer != ''
    GROUP BY time
    UNION ALL
    SELECT
        $__timeInterval(occurred_at) AS time,
        quantiles(0.5, 0.9, 0.99)(dateDiff('microsecond', occurred_at, _timestamp)) AS levels
    FROM order_events
    WHERE $__interval_s < 60 AND $__timeFilter(occurred_at) AND answer != '' AND NOT startsWith(user_id, 'canary:')
    GROUP BY time
)
ARRAY JOIN arrayZip(['p50', 'p90', 'p99'], levels) AS level
ORDER BY time, series;
