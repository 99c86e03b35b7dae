-- Which orders have an unknown outcome, or a request without an answer, for more than a minute, and what is at stake?
--
-- Grain: one row an order. exposure is what is still reserved for it: the most that its worst end can cost. It is
-- released by proof alone, so what stays here is asked about again and again, at growing intervals.
SELECT
    user_id,
    order_id,
    venue,
    symbol,
    status,
    reason,
    updated_at,
    dateDiff('second', updated_at, now64(6, 'UTC')) AS age_s,
    side,
    leaves_quantity,
    price,
    exposure,
    exposure_asset
FROM unsettled_orders
WHERE age_s > 60
ORDER BY age_s DESC, user_id, order_id
LIMIT 1000;
