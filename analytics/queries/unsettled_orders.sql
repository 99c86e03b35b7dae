-- Which orders have an unknown outcome, or a request without an answer, for more than a minute, and what is at stake?
SELECT
    user_id,
    order_id,
    venue,
    symbol,
    status,
    updated_at,
    dateDiff('second', updated_at, now64(6, 'UTC')) AS age_s,
    side,
    leaves_quantity,
    price
FROM orders_current
WHERE status IN ('NEW', 'PENDING_SUBMISSION', 'PENDING_CANCEL', 'UNKNOWN') AND age_s > 60
ORDER BY age_s DESC
LIMIT 100;
