-- Which share of orders is filled, and how long does it take?
--
-- Grain: one row a venue, symbol and type of order. Of orders accepted from since until before until, as they stand now:
-- how many had a fill, how many were filled whole, and how much of their quantity. live: not ended yet, so the shares
-- may still grow. Times are from acceptance to the booking of the first and of the last fill, exact percentiles; NULL
-- where there is none. One row an order: the view fill_times.
SELECT
    venue,
    symbol,
    order_type,
    count() AS orders,
    countIf(status NOT IN ('FILLED', 'CANCELED', 'EXPIRED', 'REJECTED')) AS live,
    countIf(t.filled_quantity > 0) AS with_fills,
    countIf(status = 'FILLED') AS filled,
    round(100 * with_fills / orders, 2) AS percent_with_fills,
    round(100 * filled / orders, 2) AS percent_filled,
    sum(toDecimal256(t.quantity, 18)) AS quantity,
    sum(toDecimal256(t.filled_quantity, 18)) AS filled_quantity,
    divideDecimal(filled_quantity * 100, quantity, 2) AS percent_of_quantity,
    quantileExact(0.5)(first_fill_us) / 1000 AS first_fill_p50_ms,
    quantileExact(0.99)(first_fill_us) / 1000 AS first_fill_p99_ms,
    quantileExact(0.5)(filled_us) / 1000 AS filled_p50_ms,
    quantileExact(0.99)(filled_us) / 1000 AS filled_p99_ms
FROM fill_times(since = {since:DateTime64(6, 'UTC')}, until = {until:DateTime64(6, 'UTC')}) AS t
GROUP BY venue, symbol, order_type
ORDER BY venue, symbol, order_type;
