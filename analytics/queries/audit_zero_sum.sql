-- Does every journal entry sum to zero per asset? No rows when all is well.
--
-- Entries are added up in stretches of a partition, each of them times a number drawn from its offset, so that errors
-- can't make up for each other; only stretches that don't come to nothing are looked at entry by entry.
WITH intDiv(_offset, 4096) AS stretch
SELECT
    _partition,
    _offset,
    any(reference) AS reference,
    asset,
    sum(toDecimal256(amount, 18)) AS off_by
FROM ledger_entries FINAL
WHERE (_partition, stretch) IN
(
    SELECT _partition, stretch
    FROM ledger_entries FINAL
    GROUP BY _partition, stretch, asset
    HAVING sum(toDecimal256(amount, 18) * toUInt32(cityHash64(_offset))) != 0
)
GROUP BY _partition, _offset, asset
HAVING off_by != 0
ORDER BY _partition, _offset, asset;
