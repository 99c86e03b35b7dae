-- Does every journal entry sum to zero per asset? No rows when all is well.
SELECT
    _partition,
    _offset,
    any(reference) AS reference,
    asset,
    sum(toDecimal256(amount, 18)) AS off_by
FROM ledger_entries FINAL
GROUP BY _partition, _offset, asset
HAVING off_by != 0
ORDER BY _partition, _offset, asset;
