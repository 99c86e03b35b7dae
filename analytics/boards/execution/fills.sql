-- How many fills were there in each interval, and of which symbols?
--
-- From the roll-up by minute; from the fills themselves where a look is closer than that.
SELECT $__timeInterval(at) AS time, symbol AS series, sum(number) AS value
FROM
(
    SELECT minute AS at, symbol, fills AS number
    FROM fills_1m
    WHERE $__interval_s >= 60 AND $__timeFilter(minute)
    UNION ALL
    SELECT occurred_at, symbol, 1
    FROM fills
    WHERE $__interval_s < 60 AND $__timeFilter(occurred_at)
)
GROUP BY time, series
ORDER BY time, series;
