-- Do the events of every order count from 1 without a gap? No rows when all is well.
SELECT
    user_id,
    order_id,
    count() AS events,
    min(sequence) AS first,
    max(sequence) AS last
FROM order_events FINAL
WHERE sequence > 0
GROUP BY user_id, order_id
HAVING first != 1 OR last != events OR uniqExact(sequence) != events
ORDER BY user_id, order_id;
