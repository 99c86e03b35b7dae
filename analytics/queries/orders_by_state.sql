-- How many orders are in which state, and for how long has the oldest of them not moved?
SELECT
    status,
    count() AS orders,
    uniqExact(user_id) AS users,
    min(updated_at) AS oldest_change
FROM orders_current
GROUP BY status
ORDER BY orders DESC, status;
