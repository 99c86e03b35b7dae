-- How old is an event when it can be queried here, from its time in Kafka to its row?
--
-- From the roll-up by minute; from the events themselves where a look is closer than that.
SELECT time, level.1 AS series, level.2 / 1000000 AS value
FROM
(
    SELECT
        $__timeInterval(minute) AS time,
        quantilesDDMerge(0.01, 0.5, 0.9, 0.99, 0.999)(sink_us) AS every_level,
        [every_level[1], every_level[3]] AS levels
    FROM pipeline_latency_1m
    WHERE $__interval_s >= 60 AND $__timeFilter(minute)
    GROUP BY time
    UNION ALL
    SELECT
        $__timeInterval(occurred_at) AS time,
        [] AS every_level,
        quantiles(0.5, 0.99)(dateDiff('microsecond', _timestamp, _ingested_at)) AS levels
    FROM order_events
    WHERE $__interval_s < 60 AND $__timeFilter(occurred_at)
    GROUP BY time
)
ARRAY JOIN arrayZip(['p50', 'p99'], levels) AS level
ORDER BY time, series;
