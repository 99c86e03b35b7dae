-- How many calls did each venue answer in each interval?
--
-- From the roll-up by minute; from the reports themselves where a look is closer than that.
SELECT $__timeInterval(at) AS time, venue AS series, sum(calls) AS value
FROM
(
    SELECT minute AS at, venue, calls
    FROM venue_latency_1m
    WHERE $__interval_s >= 60 AND $__timeFilter(minute)
    UNION ALL
    SELECT reported_at, venue, 1
    FROM venue_reports
    WHERE $__interval_s < 60 AND $__timeFilter(reported_at)
        AND kind != 'FILL' AND sent_at IS NOT NULL AND received_at IS NOT NULL
)
GROUP BY time, series
ORDER BY time, series;
