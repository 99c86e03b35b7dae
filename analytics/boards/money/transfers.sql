-- What came in and what went out?
SELECT
    asset,
    countIf(direction = 'CREDIT') AS credits,
    sumIf(toDecimal256(amount, 18), direction = 'CREDIT') AS came_in,
    countIf(direction = 'DEBIT') AS debits,
    sumIf(toDecimal256(amount, 18), direction = 'DEBIT') AS went_out
FROM transfers
WHERE $__timeFilter(_timestamp)
GROUP BY asset
ORDER BY asset
LIMIT 100;
