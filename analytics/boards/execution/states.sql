-- Where do the orders stand that were accepted in this time?
SELECT status AS name, count() AS value
FROM orders_current
WHERE $__timeFilter(accepted_at)
GROUP BY name
ORDER BY value DESC, name;
