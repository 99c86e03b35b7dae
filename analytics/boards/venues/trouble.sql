-- How often was an outcome unknown, a placement or a cancel refused, an order sent again?
SELECT $__timeInterval(minute) AS time, concat(venue, ' ', kind) AS series, sum(events) AS value
FROM order_events_1m
WHERE $__timeFilter(minute)
    AND kind IN ('OUTCOME_UNKNOWN', 'ORDER_REJECTED', 'CANCEL_REJECTED', 'ORDER_RESUBMITTED')
GROUP BY time, series
ORDER BY time, series;
