-- Where do the orders stand that were accepted in this time?
SELECT status AS name, count() AS value
FROM orders_placed(since = $__fromTime, until = $__toTime)
GROUP BY name
ORDER BY value DESC, name;
