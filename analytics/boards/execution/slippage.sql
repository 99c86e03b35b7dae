-- How much worse than the middle at their arrival were orders filled (by volume; above 0 it cost)?
SELECT
    $__timeInterval(accepted_at) AS time,
    venue AS series,
    10000 * toFloat64(sum(s.slippage)) / toFloat64(sum(s.arrival_cost)) AS value
FROM slippage(since = $__fromTime, until = $__toTime, quote_age_s_max = 60) AS s
WHERE known AND arrival_cost > 0
GROUP BY time, series
ORDER BY time, series;
