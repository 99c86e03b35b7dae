-- How long do venues take to answer?
--
-- From the roll-up by minute; from the reports themselves where a look is closer than that.
SELECT time, concat(venue, ' ', level.1) AS series, level.2 / 1000 AS value
FROM
(
    SELECT
        $__timeInterval(minute) AS time,
        venue,
        quantilesDDMerge(0.01, 0.5, 0.9, 0.99, 0.999)(latency_us) AS latency,
        [latency[1], latency[3]] AS levels
    FROM venue_latency_1m
    WHERE $__interval_s >= 60 AND $__timeFilter(minute)
    GROUP BY time, venue
    UNION ALL
    SELECT
        $__timeInterval(reported_at) AS time,
        venue,
        [] AS latency,
        quantiles(0.5, 0.99)(dateDiff('microsecond', assumeNotNull(sent_at), assumeNotNull(received_at))) AS levels
    FROM venue_reports
    WHERE $__interval_s < 60 AND $__timeFilter(reported_at)
        AND kind != 'FILL' AND sent_at IS NOT NULL AND received_at IS NOT NULL
    GROUP BY time, venue
)
ARRAY JOIN arrayZip(['p50', 'p99'], levels) AS level
ORDER BY time, series;
