-- How good were the prices, by symbol and side, against the middle at arrival (a cost is positive)?
SELECT
    venue,
    symbol,
    side,
    count() AS orders,
    countIf(NOT s.known) AS without_quote,
    sum(s.cost) AS volume,
    sum(s.slippage) AS cost,
    round(10000 * toFloat64(cost) / nullIf(toFloat64(sum(s.arrival_cost)), 0), 2) AS mean_basis_points,
    round(quantile(0.95)(10000 * toFloat64(s.slippage) / nullIf(toFloat64(s.arrival_cost), 0)), 2) AS p95_basis_points
FROM slippage(since = $__fromTime, until = $__toTime, quote_age_s_max = 60) AS s
GROUP BY venue, symbol, side
ORDER BY orders DESC, venue, symbol, side
LIMIT 50;
