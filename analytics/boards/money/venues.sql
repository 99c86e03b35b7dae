-- What do venues say that they hold for us, as of the last look?
SELECT
    venue,
    account,
    asset,
    argMax(free, (observed_at, _offset)) AS free,
    argMax(locked, (observed_at, _offset)) AS held_for_orders,
    max(observed_at) AS seen
FROM venue_balances
WHERE observed_at >= $__toTime - INTERVAL 1 DAY AND observed_at <= $__toTime
GROUP BY venue, account, asset
ORDER BY venue, account, asset
LIMIT 100;
