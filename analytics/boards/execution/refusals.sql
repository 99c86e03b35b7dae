-- Why was something refused, here or at a venue?
SELECT reason AS name, sum(events) AS value
FROM order_events_1m
WHERE $__timeFilter(minute)
    AND (answer = 'REJECTED' OR kind IN ('ORDER_REJECTED', 'CANCEL_REJECTED')) AND reason != ''
GROUP BY name
ORDER BY value DESC, name
LIMIT 15;
