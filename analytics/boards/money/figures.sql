-- Does every entry of the ledger balance, and how much is there of it?
SELECT
    (SELECT countIf(off_by != 0) FROM (SELECT asset, sum(amount) AS off_by FROM ledger_totals GROUP BY asset))
        AS assets_off_balance,
    uniqExact(asset) AS assets,
    uniqExactIf(owner, owner LIKE 'user:%') AS users,
    sum(postings) AS postings_in_all,
    (SELECT count() FROM transfers WHERE $__timeFilter(_timestamp)) AS transfers
FROM ledger_totals
HAVING postings_in_all > 0;
