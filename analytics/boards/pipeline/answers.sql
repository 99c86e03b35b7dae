-- How many commands were answered in each interval, and how?
--
-- From the roll-up by minute; from the events themselves where a look is closer than that.
SELECT $__timeInterval(at) AS time, answer AS series, sum(events) AS value
FROM
(
    SELECT minute AS at, answer, events
    FROM pipeline_latency_1m
    WHERE $__interval_s >= 60 AND $__timeFilter(minute)
    UNION ALL
    SELECT occurred_at, answer, 1
    FROM order_events
    WHERE $__interval_s < 60 AND $__timeFilter(occurred_at) AND NOT startsWith(user_id, 'canary:')
)
WHERE answer != ''
GROUP BY time, series
ORDER BY time, series;
