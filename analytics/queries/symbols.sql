-- Which symbols are traded, by how many orders, how much of them was filled, and at which average price?
SELECT
    symbol,
    side,
    count() AS orders,
    countIf(status = 'FILLED') AS filled,
    sum(toDecimal256(ifNull(filled_quantity, 0), 18)) AS quantity,
    sum(toDecimal256(ifNull(filled_cost, 0), 18)) AS cost,
    if(quantity > 0, round(toFloat64(cost) / toFloat64(quantity), 8), NULL) AS average_price
FROM orders_current
GROUP BY symbol, side
ORDER BY orders DESC, symbol, side;
