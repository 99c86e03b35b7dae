-- For how much was traded in each interval, in each quote asset?
--
-- From the roll-up by minute; from the fills themselves where a look is closer than that.
SELECT $__timeInterval(at) AS time, quote AS series, toFloat64(sum(cost)) AS value
FROM
(
    SELECT minute AS at, substringIndex(symbol, '-', -1) AS quote, cost
    FROM fills_1m
    WHERE $__interval_s >= 60 AND $__timeFilter(minute)
    UNION ALL
    SELECT occurred_at, quote, cost
    FROM fills
    WHERE $__interval_s < 60 AND $__timeFilter(occurred_at)
)
GROUP BY time, series
ORDER BY time, series;
