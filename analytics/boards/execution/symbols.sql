-- What was traded, by symbol and side, and at which average price?
SELECT
    symbol,
    side,
    sum(f.fills) AS fills,
    sum(f.quantity) AS quantity,
    sum(f.cost) AS cost,
    divideDecimal(cost, quantity, 8) AS average_price
FROM fills_1m AS f
WHERE $__timeFilter(minute)
GROUP BY symbol, side
ORDER BY fills DESC, symbol, side
LIMIT 50;
