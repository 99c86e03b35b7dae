-- How many orders came, and what became of them?
SELECT
    sumIf(events, kind = 'ORDER_ACCEPTED') AS orders_accepted,
    sumIf(events, kind = 'ORDER_FILLED') AS fills,
    (
        SELECT round(100 * sumIf(fills, liquidity = 'MAKER') / sum(fills), 1)
        FROM fills_1m
        WHERE $__timeFilter(minute)
    ) AS fills_as_maker_percent,
    sumIf(events, kind = 'ORDER_CANCELED') AS canceled,
    sumIf(events, kind = 'ORDER_EXPIRED') AS expired,
    sumIf(events, kind = 'ORDER_REJECTED') AS refused_by_venues,
    sumIf(events, answer = 'REJECTED') AS refused_here
FROM order_events_1m
WHERE $__timeFilter(minute)
HAVING sum(events) > 0;
