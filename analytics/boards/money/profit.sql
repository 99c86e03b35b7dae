-- What have users' trades realised so far, by symbol, first in first out and fees included?
SELECT
    symbol,
    substringIndex(symbol, '-', -1) AS quote,
    uniqExact(user_id) AS users,
    sum(p.closed) AS quantity_closed,
    sum(p.cost) AS paid,
    sum(p.proceeds) AS received,
    sum(p.realised_fifo) AS realised
FROM realised_pnl(since = toDateTime64(0, 6, 'UTC'), until = $__toTime) AS p
GROUP BY symbol
ORDER BY symbol
LIMIT 50;
