-- Who holds what now, and does every asset add up to nothing, as double entry must?
SELECT
    asset,
    sumIf(amount, owner LIKE 'user:%' AND account = 'AVAILABLE') AS users_available,
    sumIf(amount, owner LIKE 'user:%' AND account = 'RESERVED') AS users_reserved,
    sumIf(amount, owner LIKE 'clearing:%') AS clearing,
    sumIf(amount, owner LIKE 'fees:%') AS fees,
    sumIf(amount, owner = 'treasury') AS treasury,
    sum(amount) AS off_by
FROM ledger_totals
GROUP BY asset
ORDER BY asset
LIMIT 100;
