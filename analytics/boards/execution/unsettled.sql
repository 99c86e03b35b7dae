-- Which orders have waited for a venue's word for more than a minute, and what is at stake?
--
-- The twenty that have waited longest: found first, then looked up by their keys, and what is reserved by its owner's.
WITH longest AS
(
    SELECT user_id, order_id
    FROM orders_current
    WHERE status IN ('NEW', 'PENDING_SUBMISSION', 'PENDING_CANCEL', 'UNKNOWN') AND updated_at < $__toTime - 60
    ORDER BY updated_at, order_id
    LIMIT 20
)
SELECT
    o.order_id AS order_id,
    o.venue AS venue,
    o.symbol AS symbol,
    o.side AS side,
    o.status AS status,
    o.updated_at AS unchanged_since,
    o.leaves_quantity AS quantity_open,
    r.reserved AS exposure,
    r.asset AS asset
FROM
(
    SELECT * FROM orders_current WHERE (user_id, order_id) IN longest
) AS o
LEFT JOIN
(
    SELECT * FROM reservations WHERE owner IN (SELECT concat('user:', user_id) FROM longest)
) AS r ON r.user_id = o.user_id AND r.order_id = o.order_id
ORDER BY unchanged_since, order_id;
