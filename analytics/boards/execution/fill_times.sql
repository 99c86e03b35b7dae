-- Are orders filled, and how soon after they were accepted?
SELECT
    venue,
    order_type,
    count() AS orders,
    round(100 * countIf(filled_quantity > 0) / orders, 1) AS touched_percent,
    round(100 * countIf(status = 'FILLED') / orders, 1) AS filled_percent,
    round(100 * avg(toFloat64(filled_quantity) / nullIf(toFloat64(quantity), 0)), 1) AS of_the_quantity_percent,
    round(quantile(0.5)(first_fill_us) / 1000, 1) AS first_fill_p50_ms,
    round(quantile(0.99)(first_fill_us) / 1000, 1) AS first_fill_p99_ms,
    round(quantile(0.5)(filled_us) / 1000, 1) AS filled_p50_ms,
    round(quantile(0.99)(filled_us) / 1000, 1) AS filled_p99_ms
FROM fill_times(since = $__fromTime, until = $__toTime)
GROUP BY venue, order_type
ORDER BY orders DESC, venue, order_type
LIMIT 50;
