-- Which orders have waited for a venue's word for more than a minute, and what is at stake?
SELECT
    order_id,
    venue,
    symbol,
    side,
    status,
    updated_at AS unchanged_since,
    leaves_quantity AS quantity_open,
    exposure,
    exposure_asset AS asset
FROM unsettled_orders
WHERE updated_at < $__toTime - 60
ORDER BY updated_at, order_id
LIMIT 20;
